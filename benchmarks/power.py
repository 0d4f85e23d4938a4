"""Restarts that the claims' statistics need for 80 % power, at the spread seen in `paper-small`.

A study is simulated: 9 cells (three networks with a memory on three informative languages), whose
restarts scatter as those of `paper-small` do (its residuals within cells, widened for the degree
of freedom that three restarts lose), and whose mean lies a margin beyond the threshold. Power is
the share of simulated studies in which the whole interval (`clustered`, corrected for all
statistics) lies beyond the threshold. Restarts are searched in steps of the table.

    python benchmarks/power.py [--studies 200]

The exported tables of `paper-small` were written by version 0.1: its bins are 40:100 and 200:400,
and its errors by length are nats above the Bayes-optimal predictor over all symbols.
"""

import argparse
import csv
import math
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np

from memrnn import Strings
from memrnn.papers.das_mali_2024 import LEVEL
from memrnn.reports.study.resampling import clustered

RESULTS = Path(__file__).parent.parent / "results" / "paper-small"
LANGUAGES = ("marked-copy", "marked-reverse-and-copy", "count-and-copy")
MODELS = ("jm-10", "jm-3.3.3", "jm-hidden")
WITHIN, LONG = (40, 100), (200, 400)
RESTARTS = (3, 5, 8, 10, 12, 16, 20, 30, 50)
CONVERGED = 0.02

Key = tuple[str, str, str, int]
"""Language, model, freezing mode, restart."""


def rows(name: str) -> list[dict[str, str]]:
    with (RESULTS / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return [
            row
            for row in csv.DictReader(file)
            if row["language"] in LANGUAGES and row.get("model", MODELS[0]) in MODELS
        ]


def key(row: dict[str, str]) -> Key:
    return row["language"], row["model"], row["freeze"], int(row["restart"])


def bin_of(row: dict[str, str]) -> tuple[int, int]:
    return int(row["low"]), int(row["high"])


def measures() -> dict[str, dict[Key, float]]:
    """The measures of the claims, of every run."""
    accuracy: dict[Key, dict[tuple[int, int], float]] = defaultdict(dict)
    nats: dict[Key, dict[tuple[int, int], float]] = defaultdict(dict)
    for row in rows("bin_scores"):
        accuracy[key(row)][bin_of(row)] = float(row["determined_accuracy"])
        nats[key(row)][bin_of(row)] = math.log(float(row["perplexity"]))
    bounds = {
        (row["language"], bin_of(row), row["predictor"]): math.log(float(row["perplexity"]))
        for row in rows("bin_bounds")
    }
    baselines = ("repeat-last", "unigram", "bigram")
    bayes = {(language, edges): bounds[language, edges, "ceiling"] for language, edges, _ in bounds}
    gap = {
        (language, edges): min(bounds[language, edges, name] for name in baselines) - least
        for (language, edges), least in bayes.items()
    }
    chance = {language: best_accuracy(language) for language in LANGUAGES}
    below = {
        (row["language"], int(row["length"])): row
        for row in rows("length_bounds")
        if row["predictor"] == "ceiling"
    }
    errors: dict[Key, dict[int, float]] = defaultdict(dict)
    for row in rows("length_scores"):
        length = int(row["length"])
        if 81 <= length <= 400:
            exact = math.log(float(below[row["language"], length]["perplexity"]))
            errors[key(row)][length] = (math.log(float(row["perplexity"])) - exact) * (length + 1)
    valid = {
        key(row): math.log(float(row["valid_perplexity"]) / float(row["valid_bound"]))
        for row in rows("runs")
    }

    def normalised_nats(run: Key, edges: tuple[int, int]) -> float:
        place = run[0], edges
        return max(-1.0, 1 - (nats[run][edges] - bayes[place]) / gap[place])

    def growth(run: Key) -> float:
        points = {length: error for length, error in errors[run].items() if error > 0}
        return float(np.polyfit(np.log(list(points)), np.log(list(points.values())), 1)[0])

    return {
        "K": {run: one[LONG] / one[WITHIN] for run, one in accuracy.items()},
        "L": {run: normalised_nats(run, WITHIN) - normalised_nats(run, LONG) for run in nats},
        "d(long)": {
            run: max(-1.0, (one[LONG] - chance[run[0]]) / (1 - chance[run[0]]))
            for run, one in accuracy.items()
        },
        "e(long)": {run: normalised_nats(run, LONG) for run in nats},
        "growth exponent": {run: growth(run) for run in errors},
        "converged": {run: float(excess <= CONVERGED) for run, excess in valid.items()},
    }


def best_accuracy(language: str) -> float:
    """The best baseline's determined accuracy on the long strings."""
    task = Strings(language, length_bins=(LONG,), samples_per_length=1)
    references = task.references("200:400")
    shares = [
        np.sum(scores["determined_accuracy"][0]) / np.sum(scores["determined_accuracy"][1])
        for name, scores in references.items()
        if name != "bayes"
    ]
    return float(max(shares))


def residuals(values: dict[Key, float], mode: str, paired: bool) -> np.ndarray:
    """What restarts differ by from their cell's mean, of values or of differences to `none`."""
    cells: dict[tuple[str, str], list[float]] = defaultdict(list)
    for (language, model, freeze, restart), value in values.items():
        whole = values.get((language, model, "none", restart)) if paired else 0.0
        if freeze == mode and whole is not None:
            cells[language, model].append(value - whole)
    known = [np.array(cell) for cell in cells.values() if len(cell) > 1]
    widened = [(cell - cell.mean()) * math.sqrt(len(cell) / (len(cell) - 1)) for cell in known]
    return np.concatenate(widened)


def power(pool: np.ndarray, margin: float, restarts: int, studies: int) -> float:
    rng = np.random.default_rng([restarts, int(1e6 * margin)])
    cells = len(LANGUAGES) * len(MODELS)
    found = 0
    for _ in range(studies):
        values = margin + rng.choice(pool, size=(cells, restarts))
        estimate = clustered(values, range(cells), LEVEL)
        found += bool(estimate and estimate.interval and estimate.interval.low > 0)
    return found / studies


STATISTICS = (
    # measure, freezing mode, paired with nothing frozen, margin beyond the threshold
    ("K", "memory", False, 0.05),
    ("L", "memory", False, 0.1),
    ("d(long)", "memory", True, 0.05),
    ("e(long)", "memory", True, 0.1),
    ("growth exponent", "controller", True, 0.2),
    ("d(long)", "controller", True, 0.05),
    ("converged", "memory", True, 0.1),
)


def needed(passes: Callable[[int], bool]) -> str:
    return next((str(count) for count in RESTARTS if passes(count)), f"> {RESTARTS[-1]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=200, help="simulated per number of restarts")
    parser.add_argument("--statistics", type=int, default=len(STATISTICS), help="only the first")
    arguments = parser.parse_args()
    known = measures()
    print("| statistic | of | spread | margin | restarts for 80 % power |")
    print("|---|---|---|---|---|")
    for name, mode, paired, margin in STATISTICS[: arguments.statistics]:
        pool = residuals(known[name], mode, paired)
        of = f"{mode} frozen" + (" minus nothing" if paired else "")

        def passes(count: int, pool: np.ndarray = pool, margin: float = margin) -> bool:
            return power(pool, margin, count, arguments.studies) >= 0.8

        print(f"| {name} | {of} | {pool.std():.3f} | {margin} | {needed(passes)} |", flush=True)


if __name__ == "__main__":
    main()
