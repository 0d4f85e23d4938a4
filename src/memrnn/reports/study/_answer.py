"""The answer of a study in five sentences, computed from its results."""

import itertools
import math
import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from memrnn.reports import format_value
from memrnn.reports._summary import (
    frozen_words,
    in_order,
    mean_label,
    metric_label,
    set_label,
    with_worst,
)
from memrnn.reports._thresholds import LEARNED, LEAST_WAY, NEAR
from memrnn.reports.study._means import LEAST_RESTARTS, Difference, Mean, cell_mean
from memrnn.reports.study._overview import LIMIT, Overview, distinct, effective, overviews
from memrnn.reports.study._wording import (
    freezing_words,
    interval_words,
    share,
    too_few,
    verdict_words,
)
from memrnn.reports.study.resampling import LEVEL
from memrnn.reports.study.scores import View, first_set, has_memory, last_set
from memrnn.runtime import formats as form
from memrnn.studies import Cell, RunRecord

QUESTION = "Do these networks learn the task, or only the lengths they were trained on?"
"""What a study is about, if nothing else is said."""

Freeze = tuple[str, ...]


class Sentence(NamedTuple):
    """One sentence: what is found, and the numbers behind it."""

    finding: str
    numbers: str


class Answer(NamedTuple):
    """Five sentences, and what one must know to read them."""

    sentences: tuple[Sentence, Sentence, Sentence, Sentence, Sentence]
    notes: tuple[str, ...]


def answer(view: View) -> Answer:
    """What a study says, whatever of it is missing."""
    found = _Answer(view)
    return Answer(
        (
            found.runs(),
            found.within(),
            found.beyond(),
            found.freezing(),
            found.best(),
        ),
        tuple(found.notes()),
    )


class _Place(NamedTuple):
    """A task and one of its evaluation sets."""

    overview: Overview
    name: str

    @property
    def text(self) -> str:
        axis = self.overview.task.group_axis
        label = set_label(self.name)
        return f"{axis.lower()} {label}" if axis else label

    def bounds(self) -> str:
        """The best baseline and the Bayes-optimal value, in parentheses, as far as they exist."""
        values = {
            "best baseline": self.overview.baseline(self.name),
            "Bayes": self.overview.bayes(self.name),
        }
        known = [f"{name} {self.write(one)}" for name, one in values.items() if one is not None]
        return f" ({', '.join(known)})" if known else ""

    def write(self, value: float | None) -> str:
        return format_value(value, self.overview.metric)


@dataclass(frozen=True)
class _Answer:
    view: View

    @cached_property
    def every(self) -> list[Overview]:
        return overviews(self.view)

    @cached_property
    def referenced(self) -> list[Overview]:
        """Tasks of which a score is known to be near a baseline or near the Bayes-optimal value."""
        return [one for one in self.every if one.gap(last_set(one.task)) is not None]

    @cached_property
    def judged(self) -> list[Overview]:
        """Those of which both ends of the sets tell the one from the other."""
        return [
            one
            for one in self.referenced
            if all(one.informative(set_of(one.task)) for set_of in (first_set, last_set))
        ]

    @cached_property
    def normal(self) -> bool:
        """Whether scores are shares of the way from baseline to Bayes-optimal predictor."""
        return bool(self.judged)

    @cached_property
    def tasks(self) -> list[Overview]:
        """What all sentences are about: without references tasks of one metric."""
        if self.normal:
            return self.judged
        return [one for one in self.every if one.metric == self.every[0].metric]

    @cached_property
    def with_memory(self) -> bool:
        """Whether the sentences are about networks with a memory; they are if there are any."""
        return any(has_memory(cell) and cell.finished for one in self.tasks for cell in one.cells)

    @cached_property
    def modes(self) -> list[Freeze]:
        """The freezing modes of the networks that the sentences are about."""
        cells = [cell for one in self.tasks for cell in one.cells]
        modes = [effective(cell) for cell in cells if has_memory(cell) or not self.with_memory]
        return list(dict.fromkeys(modes))

    @cached_property
    def mode(self) -> Freeze:
        """Nothing frozen, or what the study has instead."""
        return () if () in self.modes or not self.modes else self.modes[0]

    def runs(self) -> Sentence:
        """What was run, and how much of it is finished."""
        results = self.view.results
        status = Counter(run.status for run in results.runs)
        to_come = status["planned"] + status["running"]
        models = dict.fromkeys(cell.model for cell in results.cells)
        modes = dict.fromkeys(cell.freeze for cell in results.cells)
        counts = {"of them diverged": status["diverged"], "failed": status["failed"]}
        ended = [f"{count} {word}" for word, count in counts.items() if count]
        grid = (
            f"{form.plural(len(models), 'network')} on {form.plural(len(results.tasks), 'task')} "
            f"in {form.plural(len(modes), 'freezing mode')} with "
            f"{form.plural(results.study.restarts, 'restart')} each"
        )
        whole = len(models) * len(results.tasks) * len(modes)
        if results.study.distinct_cells and len(results.cells) < whole:
            grid += "; cells that are the same experiment are run once"
        rest = f"{to_come} {'is' if to_come == 1 else 'are'} still to come, so all below is"
        return Sentence(
            f"{status['done'] + status['diverged']} of {len(results.runs)} runs are finished:",
            "; ".join([grid, *ended, *([f"{rest} preliminary"] if to_come else [])]) + ".",
        )

    def within(self) -> Sentence:
        """How good networks are within what was trained on."""
        places = [
            _Place(one, name)
            for one in self.tasks
            if (name := first_set(one.task)) and _relation(one, name) != "beyond"
        ]
        if not places:
            return Sentence(
                "Nothing is known within what was trained on:", "no evaluation set lies there."
            )
        relations = {_relation(place.overview, place.name) for place in places}
        where = "On the first evaluation set"
        if relations == {"within"}:
            where = "Within what was trained on"
        elif relations == {"across"}:
            where = "Partly within what was trained on"
        return self._score(where, places, "")

    def beyond(self) -> Sentence:
        """How good networks are on the last set beyond it."""
        places = [
            _Place(one, name)
            for one in self.tasks
            if (name := last_set(one.task)) and _relation(one, name) == "beyond"
        ]
        if not places:
            return Sentence(
                "Nothing is known beyond what was trained on:", "no evaluation set lies there."
            )
        return self._score("Beyond what was trained on", places, "still ")

    def freezing(self) -> Sentence:
        """What freezing components changes on the last set."""
        frozen = [mode for mode in self.modes if mode]
        if not frozen:
            return Sentence("Nothing is known of freezing:", "the study freezes no component.")
        if () not in self.modes:
            return Sentence(
                "Nothing is known of freezing:", "no network of the study has nothing frozen."
            )
        level = 1 - (1 - LEVEL) / len(frozen)
        means = {mode: self._difference(mode, level) for mode in frozen}
        known = [Difference(mode, mean) for mode, mean in means.items() if mean]
        if not known:
            return Sentence(
                "Nothing is known of freezing yet:",
                "no restart is finished both with a component frozen and with nothing frozen.",
            )
        if self.normal:
            unit = "the share of the way from baseline to Bayes"
        else:
            metric = self.tasks[0].metric
            unit = mean_label(metric)
            unit += " (turned so that larger is better)" if metric.goal == "min" else ""
        numbers = [
            f"{form.signed(one.mean.estimate.value)} with {frozen_words(one.freeze)}"
            f" ({interval_words(one.mean, form.signed)}{form.plural(one.mean.values, 'pair')})"
            for one in known
        ]
        intervals = sum(one.mean.estimate.interval is not None for one in known)
        coverage = ["", f"; the interval is of {form.per_cent(LEVEL)}"]
        together = f"; the intervals hold together with {form.per_cent(LEVEL)}"
        return Sentence(
            f"{freezing_words(known)}:",
            f"on {self._where(last_set)} freezing changes {unit}, paired by seed, by "
            f"{form.listed(numbers)}{coverage[intervals] if intervals < 2 else together}"
            f"{too_few(min((one.mean for one in known), key=lambda mean: mean.least))}.",
        )

    def best(self) -> Sentence:
        """Which network holds furthest, and how many hold on the last set."""
        runs = [
            (one, cell, run)
            for one in self.tasks
            for cell in one.cells
            for run in cell.finished
            if one.value(run, last_set(one.task)) is not None
        ]
        if not runs:
            return Sentence("No single network is known yet:", "no finished run has a score.")
        if not self.normal:
            return self._best_by_value(runs)
        holds = sum(
            (one.normalised(run, last_set(one.task)) or 0) >= LEARNED for one, _, run in runs
        )

        def rank(item: tuple[Overview, Cell, RunRecord]) -> tuple[int, float]:
            one, _, run = item
            return len(_held(one, run)), one.normalised(run, last_set(one.task)) or -math.inf

        one, cell, run = max(runs, key=rank)
        place = _Place(one, last_set(one.task))
        held = _held(one, run)
        named = f"the one that holds furthest, {_name(cell, run)}, holds up to " + "".join(
            set_label(name) for name in held[-1:]
        )
        if not held:
            named = (
                f"none holds on {_Place(one, in_order([s.name for s in one.task.sets])[0]).text} "
                f"either; the best, {_name(cell, run)},"
            )
        return Sentence(
            f"{holds or 'None'} of {form.plural(len(runs), 'finished run')} "
            f"{'hold' if holds > 1 else 'holds'} on {self._where(last_set)}:",
            f"{named}{' and' if held else ''} has {metric_label(one.metric)} "
            f"{place.write(one.value(run, place.name))} on {place.text}{place.bounds()}.",
        )

    def notes(self) -> list[str]:
        """How words are used, and what no sentence is about."""
        notes: list[str] = []
        if self.normal:
            notes.append(
                "Best baseline: of predictors that need no training of a network. Bayes: the "
                "predictor that knows the distribution. A run holds, and networks solve the task "
                f"on average, from {LEARNED} of the way between them; up to {NEAR} they are no "
                f"better than the baseline. The share of a run is cut off at −{LIMIT:g} and "
                f"{LIMIT:g}, and what is missing counts as −{LIMIT:g}. Intervals are nominal, over "
                f"restarts, and decide from {LEAST_RESTARTS} restarts per cell."
            )
        elif self.referenced:
            notes.append("No set tells the Bayes-optimal predictor from the best baseline.")
        elif self.every:
            notes.append(
                "No task has both a baseline and a Bayes-optimal predictor, so that nothing says "
                "when a network solves it."
            )
        cells = self.view.results.cells
        plain = dict.fromkeys(cell.model for cell in cells if not has_memory(cell))
        if plain and len(distinct(cells)) < len(cells):
            notes.append(
                f"Without a memory ({form.listed(list(plain))}) freezing it is freezing nothing; "
                "such runs count once."
            )
        close = [one for one in self.referenced if one not in self.judged and self.normal]
        if close:
            least = LEAST_WAY[close[0].metric.scale]
            notes.append(
                f"Left out: {form.listed([one.task.title for one in close])}, where the best "
                f"baseline is less than {least} from Bayes."
            )
        others = [one for one in self.every if one not in self.tasks and one not in close]
        if others:
            why = "without such references" if self.normal else "by another metric"
            titles = form.listed([one.task.title for one in others])
            notes.append(f"Left out: {titles}, {why}.")
        return notes

    def _cells(self, one: Overview, mode: Freeze, memory: bool) -> list[Cell]:
        return [
            cell
            for cell in one.cells
            if effective(cell) == mode and (has_memory(cell) or not memory)
        ]

    def _where(self, set_of: Callable[..., str]) -> str:
        texts = {_Place(one, set_of(one.task)).text for one in self.tasks}
        return texts.pop() if len(texts) == 1 else "the last set of each task"

    def _measure(self, one: Overview, run: RunRecord, name: str) -> float | None:
        """The normalised score, else the mean of the metric, turned so that larger is better."""
        if self.normal:
            return one.normalised(run, name)
        value = one.value(run, name) if run.finished else None
        if value is None or not math.isfinite(value):
            return None
        return one.metric.mean_of(value) * (1 if one.metric.goal == "max" else -1)

    def _matrix(self, cells: Sequence[tuple[_Place, Cell]]) -> np.ndarray:
        values = np.full((len(cells), self.view.results.study.restarts), math.nan)
        for row, (place, cell) in enumerate(cells):
            for run in cell.runs:
                value = self._measure(place.overview, run, place.name)
                if value is not None:
                    values[row, run.restart] = value
        return values

    def _difference(self, mode: Freeze, level: float) -> Mean | None:
        frozen: list[tuple[_Place, Cell]] = []
        whole: list[tuple[_Place, Cell]] = []
        for one in self.tasks:
            place = _Place(one, last_set(one.task))
            known = {cell.model: cell for cell in self._cells(one, (), self.with_memory)}
            for cell in self._cells(one, mode, self.with_memory):
                if cell.model in known:
                    frozen.append((place, cell))
                    whole.append((place, known[cell.model]))
        return cell_mean(self._matrix(frozen) - self._matrix(whole), [c for _, c in frozen], level)

    def _score(self, where: str, places: Sequence[_Place], still: str) -> Sentence:
        """How good networks are on one set of each task."""
        texts = {place.text for place in places}
        where += f" ({texts.pop()})" if len(texts) == 1 else ""

        def of(memory: bool | None) -> list[tuple[_Place, Cell]]:
            return [
                (place, cell)
                for place in places
                for cell in self._cells(place.overview, self.mode, False)
                if memory is None or has_memory(cell) == memory
            ]

        cells = of(True if self.with_memory else None)
        mean = cell_mean(self._matrix(cells), [cell for _, cell in cells])
        if mean is None:
            return Sentence(f"{where} nothing is known yet:", "no finished run has a score.")
        memory = "a memory and " if self.with_memory else ""
        subject = f"{memory}{frozen_words(self.mode)}"
        medians = self._medians(cells)
        if not self.normal:
            shown = [_valued(place, median) for place, median in medians[:3]]
            more = f", and {len(medians) - 3} tasks more" if len(medians) > 3 else ""
            count = form.plural(sum(len(cell.finished) for _, cell in cells), "restart")
            metric = metric_label(self.tasks[0].metric)
            return Sentence(
                f"{where} no score says that a task is solved:",
                f"with {subject} the median {metric} of {count} is {form.listed(shown)}{more}.",
            )
        medians.sort(key=lambda item: self._task_mean(item[0], cells))
        ends = [medians[0], medians[-1]] if len(medians) > 1 else medians
        names = list(dict.fromkeys(metric_label(place.overview.metric) for place, _ in medians))
        shown = f"; the median {form.listed(names, 'or')} goes from " if len(ends) > 1 else ""
        shown = shown or f"; the median {names[0]} is " if ends else ""
        shown += " to ".join(_valued(*end) for end in ends)
        plain = ""
        if self.with_memory and (others := of(False)):
            other = cell_mean(self._matrix(others), [cell for _, cell in others])
            plain = f"; without a memory they get {share(other.estimate.value)}" if other else ""
        interval = interval_words(mean, share)
        coverage = f", {form.per_cent(LEVEL)} interval {interval}".removesuffix(", ")
        coverage = (coverage if interval else "") + too_few(mean)
        return Sentence(
            f"{where} {verdict_words(mean, still)}:",
            f"with {subject} they get {share(mean.estimate.value)} of the way from the best "
            f"baseline (0) to the Bayes-optimal predictor (1){coverage}"
            f"{shown}{plain}.",
        )

    def _medians(self, cells: Sequence[tuple[_Place, Cell]]) -> list[tuple[_Place, float]]:
        """The median of each task's metric over all finished restarts; the missing is the worst."""
        medians: list[tuple[_Place, float]] = []
        for place, group in itertools.groupby(cells, key=lambda item: item[0]):
            metric = place.overview.metric
            runs = [run for _, cell in group for run in cell.finished]
            values = [place.overview.value(run, place.name) for run in runs]
            if any(value is not None for value in values):
                medians.append((place, statistics.median(with_worst(values, metric))))
        return medians

    def _task_mean(self, place: _Place, cells: Sequence[tuple[_Place, Cell]]) -> float:
        return float(np.nanmean(self._matrix([item for item in cells if item[0] == place])))

    def _best_by_value(self, runs: Sequence[tuple[Overview, Cell, RunRecord]]) -> Sentence:
        def rank(item: tuple[Overview, Cell, RunRecord]) -> float:
            value = self._measure(item[0], item[2], last_set(item[0].task))
            return -math.inf if value is None else value

        one, cell, run = max(runs, key=rank)
        place = _Place(one, last_set(one.task))
        return Sentence(
            f"How many of {form.plural(len(runs), 'finished run')} hold is not known:",
            f"the best, {_name(cell, run)}, has {metric_label(one.metric)} "
            f"{place.write(one.value(run, place.name))} on {place.text}{place.bounds()}.",
        )


def _relation(overview: Overview, name: str) -> str | None:
    return dict(overview.task.sets)[name]


def _held(overview: Overview, run: RunRecord) -> list[str]:
    """The sets up to the last one before the first on which a network does not hold."""
    names = in_order([one.name for one in overview.task.sets])
    return list(
        itertools.takewhile(lambda name: (overview.normalised(run, name) or 0) >= LEARNED, names)
    )


def _name(cell: Cell, run: RunRecord) -> str:
    return (
        f"{cell.model} on {cell.task.title} with {frozen_words(effective(cell))} "
        f"(restart {run.restart})"
    )


def _valued(place: _Place, median: float) -> str:
    return f"{place.write(median)} on {place.overview.task.title}{place.bounds()}"
