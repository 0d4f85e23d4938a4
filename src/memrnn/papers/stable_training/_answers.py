"""The answers to the questions of the ablations, each from a study with noise and one without.

`stable` and `stable-quiet` are judged by `claims.md`, `stable-halves-40-80` and
`stable-halves-quiet-40-80` by the rules in the first one's file.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from scipy.special import bdtr

from memrnn.errors import MemrnnError
from memrnn.runtime import formats as form
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
LONG = Design(
    _treatments(
        "elman-48:discrete+jm-3x16:hard",
        "elman-48:discrete+jm-3x16",
        "elman-48+jm-3x16:hard",
        "elman-48+jm-3x16",
    ),
    {"40:80": "1", "81:160": "2", "721:800": "10", "7921:8000": "100"},
)
TREATMENTS = tuple(LONG.cells)

RESTARTS = 10
LEVEL = 0.05
"""Of the tests of one ablation together, which share it evenly."""

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


def answers(noisy: StudyResults, quiet: StudyResults) -> list[Answer]:
    """Every question of the rules of the two studies, answered as they say.

    Args:
        noisy, quiet: results of `stable` and `stable-quiet`, or of `stable-halves-40-80` and
            `stable-halves-quiet-40-80`.

    Raises:
        MemrnnError: as `Ablation`.
    """
    ablation = Ablation(noisy, quiet)
    return _of_claims(ablation) if ablation.design is SHORT else _of_halves(ablation)


def _of_claims(ablation: Ablation) -> list[Answer]:
    return [
        _recipe(ablation, "A"),
        _untouched(ablation, "B"),
        *_tests(
            ablation,
            ("C", "Is a discrete state alone not enough?", "discrete state, noise"),
            ("C", "Is a hard stack alone not enough?", "hard stack, noise"),
            ("D", "Does noise help?", "recipe without noise"),
        ),
        _controls(ablation, "E"),
        _cost(ablation, "F"),
    ]


def _of_halves(ablation: Ablation) -> list[Answer]:
    return [
        _untouched(ablation, "1"),
        *_tests(
            ablation,
            ("2", "Is a discrete state alone not enough?", "discrete state, noise"),
            ("3", "Is a hard stack alone not enough?", "hard stack, noise"),
            ("4", "Is noise alone not enough?", "noise"),
            ("5", "Does noise help?", "recipe without noise"),
        ),
    ]


def _answer(key: str, question: str, answer: bool | None, numbers: str, least: int) -> Answer:
    word = "undecided" if answer is None else "yes" if answer else "no"
    return Answer(key, question, word if least >= RESTARTS else f"{word}, preliminary", numbers)


def _counted(counts: Mapping[str, tuple[int, int]]) -> str:
    return ", ".join(f"{language} {some} of {all}" for language, (some, all) in counts.items())


def _recipe(ablation: Ablation, key: str) -> Answer:
    counts = {language: ablation.held(language, "recipe") for language in LANGUAGES}
    enough = all(counts[language][0] >= least for language, least in LANGUAGES.items())
    least = min(all for _, all in counts.values())
    return _answer(key, "Does the recipe hold?", enough, _counted(counts), least)


def _untouched(ablation: Ablation, key: str) -> Answer:
    counts = {language: ablation.held(language, "untouched") for language in LANGUAGES}
    some, least = sum(held for held, _ in counts.values()), min(all for _, all in counts.values())
    question = "Does the untouched network hold?"
    return _answer(key, question, some > 0, _counted(counts), least)


def _tests(ablation: Ablation, *questions: tuple[str, str, str]) -> list[Answer]:
    """The recipe against another treatment each: key, question, treatment."""
    return [
        _compared(ablation, key, question, treatment, LEVEL / len(questions))
        for key, question, treatment in questions
    ]


def _compared(ablation: Ablation, key: str, question: str, treatment: str, level: float) -> Answer:
    paired = ablation.paired(treatment)
    answer = paired.first > paired.second if paired.p < level else None
    numbers = (
        f"of {form.plural(paired.pairs, 'pair')} {paired.first} hold with the recipe only, "
        f"{paired.second} with the other only; p = {paired.p:.2g}"
    )
    return _answer(key, question, answer, numbers, paired.pairs // len(LANGUAGES))


def _controls(ablation: Ablation, key: str) -> Answer:
    network, _ = ablation.design.cells[NO_MEMORY]
    counts = {
        f"{network} on {language}": ablation.held(language, NO_MEMORY) for language in LANGUAGES
    } | {f"the recipe on {CONTROL}": ablation.held(CONTROL, "recipe")}
    fail = not sum(held for held, _ in counts.values())
    least = min(all for _, all in counts.values())
    return _answer(key, "Do the controls fail?", fail, _counted(counts), least)


def _cost(ablation: Ablation, key: str) -> Answer:
    treated = ablation.excess("count-3", "recipe")
    untouched = ablation.excess("count-3", "untouched")
    answer = None if math.isnan(treated - untouched) else treated - untouched <= MOST_EXCESS
    least = min(ablation.held("count-3", one)[1] for one in ("recipe", "untouched"))
    numbers = (
        f"{form.decimal(treated)} nats per string above the Bayes-optimal predictor on count-3, "
        f"trained lengths; untouched {form.decimal(untouched)}"
    )
    question = f"Does it cost at most {MOST_EXCESS:g} nats per string?"
    return _answer(key, question, answer, numbers, least)
