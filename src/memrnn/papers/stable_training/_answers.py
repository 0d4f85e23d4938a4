"""The answers to the questions of `claims.md`, from the studies `stable` and `stable-quiet`."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from scipy.special import bdtr

from memrnn.errors import MemrnnError
from memrnn.runtime import formats as form
from memrnn.studies import Cell, RunRecord, StudyResults
from memrnn.tasks import BAYES, Total

SOFT, HARD_STACK = "jm-3.3.3", "jm-3.3.3:hard"
DISCRETE_STATE, RECIPE = "lstm:discrete+jm-3.3.3", "lstm:discrete+jm-3.3.3:hard"
NO_MEMORY = "lstm:discrete"
LANGUAGES = {
    "count-3": 9,
    "marked-reversal": 8,
    "marked-reverse-and-copy": 5,
    "count-and-copy": 5,
}
"""The tested languages, and how many restarts of the recipe hold if it does."""

CONTROL = "marked-copy"
WITHIN, FAR = "5:30", ("181:300", "2881:3000")
SETS = {WITHIN: "1", "31:60": "2", FAR[0]: "10", FAR[1]: "100"}
"""Evaluation sets, and how many times longer than the longest trained strings they are."""

CELLS = {
    "recipe": (RECIPE, True),
    "recipe without noise": (RECIPE, False),
    "discrete state, noise": (DISCRETE_STATE, True),
    "discrete state": (DISCRETE_STATE, False),
    "hard stack, noise": (HARD_STACK, True),
    "hard stack": (HARD_STACK, False),
    "noise": (SOFT, True),
    "untouched": (SOFT, False),
}
"""What is treated: network, and whether there is noise."""

RESTARTS = 10
TESTS = 3
MOST_EXCESS = 0.1
"""Nats per string on count-3 that the recipe may cost within the trained lengths."""


class Answer(NamedTuple):
    """A question of `claims.md`, and what the studies say.

    Attributes:
        answer: yes, no or undecided; with `, preliminary` while a cell has fewer than 10 restarts.
        numbers: by which it is answered, in a sentence.
    """

    key: str
    question: str
    answer: str
    numbers: str


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


def restarts_that_hold(cell: Cell, names: Sequence[str] = FAR) -> dict[int, bool]:
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
    """The eight cells of every language, and the controls."""

    def __init__(self, noisy: StudyResults, quiet: StudyResults):
        """The cells of two studies.

        Raises:
            MemrnnError: if the two are not one with noise and one without.
        """
        noises = [one.study.config.gate_noise for one in (noisy, quiet)]
        if not (noises[0] > 0 and noises[1] == 0):
            raise MemrnnError(
                f"The studies have gate_noise {noises[0]:g} and {noises[1]:g}, but the first needs "
                "some and the second none."
            )
        self._cells: Mapping[bool, Mapping[tuple[str, str], Cell]] = {
            noise: {(cell.task.title, cell.model): cell for cell in one.cells}
            for noise, one in ((True, noisy), (False, quiet))
        }

    def held(self, language: str, model: str, *, noise: bool) -> tuple[int, int]:
        """How many restarts hold, of how many that have ended."""
        return self.exact(language, model, FAR, noise=noise)

    def learned(self, language: str, model: str, *, noise: bool) -> tuple[int, int]:
        """How many restarts are right on every string of the trained lengths."""
        return self.exact(language, model, [WITHIN], noise=noise)

    def exact(
        self, language: str, model: str, names: Sequence[str], *, noise: bool
    ) -> tuple[int, int]:
        """How many restarts are right on every string of these sets, of how many that ended."""
        restarts = restarts_that_hold(self._cells[noise][language, model], names)
        return sum(restarts.values()), len(restarts)

    def paired(self, other: str, *, noise: bool) -> Paired:
        """The recipe against another cell, over the tested languages."""
        return paired(
            (
                restarts_that_hold(self._cells[True][language, RECIPE]),
                restarts_that_hold(self._cells[noise][language, other]),
            )
            for language in LANGUAGES
        )

    def excess(self, language: str, model: str, *, noise: bool) -> float:
        """Mean of all restarts' nats per string above the Bayes-optimal ones, trained lengths."""
        cell = self._cells[noise][language, model]
        bayes = _nats(cell.references[WITHIN][BAYES].whole)
        runs = [run for run in cell.runs if run.status == "done"]
        values = [_nats(run.scores["float32"][WITHIN].whole) - bayes for run in runs]
        return math.fsum(values) / len(values) if values else math.nan


def _nats(totals: Mapping[str, Total]) -> float:
    return totals["perplexity"].numerator / totals["sequence_accuracy"].denominator


def answers(noisy: StudyResults, quiet: StudyResults) -> list[Answer]:
    """Every question of `claims.md`, answered as it says.

    Args:
        noisy, quiet: results of the studies `stable` and `stable-quiet`.

    Raises:
        MemrnnError: as `Ablation`.
    """
    ablation = Ablation(noisy, quiet)
    return [
        _recipe(ablation),
        _untouched(ablation),
        *(
            _compared(ablation, "C", f"Is {name} alone not enough?", model, noise=True)
            for name, model in (("a discrete state", DISCRETE_STATE), ("a hard stack", HARD_STACK))
        ),
        _compared(ablation, "D", "Does noise help?", RECIPE, noise=False),
        _controls(ablation),
        _cost(ablation),
    ]


def _answer(key: str, question: str, answer: bool | None, numbers: str, least: int) -> Answer:
    word = "undecided" if answer is None else "yes" if answer else "no"
    return Answer(key, question, word if least >= RESTARTS else f"{word}, preliminary", numbers)


def _counted(counts: Mapping[str, tuple[int, int]]) -> str:
    return ", ".join(f"{language} {some} of {all}" for language, (some, all) in counts.items())


def _recipe(ablation: Ablation) -> Answer:
    counts = {language: ablation.held(language, RECIPE, noise=True) for language in LANGUAGES}
    enough = all(counts[language][0] >= least for language, least in LANGUAGES.items())
    least = min(all for _, all in counts.values())
    return _answer("A", "Does the recipe hold?", enough, _counted(counts), least)


def _untouched(ablation: Ablation) -> Answer:
    counts = {language: ablation.held(language, SOFT, noise=False) for language in LANGUAGES}
    some, least = sum(held for held, _ in counts.values()), min(all for _, all in counts.values())
    question = "Does the untouched network hold?"
    return _answer("B", question, some > 0, _counted(counts), least)


def _compared(ablation: Ablation, key: str, question: str, other: str, *, noise: bool) -> Answer:
    paired = ablation.paired(other, noise=noise)
    apart = paired.p < 0.05 / TESTS
    answer = paired.first > paired.second if apart else None
    numbers = (
        f"of {form.plural(paired.pairs, 'pair')} {paired.first} hold with the recipe only, "
        f"{paired.second} with the other only; p = {paired.p:.2g}"
    )
    return _answer(key, question, answer, numbers, paired.pairs // len(LANGUAGES))


def _controls(ablation: Ablation) -> Answer:
    counts = {
        f"{NO_MEMORY} on {language}": ablation.held(language, NO_MEMORY, noise=True)
        for language in LANGUAGES
    } | {f"the recipe on {CONTROL}": ablation.held(CONTROL, RECIPE, noise=True)}
    fail = not sum(held for held, _ in counts.values())
    least = min(all for _, all in counts.values())
    return _answer("E", "Do the controls fail?", fail, _counted(counts), least)


def _cost(ablation: Ablation) -> Answer:
    treated = ablation.excess("count-3", RECIPE, noise=True)
    untouched = ablation.excess("count-3", SOFT, noise=False)
    answer = None if math.isnan(treated - untouched) else treated - untouched <= MOST_EXCESS
    least = min(
        ablation.held("count-3", model, noise=noise)[1]
        for model, noise in ((RECIPE, True), (SOFT, False))
    )
    numbers = (
        f"{form.decimal(treated)} nats per string above the Bayes-optimal predictor on count-3, "
        f"trained lengths; untouched {form.decimal(untouched)}"
    )
    question = f"Does it cost at most {MOST_EXCESS:g} nats per string?"
    return _answer("F", question, answer, numbers, least)
