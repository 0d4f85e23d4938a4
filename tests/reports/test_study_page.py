"""The report of a study as a whole: page, files, and one study that was really run."""

import csv
import io
import itertools
import math
import re
import tomllib
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from scripted_engine import ScriptedEngine
from small_studies import small_study

from memrnn.papers.das_mali_2024 import PAPER
from memrnn.reports.study import (
    StudyReport,
    View,
    baseline_excess,
    draw_scores,
    draw_validation,
    origin,
    to_toml,
    write_study_report,
)
from memrnn.reports.study.table import to_csv
from memrnn.studies import RunFailed, Study, load_results, parse_study, run_job, run_study
from memrnn.tasks import BAYES
from reports.page_parser import Page
from reports.results_synthetic import strings_task
from reports.study_synthetic import BAYES_OPTIMAL, BOUND, FLOOR, VERSIONS, make_results, make_study

NOWHERE = Path("/nowhere/smoke")
"""A page is made of results and a name; nothing is read or written there."""

SMALL = {"languages": ["count-3"], "restarts": 3}


def made(language, model, freeze, restart):
    if (model, freeze, restart) == ("jm-10", "controller", 2):
        return {"status": "failed", "reason": "<b>out of memory & more</b>"}
    if freeze == "controller+memory":
        return {"status": "planned"}
    return {
        "accuracies": (0.8 + 0.01 * restart, 0.7, 0.61 if freeze == "none" else 0.65),
        "seconds": 1800.0,
        "versions": VERSIONS if restart else VERSIONS | {"source": "another"},
    }


@pytest.fixture(scope="module")
def results():
    return make_study(made, **SMALL)


@pytest.fixture(scope="module")
def report(results):
    return StudyReport(results, NOWHERE, PAPER)


@pytest.fixture(scope="module")
def page(report):
    return report.page()


def test_the_page_is_well_formed_and_loads_nothing(page):
    parsed = Page(page)
    assert not {"link", "iframe", "img", "object", "embed"} & set(parsed.tags)
    loads = [
        a for a in parsed.attributes if a[1] in ("src", "href", "xlink:href", "srcset", "data")
    ]
    assert all(value.startswith("#") for _, _, value in loads)
    assert "@import" not in page and not re.search(r"url\((?!#)", page)
    ids = [value for _, name, value in parsed.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    references = {value[1:] for _, _, value in loads} | set(re.findall(r"url\(#([^)]+)\)", page))
    for name in ("aria-labelledby", "aria-describedby"):
        references |= {value for _, attribute, value in parsed.attributes if attribute == name}
    assert references <= set(ids)


def test_the_page_can_be_read_without_seeing_it(page):
    parsed = Page(page)
    headings = [tag for tag in parsed.tags if re.fullmatch("h[1-6]", tag)]
    assert headings[0] == "h1" and headings.count("h1") == 1
    assert all(int(b[1]) - int(a[1]) <= 1 for a, b in itertools.pairwise(headings))
    headers = [a for a in parsed.attributes if a[0] == "th" and a[1] == "scope"]
    assert len(headers) == parsed.tags.count("th")
    drawings = parsed.tags.count("svg")
    claims = page.count('<svg class="strip"')
    assert claims > 10 and drawings == claims + 2 + 4 + 1 + 1
    assert parsed.attributes.count(("svg", "role", "img")) == drawings


def test_the_page_says_what_is_missing_and_what_differs(page):
    assert "17 of 24 runs are finished" in page  # 6 are planned, 1 failed
    assert "2 different sets of versions" in page
    assert "&lt;b&gt;out of memory &amp; more&lt;/b&gt;" in page
    assert "lstm has no memory" in page
    assert "In 0 of 3 pairs" in page  # the made-up scores differ
    assert "8 h 30 min of all workers" in page
    assert "digest" in page and "Date: 2026-11-26" in page
    assert "6 runs are still to come: verdicts are preliminary" in page
    assert "17 before there were rules" in page


def test_the_papers_claims_are_a_table_of_a_file(report):
    claims = list(csv.DictReader(io.StringIO(to_csv(report.tables["claims"]))))
    assert {row["key"] for row in claims} == set("abcdefghijk")
    assert {row["verdict"] for row in claims} == {"undecided"}


def test_equal_results_give_equal_pages(page):
    assert StudyReport(make_study(made, **SMALL), NOWHERE, PAPER).page() == page


def test_nothing_run_yet_is_a_report_too():
    empty = make_study(lambda *name: {"status": "planned"}, **SMALL)
    text = StudyReport(empty, NOWHERE, PAPER).page()
    Page(text)
    assert "0 of 24 runs are finished" in text
    assert "Of no finished restart scores by groups that are numbers are known" in text


def test_hostile_names_do_no_harm(tmp_path):
    hostile = tmp_path / "<script>alert(1)</script>"
    text = StudyReport(make_study(made, **SMALL), hostile, PAPER).page()
    assert "<script>alert" not in text
    assert Page(text).tags.count("script") == 1


def test_where_numbers_come_from(results, tmp_path):
    found = origin(results, tmp_path)
    assert [runs for _, runs in found.versions] == [11, 6]
    assert found.core_seconds == pytest.approx(17 * 1800)
    assert found.wall_seconds == pytest.approx(3.5 * 3600)
    assert (found.sessions, found.open_sessions) == (1, 0)
    declared = tomllib.loads(found.file)
    assert Study.from_json({**declared, "options": {}}) == results.study


def test_the_study_file_on_the_page_declares_the_same_study(folder):
    results = load_results(folder)
    assert parse_study(tomllib.loads(origin(results, folder).file)) == results.study


def test_study_files_survive_hostile_text_and_missing_values():
    values = {"a": ['x"\\\n', "ü"], "b": None, "c": 1e-5, "config": {"d": [1, 2], "e": None}}
    assert tomllib.loads(to_toml(values)) == {
        "a": ['x"\\\n', "ü"], "c": 1e-5, "config": {"d": [1, 2]},
    }  # fmt: skip


def test_dot_plots_show_floor_bayes_published_and_all_restarts(results):
    publication = PAPER.read(View(results, "float32"))
    figure = draw_scores(View(results, "float32"), (), published=publication.score)
    assert [axis.get_title() for axis in figure.axes] == ["40–100", "100–200", "200–400"]
    axis = figure.axes[0]
    everyone, best, theirs = (list(line.get_xdata()) for line in axis.get_lines())
    assert everyone == pytest.approx([0.8, 0.81, 0.82] * 2)
    assert best == pytest.approx([0.8, 0.8])
    assert theirs == [0.98, 0.99]  # lstm and jm-10 on count-3
    ends = [
        {point[0] for segment in collection.get_segments() for point in segment}
        for collection in axis.collections
    ]
    assert ends == [{FLOOR}, {BAYES_OPTIMAL}]
    assert axis.get_xlim() == (0, 1.03)
    with pytest.raises(ValueError, match="no cell with output frozen"):
        draw_scores(View(results, "float32"), ("output",))


def test_the_floor_of_validation_is_the_best_baseline_above_the_bayes_optimal_predictor():
    task = strings_task("marked-copy", ((40, 100), (200, 400)), (40, 80))

    def references(task, name):
        better = name == "40:100"  # the first set, which is the nearest to what was trained on
        return {
            "unigram": {"perplexity": 3.0},
            "bigram": {"perplexity": 2.0 if better else 1.6},
            BAYES: {"perplexity": 1.5},
        }

    results = make_results(
        [task],
        lambda *name: {"values": {"40:100": {"perplexity": 1.6, "accuracy": 0.5}}},
        references,
        groups=lambda name: [name.split(":")[0]],
    )
    assert baseline_excess(results, task) == pytest.approx(math.log(2.0 / 1.5))
    figure = draw_validation(results)
    heights = [line.get_ydata()[0] for line in figure.axes[0].get_lines()]
    assert any(height == pytest.approx(math.log(2.0 / 1.5)) for height in heights)
    assert any(height == pytest.approx(math.log(1.3 / BOUND)) for height in heights)
    without = make_results(
        [task], lambda *name: {"reference": None, "excess": 0.4}, references, groups=lambda name: []
    )
    assert baseline_excess(without, task) is None
    assert draw_validation(without).get_supylabel() == "Validation log perplexity"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A study that was really run: two cells, in one of which a run failed."""
    folder = tmp_path_factory.mktemp("study")
    study = small_study(
        models=["jm-3"],
        freeze=["none", "memory"],
        restarts=3,
        strings={"length_bins": ["3:12", "15:30"]},
        config={"max_epochs": 2},
    )

    def script(job):
        if job.runs[0].restart == 2 and job.runs[0].experiment["freeze"] == ["memory"]:
            yield RunFailed(job.runs[0].id, "a reason", "error")
        else:
            yield from run_job(job)

    assert run_study(study, folder, ScriptedEngine(script)) == {"done": 5, "failed": 1}
    return folder


def test_a_report_is_written_whole_from_a_ledger(folder, tmp_path):
    assert write_study_report(folder, paper=PAPER) == folder / "report" / "index.html"
    path = write_study_report(folder, tmp_path / "elsewhere", PAPER)
    Page(path.read_text())
    figures = {p.name for p in (path.parent / "figures").iterdir()}
    stems = {"overview", "accuracy_none", "accuracy_memory", "validation", "groups_count-3"}
    assert figures == {f"{stem}.{suffix}" for stem in stems for suffix in ("svg", "pdf")}
    for stem in stems:
        ElementTree.parse(path.parent / "figures" / f"{stem}.svg")
        assert (path.parent / "figures" / f"{stem}.pdf").read_bytes().startswith(b"%PDF")
    tables = {p.name for p in (path.parent / "tables").iterdir()}
    assert {name[:-4] for name in tables if name.endswith(".csv")} == {
        name[:-4] for name in tables if name.endswith(".tex")
    }
    # jm-3 is none of the paper's networks.
    assert not (path.parent / "tables" / "claims.csv").exists()
    with (path.parent / "tables" / "statistics_count-3.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["set"] for row in rows] == ["3–12", "15–30"] * 2
    assert [row["finished"] for row in rows] == ["3", "3", "2", "2"]
    assert all(0 < float(row["floor"]) < float(row["Bayes"]) <= 1 for row in rows)
    # The same bytes for the same ledger, wherever they are written.
    for file in (*(path.parent / "tables").iterdir(), *(path.parent / "figures").iterdir()):
        assert file.read_bytes() == (folder / "report" / file.parent.name / file.name).read_bytes()


def test_a_folder_without_a_study_is_refused(tmp_path):
    with pytest.raises(ValueError, match="holds no study"):
        write_study_report(tmp_path)
    assert list(tmp_path.iterdir()) == []
