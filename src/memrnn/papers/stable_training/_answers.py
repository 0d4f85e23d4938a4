"""The answers to the questions of the ablations, each from a study with noise and one without.

`stable` and `stable-quiet` are judged by `claims.md`, `stable-halves-40-80` and
`stable-halves-quiet-40-80` by the rules in the first one's file.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

from memrnn.papers.stable_training._ablation import (
    CONTROL,
    LANGUAGES,
    NO_MEMORY,
    SHORT,
    Ablation,
)
from memrnn.runtime import formats as form
from memrnn.studies import StudyResults

RESTARTS = 10
LEVEL = 0.05
"""Of the tests of one ablation together, which share it evenly."""

MOST_EXCESS = 0.1
"""Nats per string on count-3 that the recipe may cost within the trained lengths."""


class Answer(NamedTuple):
    """A question of `claims.md`, and what the studies say.

    Attributes:
        answer: yes, no or undecided; with `, preliminary` while a cell has fewer than 10 restarts,
            and `not run` while one has none.
        numbers: by which it is answered, in a sentence.
    """

    key: str
    question: str
    answer: str
    numbers: str


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
    if least == 0:
        return Answer(key, question, "not run", numbers)
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
