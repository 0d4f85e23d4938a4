"""The designs of the ablations, and what their cells have in common: restarts that hold."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from scipy.special import bdtr

from memrnn.errors import MemrnnError
from memrnn.studies import Cell, RunRecord, StudyResults
from memrnn.tasks import BAYES, Total

LANGUAGES = {
    "count-3": 9,
    "marked-reversal": 8,
    "marked-reverse-and-copy": 5,
    "count-and-copy": 5,
}
"""The tested languages, and how many restarts of the recipe hold if it does."""

CONTROL = "marked-copy"
NO_MEMORY = "no memory, noise"
"""A control, a cell beside the eight of the treatments."""


class Design(NamedTuple):
    """The cells and the evaluation sets of an ablation.

    Attributes:
        cells: network, and whether there is noise, by treatment.
        sets: evaluation sets, and how many times longer than the longest trained strings they are.
            The first has the trained lengths; a restart holds by the last two.
    """

    cells: Mapping[str, tuple[str, bool]]
    sets: Mapping[str, str]

    @property
    def within(self) -> str:
        return next(iter(self.sets))

    @property
    def far(self) -> list[str]:
        return list(self.sets)[-2:]


def _treatments(
    recipe: str, discrete_state: str, hard_stack: str, untouched: str
) -> dict[str, tuple[str, bool]]:
    return {
        "recipe": (recipe, True),
        "recipe without noise": (recipe, False),
        "discrete state, noise": (discrete_state, True),
        "discrete state": (discrete_state, False),
        "hard stack, noise": (hard_stack, True),
        "hard stack": (hard_stack, False),
        "noise": (untouched, True),
        "untouched": (untouched, False),
    }


SHORT = Design(
    _treatments(
        "lstm:discrete+jm-3.3.3:hard", "lstm:discrete+jm-3.3.3", "jm-3.3.3:hard", "jm-3.3.3"
    )
    | {NO_MEMORY: ("lstm:discrete", True)},
    {"5:30": "1", "31:60": "2", "181:300": "10", "2881:3000": "100"},
)
"""Of `stable` and `stable-quiet`, trained on lengths 5 to 30."""

LONG = Design(
    _treatments(
        "elman-48:discrete+jm-3x16:hard",
        "elman-48:discrete+jm-3x16",
        "elman-48+jm-3x16:hard",
        "elman-48+jm-3x16",
    ),
    {"40:80": "1", "81:160": "2", "721:800": "10", "7921:8000": "100"},
)
"""Of `stable-halves-40-80` and `stable-halves-quiet-40-80`, trained on lengths 40 to 80."""

TREATMENTS = tuple(LONG.cells)


class Paired(NamedTuple):
    """Restarts of two cells with one seed each, by whether they hold.

    Attributes:
        pairs: that are finished in both.
        first, second: of which the first alone holds, and the second alone.
    """

    pairs: int
    first: int
    second: int

    @property
    def p(self) -> float:
        """Two-sided exact McNemar test: of discordant pairs each side is equally likely."""
        fewer, discordant = min(self.first, self.second), self.first + self.second
        return min(1.0, 2 * float(bdtr(fewer, discordant, 0.5)))


def _exact_on(run: RunRecord, names: Sequence[str]) -> bool:
    """Whether every determined symbol of every string of these sets is right."""
    if run.status != "done":
        return False
    sets = run.scores["float32"]
    totals = [sets[name].whole["sequence_accuracy"] for name in names]
    return all(total.numerator == total.denominator > 0 for total in totals)


def restarts_that_hold(cell: Cell, names: Sequence[str]) -> dict[int, bool]:
    """Whether a restart is right on every string of these sets, of all that ended, by number."""
    ended = {run.restart: run for run in cell.runs if run.finished or run.status == "failed"}
    return {number: _exact_on(run, names) for number, run in ended.items()}


def paired(cells: Iterable[tuple[Mapping[int, bool], Mapping[int, bool]]]) -> Paired:
    """Counts restarts of two cells with one number, over pairs of cells."""
    both = [
        (ours[number], theirs[number])
        for ours, theirs in cells
        for number in ours
        if number in theirs
    ]
    return Paired(len(both), both.count((True, False)), both.count((False, True)))


class Ablation:
    """The cells of two studies, one with noise and one without, by language and treatment."""

    def __init__(self, noisy: StudyResults, quiet: StudyResults):
        """The cells of two studies.

        Raises:
            MemrnnError: if the two are not one with noise and one without, or not those of a
                design.
        """
        noises = [one.study.config.gate_noise for one in (noisy, quiet)]
        if not (noises[0] > 0 and noises[1] == 0):
            raise MemrnnError(
                f"The studies have gate_noise {noises[0]:g} and {noises[1]:g}, but the first needs "
                "some and the second none."
            )
        models = {True: set(noisy.study.models), False: set(quiet.study.models)}
        designs = [
            design
            for design in (SHORT, LONG)
            if all(model in models[noise] for model, noise in design.cells.values())
        ]
        if not designs:
            raise MemrnnError(
                "The networks of the two studies are not those of an ablation, as "
                "`stable` and `stable-quiet` or `stable-halves-40-80` and "
                "`stable-halves-quiet-40-80` have them."
            )
        self.design = designs[0]
        self._cells: Mapping[bool, Mapping[tuple[str, str], Cell]] = {
            noise: {(cell.task.title, cell.model): cell for cell in one.cells}
            for noise, one in ((True, noisy), (False, quiet))
        }

    def cell(self, language: str, treatment: str) -> Cell:
        """The runs of a language and a treatment."""
        model, noise = self.design.cells[treatment]
        return self._cells[noise][language, model]

    def held(self, language: str, treatment: str) -> tuple[int, int]:
        """How many restarts hold, of how many that have ended."""
        return self.exact(language, treatment, self.design.far)

    def learned(self, language: str, treatment: str) -> tuple[int, int]:
        """How many restarts are right on every string of the trained lengths."""
        return self.exact(language, treatment, [self.design.within])

    def exact(self, language: str, treatment: str, names: Sequence[str]) -> tuple[int, int]:
        """How many restarts are right on every string of these sets, of how many that ended."""
        restarts = restarts_that_hold(self.cell(language, treatment), names)
        return sum(restarts.values()), len(restarts)

    def paired(self, treatment: str) -> Paired:
        """The recipe against another treatment, over the tested languages."""
        return paired(
            (
                restarts_that_hold(self.cell(language, "recipe"), self.design.far),
                restarts_that_hold(self.cell(language, treatment), self.design.far),
            )
            for language in LANGUAGES
        )

    def excess(self, language: str, treatment: str) -> float:
        """Mean of all restarts' nats per string above the Bayes-optimal ones, trained lengths."""
        cell, within = self.cell(language, treatment), self.design.within
        bayes = _nats(cell.references[within][BAYES].whole)
        runs = [run for run in cell.runs if run.status == "done"]
        values = [_nats(run.scores["float32"][within].whole) - bayes for run in runs]
        return math.fsum(values) / len(values) if values else math.nan


def _nats(totals: Mapping[str, Total]) -> float:
    return totals["perplexity"].numerator / totals["sequence_accuracy"].denominator
