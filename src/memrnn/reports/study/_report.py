"""The report of a study: its content, its page, and its files."""

import dataclasses
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from memrnn.reports import _format as form
from memrnn.reports._drawing import save_figure
from memrnn.reports._findings import find
from memrnn.reports._summary import frozen_label, metric_label, range_label, set_label
from memrnn.reports._templates import template
from memrnn.reports._thresholds import LEARNED, NEAR
from memrnn.reports._warnings import warnings_of
from memrnn.reports.study._claims import claims_table
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
from memrnn.reports.study._drawings import Drawing, drawings
from memrnn.reports.study._origin import origin, written_options
from memrnn.reports.study._publication import Paper, Publication
from memrnn.reports.study._scores import View, baseline
from memrnn.reports.study._statistics import statistics
from memrnn.reports.study._study_tables import (
    comparison_table,
    failed_table,
    missing_table,
    statistics_tables,
)
from memrnn.reports.study._table import Table, to_csv, to_latex
from memrnn.runtime.checkpoints import write_bytes
from memrnn.studies import StudyResults, load_results


def write_study_report(
    folder: str | Path, out: str | Path | None = None, paper: Paper | None = None
) -> Path:
    """Writes index.html, figures/*.svg and *.pdf, tables/*.tex and *.csv of a study.

    The study may still run: what is missing is marked so.

    Args:
        folder: of the study, with its ledger.
        out: where to write; by default `report` in the study's folder.
        paper: whose claims and numbers are set beside the study's, if they are about its networks.

    Returns:
        The path of the page.

    Raises:
        MemrnnError: if there is no study in the folder, or it cannot be read.
        OSError: naming a file that could not be written.
    """
    report = StudyReport(load_results(folder), Path(folder), paper)
    return report.write(Path(folder) / "report" if out is None else Path(out))


@dataclass(frozen=True)
class StudyReport:
    """Everything that the report of a study shows, computed when it is asked for.

    Attributes:
        folder: of the study; nothing is read or written there.
    """

    results: StudyResults
    folder: Path
    paper: Paper | None = None

    @cached_property
    def view(self) -> View:
        return View(self.results, self.results.study.precisions[0])

    @cached_property
    def publication(self) -> Publication | None:
        return self.paper.read(self.view) if self.paper else None

    @cached_property
    def comparisons(self) -> list[Comparison]:
        return compare(self.view, self.publication and self.publication.questions)

    @cached_property
    def drawings(self) -> list[Drawing]:
        return list(drawings(self.view, self.publication))

    @cached_property
    def statistics(self) -> list[Table]:
        """A table per task."""
        return statistics_tables(statistics(self.results))

    @cached_property
    def tables(self) -> dict[str, Table]:
        """All tables that become files, by their stems."""
        published = self.publication.tables if self.publication else ()
        claims = [claims_table(self.publication.claims)] if self.publication else []
        own = [comparison_table(self.comparisons), failed_table(self.results)]
        tables = [*published, *self.statistics, *claims, *own, missing_table(self.results)]
        return {table.stem: table for table in tables}

    def write(self, out: Path) -> Path:
        """Writes page, figures and tables, and returns the path of the page."""
        page = self.page()
        for name in ("figures", "tables"):
            (out / name).mkdir(parents=True, exist_ok=True)
        for drawing in self.drawings:
            path = out / "figures" / drawing.stem
            write_bytes(path.with_name(f"{path.name}.svg"), drawing.svg.encode())
            save_figure(drawing.figure, path, drawing.title, ("pdf",))
        for stem, table in self.tables.items():
            write_bytes(out / "tables" / f"{stem}.csv", to_csv(table).encode())
            write_bytes(out / "tables" / f"{stem}.tex", to_latex(table).encode())
        write_bytes(out / "index.html", page.encode())
        return out / "index.html"

    def page(self) -> str:
        """The page as text. It loads nothing; its one script sorts tables."""
        results, study = self.results, self.results.study
        evaluations = results.evaluations(self.view.precision)
        source = origin(results, self.folder)
        warnings = warnings_of(evaluations)
        if len(source.versions) > 1:
            warnings.append(
                f"Runs were made with {len(source.versions)} different sets of versions, so "
                "their numbers may differ for that reason alone; the foot of the page names them."
            )
        if len(study.precisions) > 1:
            warnings.append(
                "Claims, comparisons, figures and published tables are about evaluations in "
                f"{self.view.precision}; only the tables of every cell hold all precisions."
            )
        metrics = dict.fromkeys(metric for task in results.tasks for metric in task.metrics)
        modes = dict.fromkeys(frozen_label(cell.freeze) for cell in results.cells)
        bounds = any(
            baseline(cell, of_set.name) is not None
            for cell in results.cells
            for of_set in cell.task.sets
        )
        return template("study.html.j2").render(
            title=f"Study {self.folder.resolve().name}",
            study=study,
            paper=self.paper,
            publication=self.publication,
            models=list(dict.fromkeys(cell.model for cell in results.cells)),
            tasks=[task.title for task in results.tasks],
            modes=list(modes),
            trained=_trained(results),
            bounds=bounds,
            metrics=[(metric_label(metric), metric.goal) for metric in metrics],
            runs=len(results.runs),
            counts=Counter(run.status for run in results.runs),
            warnings=warnings,
            findings=find(evaluations) if evaluations else [],
            verdicts=Counter(
                claim.verdict for claim in (self.publication.claims if self.publication else ())
            ),
            comparing=self._comparing(),
            learned=LEARNED,
            near=NEAR,
            figures=[(drawing.kind, drawing.on_page()) for drawing in self.drawings],
            statistics=self.statistics,
            tables=self.tables,
            origin=source,
            config=written_options(dataclasses.asdict(study.config)),
            options={name: written_options(values) for name, values in study.options.items()},
        )

    def _comparing(self) -> list[str]:
        """What is compared cell by cell, and what came out."""
        if not self.comparisons:
            return ["The study has no network both with and without a frozen component to compare."]
        tested = sum(comparison.p is not None for comparison in self.comparisons)
        verdicts = Counter(comparison.verdict for comparison in self.comparisons)
        alone = ", and only the claims above, over all cells, may" if self.publication else ""
        return [
            "Mean difference by restart number, with its bootstrap interval over pairs. "
            f"{_measures({comparison.measure for comparison in self.comparisons})} Pairs of which "
            "a restart has no such number are left out; the column of pairs counts the others. "
            "Stands: where the cell with a frozen component stands to the floor on the last set.",
            "The p-value is that of the sign-flip permutation test, two-sided, of comparisons with "
            f"at least {LEAST_PAIRS} pairs. With fewer a cell alone decides nothing{alone}.",
            f"Holm’s correction is over all {tested} comparisons that were tested; up to {ALPHA} "
            "after it a difference is called one. Of n pairs the smallest p there can be is 2 to "
            f"the power 1 − n, so that among {tested} comparisons one alone can stand out only "
            f"with {restarts_needed(tested)} restarts or more; this study plans "
            f"{self.results.study.restarts}."
            if tested
            else "None of the comparisons below has so many pairs.",
            f"{verdicts['higher']} are higher with a component frozen, {verdicts['lower']} lower, "
            f"{verdicts['undecided']} undecided.",
        ]


def _trained(results: StudyResults) -> list[str]:
    """On what tasks were trained and evaluated; once where it is the same for all."""
    titles: dict[str, list[str]] = {}
    for task in results.tasks:
        sets = form.listed([set_label(of_set.name) for of_set in task.sets]) or "nothing"
        trained = ""
        if task.trained_groups:
            axis = f" ({task.group_axis})" if task.group_axis else ""
            trained = f"trained on {range_label(task.trained_groups)}{axis}, "
        titles.setdefault(f"{trained}evaluated on {sets}", []).append(task.title)
    if len(titles) == 1:
        return [sentence[:1].upper() + sentence[1:] for sentence in titles]
    return [f"{form.listed(names)}: {sentence}" for sentence, names in titles.items()]


_MEASURES = {
    RETENTION: "retention is the score on the last set over the score on the first, or the first "
    "over the last where smaller is better",
    NORMALISED: "normalised is the score on the last set between the best baseline (0) and the "
    "Bayes-optimal predictor (1), cut off at −1 and 1",
    GAIN: "above floor is by what the score on the last set is better than the best baseline’s, 0 "
    "where it is not",
}


def _measures(measures: set[str]) -> str:
    """What measures are, and which sets are the first and the last."""
    meanings = [meaning for name, meaning in _MEASURES.items() if name in measures]
    if others := sorted(measures - set(_MEASURES)):
        verb = "is" if len(others) == 1 else "are"
        meanings.append(f"{form.listed(others)} {verb} on the last set")
    text = "; ".join(meanings)
    return (
        f"{text[:1].upper()}{text[1:]}. The first set is the first that is not beyond what was "
        "trained on, the last set the last one beyond it."
    )
