"""The answer of a study whose runs are compared item by item, in five sentences."""

import statistics
from collections.abc import Sequence

import numpy as np

from memrnn.evaluation import best_baseline
from memrnn.reports import format_value
from memrnn.reports._summary import frozen_words, mean_label, metric_label, set_label, with_worst
from memrnn.reports.study._answer import Answer, Sentence, answer
from memrnn.reports.study._items import LEAST_FOR_DRAWS, ItemSums, Paired, draws
from memrnn.reports.study._means import Difference, Mean
from memrnn.reports.study._overview import distinct, effective
from memrnn.reports.study._wording import freezing_words, interval_words, too_few
from memrnn.reports.study.comparisons import differences, paired_cells
from memrnn.reports.study.resampling import LEVEL, Estimate, Interval, student_of_means
from memrnn.reports.study.scores import View, has_memory, headline, last_set
from memrnn.runtime import formats as form
from memrnn.studies import Cell, RunRecord
from memrnn.tasks import Metric, TaskDescription

QUESTION = "How good are these networks on new items, and does freezing a component change that?"
"""What such a study is about, if nothing else is said."""

MEMORY = ("memory",)


def items_answer(view: View, sums: ItemSums) -> Answer:
    """What the study says: runs, the best network, baselines, freezing, noise between draws."""
    usual = answer(view)
    best = _best(view)
    return Answer(
        (
            usual.sentences[0],
            _score(view, best),
            _against_baseline(view, sums, best),
            _freezing(view, sums, usual.sentences[3]),
            _noise(view),
        ),
        tuple(_notes(view)),
    )


def paired_words(paired: Paired, sample: str | None) -> str:
    """A difference with its interval."""
    value, interval = form.signed(paired.estimate.value), paired.estimate.interval
    if interval is None:
        return value
    ends = " to ".join(map(form.signed, interval))
    return (
        f"{value} ({ends}, {form.per_cent(LEVEL)} over {form.plural(paired.groups, sample or '')})"
    )


def _best(view: View) -> tuple[Cell, RunRecord] | None:
    """The run that validation chooses of all whose score on the last set is known."""
    task = view.results.tasks[0]
    chosen = [
        (cell, cell.best)
        for cell in distinct(view.results.cells)
        if cell.task == task
        and cell.best
        and view.value(cell, cell.best, last_set(task)) is not None
    ]
    return min(chosen, key=lambda item: item[1].excess, default=None)


def _values(view: View, cell: Cell) -> list[float]:
    """Of all finished restarts on the last set; the missing is the worst."""
    values = [view.value(cell, run, last_set(cell.task)) for run in cell.finished]
    return with_worst(values, headline(cell.task))


def _name(cell: Cell) -> str:
    return f"{cell.model} with {frozen_words(effective(cell))}"


def _score(view: View, best: tuple[Cell, RunRecord] | None) -> Sentence:
    if best is None:
        return Sentence("No network has a score yet:", "no run is finished.")
    cell, run = best
    task, metric = cell.task, headline(cell.task)
    name = last_set(task)
    write = [format_value(value, metric) for value in (
        view.value(cell, run, name), run.selection, statistics.median(_values(view, cell)),
    )]  # fmt: skip
    count = len(cell.finished)
    return Sentence(
        f"The network that validation chooses has {metric_label(metric)} {write[0]} on "
        f"{task.title}, {set_label(name)}:",
        f"{_name(cell)}, restart {run.restart} (validation {write[1]}), the best of "
        f"{form.plural(count, 'restart')}, whose median is {write[2]}; "
        f"{_references(cell, name)}.",
    )


def _references(cell: Cell, name: str) -> str:
    metric = headline(cell.task)
    known = [
        f"{predictor} {format_value(scores.value(metric), metric)}"
        for predictor, scores in cell.references.get(name, {}).items()
    ]
    return f"without a network: {', '.join(known)}" if known else "no baseline is known"


def _against_baseline(view: View, sums: ItemSums, best: tuple[Cell, RunRecord] | None) -> Sentence:
    if best is None:
        return Sentence("Nothing is known beside the baselines:", "no run is finished.")
    cell, run = best
    task, metric, name = cell.task, headline(cell.task), last_set(cell.task)
    floor = best_baseline(cell.references.get(name, {}), metric)
    if floor is None:
        return Sentence("Nothing is known beside a baseline:", "the task has none.")
    scores = [
        value
        for one in distinct(view.results.cells)
        if one.task == task
        for value in _values(view, one)
    ]
    better = sum(metric.improves(value, floor[1]) for value in scores)
    found = sums.difference(cell, name, run, floor[0])
    words = "" if found is None else (
        f"; the chosen network minus it is {paired_words(found, task.sample)} in "
        f"{mean_label(metric)}"
    )  # fmt: skip
    return Sentence(
        f"{better or 'None'} of {form.plural(len(scores), 'finished run')} "
        f"{'are' if better > 1 else 'is'} better than the best baseline:",
        f"{floor[0]} has {metric_label(metric)} {format_value(floor[1], metric)}{words}.",
    )


def _freezing(view: View, sums: ItemSums, unknown: Sentence) -> Sentence:
    """What freezing changes over restarts, and between the chosen restarts over items.

    Args:
        unknown: what is said if nothing is known of that.
    """
    task, metric = view.results.tasks[0], headline(view.results.tasks[0])
    cells = view.results.cells
    modes = [mode for mode in dict.fromkeys(cell.freeze for cell in cells) if mode]
    level = 1 - (1 - LEVEL) / max(1, len(modes))
    means = {mode: mean for mode in modes if (mean := _change(view, mode, level))}
    if not means:
        return unknown
    numbers = [
        f"{form.signed(mean.estimate.value)} with {frozen_words(mode)} "
        f"({interval_words(mean, form.signed)}{form.plural(mean.values, 'pair')})"
        for mode, mean in means.items()
    ]
    known = sum(mean.estimate.interval is not None for mean in means.values())
    method = _method(known, len(modes), level) if known else ""
    least = min(means.values(), key=lambda mean: mean.least)
    chosen = [
        f"{paired_words(found, cell.task.sample)} for {cell.model}"
        for cell, whole in paired_cells(view, MEMORY)
        if cell.best
        and whole.best
        and (found := sums.difference(cell, last_set(cell.task), cell.best, whole.best))
    ]
    between = too_few(least)
    if chosen:
        between += "; between the chosen restarts, memory frozen: " + form.listed(chosen)
    turned = [Difference(mode, _turned(mean, metric)) for mode, mean in means.items()]
    return Sentence(
        f"{freezing_words(turned)}:",
        f"on {set_label(last_set(task))} freezing changes {mean_label(metric)}, "
        f"{'below' if metric.goal == 'min' else 'above'} 0 for the better, by "
        f"{form.listed(numbers)}, over restarts paired by seed{method}{between}.",
    )


def _method(intervals: int, modes: int, level: float) -> str:
    """How intervals over restarts come about, and what they cover."""
    words = "the interval is" if intervals == 1 else "intervals are"
    words = f"; {words} by Student’s t over pairs, of {100 * level:.3g} %"
    if modes == 1:
        return words
    each = " each" if intervals > 1 else ""
    return f"{words}{each}: {form.per_cent(LEVEL)} for {modes} freezing modes together"


def _change(view: View, mode: tuple[str, ...], level: float) -> Mean | None:
    """The mean over networks of the mean over their pairs; those with a memory, if there are any.

    The interval is that of the table "Cell against cell", with another level.
    """
    plain = not any(has_memory(cell) and cell.finished for cell in view.results.cells)
    pairs = paired_cells(view, mode, every=plain)
    rows = [row[~np.isnan(row)] for row in differences(view, pairs, view.last_value)]
    known = [row for row in rows if len(row)]
    if not known:
        return None
    counts = [len(row) for row in known]
    return Mean(student_of_means(known, level), sum(counts), min(counts))


def _turned(mean: Mean, metric: Metric) -> Mean:
    """The same so that larger is better."""
    value, interval = mean.estimate
    if metric.goal == "max":
        return mean
    turned = None if interval is None else Interval(-interval.high, -interval.low)
    return mean._replace(estimate=Estimate(-value, turned))


def _noise(view: View) -> Sentence:
    found = draws(view)
    if not found:
        return Sentence(
            "Nothing is known of the noise between two draws of one experiment:",
            f"no cell has {LEAST_FOR_DRAWS} finished restarts with scores.",
        )
    one = max(found, key=lambda item: item.size)
    metric = headline(one.cell.task)
    return Sentence(
        f"Two draws of one experiment differ by {form.decimal(one.median)} in the median:",
        f"of {_name(one.cell)}, the {metric_label(metric)} of the best of {one.size} restarts, "
        "chosen by validation, differs between disjoint halves by up to "
        f"{form.decimal(one.most)} in 95 % of {form.plural(one.splits, 'split')}.",
    )


def _notes(view: View) -> list[str]:
    notes = [
        f"Protocol of {title}: {form.paired(protocol)}."
        for title, protocol in _protocols(view.results.tasks)
    ]
    cells = view.results.cells
    plain = dict.fromkeys(cell.model for cell in cells if not has_memory(cell))
    frozen = any("memory" in mode for mode in {cell.freeze for cell in cells})
    if plain and frozen:
        notes.append(
            f"{form.listed(list(plain))} {'has' if len(plain) == 1 else 'have'} no memory: memory "
            "frozen is the same experiment as nothing frozen, "
            + (
                "so it is run once and shown once."
                if view.results.study.distinct_cells
                else "so it is shown once."
            )
        )
    notes.append(
        "Intervals over items are about the choice of the items for two given networks, intervals "
        "over restarts about the draw of networks, with their rates and starts."
    )
    return notes


def _protocols(tasks: Sequence[TaskDescription]) -> list[tuple[str, dict[str, str | int]]]:
    return [(task.title, dict(task.protocol)) for task in tasks if task.protocol]
