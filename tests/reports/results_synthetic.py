"""Tasks and typed results that no network made."""

import math
from collections.abc import Callable, Mapping, Sequence

from memrnn.evaluation import Evaluation, RunScores, SetScores
from memrnn.tasks import BAYES, Metric, SetDescription, TaskDescription, Total

NAN = float("nan")
INF = float("inf")

PERPLEXITY = Metric("perplexity", "min", "exp")
ACCURACY = Metric("accuracy", "max")
DETERMINED = Metric("determined_accuracy", "max")
SEQUENCE = Metric("sequence_accuracy", "max")
ERROR = Metric("error", "min")

ITEMS = 1000.0
"""The denominator of every total."""

Values = Mapping[str, float | None]
"""A value per metric; None has a denominator of 0."""


def strings_task(
    language: str = "count-3",
    sets: Sequence[tuple[int, int]] = ((6, 12), (15, 24)),
    trained: tuple[int, int] = (6, 12),
) -> TaskDescription:
    """Language modelling on strings."""

    def relation(low: int, high: int):
        return "within" if high <= trained[1] else "beyond" if low > trained[1] else "across"

    return TaskDescription(
        f"strings:{language}", language, f"key of {language}",
        (PERPLEXITY, ACCURACY, DETERMINED, SEQUENCE), "perplexity", "accuracy",
        tuple(SetDescription(f"{low}:{high}", relation(low, high)) for low, high in sets),
        "String length", (float(trained[0]), float(trained[1])),
    )  # fmt: skip


RECOGNITION = TaskDescription(
    "recognition:count-3", "recognition of count-3", "key of recognition", (ACCURACY,),
    "accuracy", "accuracy",
    (SetDescription("3:12", "within"), SetDescription("15:24", "beyond")), "Length", (3.0, 12.0),
)  # fmt: skip
"""One metric and one baseline, nothing optimal."""

COPYING = TaskDescription(
    "copying:far", "copying [bold]far[/]", "key of copying", (ERROR,), "error", "error",
    (SetDescription("all", None),),
)  # fmt: skip
"""Smaller is better, one set, groups that are not numbers; its title looks like markup."""


def total(metric: Metric, value: float | None) -> Total:
    """A total of which the metric's value is this one."""
    if value is None:
        return Total(0.0, 0.0)
    if metric.scale == "ratio":
        return Total(value * ITEMS, ITEMS)
    return Total((math.log(value) if value < INF else INF) * ITEMS, ITEMS)


def set_scores(
    task: TaskDescription, values: Values, groups: Sequence[str], step: float = 0.0
) -> SetScores:
    """Scores that fall by `step` from group to group and are `values` over all of them."""
    middle = (len(groups) - 1) / 2

    def of_group(place: int) -> dict[str, Total]:
        return {
            name: total(
                task.metric(name),
                value if value is None or value == INF else value + step * (middle - place),
            )
            for name, value in values.items()
        }

    return SetScores({group: of_group(place) for place, group in enumerate(groups)})


def run_scores(
    number: int, sets: Mapping[str, SetScores], status: str = "done", excess: float = 0.1
) -> RunScores:
    return RunScores(
        number, 1000 + number, status, 7, 5, 0.005, 1.25, 1.125, excess, sets
    )  # fmt: skip


def lengths(name: str, apart: int = 3) -> list[str]:
    """Groups of a set that is a range of lengths."""
    low, high = map(int, name.split(":"))
    return [str(length) for length in range(low, high + 1, apart)]


def make_evaluation(
    task: TaskDescription,
    values: Callable[[int, str], Values],
    references: Callable[[str], Mapping[str, Values]] = lambda name: {},
    *,
    groups: Callable[[str], Sequence[str]] = lengths,
    restarts: int = 3,
    model: str = "lstm",
    freeze: tuple[str, ...] = (),
    best: int = 0,
    diverged: tuple[int, ...] = (),
    step: float = 0.01,
    precision: str = "float32",
) -> Evaluation:
    """A cell whose scores are `values(restart, set)` and `references(set)[predictor]`."""
    names = [one.name for one in task.sets]
    return Evaluation(
        task, model, freeze, precision,
        tuple(
            run_scores(
                number,
                {n: set_scores(task, values(number, n), groups(n), step) for n in names},
                "diverged" if number in diverged else "done",
                0.0 if number == best else 0.1,
            )
            for number in range(restarts)
        ),
        {
            name: {
                predictor: set_scores(task, known, groups(name))
                for predictor, known in references(name).items()
            }
            for name in names
        },
    )  # fmt: skip


def make_result(
    language: str = "count-3",
    model: str = "lstm",
    freeze: tuple[str, ...] = (),
    accuracies: Sequence[Sequence[float]] = ((0.9, 0.5), (0.8, 0.4), (0.95, 0.3)),
    *,
    sets: Sequence[tuple[int, int]] = ((6, 12), (15, 24)),
    trained: tuple[int, int] = (6, 12),
    floor: float = 0.6,
    ceiling: float = 0.95,
    determined: bool = True,
    **changes,
) -> Evaluation:
    """Language modelling: one restart a row of `accuracies`, one set a column."""
    task = strings_task(language, sets, trained)
    places = {one.name: place for place, one in enumerate(task.sets)}

    def values(restart: int, name: str) -> Values:
        accuracy = accuracies[restart][places[name]]
        return {
            "perplexity": 1 / accuracy if accuracy > 0.35 else INF,
            "accuracy": accuracy,
            "determined_accuracy": accuracy / 2 if determined else None,
            "sequence_accuracy": 0.25 if determined else None,
        }

    def references(name: str) -> Mapping[str, Values]:
        return {
            "repeat-last": {"accuracy": floor, "perplexity": 1.5},
            "unigram": {"accuracy": floor / 2, "perplexity": INF},
            BAYES: {
                "accuracy": ceiling, "perplexity": 1.0625,
                "determined_accuracy": 1.0 if determined else None,
            },
        }  # fmt: skip

    return make_evaluation(
        task, values, references, restarts=len(accuracies), model=model, freeze=freeze, **changes
    )


def recognition(accuracies: Sequence[Sequence[float]] = ((0.9, 0.6), (0.85, 0.5)), **changes):
    """Recognition with one baseline, which always accepts."""
    return make_evaluation(
        RECOGNITION,
        lambda restart, name: {"accuracy": accuracies[restart][name != "3:12"]},
        lambda name: {"accept": {"accuracy": 0.5}},
        **{"restarts": len(accuracies), "model": "gru"} | changes,
    )


def copying(errors: Sequence[float | None] = (2.5, 13.25, 4.0), **changes):
    """Copying, whose error is the better the smaller, and which has no reference at all."""
    return make_evaluation(
        COPYING,
        lambda restart, name: {"error": errors[restart]},
        groups=lambda name: ["first half", "second half"],
        **{"restarts": len(errors), "model": "jm-10"} | changes,
    )
