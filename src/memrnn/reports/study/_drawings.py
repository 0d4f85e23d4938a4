"""Which figures a study has, with their captions."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, TypeVar

from matplotlib.figure import Figure

from memrnn.evaluation import Evaluation
from memrnn.reports._curves import families, has_numbers
from memrnn.reports._figures import draw
from memrnn.reports._summary import frozen_label, frozen_words, metric_label, set_label
from memrnn.reports._templates import inline
from memrnn.reports.study._published import MODES, is_the_papers
from memrnn.reports.study._score_figure import draw_scores
from memrnn.reports.study._scores import View, first_set, floor, headline
from memrnn.reports.study._study_tables import stems
from memrnn.reports.study._validation_figure import (
    draw_validation,
    floor_above_bound,
    has_reference,
)
from memrnn.runtime import formats as form
from memrnn.runtime.figures import svg
from memrnn.studies import StudyResults
from memrnn.tasks import TaskDescription


@dataclass(frozen=True)
class Drawing:
    """A figure, drawn for a wide and for a narrow window when it is asked for.

    Attributes:
        kind: `scores`, `validation` or `groups`: where on the page it stands.
        stem: of its files.
    """

    kind: str
    stem: str
    title: str
    explanation: str
    wide: Callable[[], Figure]
    narrow: Callable[[], Figure]

    @cached_property
    def figure(self) -> Figure:
        """The figure for files and wide windows, drawn once."""
        return self.wide()

    @cached_property
    def svg(self) -> str:
        """The same as SVG text."""
        text = svg(self.figure, self.title)
        # Everything has its place now; to find it again for the next format takes seconds.
        self.figure.set_layout_engine("none")
        return text

    def on_page(self) -> dict[str, Any]:
        """Both drawings as markup, with what is said about them."""
        return {
            "title": self.title,
            "explanation": self.explanation,
            "wide": self._inline("wide", self.svg),
            "narrow": self._inline("narrow", svg(self.narrow(), self.title)),
        }

    def _inline(self, name: str, text: str) -> Any:
        prefix = f"{self.stem}-{name}".replace(".", "_")
        return inline(text, prefix, self.title, self.explanation)


def drawings(view: View) -> Iterator[Drawing]:
    """The figures of a study: those that have something to show."""
    yield from _of_scores(view)
    if any(cell.finished for cell in view.results.cells):
        yield from _of_validation(view.results)
        yield from _of_groups(view)


def _of_scores(view: View) -> Iterator[Drawing]:
    """One figure per freezing mode, and per kind of task: tasks of one kind share all axes."""
    cells = view.results.cells
    here = ", published and here" if is_the_papers(view.results) else ""
    modes = dict.fromkeys([*MODES, *(cell.freeze for cell in cells)])
    for freeze in modes:
        tasks = {c.task.key: c.task for c in cells if c.freeze == freeze and c.task.sets}
        kinds = _kinds(list(tasks.values()), lambda task: (headline(task), task.sets))
        for number, some in enumerate(kinds):
            label = metric_label(headline(some[0]))
            shown = [cell for cell in cells if cell.freeze == freeze and cell.task in some]
            names = [one.name for one in some[0].sets]
            missing = sum(
                view.value(cell, run, name) is None
                for cell in shown
                for run in cell.finished
                for name in names
            )
            explanation = "Each row is one network on one task."
            if any(floor(cell, name) is not None for cell in shown for name in names):
                explanation += " A score on the floor’s tick is what the best baseline gets."
            if missing:
                verb = "is" if missing == 1 else "are"
                explanation += f" {form.plural(missing, 'score')} {verb} missing and not shown."
            yield Drawing(
                "scores",
                f"{form.slug(headline(some[0]).name)}_{frozen_label(freeze).replace('+', '_')}"
                + (f"-{number + 1}" if number else ""),
                f"{label[:1].upper()}{label[1:]} with {frozen_words(freeze)}{here}"
                + (f": {form.listed([task.title for task in some])}" if len(kinds) > 1 else ""),
                explanation,
                partial(draw_scores, view, freeze, some),
                partial(draw_scores, view, freeze, some, columns=1),
            )


def _of_validation(results: StudyResults) -> Iterator[Drawing]:
    kinds = _kinds(
        results.tasks, lambda task: (task.metric(task.selection), has_reference(results, task))
    )
    for number, some in enumerate(kinds):
        metric, of_bound = some[0].metric(some[0].selection), has_reference(results, some[0])
        finished = [run for cell in results.cells if cell.task in some for run in cell.finished]
        if not finished:
            continue
        infinite = sum(not abs(run.excess) < float("inf") for run in finished)
        name = metric_label(metric)
        explanation = ""
        if of_bound and metric.scale == "exp":
            explanation = "Linear up to 0.01, logarithmic from there."
        if any(floor_above_bound(results, task) is not None for task in some):
            explanation += (
                " The floor is what the best baseline is above the Bayes-optimal predictor on "
                f"{set_label(first_set(some[0]) or '')}."
            )
        if infinite:
            explanation += (
                f" {form.plural(infinite, 'finished restart')} never had a finite one and "
                f"{'is' if infinite == 1 else 'are'} not shown."
            )
        above = " above its exact bound" if of_bound else ""
        yield Drawing(
            "validation",
            "validation" + (f"-{number + 1}" if number else ""),
            f"Validation {name}{above}, every restart"
            + (f": {form.listed([task.title for task in some])}" if len(kinds) > 1 else ""),
            explanation.strip(),
            partial(draw_validation, results, some),
            partial(draw_validation, results, some, columns=1),
        )


def _of_groups(view: View) -> Iterator[Drawing]:
    """The headline metric by group of each task whose groups are numbers."""
    finished = view.results.evaluations(view.precision)
    known = [shown for one in finished if (shown := _with_numbers(one))]
    drawable = {
        id(one)
        for family in families(known)
        for one in family.evaluations
        if family.metric == headline(one.task)
    }
    tasks = view.results.tasks
    for task, stem in zip(tasks, stems(tasks), strict=True):
        chosen = [one for one in known if one.task == task and id(one) in drawable]
        if not chosen:
            continue
        every = sum(len(one.runs) for one in finished if one.task == task)
        hidden = every - sum(len(one.runs) for one in chosen)
        explanation = "A line is the median over restarts, its band their range."
        if any(known for one in chosen for known in one.references.values()):
            explanation = (
                "Where a line runs on the floor, a network does no better than the best baseline, "
                "however good its score is."
            )
        if hidden:
            explanation += (
                f" {form.plural(hidden, 'finished run')} without scores by group "
                f"{'is' if hidden == 1 else 'are'} not shown."
            )
        axis = task.group_axis or ""
        yield Drawing(
            "groups",
            f"groups_{stem}",
            f"{task.title}: {metric_label(headline(task))} by {axis[:1].lower()}{axis[1:]}",
            explanation,
            partial(draw, chosen, task.headline),
            partial(draw, chosen, task.headline, columns=1),
        )


def _with_numbers(evaluation: Evaluation) -> Evaluation | None:
    """The runs of which scores by numeric group are known; None if there is none."""
    runs = tuple(run for run in evaluation.runs if all(map(has_numbers, run.sets.values())))
    return dataclasses.replace(evaluation, runs=runs) if runs else None


Kind = TypeVar("Kind")


def _kinds(
    tasks: Sequence[TaskDescription], kind: Callable[[TaskDescription], Kind]
) -> list[list[TaskDescription]]:
    """Tasks that are of one kind, together."""
    found: dict[Kind, list[TaskDescription]] = {}
    for task in tasks:
        found.setdefault(kind(task), []).append(task)
    return list(found.values())
