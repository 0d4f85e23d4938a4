"""The page of a study: what is on it, and its text."""

import dataclasses
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memrnn.reports import _format as form
from memrnn.reports._findings import LEARNED, NEAR
from memrnn.reports._summary import frozen_label, lengths_label
from memrnn.reports._templates import template
from memrnn.reports.study import _verdicts as rules
from memrnn.reports.study._claims import judge
from memrnn.reports.study._comparisons import (
    ALPHA,
    LEAST_PAIRS,
    Comparison,
    compare,
    restarts_needed,
)
from memrnn.reports.study._drawings import Drawing, drawings
from memrnn.reports.study._origin import Origin, origin
from memrnn.reports.study._published import published
from memrnn.reports.study._published_tables import (
    ACCURACY_DIFFERS,
    PERPLEXITY_DIFFERS,
    deviations,
    published_tables,
)
from memrnn.reports.study._same import same_experiment
from memrnn.reports.study._scores import View, has_memory
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
from memrnn.studies import StudyResults


@dataclass(frozen=True)
class Content:
    """Everything that a study's report shows."""

    title: str
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
        own = [self.claims_table, self.comparisons, self.failed, self.missing]
        return [*self.published, *self.statistics, *own]


def gather(results: StudyResults, folder: Path) -> Content:
    """Computes everything that the report of a study shows."""
    view = View(results, results.study.precisions[0])
    claims, compared = judge(view), compare(view)
    return Content(
        title=f"Study {folder.resolve().name}",
        view=view,
        claims=tuple(claims),
        compared=tuple(compared),
        published=tuple(published_tables(view)),
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
    figures: dict[str, list[dict[str, Any]]] = {"accuracy": [], "validation": [], "lengths": []}
    for drawing in content.drawings:
        figures[drawing.kind].append(drawing.on_page())
    return template("study.html.j2").render(
        title=content.title,
        study=study,
        modes=[frozen_label(freeze) for freeze in dict.fromkeys(c.freeze for c in results.cells)],
        bins=[lengths_label(edges) for edges in study.bins],
        counts={
            "total": len(results.runs),
            "finished": status["done"] + status["diverged"],
            "diverged": status["diverged"],
            "failed": status["failed"],
            "open": status["planned"] + status["running"],
        },
        warnings=_warnings(content),
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
        deviations=deviations(study),
        published=content.published,
        unread=published().notes,
        figures=figures,
        statistics=content.statistics,
        failed=content.failed,
        missing=content.missing,
        origin=content.origin,
        recipe={
            name.replace("_", " "): " to ".join(map(str, value))
            if isinstance(value, tuple)
            else value
            for name, value in dataclasses.asdict(study.recipe).items()
        },
    )


def _warnings(content: Content) -> list[str]:
    found: list[str] = []
    if len(content.origin.versions) > 1:
        found.append(
            f"Runs were made with {len(content.origin.versions)} different sets of versions, so "
            "their numbers may differ for that reason alone; the foot of the page names them."
        )
    if len(content.view.results.study.precisions) > 1:
        found.append(
            f"Claims, comparisons, figures and published tables are about tests in "
            f"{content.view.precision}; only the tables of every cell hold all precisions."
        )
    return found


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
    study = content.view.results.study
    without = [model for model in study.models if not has_memory(model)]
    found = [
        "Only networks with a memory count in claims. Statistics are the mean over cells (a "
        "language and a network) of the mean over restarts, unless said otherwise.",
        "Intervals are 95 % percentile intervals of the crossed bootstrap: cells and restart "
        "seeds are drawn with replacement, each for themselves, since restarts with the same "
        "number share a seed in all cells. That makes them wide rather than narrow.",
        "A claim is supported, or not, by where its interval lies; the rule stands under each. "
        "If the interval tells neither, it is undecided.",
        f"It is undecided, too, if fewer than {form.per_cent(rules.COVERAGE)} of the runs that it "
        f"is about are finished, more than {form.per_cent(rules.MOST_FAILED)} of them failed, "
        f"fewer than {form.per_cent(rules.COVERAGE)} of its cells have {rules.LEAST_RESTARTS} "
        f"finished restarts, fewer than {rules.LEAST_VALUES} values are there, or no test is "
        "longer than the training lengths. Diverged restarts count with their best epoch; runs "
        "that failed have no score and are left out, up to that share.",
        f"A cell whose accuracy lies within {NEAR} of the best floor, with all its interval, is "
        "called the floor’s equal: a trivial predictor scores the same on the same strings. One "
        "that lies below that is below the floor. Neither is support, and if more than "
        f"{form.per_cent(rules.TRAP_SHARE)} of the cells that speak for a claim are such, it is "
        "not supported.",
    ]
    if without:
        found.append(" ".join(same_experiment(content.view, without)))
    return found


def _comparing(content: Content) -> list[str]:
    tested = sum(one.p is not None for one in content.compared)
    if not content.compared:
        return ["The study has no network with memory both with and without a frozen part."]
    found = [
        "Mean difference by restart number, with its bootstrap interval over pairs. Retention is "
        "accuracy in the last bin over accuracy in the first; skill is that of the last bin, cut "
        "off at −1 and 1; above floor is what the accuracy in the last bin is above the best "
        "trivial predictor’s, 0 where it is not. Stands: where the cell with a frozen part stands "
        "to the floor in the last bin.",
        "The p-value is that of the sign-flip permutation test, two-sided, of comparisons with at "
        f"least {LEAST_PAIRS} pairs. With fewer a cell alone decides nothing, and only the claims "
        "above, over all cells, may.",
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
        f"{verdicts['higher']} are higher with a part frozen, {verdicts['lower']} lower, "
        f"{verdicts['undecided']} undecided."
    )
    return found
