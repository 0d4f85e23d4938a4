import dataclasses
import json
import re
from html.parser import HTMLParser

import pytest

from memrnn import Experiment, Strings, TrainingConfig
from memrnn.reports import Provenance, compare_parameters, render_page, write_report
from memrnn.reports._templates import inline
from memrnn.tasks import Metric
from memrnn.training import train
from reports.results_synthetic import (
    NAN,
    RECOGNITION,
    copying,
    make_evaluation,
    make_result,
    recognition,
)

VOID = {"meta", "link", "br", "img", "input", "hr"}
TASK = Strings("count-3", (6, 12), batches=2, validation_batches=1, batch_size=2)
CONFIG = TrainingConfig(max_epochs=1)
PROVENANCE = Provenance(
    "memrnn demo", 0, CONFIG, {"memrnn": "1"}, "a machine", 1.5, {TASK.spec: TASK.options()}
)
RESULTS = [make_result(), make_result(freeze=("controller",), diverged=(1,))]


class Page(HTMLParser):
    """Checks nesting; collects tags, attributes, and the cells of tables."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.attributes, self.cells = [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if {"td", "th"} & set(self.open):
            self.cells[-1] += data


def page(results=RESULTS, **changes):
    return render_page(results, PROVENANCE, **{"title": "A report"} | changes)


def test_the_page_is_well_formed_and_loads_nothing():
    text = page()
    parsed = Page(text)
    assert not {"script", "link", "iframe", "img", "object", "embed"} & set(parsed.tags)
    loads = [
        a for a in parsed.attributes if a[1] in ("src", "href", "xlink:href", "srcset", "data")
    ]
    assert all(value.startswith("#") for _, _, value in loads)
    assert "@import" not in text
    assert not re.search(r"url\((?!#)", text)
    ids = [value for _, name, value in parsed.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    references = {value[1:] for _, _, value in loads} | set(re.findall(r"url\(#([^)]+)\)", text))
    for name in ("aria-labelledby", "aria-describedby"):
        references |= {value for _, attribute, value in parsed.attributes if attribute == name}
    assert references <= set(ids)


def test_the_page_can_be_read_without_seeing_it():
    parsed = Page(page())
    headings = [tag for tag in parsed.tags if re.fullmatch("h[1-6]", tag)]
    assert headings[0] == "h1"
    assert set(headings[1:]) == {"h2"}
    assert parsed.tags.count("caption") == parsed.tags.count("table") == 2
    drawings = parsed.tags.count("svg")
    assert drawings == 2 * 3  # accuracy, determined accuracy and sequence accuracy
    assert parsed.attributes.count(("svg", "role", "img")) == drawings
    headers = [a for a in parsed.attributes if a[0] == "th" and a[1] == "scope"]
    assert len(headers) == parsed.tags.count("th")


def test_every_restart_is_in_the_tables():
    cells = [cell.strip() for cell in Page(page()).cells]
    for result in RESULTS:
        metric = result.task.metric("accuracy")
        for run in result.runs:
            for scores in run.sets.values():
                assert f"{scores.value(metric):.3f}" in cells
    assert cells.count("diverged") == 2  # a column's heading, and the restart
    assert cells.count("1 of 3") == 2  # both sets of the experiment


def test_the_page_says_what_was_trained_on_and_with_which_options():
    text = page()
    assert "trained on 6–12 (String length), evaluated on 6–12 and 15–24" in text
    assert "batch size: 2" in text and "max epochs: 1" in text
    assert "train lengths: 6:12" in text or "train lengths: 6 to 12" in text


def test_a_page_holds_tasks_of_every_kind():
    text = page([recognition(), recognition(freeze=("memory",)), copying((2.5, NAN, 4.0))])
    parsed = Page(text)
    cells = [cell.strip() for cell in parsed.cells]
    assert parsed.tags.count("svg") == 2  # of recognition, which alone has numbers as groups
    assert "The groups of copying [bold]far[/] are not numbers" in text
    assert {"0.900", "2.500", "2.500–inf"} <= set(cells)
    assert "1 score of single restarts is\nmissing or not a number" in text
    assert "error: smaller is" in text and "Bayes" in text
    assert "Normalised" not in page([copying()]) and "Floor" not in page([copying()])


def test_what_a_metric_warns_of_is_said_and_a_metric_without_a_warning_is_not_shown():
    task = dataclasses.replace(
        RECOGNITION,
        metrics=(*RECOGNITION.metrics, Metric("broken_parts", "min", warning="So many broke.")),
    )

    def result(broken):
        return make_evaluation(
            task, lambda restart, name: {"accuracy": 0.5, "broken_parts": broken}, step=0.0
        )

    # 8 groups of 3 restarts, in each of which 0.002 of 1,000 items.
    assert "broken parts: 48. So many broke." in page([result(0.002)])
    assert "broken parts" not in page([result(0.0)])


def test_two_axes_of_one_metric_are_two_figures(tmp_path):
    results = [make_result(determined=False), recognition()]
    path = write_report(tmp_path, results, PROVENANCE, title="A report")
    stems = {p.stem for p in (path.parent / "figures").iterdir()}
    assert stems == {"accuracy", "accuracy-2"}


def test_hostile_names_do_no_harm():
    hostile = "<script>alert(1)</script>&\"'$x$"
    text = page([make_result(hostile, hostile)], title=hostile)
    assert "script" not in Page(text).tags
    assert "<script" not in text


def test_a_report_is_written_whole(tmp_path):
    run, *others = make_result().runs
    run = dataclasses.replace(run, selection=float("inf"), excess=float("inf"))
    infinite = dataclasses.replace(make_result(), runs=(run, *others))
    path = write_report(tmp_path / "new", [infinite], PROVENANCE, title="A report")
    assert path == tmp_path / "new" / "index.html"
    assert {p.name for p in (path.parent / "figures").iterdir()} == {
        f"{score}.{suffix}"
        for score in ("accuracy", "determined_accuracy", "sequence_accuracy")
        for suffix in ("svg", "png")
    }
    content = json.loads((path.parent / "results.json").read_text())
    assert content["results"][0]["runs"][0]["selection"] is None
    assert content["results"] == [json.loads(json.dumps(infinite.to_json()))]


def test_without_determined_symbols_there_is_one_figure():
    assert Page(page([make_result(determined=False)])).tags.count("svg") == 2


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    return {
        freeze: train(Experiment(TASK, "elman-3", freeze, CONFIG), folder / str(freeze), 2)
        for freeze in ((), ("memory",), ("controller",))
    }


def test_parameters_are_compared_to_the_bit(runs):
    same = compare_parameters(runs[()], runs[("memory",)])
    other = compare_parameters(runs[()], runs[("controller",)])
    assert (same.restarts, same.equal) == (2, 2)
    assert (other.restarts, other.equal) == (2, 0)
    # 3 units on 3 symbols: 3 * (3 + 3 + 1 + 1) in the controller, 4 * (3 + 1) behind it.
    assert same.parameters == 3 * 8 + 4 * 4
    assert (same.title, same.first, same.second) == ("count-3", (), ("memory",))


def test_different_networks_are_not_compared(runs, tmp_path):
    other = dataclasses.replace(TASK, batches=3)
    experiment = Experiment(other, "elman-3", (), CONFIG)
    with pytest.raises(ValueError, match="nothing to compare"):
        compare_parameters(runs[()], train(experiment, tmp_path, 1))


def test_provenance_names_versions():
    provenance = Provenance.of_this_machine("memrnn evaluate", 3, CONFIG)
    assert {"memrnn", "jax", "python"} <= set(provenance.versions)
    assert provenance.to_json()["config"]["max_epochs"] == 1


def test_a_small_drawing_is_not_made_a_giant():
    text = inline('<svg width="100pt" height="50pt"><g/></svg>', "one", "A title", "What it shows")
    assert text.startswith('<svg id="one"')
    assert 'style="max-width: 180px"' in text
    assert "pt" not in text.partition("<title")[0]
