"""The page of a study of the Penn Treebank, and how claim a is judged there."""

import dataclasses
import hashlib
import itertools
import math
import statistics
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats

from memrnn.papers.das_mali_2024 import PAPER
from memrnn.reports.study import Claim, ItemSums, StudyReport, View, draws
from memrnn.reports.study.table import Table
from memrnn.studies import StudyResults
from reports.text_synthetic import (
    BASELINES,
    JM,
    LENGTHS,
    LSTM,
    RNS,
    SENTENCES,
    sentence_sums,
    treebank_like,
)

RESTARTS = 4
WHOLE = {LSTM: 119.0, JM: 124.0, RNS: 123.0}


def perplexity(model: str, freeze: str, restart: int) -> float | None:
    """The larger the number of the restart, the worse; frozen memory gains 1 % of it."""
    if model == RNS and restart > 1:
        return None
    return WHOLE[model] * (1 + 0.02 * restart**2) * (0.99 if freeze == "memory" else 1.0)


@pytest.fixture(scope="module")
def results() -> StudyResults:
    return treebank_like(perplexity, RESTARTS)


@pytest.fixture(scope="module")
def report(results: StudyResults) -> StudyReport:
    return StudyReport(results, Path("runs/treebank"), PAPER)


@pytest.fixture(scope="module")
def page(report: StudyReport) -> str:
    return report.page()


def row_of(table: Table, *names: str) -> dict[str, str]:
    columns = [column.name for column in table.columns]
    (row,) = (r for r in table.rows if tuple(e.text for e in r[: len(names)]) == names)
    return dict(zip(columns, (entry.text for entry in row), strict=True))


def test_the_first_screen_is_about_the_text_and_not_about_lengths(page: str) -> None:
    first, _, _ = page.partition("<nav")
    assert "Does freezing the memory improve the best test perplexity on the Penn" in first
    assert "length" not in first.partition('<ol class="answer">')[2].partition("</ol>")[0]
    assert "The network that validation chooses has perplexity 119.0 on ptb, test:" in first
    assert "restart 0 (validation 122.6), the best of 4 restarts, whose median is 125.0" in first
    assert "unigram 639.3, kneser-ney-5 143.4" in first
    assert "with 4 restarts each; cells that are the same experiment are run once; 4 are" in first
    assert "14 of 16 finished runs are better than the best baseline" in first
    assert "so it is run once and shown once" in first
    assert "Protocol of ptb: streams 32; segment 35; dropped tokens 0." in first
    assert first.count("<svg") == 2, "one figure, for wide and for narrow windows"
    assert "639.3 →" in first, "a baseline far from the networks stands at the edge"


def test_what_a_text_cannot_have_is_not_on_its_page(report: StudyReport, page: str) -> None:
    """No set has groups that are numbers, and no predictor is known to be the best one."""
    names = {column.label for column in report.tables["statistics_ptb"].columns}
    assert "floor" in names and not names & {"Bayes", "norm.", "solved"}
    assert "groups that are numbers" not in page and "#groups" not in page
    assert "<dt>Floor" in page and "<dt>Bayes" not in page and "normalised" not in page
    assert "Bayes-optimal predictor on the same items" not in page


def freezing_sentence(**study: Any) -> tuple[str, StudyReport]:
    """Of ten restarts, with noise; JM gains by a frozen memory and loses by a frozen controller."""

    def noisy(model: str, freeze: str, restart: int) -> float:
        noise = np.random.default_rng([len(model), len(freeze), restart]).normal()
        return 120.0 * math.exp(0.02 * noise + {"memory": -0.05, "controller": 0.05}.get(freeze, 0))

    report = StudyReport(treebank_like(noisy, 10, **study), Path("runs/treebank"), PAPER)
    return " ".join(report.answer[1].sentences[3]), report


def test_what_freezing_changes_has_one_interval_on_the_page() -> None:
    """Of one network in one mode the first screen and `Cell against cell` say the same."""
    said, report = freezing_sentence(models=(LSTM, JM))
    assert said.startswith("Freezing the memory helps: on test freezing changes log perplexity")
    row = row_of(report.tables["comparisons"], "ptb", JM, "memory")
    assert f"by {row['difference']} with memory frozen ({row['from']} to {row['to']}, 10" in said
    assert "the interval is by Student’s t over pairs, of 95 %;" in said


def test_intervals_of_several_modes_and_networks_name_their_method_and_level() -> None:
    said, report = freezing_sentence(
        models=(LSTM, JM, RNS), freeze=("none", "memory", "controller")
    )
    assert said.startswith("Freezing the memory helps; freezing the controller harms: ")
    method = "intervals are by Student’s t over pairs, of 97.5 % each: 95 % for 2 freezing modes"
    assert method in said
    cells = {(cell.model, cell.freeze): cell for cell in report.results.cells}
    nats = {
        name: [math.log(report.view.value(cell, run, "test") or 0) for run in cell.runs]
        for name, cell in cells.items()
    }
    means, variances = [], []
    for model in (JM, RNS):
        pairs = zip(nats[model, ("memory",)], nats[model, ()], strict=True)
        differences = [frozen - whole for frozen, whole in pairs]
        means.append(statistics.mean(differences))
        variances.append(statistics.variance(differences) / 10)
    freedom = sum(variances) ** 2 / sum(one**2 / 9 for one in variances)
    half = scipy.stats.t.ppf(0.9875, freedom) * math.sqrt(sum(variances)) / 2
    mean = statistics.mean(means)
    written = f"{mean:+.3f} with memory frozen ({mean - half:+.3f} to {mean + half:+.3f}, 20 pairs)"
    assert written.replace("-", "−") in said


def test_a_pair_is_the_bootstrap_over_sentences(results: StudyResults) -> None:
    """Against loops over resamples; the value comes from the totals."""
    view = View(results, "float32")
    cells = {(cell.model, cell.freeze): cell for cell in results.cells}
    frozen, whole = cells[JM, ("memory",)], cells[JM, ()]
    found = ItemSums(view).difference(frozen, "test", frozen.runs[1], whole.runs[2])
    one = sentence_sums(WHOLE[JM] * 1.02 * 0.99, 8)
    other = sentence_sums(WHOLE[JM] * 1.08, 9)
    rng = np.random.default_rng(0)
    means = []
    for _ in range(10_000):
        drawn = rng.integers(SENTENCES, size=SENTENCES)
        means.append((one - other)[drawn].sum() / LENGTHS[drawn].sum())
    assert found is not None and found.groups == SENTENCES
    assert found.estimate.value == pytest.approx(math.log(1.02 * 0.99 / 1.08), abs=1e-9)
    assert found.estimate.interval == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=1e-6)


def test_without_sums_there_is_a_difference_and_no_interval(results: StudyResults) -> None:
    view = View(dataclasses.replace(results, partition_scores=None), "float32")
    cell = results.cells[0]
    found = ItemSums(view).difference(cell, "test", cell.runs[0], "kneser-ney-5")
    assert found is not None and found.estimate.interval is None
    assert found.estimate.value == pytest.approx(math.log(119.0 / 143.4))


def test_draws_are_all_pairs_of_disjoint_halves(results: StudyResults) -> None:
    """The best of a half by validation is its restart of the smallest number."""
    found = {(one.cell.model, one.cell.freeze): one for one in draws(View(results, "float32"))}
    assert set(found) == {(LSTM, ()), (JM, ()), (JM, ("memory",))}, "two restarts have no halves"
    values = [119.0 * (1 + 0.02 * restart**2) for restart in range(RESTARTS)]
    differences = {
        frozenset([order[:2], order[2:]]): values[min(*order[2:])] - values[min(*order[:2])]
        for order in itertools.permutations(range(RESTARTS))
        if order[0] < order[1] and order[2] < order[3] and order[0] == 0
    }
    assert found[LSTM, ()].splits == len(differences) == 3
    expected = np.quantile(list(differences.values()), [0.5, 0.95])
    assert (found[LSTM, ()].median, found[LSTM, ()].most) == pytest.approx(tuple(expected))


def test_tables_by_frequency_hold_baselines_and_chosen_restarts(report: StudyReport) -> None:
    row = row_of(report.tables["by_frequency_ptb"], "1–9")
    half = SENTENCES // 2
    expected = sentence_sums(119.0, 7)[:half].sum() / LENGTHS[:half].sum()
    assert float(row[f"{LSTM} none, restart 0"]) == pytest.approx(expected, abs=5e-4)
    assert int(row["items"]) == LENGTHS[:half].sum()
    assert "baselines kneser-ney-5" in row


def test_the_published_table_has_the_chosen_restarts_and_the_lstm_in_both_columns(
    report: StudyReport,
) -> None:
    table = report.tables["published_treebank"]
    lstm = row_of(table, "lstm-256")
    assert (lstm["nothing frozen here"], lstm["memory frozen here"]) == ("119.0", "119.0")
    assert (lstm["nothing frozen paper"], lstm["memory frozen paper"]) == ("119.8", "129.8")
    rns = row_of(table, "rns-4-5")
    assert (rns["memory frozen here"], rns["memory frozen of"]) == ("121.8", "2")
    assert row_of(table, "vrns-3-3-5")["nothing frozen here"] == "not run"
    assert "streams 32; segment 35" in table.notes[0]


def test_claim_a_of_few_restarts_is_not_decided_and_has_what_was_measured_beside_it(
    report: StudyReport, page: str
) -> None:
    assert report.publication is not None
    (claim,) = report.publication.claims
    assert (claim.key, claim.verdict) == ("a", "undecided")
    assert claim.why == "0 networks have 10 pairs that have ended, and a verdict needs 2."
    (gain,) = claim.published
    assert gain.paper == pytest.approx(3.0)
    assert gain.here == pytest.approx(123.0 * 0.01)
    notes = " ".join(claim.notes)
    assert f"{JM}, memory frozen minus nothing frozen: −0.010 nats per word over 4 pairs" in notes
    assert "The claimed gain is −0.025." in notes
    assert "Noise: two draws of lstm-256 with nothing frozen, best of 2 each, differ by" in notes
    assert "kneser-ney-5 143.4" in notes and "are one experiment" in notes
    assert "1 undecided" in page and "so that nominally" not in page


def claim_a(perplexity: Callable[[str, str, int], float | None], restarts: int = 10) -> Claim:
    view = View(treebank_like(perplexity, restarts), "float32")
    publication = PAPER.read(view)
    assert publication is not None
    (claim,) = publication.claims
    return claim


def drawn(model: str, freeze: str, restart: int) -> float:
    """A third of the draws does not train; the rest differs by some per cent."""
    noise = np.random.default_rng([len(model), len(freeze), restart]).normal()
    return 700.0 + 10 * noise if restart % 3 == 2 else 120 * math.exp(0.03 * noise)


def better_half(values: Sequence[float], order: Sequence[float]) -> float:
    """The mean of the values with the smallest numbers, in loops."""
    best = sorted(range(len(values)), key=order.__getitem__)[: -(-len(values) // 2)]
    return sum(values[index] for index in best) / len(best)


def test_the_statistics_of_claim_a_are_those_of_its_rule() -> None:
    def nats(model: str, freeze: str) -> list[float]:
        return [math.log(min(drawn(model, freeze, r), BASELINES["unigram"])) for r in range(10)]

    gains, standings = [], []
    for model in (JM, RNS):
        whole, frozen = nats(model, "none"), nats(model, "memory")
        differences = [one - other for one, other in zip(frozen, whole, strict=True)]
        gains.append(better_half(differences, list(map(min, frozen, whole))))
        plain = nats(LSTM, "none")
        standings.append(better_half(frozen, frozen) - better_half(plain, plain))
    claim = claim_a(drawn)
    (gain,), (standing,) = claim.statistics, claim.knowledge
    assert gain.estimate is not None and standing.estimate is not None
    assert gain.estimate.value == pytest.approx(sum(gains) / 2)
    assert standing.estimate.value == pytest.approx(sum(standings) / 2)
    assert dict(gain.cells) == pytest.approx(dict(zip((JM, RNS), gains, strict=True)))
    assert (gain.restarts, gain.missing, standing.restarts) == (20, 0, 30)
    assert gain.estimate.interval is not None
    low, high = gain.estimate.interval
    assert low < gain.estimate.value < high


@pytest.mark.parametrize(
    ("gain", "lstm", "verdict"),
    [
        (0.03, 1.05, "supported"),
        (0.03, 0.95, "holds, trivially"),
        (0.0, 1.05, "not supported"),
        (-0.03, 1.05, "not supported"),
        (0.0115, 1.05, "undecided"),
    ],
)
def test_the_verdict_on_claim_a(gain: float, lstm: float, verdict: str) -> None:
    def perplexity(model: str, freeze: str, restart: int) -> float:
        if model == LSTM:
            return 120.0 * lstm
        noise = np.random.default_rng([len(model), len(freeze), restart]).normal()
        return 120.0 * math.exp(0.002 * noise - gain * (freeze == "memory"))

    claim = claim_a(perplexity)
    assert claim.verdict == verdict
    assert "baseline" not in claim.why, "the rule has none"
    trivially = "better than one without a memory, by half of the claimed gain or more: H, memory"
    assert (trivially in claim.why) == (verdict == "holds, trivially")


def test_claim_a_has_its_rules_with_their_date_and_digest(results: StudyResults) -> None:
    publication = PAPER.read(View(results, "float32"))
    assert publication is not None
    rules = publication.rules
    text = resources.files("memrnn.papers.das_mali_2024").joinpath("treebank_rules.md").read_bytes()
    assert rules.digest == hashlib.sha256(text).hexdigest()[:12]
    assert rules.written == "2026-11-27" and "before there were rules" in rules.exploratory


def test_what_is_not_the_papers_is_named(results: StudyResults) -> None:
    def said(config: dict[str, Any], **options: Any) -> str:
        study = dataclasses.replace(
            results.study,
            options={"text": options},
            config=dataclasses.replace(results.study.config, **config),
        )
        publication = PAPER.read(View(dataclasses.replace(results, study=study), "float32"))
        assert publication is not None
        return " ".join(publication.deviations)

    assert "configuration" not in said({})
    paper = {"streams": 32, "segment": 35, "tied": False, "bound": 0.05}
    assert "configuration" not in said({}, evaluation_streams=1, largest_size=10_000, **paper)
    found = said({"weight_decay": 1e-4}, streams=64, tied=True, state_dropout=0.5)
    assert (
        "The configuration is not the paper’s: weight decay 0.0001 instead of 0.0, "
        "streams 64 instead of 32, tied True instead of False and "
        "state dropout 0.5 instead of 0.0."
    ) in found


def test_another_corpus_is_not_the_papers(results: StudyResults) -> None:
    other = {name: dict(known) for name, known in results.cells[0].references.items()}
    other["test"]["unigram"] = other["test"]["kneser-ney-5"]
    cells = tuple(dataclasses.replace(cell, references=other) for cell in results.cells)
    assert PAPER.read(View(dataclasses.replace(results, cells=cells), "float32")) is None
