"""Which figures a study has, with their captions."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from matplotlib.figure import Figure

from memrnn.reports._figures import draw, svg
from memrnn.reports._summary import Result, frozen_label
from memrnn.reports._templates import inline
from memrnn.reports.study._published import MODES
from memrnn.reports.study._scores import View
from memrnn.reports.study._study_figures import draw_accuracies, draw_validation
from memrnn.reports.study._study_tables import slug


@dataclass(frozen=True)
class Drawing:
    """A figure, drawn for a wide and for a narrow window when it is asked for.

    Attributes:
        kind: `accuracy`, `validation` or `lengths`: where on the page it stands.
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
    results = view.results
    modes = dict.fromkeys([*MODES, *(cell.freeze for cell in results.cells)])
    for freeze in modes:
        if not any(cell.freeze == freeze for cell in results.cells):
            continue
        frozen = frozen_label(freeze)
        yield Drawing(
            "accuracy",
            f"accuracy_{frozen.replace('+', '_')}",
            f"Accuracy with {frozen} frozen, published and here",
            "Each row is one network on one language. A score on the floor’s tick is what a "
            "trivial predictor gets.",
            partial(draw_accuracies, view, freeze),
            partial(draw_accuracies, view, freeze, columns=1),
        )
    if not any(cell.finished for cell in results.cells):
        return
    infinite = sum(run.finished and run.valid_perplexity is None for run in results.runs)
    yield Drawing(
        "validation",
        "validation",
        "Validation cross-entropy above the exact bound, every restart",
        "Linear up to 0.01, logarithmic from there. The floor is what the symbol before tells."
        + f" {infinite} finished restarts never had a finite one and are not shown."
        * (infinite > 0),
        partial(draw_validation, results),
        partial(draw_validation, results, columns=1),
    )
    finished = results.results(view.precision)
    known = [shown for result in finished if (shown := _with_lengths(result))]
    hidden = sum(len(one["runs"]) for one in finished) - sum(len(one["runs"]) for one in known)
    for language in results.study.languages:
        chosen = [one for one in known if one["runs"][0]["language"] == language]
        if chosen:
            lengths = results.study.recipe.lengths
            yield Drawing(
                "lengths",
                f"lengths_{slug(language)}",
                f"{language}: accuracy by string length",
                "Where a line runs on the floor, a network does no better than a trivial "
                "predictor, however high the line is."
                + f" {hidden} finished runs of the study were taken from tables without scores "
                "by length and are not shown." * (hidden > 0),
                partial(draw, chosen, training_lengths=lengths),
                partial(draw, chosen, training_lengths=lengths, columns=1),
            )


def _with_lengths(result: Result) -> Result | None:
    """The runs of a result of which scores by length are known; None if there is none."""
    runs = [run for run in result["runs"] if all(one["per_length"] for one in run["bins"])]
    return {**result, "runs": runs} if runs else None
