"""Studies that nobody ran: a ledger's content, made up from a function of the cell and restart."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from memrnn.studies import Cell, RunRecord, Study, StudyResults, parse_freeze

VERSIONS = {"memrnn": "0.1.0", "jax": "0.10.0", "python": "3.12.1", "source": "abc123def456"}

FLOOR, CEILING = 0.6, 0.9

Made = dict[str, Any]
"""What a run is given: `accuracies` by bin, and any of `RunRecord`'s fields."""


def make_study(
    accuracies: Callable[[str, str, str, int], Made | tuple[float, ...]],
    *,
    floors: Callable[[str, int], float] = lambda language, number: FLOOR,
    ceilings: Callable[[str, int], float] = lambda language, number: CEILING,
    lengths_apart: int = 30,
    **study: Any,
) -> StudyResults:
    """A study whose runs are what `accuracies(language, model, freeze, restart)` says."""
    values = {
        "languages": ["count-3", "marked-copy"],
        "models": ["lstm", "jm-10"],
        "freezes": ["none", "memory", "controller", "controller+memory"],
        "restarts": 6,
        "bins": [[40, 100], [100, 200], [200, 400]],
    } | study  # fmt: skip
    declared = Study.from_json(values)
    cells = [
        Cell(
            language,
            model,
            parse_freeze(freeze),
            tuple(
                _run(
                    declared,
                    (language, model, freeze, restart),
                    accuracies(language, model, freeze, restart),
                    [floors(language, number) for number in range(len(declared.bins))],
                    [ceilings(language, number) for number in range(len(declared.bins))],
                    lengths_apart,
                )
                for restart in range(declared.restarts)
            ),
        )
        for language, model, freeze in itertools.product(
            declared.languages, declared.models, declared.freezes
        )
    ]
    session = {
        "number": 1, "engine": "local", "workers": 2, "host": "machine", "versions": "{}",
        "began": "2025-01-01T20:00:00+00:00", "ended": "2025-01-01T23:30:00+00:00",
        "outcome": "ended",
    }  # fmt: skip
    return StudyResults(declared, tuple(cells), (session,))


def _run(
    study: Study,
    name: tuple[str, str, str, int],
    made: Made | tuple[float, ...],
    floors: list[float],
    ceilings: list[float],
    apart: int,
) -> RunRecord:
    if not isinstance(made, dict):
        made = {"accuracies": made}
    status = made.get("status", "done")
    finished = status in ("done", "diverged")
    scores = {
        (precision, edges): _bin(edges, accuracy, floor, ceiling, apart)
        for precision in study.precisions
        for edges, accuracy, floor, ceiling in zip(
            study.bins, made.get("accuracies", ()), floors, ceilings, strict=finished
        )
    }
    return RunRecord(
        id="-".join(map(str, name)),
        restart=name[3],
        seed=1000 + name[3],
        status=status,
        reason=made.get("reason"),
        epochs=made.get("epochs", 40 if finished else 0),
        best_epoch=30 if finished else None,
        learning_rate=0.005,
        valid_perplexity=made.get("valid_perplexity", 1.3 if finished else None),
        valid_bound=1.25,
        seconds=made.get("seconds", 60.0 if finished else 0.0),
        device=made.get("device", "cpu: a processor, 1 core" if finished else None),
        versions=made.get("versions", VERSIONS if finished else {}),
        folder="runs/x",
        curve=(),
        scores=scores if finished else {},
    )


def _bin(
    edges: tuple[int, int], accuracy: float, floor: float, ceiling: float, apart: int
) -> dict[str, Any]:
    def scores(accuracy: float) -> dict[str, Any]:
        return {
            "strings": 10,
            "perplexity": 1 / accuracy if accuracy > 0.35 else None,
            "accuracy": accuracy,
            "determined_accuracy": accuracy,
            "exact_strings": 0.25,
            "doubtful_strings": 0,
            "floors": {
                "repeat-last": {"accuracy": floor, "perplexity": 1.5},
                "unigram": {"accuracy": floor / 2, "perplexity": None},
            },
            "ceiling": {"accuracy": ceiling, "perplexity": 1.0625},
            "skill": (accuracy - floor) / (ceiling - floor) if ceiling > floor else None,
        }

    each = [
        {"length": length} | scores(accuracy)
        for length in np.arange(edges[0], edges[1] + 1, apart).tolist()
    ]
    return {"lengths": list(edges)} | scores(accuracy) | {"per_length": each}


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
    from memrnn.reports.study._published import published

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
            "valid_perplexity": 1.25
            * max(1.0005, excess)
            * float(np.exp(abs(0.02 * rng.normal()))),
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
            "languages": list(LANGUAGES),
            "models": ["lstm", "jm-10", "jm-3.3.3", "jm-hidden"],
            "restarts": restarts,
        } | changes,
    )  # fmt: skip
