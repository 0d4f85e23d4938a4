"""Which figures a study has, with their captions."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from memrnn.evaluation import Evaluation
from memrnn.nn.components import format_freeze
from memrnn.reports._curves import MOST_POINTS, families, has_numbers
from memrnn.reports._figures import STYLES, draw
from memrnn.reports._summary import frozen_words, metric_label, set_label
from memrnn.reports._templates import inline
from memrnn.reports.study._items import by_items
from memrnn.reports.study._overview_figure import overview_figure
from memrnn.reports.study._papers import Publication
from memrnn.reports.study._restarts_figure import (
    draw_restarts,
    restarts_explanation,
    restarts_title,
)
from memrnn.reports.study._score_figure import draw_scores
from memrnn.reports.study._statistics import stems
from memrnn.reports.study._validation_figure import (
    baseline_excess,
    draw_validation,
    has_reference,
)
from memrnn.reports.study.scores import View, baseline, first_set, headline
from memrnn.runtime import formats as form
from memrnn.runtime.figures import svg
from memrnn.studies import StudyResults
from memrnn.tasks import TaskDescription


@dataclass(frozen=True)
class Drawing:
    """A figure, drawn when it is asked for.

    Attributes:
        kind: `overview`, `scores`, `validation` or `groups`: where on the page it stands.
        stem: of its files.
        draw: makes the figure, with at most `columns` panels in a row.
    """

    kind: str
    stem: str
    title: str
    explanation: str
    draw: Callable[..., Figure]

    @cached_property
    def figure(self) -> Figure:
        """The figure for files and wide windows, drawn once."""
        return laid_out(self.draw())

    @cached_property
    def svg(self) -> str:
        """The same as SVG text."""
        return svg(self.figure, self.title)

    def on_page(self, narrow: int | None = None) -> dict[str, Any]:
        """The drawing as markup, with its caption.

        Args:
            narrow: panels in a row of a second drawing for narrow windows.
        """
        prefix = self.stem.replace(".", "_")
        texts = {prefix: self.svg}
        if narrow is not None:
            drawn = laid_out(self.draw(columns=narrow))
            texts[f"{prefix}-narrow"] = svg(drawn, self.title)
        return {
            "title": self.title,
            "explanation": self.explanation,
            "drawings": [
                inline(text, name, self.title, self.explanation) for name, text in texts.items()
            ],
        }


def laid_out(figure: Figure) -> Figure:
    """A figure with everything in its place: saving would do that twice per format."""
    FigureCanvasSVG(figure)  # measures letters as browsers and PDF draw them
    if engine := figure.get_layout_engine():
        engine.execute(figure)
        figure.set_layout_engine(None)
    return figure


def drawings(view: View, publication: Publication | None = None) -> Iterator[Drawing]:
    """The figures of a study: those that have something to show."""
    if by_items(view):
        shown = publication and publication.score
        yield Drawing(
            "overview",
            "overview",
            restarts_title(view),
            restarts_explanation(view, published=publication is not None),
            partial(draw_restarts, view, published=shown),
        )
    elif overview := overview_figure(view):
        yield Drawing("overview", "overview", overview.title, overview.explanation, overview.draw)
    yield from _score_drawings(view, publication)
    if any(cell.finished for cell in view.results.cells):
        yield from _validation_drawings(view.results, publication)
        yield from _group_drawings(view)


def _score_drawings(view: View, publication: Publication | None) -> Iterator[Drawing]:
    """One figure per freezing mode, and per kind of task: tasks of one kind share all axes."""
    modes = dict.fromkeys(cell.freeze for cell in view.results.cells)
    usual = [freeze for label in STYLES for freeze in modes if format_freeze(freeze) == label]
    for freeze in dict.fromkeys([*usual, *modes]):
        cells = [cell for cell in view.results.cells if cell.freeze == freeze and cell.task.sets]
        tasks = list({cell.task.key: cell.task for cell in cells}.values())
        kinds = _kinds(tasks, lambda task: (headline(task), task.sets))
        for alike, suffix, titles in kinds:
            metric, names = headline(alike[0]), [of_set.name for of_set in alike[0].sets]
            label = metric_label(metric)
            shown = [cell for cell in cells if cell.task in alike]
            missing = sum(
                view.value(cell, run, name) is None
                for cell in shown
                for run in cell.finished
                for name in names
            )
            explanation = "Each row is one network on one task."
            if any(baseline(cell, name) is not None for cell in shown for name in names):
                explanation += " A score on the floor’s tick is what the best baseline gets."
            if missing:
                explanation += (
                    f" {form.plural(missing, 'score')} {_is(missing)} missing and not shown."
                )
            yield Drawing(
                "scores",
                f"{form.slug(metric.name)}_{format_freeze(freeze).replace('+', '_')}{suffix}",
                f"{label[:1].upper()}{label[1:]} with {frozen_words(freeze)}"
                f"{', published and here' if publication else ''}{titles}",
                explanation,
                partial(
                    draw_scores, view, freeze, alike, published=publication and publication.score
                ),
            )


def _validation_drawings(
    results: StudyResults, publication: Publication | None
) -> Iterator[Drawing]:
    kinds = _kinds(
        results.tasks, lambda task: (task.metric(task.selection), has_reference(results, task))
    )
    for alike, suffix, titles in kinds:
        metric, referenced = alike[0].metric(alike[0].selection), has_reference(results, alike[0])
        runs = [run for cell in results.cells if cell.task in alike for run in cell.finished]
        if not runs:
            continue
        infinite = sum(not abs(run.excess) < float("inf") for run in runs)
        explanation: list[str] = []
        if referenced and metric.scale == "exp":
            explanation.append("Linear up to 0.01, logarithmic from there.")
        if any(baseline_excess(results, task) is not None for task in alike):
            explanation.append(
                "The floor is what the best baseline is above the Bayes-optimal predictor on "
                f"{set_label(first_set(alike[0]))}."
            )
        if infinite:
            explanation.append(
                f"{form.plural(infinite, 'finished restart')} never had a finite one and "
                f"{_is(infinite)} not shown."
            )
        yield Drawing(
            "validation",
            f"validation{suffix}",
            f"Validation {metric_label(metric)}{' above its exact bound' if referenced else ''}, "
            f"every restart{titles}",
            " ".join(explanation),
            partial(draw_validation, results, alike, published=publication and publication.excess),
        )


def _group_drawings(view: View) -> Iterator[Drawing]:
    """The headline metric by group of each task whose groups are numbers."""
    tasks, evaluations = view.results.tasks, view.results.evaluations(view.precision)
    for task, stem in zip(tasks, stems(tasks), strict=True):
        finished = [evaluation for evaluation in evaluations if evaluation.task == task]
        # Of each cell the runs of which scores by numeric group are known.
        known = [
            dataclasses.replace(evaluation, runs=runs)
            for evaluation in finished
            if (runs := tuple(r for r in evaluation.runs if all(map(has_numbers, r.sets.values()))))
        ]
        shown = [
            evaluation
            for family in families(known, task.headline)
            if family.metric == headline(task)
            for evaluation in family.evaluations
        ]
        if not shown:
            continue
        hidden = sum(len(one.runs) for one in finished) - sum(len(one.runs) for one in shown)
        explanation = "A line is the median over restarts, its band their range."
        if any(len(scores) > MOST_POINTS for scores in map(_groups, shown)):
            explanation += " Neighbouring groups are pooled."
        if any(references for one in shown for references in one.references.values()):
            explanation += (
                " Where a line runs on the floor, a network does no better than the best baseline, "
                "however good its score is."
            )
        if hidden:
            explanation += (
                f" {form.plural(hidden, 'finished run')} without scores by group "
                f"{_is(hidden)} not shown."
            )
        axis = task.group_axis or ""
        yield Drawing(
            "groups",
            f"groups_{stem}",
            f"{task.title}: {metric_label(headline(task))} by {axis[:1].lower()}{axis[1:]}",
            explanation,
            partial(draw, shown, task.headline),
        )


def _groups(evaluation: Evaluation) -> set[str]:
    return {group for scores in evaluation.runs[0].sets.values() for group in scores.groups}


def _is(count: int) -> str:
    return "is" if count == 1 else "are"


def _kinds(
    tasks: Sequence[TaskDescription], kind: Callable[[TaskDescription], object]
) -> list[tuple[list[TaskDescription], str, str]]:
    """Tasks that are of one kind, together; the ends of the stem and the title of their figure."""
    groups: dict[object, list[TaskDescription]] = {}
    for task in tasks:
        groups.setdefault(kind(task), []).append(task)
    names = [form.listed([task.title for task in alike]) for alike in groups.values()]
    return [
        (alike, f"-{index + 1}" if index else "", f": {name}" if len(groups) > 1 else "")
        for index, (alike, name) in enumerate(zip(groups.values(), names, strict=True))
    ]
