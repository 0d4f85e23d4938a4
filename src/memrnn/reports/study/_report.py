"""The report of a study: its page, figures and tables."""

import dataclasses
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from memrnn.nn.components import format_freeze
from memrnn.reports import warnings_of
from memrnn.reports._findings import find
from memrnn.reports._summary import range_label, set_label
from memrnn.reports._templates import template
from memrnn.reports._thresholds import LEARNED, NEAR, NEAR_WITHOUT_BAYES
from memrnn.reports.study import comparisons as comparing
from memrnn.reports.study._answer import QUESTION, Answer, answer
from memrnn.reports.study._drawings import Drawing, drawings
from memrnn.reports.study._items import ItemSums, by_items
from memrnn.reports.study._items_answer import QUESTION as ITEMS_QUESTION
from memrnn.reports.study._items_answer import items_answer
from memrnn.reports.study._items_tables import items_tables
from memrnn.reports.study._papers import Paper, Publication, claims_table
from memrnn.reports.study._precision import precision_table
from memrnn.reports.study._runs import failed_table, missing_table, origin
from memrnn.reports.study._statistics import statistics, statistics_tables
from memrnn.reports.study.scores import View, baseline, bayes
from memrnn.reports.study.table import Table, to_csv, to_latex
from memrnn.runtime import formats as form
from memrnn.runtime.checkpoints import write_bytes
from memrnn.runtime.figures import save_figure
from memrnn.studies import StudyResults, load_results
from memrnn.tasks import TaskDescription


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
    def comparisons(self) -> list[comparing.Comparison]:
        return comparing.compare(self.view, self.publication and self.publication.questions)

    @cached_property
    def drawings(self) -> list[Drawing]:
        return list(drawings(self.view, self.publication))

    @property
    def overview(self) -> Drawing | None:
        """The figure of the first screen."""
        return next((drawing for drawing in self.drawings if drawing.kind == "overview"), None)

    @cached_property
    def sums(self) -> ItemSums:
        return ItemSums(self.view)

    @cached_property
    def answer(self) -> tuple[str, Answer]:
        """The question of the first screen, and five sentences of answer."""
        if by_items(self.view):
            return ITEMS_QUESTION, items_answer(self.view, self.sums)
        return QUESTION, answer(self.view)

    @cached_property
    def items(self) -> list[Table]:
        """Tables of runs compared item by item; none where tasks have no such sample."""
        return items_tables(self.view, self.sums)

    @cached_property
    def statistics(self) -> list[Table]:
        """A table per task."""
        return statistics_tables(statistics(self.results))

    @property
    def statistics_shown(self) -> list[Table]:
        """Those of the page: of more than two precisions the first one, or it would be megabytes.

        The others are in the table of precisions, and whole in the files.
        """
        if len(self.results.study.precisions) <= 2:
            return self.statistics
        rows = [row for row in statistics(self.results) if row.precision == self.view.precision]
        return statistics_tables(rows)

    @cached_property
    def tables(self) -> dict[str, Table]:
        """All tables that become files, by their stems."""
        tables = [
            *(self.publication.tables if self.publication else ()),
            *self.statistics,
            comparing.comparison_table(self.comparisons),
            *self.items,
            *([table] if (table := precision_table(self.results)).rows else []),
            failed_table(self.results),
            missing_table(self.results),
        ]
        if self.publication:
            tables += [claims_table(self.publication.claims), self.publication.measures]
        return {table.stem: table for table in tables}

    def write(self, out: Path) -> Path:
        """Writes page, figures and tables, and returns the path of the page."""
        page = self.page()
        for name in ("figures", "tables"):
            (out / name).mkdir(parents=True, exist_ok=True)
        for drawing in self.drawings:
            path = out / "figures" / drawing.stem
            write_bytes(path.with_name(f"{path.name}.svg"), drawing.svg.encode())
            save_figure(drawing.figure, path.with_name(f"{path.name}.pdf"), drawing.title)
        for stem, table in self.tables.items():
            write_bytes(out / "tables" / f"{stem}.csv", to_csv(table).encode())
            write_bytes(out / "tables" / f"{stem}.tex", to_latex(table).encode())
        write_bytes(out / "index.html", page.encode())
        return out / "index.html"

    def page(self) -> str:
        """The page as text. It loads nothing; its one script sorts tables."""
        results = self.results
        evaluations = results.evaluations(self.view.precision)
        question, found = self.answer
        return template("study.html.j2").render(
            title=f"Study {self.folder.resolve().name}",
            report=self,
            study=results.study,
            results=results,
            publication=self.publication,
            modes=list(dict.fromkeys(format_freeze(cell.freeze) for cell in results.cells)),
            trained=_trained(results.tasks),
            bounds=any(
                baseline(cell, of_set.name) is not None
                for cell in results.cells
                for of_set in cell.task.sets
            ),
            normal=any(
                bayes(cell, of_set.name) is not None
                for cell in results.cells
                for of_set in cell.task.sets
            ),
            grouped=any(task.group_axis for task in results.tasks),
            metrics=dict.fromkeys(metric for task in results.tasks for metric in task.metrics),
            warnings=[*results.notes, *warnings_of(evaluations)],
            findings=find(evaluations) if evaluations else [],
            meanings=dict.fromkeys(
                (comparison.name, comparison.question.meaning) for comparison in self.comparisons
            ),
            compared=Counter(comparison.difference for comparison in self.comparisons),
            learned=LEARNED,
            near=form.per_cent(NEAR),
            near_without_bayes=NEAR_WITHOUT_BAYES,
            question=self.publication.question if self.publication else question,
            answer=found,
            overview=self.overview and self.overview.on_page(narrow=2),
            figures=[
                (drawing.kind, drawing.on_page())
                for drawing in self.drawings
                if drawing is not self.overview
            ],
            tables=self.tables,
            origin=origin(results, self.folder),
            config=dataclasses.asdict(results.study.config),
        )


def _trained(tasks: list[TaskDescription]) -> list[str]:
    """On what tasks were trained and evaluated; once where it is the same for all."""
    titles: dict[str, list[str]] = {}
    for task in tasks:
        sets = form.listed([set_label(of_set.name) for of_set in task.sets]) or "nothing"
        axis = f" ({task.group_axis})" if task.group_axis else ""
        trained = task.trained_groups and f"trained on {range_label(task.trained_groups)}{axis}, "
        titles.setdefault(f"{trained or ''}evaluated on {sets}", []).append(task.title)
    if len(titles) == 1:
        return [sentence[:1].upper() + sentence[1:] for sentence in titles]
    return [f"{form.listed(names)}: {sentence}" for sentence, names in titles.items()]
