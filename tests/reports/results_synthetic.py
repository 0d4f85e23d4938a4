"""Results as `memrnn.evaluation.test` returns them, made up without any network."""

from typing import Any

import numpy as np

NAN = float("nan")


def make_result(
    language: str = "count-3",
    model: str = "lstm",
    freeze: tuple[str, ...] = (),
    accuracies: tuple[tuple[float, ...], ...] = ((0.9, 0.5), (0.8, 0.4), (0.95, 0.3)),
    *,
    bins: tuple[tuple[int, int], ...] = ((6, 12), (15, 24)),
    floor: float = 0.6,
    ceiling: float = 0.95,
    best: int = 0,
    diverged: tuple[int, ...] = (),
    determined: bool = True,
) -> dict[str, Any]:
    """One restart a row of `accuracies`, one bin a column."""

    def scores(accuracy: float) -> dict[str, Any]:
        return {
            "strings": 10,
            "perplexity": 1 / accuracy if accuracy > 0.35 else None,
            "accuracy": accuracy,
            "determined_accuracy": accuracy / 2 if determined else None,
            "exact_strings": 0.25 if determined else None,
            "floors": {
                "repeat-last": {"accuracy": floor, "perplexity": 1.5},
                "unigram": {"accuracy": floor / 2, "perplexity": None},
            },
            "ceiling": {"accuracy": ceiling, "perplexity": 1.0625},
            "skill": (accuracy - floor) / (ceiling - floor),
        }

    def in_bin(lengths: tuple[int, int], accuracy: float) -> dict[str, Any]:
        each = [
            {"length": length} | scores(accuracy - 0.01 * step)
            for step, length in enumerate(np.arange(lengths[0], lengths[1] + 1, 3).tolist())
        ]
        return {"lengths": list(lengths)} | scores(accuracy) | {"per_length": each}

    runs = [
        {
            "restart": number,
            "seed": 1000 + number,
            "language": language,
            "model": model,
            "freeze": list(freeze),
            "status": "diverged" if number in diverged else "done",
            "epochs": 7,
            "best_epoch": 5,
            "learning_rate": 0.005,
            "valid_perplexity": 1.25,
            "valid_bound": 1.125,
            "bins": [in_bin(lengths, a) for lengths, a in zip(bins, row, strict=True)],
        }
        for number, row in enumerate(accuracies)
    ]
    return {"precision": "float32", "runs": runs, "best": best}
