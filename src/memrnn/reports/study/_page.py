"""The page of a study: what is on it, and its text."""

import dataclasses
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memrnn.reports._findings import Finding, find, warnings_of
from memrnn.reports._summary import frozen_label, metric_label, range_label, set_label
from memrnn.reports._templates import template
from memrnn.reports._thresholds import LEARNED, NEAR
from memrnn.reports.study import _verdicts as rules
from memrnn.reports.study._claims import judge
from memrnn.reports.study._comparisons import (
    ALPHA,
    GAIN,
    LEAST_PAIRS,
    NORMALISED,
    RETENTION,
    Comparison,
    compare,
    restarts_needed,
)
from memrnn.reports.study._deviations import deviations
from memrnn.reports.study._drawings import Drawing, drawings
from memrnn.reports.study._origin import Origin, origin, written_options
from memrnn.reports.study._published import is_the_papers, published
from memrnn.reports.study._published_tables import (
    ACCURACY_DIFFERS,
    PERPLEXITY_DIFFERS,
    published_tables,
)
from memrnn.reports.study._same import same_experiment
from memrnn.reports.study._scores import View, floor, has_memory
from memrnn.reports.study._statistics import statistics
from memrnn.reports.study._study_tables import (
    claims_table,
    comparison_table,
    failed_table,
    missing_table,
    statistics_tables,
    written,
)
from memrnn.reports.study._table import Table
from memrnn.reports.study._verdicts import Claim, Measured
from memrnn.runtime import formats as form
from memrnn.studies import StudyResults


@dataclass(frozen=True)
class Content:
    """Everything that a study's report shows.

    Attributes:
        paper: whether the study is about the paper's networks on strings. Otherwise there are no
            claims and no published tables.
    """

    title: str
    paper: bool
    view: View
    claims: tuple[Claim, ...]
    compared: tuple[Comparison, ...]
    published: tuple[Table, ...]
    statistics: tuple[Table, ...]
    claims_table: Table
    comparisons: Table
    failed: Table
    missing: Table
    drawings: tuple[Drawing, ...]
    origin: Origin

    @property
    def tables(self) -> list[Table]:
        """All tables that become files."""
        claims = [self.claims_table] if self.paper else []
        own = [self.comparisons, self.failed, self.missing]
        return [*self.published, *self.statistics, *claims, *own]


def gather(results: StudyResults, folder: Path) -> Content:
    """Computes everything that the report of a study shows."""
    view = View(results, results.study.precisions[0])
    paper = is_the_papers(results)
    claims, compared = judge(view), compare(view)
    return Content(
        title=f"Study {folder.resolve().name}",
        paper=paper,
        view=view,
        claims=tuple(claims),
        compared=tuple(compared),
        published=tuple(published_tables(view)) if paper else (),
        statistics=tuple(statistics_tables(statistics(results))),
        claims_table=claims_table(claims),
        comparisons=comparison_table(compared),
        failed=failed_table(results),
        missing=missing_table(results),
        drawings=tuple(drawings(view)),
        origin=origin(results, folder),
    )


def render(content: Content) -> str:
    """The page as text. It loads nothing; its one script sorts tables."""
    results = content.view.results
    study = results.study
    status = Counter(run.status for run in results.runs)
    verdicts = Counter(claim.verdict for claim in content.claims)
    figures: dict[str, list[dict[str, Any]]] = {"scores": [], "validation": [], "groups": []}
    for drawing in content.drawings:
        figures[drawing.kind].append(drawing.on_page())
    return template("study.html.j2").render(
        title=content.title,
        study=study,
        paper=content.paper,
        models=list(dict.fromkeys(cell.model for cell in results.cells)),
        tasks=[task.title for task in results.tasks],
        trained=_trained(results),
        bounds=any(floor(c, one.name) is not None for c in results.cells for one in c.task.sets),
        metrics=_metrics(results),
        modes=[frozen_label(freeze) for freeze in dict.fromkeys(c.freeze for c in results.cells)],
        counts={
            "total": len(results.runs),
            "finished": status["done"] + status["diverged"],
            "diverged": status["diverged"],
            "failed": status["failed"],
            "open": status["planned"] + status["running"],
        },
        warnings=_warnings(content),
        findings=_findings(content.view),
        claims=[(claim, [_number(one) for one in claim.measured]) for claim in content.claims],
        verdicts={
            "supported": verdicts["supported"],
            "not_supported": verdicts["not supported"],
            "undecided": verdicts["undecided"],
        },
        rules=_rules(content),
        comparing=_comparing(content),
        comparisons=content.comparisons,
        thresholds={
            "accuracy": ACCURACY_DIFFERS,
            "perplexity": PERPLEXITY_DIFFERS,
            "learned": LEARNED,
            "near": NEAR,
        },
        deviations=deviations(results) if content.paper else [],
        published=content.published,
        unread=published().notes,
        figures=figures,
        statistics=content.statistics,
        failed=content.failed,
        missing=content.missing,
        origin=content.origin,
        config=written_options(dataclasses.asdict(study.config)),
        options={name: written_options(some) for name, some in study.options.items()},
    )


def _findings(view: View) -> list[Finding]:
    evaluations = view.results.evaluations(view.precision)
    return find(evaluations) if evaluations else []


def _warnings(content: Content) -> list[str]:
    view = content.view
    found = warnings_of(view.results.evaluations(view.precision))
    if len(content.origin.versions) > 1:
        found.append(
            f"Runs were made with {len(content.origin.versions)} different sets of versions, so "
            "their numbers may differ for that reason alone; the foot of the page names them."
        )
    if len(content.view.results.study.precisions) > 1:
        found.append(
            f"Claims, comparisons, figures and published tables are about evaluations in "
            f"{content.view.precision}; only the tables of every cell hold all precisions."
        )
    return found


def _trained(results: StudyResults) -> list[str]:
    """On what tasks were trained and evaluated; once where it is the same for all."""
    said: dict[str, list[str]] = {}
    for task in results.tasks:
        sets = form.listed([set_label(one.name) for one in task.sets]) or "nothing"
        trained = ""
        if task.trained_groups:
            axis = f" ({task.group_axis})" if task.group_axis else ""
            trained = f"trained on {range_label(task.trained_groups)}{axis}, "
        said.setdefault(f"{trained}evaluated on {sets}", []).append(task.title)
    if len(said) == 1:
        return [words[:1].upper() + words[1:] for words in said]
    return [f"{form.listed(titles)}: {words}" for words, titles in said.items()]


def _metrics(results: StudyResults) -> list[tuple[str, str]]:
    """The metrics of all tasks: name, and what is better."""
    found = dict.fromkeys(metric for task in results.tasks for metric in task.metrics)
    return [(metric_label(one), "larger" if one.goal == "max" else "smaller") for one in found]


def _number(one: Measured) -> tuple[str, str, str, str, str]:
    ends = one.estimate.interval if one.estimate else None
    return (
        one.name,
        written(one.estimate.value if one.estimate else None, one.kind),
        f"{written(ends.low, one.kind)} to {written(ends.high, one.kind)}" if ends else "–",
        written(one.published, one.kind),
        one.remark,
    )


def _rules(content: Content) -> list[str]:
    """The rules of `_claims`, with their numbers."""
    cells = content.view.results.cells
    without = list(dict.fromkeys(cell.model for cell in cells if not has_memory(cell)))
    found = [
        "Only networks with a memory count in claims. Statistics are the mean over cells (a task "
        "and a network) of the mean over restarts, unless said otherwise.",
        "Intervals are 95 % percentile intervals of the crossed bootstrap: cells and restart "
        "numbers are drawn with replacement, each for themselves. Restarts with the same number "
        "share a seed in the freezing modes of one task and network only, and not in all cells, so "
        "that these intervals are conservative: wide rather than narrow.",
        "A claim is supported, or not, by where its interval lies; the rule stands under each. "
        "If the interval decides neither, it is undecided.",
        f"It is undecided, too, if fewer than {form.per_cent(rules.COVERAGE)} of the runs that it "
        f"is about are finished, more than {form.per_cent(rules.MOST_FAILED)} of them failed, "
        f"fewer than {form.per_cent(rules.COVERAGE)} of its cells have {rules.LEAST_RESTARTS} "
        f"finished restarts, fewer than {rules.LEAST_VALUES} values are there, or no set lies "
        "beyond what was trained on. Diverged restarts count with their best epoch; runs "
        "that failed have no score and are left out, up to that share.",
        f"A cell whose accuracy lies within {NEAR} of the best baseline, with all its interval, is "
        "called the floor’s equal: a baseline scores the same on the same strings. One "
        "that lies below that is below the floor. Neither is support, and if more than "
        f"{form.per_cent(rules.MOST_TRIVIAL)} of the cells that speak for a claim are such, it is "
        "not supported.",
    ]
    if without:
        found.append(" ".join(same_experiment(content.view, without)))
    return found


def _comparing(content: Content) -> list[str]:
    tested = sum(one.p is not None for one in content.compared)
    if not content.compared:
        return ["The study has no network both with and without a frozen component to compare."]
    found = [
        "Mean difference by restart number, with its bootstrap interval over pairs. "
        + _measures(content)
        + " Pairs of which a restart has no such number are left out; the column of pairs counts "
        "the others. Stands: where the cell with a frozen component stands to the floor on the "
        "last set.",
        "The p-value is that of the sign-flip permutation test, two-sided, of comparisons with at "
        f"least {LEAST_PAIRS} pairs. With fewer a cell alone decides nothing"
        + (", and only the claims above, over all cells, may." if content.paper else "."),
    ]
    if tested:
        found.append(
            f"Holm’s correction is over all {tested} comparisons that were tested; up to {ALPHA} "
            "after it a difference is called one. Of n pairs the smallest p there can be is 2 to "
            f"the power 1 − n, so that among {tested} comparisons one alone can stand out only "
            f"with {restarts_needed(tested)} restarts or more; this study plans "
            f"{content.view.results.study.restarts}."
        )
    else:
        found.append("None of the comparisons below has so many pairs.")
    verdicts = Counter(one.verdict for one in content.compared)
    found.append(
        f"{verdicts['higher']} are higher with a component frozen, {verdicts['lower']} lower, "
        f"{verdicts['undecided']} undecided."
    )
    return found


def _measures(content: Content) -> str:
    """What is compared: the measures that occur, and which sets are the first and the last."""
    measures = {one.measure for one in content.compared}
    known = {
        RETENTION: "retention is the score on the last set over the score on the first, or the "
        "first over the last where smaller is better",
        NORMALISED: "normalised is the score on the last set between the best baseline (0) and "
        "the Bayes-optimal predictor (1), cut off at −1 and 1",
        GAIN: "above floor is by what the score on the last set is better than the best "
        "baseline’s, 0 where it is not",
    }
    said = [words for name, words in known.items() if name in measures]
    plain = sorted(measures - set(known))
    if plain:
        said.append(f"{form.listed(plain)} {'is' if len(plain) == 1 else 'are'} on the last set")
    text = "; ".join(said)
    return (
        f"{text[:1].upper()}{text[1:]}. The first set is the first that is not beyond what was "
        "trained on, the last set the last one beyond it."
    )
