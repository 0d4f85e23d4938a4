"""Studies that nobody ran: a ledger's content, made up from a function of the cell and restart."""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from memrnn.nn.components import parse_freeze
from memrnn.studies import Cell, RunRecord, Study, StudyResults
from memrnn.tasks import BAYES, TaskDescription
from reports.results_synthetic import INF, Values, set_scores, strings_task

VERSIONS = {"memrnn": "0.2.0", "jax": "0.10.0", "python": "3.12.1", "source": "abc123def456"}

FLOOR, BAYES_OPTIMAL = 0.6, 0.9
BOUND = 1.25
"""Perplexity of the exact distribution on validation items."""

Made = dict[str, Any]
"""What a run is given: `values` by set, and any of `RunRecord`'s fields."""

MEMORIES = {"lstm": "none", "gru": "none", "elman": "none"}
"""Memories of models without one; every other model has some memory."""


def make_results(
    tasks: Sequence[TaskDescription],
    made: Callable[[TaskDescription, str, str, int], Made],
    references: Callable[[TaskDescription, str], Mapping[str, Values]] = lambda task, name: {},
    *,
    groups: Callable[[str], Sequence[str]],
    **study: Any,
) -> StudyResults:
    """A study whose runs are what `made(task, model, freeze, restart)` says."""
    declared = Study(
        **{
            "tasks": tuple(task.spec for task in tasks),
            "models": ("lstm", "jm-10"),
            "freeze": ("none", "memory", "controller", "controller+memory"),
            "restarts": 6,
        }
        | study
    )
    known = {
        task.key: {
            one.name: {
                predictor: set_scores(task, values, groups(one.name))
                for predictor, values in references(task, one.name).items()
            }
            for one in task.sets
        }
        for task in tasks
    }
    cells = [
        Cell(
            task,
            model,
            MEMORIES.get(model, "superposition"),
            {},
            parse_freeze(freeze),
            tuple(
                _run(declared, task, (model, freeze, restart), made(task, model, freeze, restart),
                     groups)
                for restart in range(declared.restarts)
            ),
            known[task.key],
        )
        for task, model, freeze in itertools.product(tasks, declared.models, declared.freeze)
    ]  # fmt: skip
    session = {
        "number": 1, "engine": "local", "workers": 2, "host": "machine", "versions": "{}",
        "began": "2025-01-01T20:00:00+00:00", "ended": "2025-01-01T23:30:00+00:00",
        "outcome": "ended",
    }  # fmt: skip
    return StudyResults(declared, tuple(cells), known, (session,))


def make_study(
    accuracies: Callable[[str, str, str, int], Made | tuple[float, ...]],
    *,
    floors: Callable[[str, int], float] = lambda language, number: FLOOR,
    ceilings: Callable[[str, int], float] = lambda language, number: BAYES_OPTIMAL,
    languages: Sequence[str] = ("count-3", "marked-copy"),
    sets: Sequence[tuple[int, int]] = ((40, 100), (100, 200), (200, 400)),
    trained: tuple[int, int] = (40, 80),
    lengths_apart: int = 30,
    **study: Any,
) -> StudyResults:
    """Language modelling on strings: `accuracies(language, model, freeze, restart)` by set."""
    tasks = [strings_task(language, sets, trained) for language in languages]
    place = {one.name: number for number, one in enumerate(tasks[0].sets)}

    def made(task: TaskDescription, model: str, freeze: str, restart: int) -> Made:
        found = accuracies(task.title, model, freeze, restart)
        found = dict(found) if isinstance(found, dict) else {"accuracies": found}
        values = found.pop("accuracies", None)
        if values is not None:
            found["values"] = {name: _values(values[number]) for name, number in place.items()}
        return found

    def references(task: TaskDescription, name: str) -> Mapping[str, Values]:
        floor = floors(task.title, place[name])
        ceiling = ceilings(task.title, place[name])
        return {
            "repeat-last": {"accuracy": floor, "perplexity": 1.5, "determined_accuracy": floor},
            "unigram": {"accuracy": floor / 2, "perplexity": INF, "determined_accuracy": 0.0},
            BAYES: {"accuracy": ceiling, "perplexity": 1.0625, "determined_accuracy": 1.0},
        }

    def groups(name: str) -> list[str]:
        low, high = map(int, name.split(":"))
        return [str(length) for length in range(low, high + 1, lengths_apart)]

    return make_results(tasks, made, references, groups=groups, **study)


def _values(accuracy: float) -> Values:
    return {
        "perplexity": 1 / accuracy if accuracy > 0.35 else INF,
        "accuracy": accuracy,
        "determined_accuracy": accuracy,
        "sequence_accuracy": 0.25,
    }


def _run(
    study: Study,
    task: TaskDescription,
    name: tuple[str, str, int],
    made: Made,
    groups: Callable[[str], Sequence[str]],
) -> RunRecord:
    status = made.get("status", "done")
    finished = status in ("done", "diverged")
    selection = made.get("selection", 1.3 if finished else None)
    reference = made.get("reference", BOUND)
    known = selection is not None and reference is not None and math.isfinite(selection)
    values = made.get("values", {})
    return RunRecord(
        id="-".join(map(str, (task.spec, *name))),
        restart=name[2],
        seed=1000 + name[2],
        status=status,
        reason=made.get("reason"),
        attempts=1,
        epochs=made.get("epochs", 40 if finished else 0),
        best_epoch=30 if finished else None,
        learning_rate=0.005,
        selection=selection,
        reference=reference,
        excess=made.get("excess", math.log(selection / reference) if known else INF),
        seconds=made.get("seconds", 60.0 if finished else 0.0),
        device=made.get("device", "cpu: a processor, 1 core" if finished else None),
        versions=made.get("versions", VERSIONS if finished else {}),
        folder="runs/x",
        curve=(),
        scores={
            precision: {
                name: set_scores(task, known, groups(name)) for name, known in values.items()
            }
            for precision in study.precisions
        }
        if finished
        else {},
    )


LANGUAGES = (
    "count-3",
    "marked-reverse-and-copy",
    "count-and-copy",
    "marked-copy",
    "unmarked-copy-different-alphabets",
    "unmarked-reverse-and-copy",
    "unmarked-copy",
)


def paper_like(restarts: int = 3, **changes: Any) -> StudyResults:
    """7 languages, 4 networks, 4 modes: near the published figures, some runs missing or failed."""
    from memrnn.papers.das_mali_2024 import published

    floors = {
        "count-3": (0.957, 0.982, 0.992),
        "count-and-copy": (0.632, 0.648, 0.655),
    }

    def floor(language: str, number: int) -> float:
        return floors.get(language, (0.495, 0.498, 0.499))[number]

    def accuracies(language: str, model: str, freeze: str, restart: int) -> Made:
        rng = np.random.default_rng([LANGUAGES.index(language), len(model), len(freeze), restart])
        parts = parse_freeze(freeze)
        known = published().find(language, model, parts)
        if language == "unmarked-copy" and freeze == "controller+memory":
            return {"status": "running" if restart == 0 else "planned", "epochs": 3}
        if language == "unmarked-reverse-and-copy" and model == "jm-hidden" and restart > 0:
            return {"status": "planned"}
        if (language, model, freeze) == ("marked-copy", "jm-3.3.3", "controller"):
            return {"status": "failed", "reason": "out of memory, even with nothing else running"}
        base = known.accuracies if known else tuple(floor(language, n) for n in range(3))
        spread = 0.002 if "controller" in freeze else 0.03
        values = tuple(float(np.clip(a + spread * rng.normal(), 0.05, 0.995)) for a in base)
        bound = {"count-3": 1.043, "marked-copy": 1.469}.get(language, 1.31)
        excess = known.valid_perplexity / bound if known else 1.7
        return {
            "accuracies": values,
            "status": "diverged" if rng.random() < 0.04 else "done",
            "selection": BOUND * max(1.0005, excess) * float(np.exp(abs(0.02 * rng.normal()))),
            "seconds": 400 + 300 * float(rng.random()),
            "versions": VERSIONS if restart < 2 else VERSIONS | {"source": "fed321cba654"},
            "device": "cpu: a processor, 1 core" if restart < 2 else "gpu: an accelerator",
        }

    return make_study(
        accuracies,
        floors=floor,
        ceilings=lambda language, n: 0.999 if language == "count-3" else 0.85 - 0.03 * n,
        lengths_apart=10,
        **{
            "languages": LANGUAGES,
            "models": ("lstm", "jm-10", "jm-3.3.3", "jm-hidden"),
            "restarts": restarts,
        } | changes,
    )  # fmt: skip
