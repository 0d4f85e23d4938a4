"""The paper's claims, judged by the results of a study as `claims.md` says."""

import statistics
from collections.abc import Callable, Sequence

from memrnn.papers.das_mali_2024 import _published as paper
from memrnn.papers.das_mali_2024._judged import JUDGED, Grid
from memrnn.papers.das_mali_2024._published import (
    BOTH,
    CONTROLLER,
    MEMORY,
    NOTHING,
    PublishedCell,
    written,
)
from memrnn.papers.das_mali_2024._treebank import treebank_claim
from memrnn.papers.das_mali_2024._verdicts import Judged, judged_claim
from memrnn.reports import set_label
from memrnn.reports.study import Claim, Published, View
from memrnn.reports.study.scores import first_set, has_memory, last_set
from memrnn.runtime import formats as form
from memrnn.studies import Cell, RunRecord


def judge(view: View) -> list[Claim]:
    """All claims of the paper; none for a study of other tasks or models."""
    if not paper.covers(view.results):
        return []
    grid = Grid(view)
    return [
        _judged(view, key, text, JUDGED[key](grid)) if key in JUDGED else treebank_claim(key, text)
        for key, text in written().items()
    ]


def _judged(view: View, key: str, text: paper.Written, judged: Judged) -> Claim:
    published, notes = PUBLISHED.get(key, lambda _: (None, ()))(view)
    return judged_claim(key, text, judged, (published,) if published else (), notes)


OwnStatistic = tuple[Published | None, Sequence[str]]
"""The paper's own statistic, and notes."""


def _retention(freeze: tuple[str, ...]) -> Callable[[View], OwnStatistic]:
    """Of accuracy over all symbols: mean over cells, each by its best restart."""

    def of_study(view: View) -> OwnStatistic:
        cells = _in_both(view, freeze)
        kept = [one for cell, _ in cells if (one := _best(cell, view.retention)) is not None]
        published = Published(
            "retention of accuracy",
            statistics.fmean(kept) if kept else None,
            statistics.fmean(other.retention for _, other in cells) if cells else None,
            _remark(view, cells),
        )
        baselines = [one for cell, _ in cells if (one := view.baseline_retention(cell)) is not None]
        notes = [
            f"On the same strings the best baseline keeps {form.share(statistics.fmean(baselines))}"
            " of its accuracy."
        ] if baselines else []  # fmt: skip
        low, known = paper.on_baseline(freeze, paper.last_bounds(view))
        if low:
            notes.append(
                f"The paper publishes {known} cells on languages where the baseline and the "
                f"Bayes-optimal predictor are apart; {low} of them are no better than the baseline "
                f"on {set_label(paper.published().sets[-1])}."
            )
        return published, notes

    return of_study


def _largest_loss(view: View) -> OwnStatistic:
    cells = _in_both(view, NOTHING)
    losses = [1 - one for cell, _ in cells if (one := _best(cell, view.retention)) is not None]
    theirs, worst = paper.worst_loss()
    published = Published(
        "largest loss of accuracy",
        max(losses, default=None),
        max((1 - other.retention for _, other in cells), default=None),
        _remark(view, cells),
    )
    note = (
        f"In all of the paper’s tables it is {form.share(theirs)}, of {worst.model} on "
        f"{worst.language}."
    )
    return published, (note,)


def _retention_gained(view: View) -> OwnStatistic:
    published = _difference(
        view,
        MEMORY,
        "difference in retention of accuracy",
        view.retention,
        lambda cell: cell.retention,
    )
    note = (
        "In the paper’s tables lstm with nothing frozen and with memory frozen is the same "
        "experiment drawn twice; its retention differs by up to "
        f"{form.share(paper.twice_retention())} between the two."
    )
    return published, (note,)


def _accuracy_gained(view: View) -> OwnStatistic:
    return _difference(
        view,
        CONTROLLER,
        "difference in accuracy on the last set",
        lambda cell, run: view.value(cell, run, last_set(cell.task)),
        lambda cell: cell.accuracies[-1],
    ), ()


PUBLISHED: dict[str, Callable[[View], OwnStatistic]] = {
    "b": _retention(MEMORY),
    "c": _largest_loss,
    "d": _retention_gained,
    "e": _accuracy_gained,
    "g": _retention(CONTROLLER),
    "h": _retention(BOTH),
}
"""The paper's own statistics, of the claims that have one."""

Cells = list[tuple[Cell, PublishedCell]]


def _in_both(view: View, freeze: tuple[str, ...]) -> Cells:
    """Cells of networks with a memory that have a finished restart here and a row in the paper."""
    known = paper.published()
    if any(task.trained_groups != known.lengths for task in view.results.tasks):
        return []
    return [
        (cell, other)
        for cell in view.results.cells
        if cell.freeze == freeze
        and has_memory(cell)
        and cell.best
        and (other := known.find(paper.language_of(cell.task), cell.model, freeze))
    ]


def _best(cell: Cell, measure: Callable[[Cell, RunRecord], float | None]) -> float | None:
    """Of the restart that validation chooses."""
    return measure(cell, cell.best) if cell.best else None


def _difference(
    view: View,
    freeze: tuple[str, ...],
    name: str,
    here: Callable[[Cell, RunRecord], float | None],
    theirs: Callable[[PublishedCell], float],
) -> Published:
    """A component frozen minus nothing frozen, each the best restart of its cell."""
    whole = {(cell.task.key, cell.model): (cell, row) for cell, row in _in_both(view, NOTHING)}
    pairs = [
        (cell, row, *whole[cell.task.key, cell.model])
        for cell, row in _in_both(view, freeze)
        if (cell.task.key, cell.model) in whole
    ]
    ours = [
        one - other
        for cell, _, of_whole, _ in pairs
        if (one := _best(cell, here)) is not None and (other := _best(of_whole, here)) is not None
    ]
    published = [theirs(row) - theirs(of_whole) for _, row, _, of_whole in pairs]
    return Published(
        name,
        statistics.fmean(ours) if ours else None,
        statistics.fmean(published) if published else None,
        _remark(view, [(cell, row) for cell, row, _, _ in pairs]),
    )


def _remark(view: View, cells: Cells) -> str:
    """Of which restarts, cells and sets a published statistic and ours are."""
    known = paper.published()
    if not cells:
        return "no cell is both here and in the paper, trained on the same lengths"
    counts = form.counted([len(cell.finished) for cell, _ in cells])
    task = cells[0][0].task
    first, last = first_set(task), last_set(task)
    text = (
        f"best of {counts} restarts by validation here, of {known.restarts} in the paper, on the "
        f"same {form.plural(len(cells), 'cell')}"
    )
    if (first, last) != (known.sets[0], known.sets[-1]):
        text += (
            f"; sets {set_label(first)} and {set_label(last)} here, {set_label(known.sets[0])} and "
            f"{set_label(known.sets[-1])} in the paper"
        )
    return text
