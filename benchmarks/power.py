"""Restarts that the claims' statistics need for 80 % power, at the spread seen in `paper-small`.

A study is simulated: 9 cells (three networks with a memory on three informative languages), whose
restarts scatter as those of `paper-small` do (its residuals within cells, widened for the degree
of freedom that three restarts lose), and whose mean lies a margin beyond the threshold. The
margin is what the paper claims minus the threshold, or where it gives no number as much again as
the threshold. Power is the share of simulated studies in which the whole interval (`clustered`,
corrected for all statistics) lies beyond the threshold. Restarts are searched in steps of the
table. Claim c is about one cell, tested on half of its restarts; claims i and k are about the
restarts that have learned, of which there are as many as in `paper-small`.

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
from typing import NamedTuple

import numpy as np

from memrnn import Strings
from memrnn.papers.das_mali_2024 import LEVEL
from memrnn.reports.study.resampling import clustered

RESULTS = Path(__file__).parent.parent / "results" / "paper-small"
LANGUAGES = ("marked-copy", "marked-reverse-and-copy", "count-and-copy")
MODELS = ("jm-10", "jm-3.3.3", "jm-hidden")
WITHIN, LONG = (40, 100), (200, 400)
RESTARTS = (3, 5, 8, 10, 12, 16, 20, 30, 50, 100)
CONVERGED, LEARNED = 0.02, 0.9

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
    chance = {
        (language, edges): best_accuracy(language, edges)
        for language in LANGUAGES
        for edges in (WITHIN, LONG)
    }
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

    def normalised_accuracy(run: Key, edges: tuple[int, int]) -> float:
        least = chance[run[0], edges]
        return max(-1.0, (accuracy[run][edges] - least) / (1 - least))

    def growth(run: Key) -> float:
        points = {length: error for length, error in errors[run].items() if error > 0}
        return float(np.polyfit(np.log(list(points)), np.log(list(points.values())), 1)[0])

    return {
        "K": {run: one[LONG] / one[WITHIN] for run, one in accuracy.items()},
        "L": {run: normalised_nats(run, WITHIN) - normalised_nats(run, LONG) for run in nats},
        "d(within)": {run: normalised_accuracy(run, WITHIN) for run in accuracy},
        "d(long)": {run: normalised_accuracy(run, LONG) for run in accuracy},
        "e(long)": {run: normalised_nats(run, LONG) for run in nats},
        "growth exponent": {run: growth(run) for run in errors},
        "converged": {run: float(excess <= CONVERGED) for run, excess in valid.items()},
    }


def best_accuracy(language: str, edges: tuple[int, int]) -> float:
    """The best baseline's determined accuracy on strings of these lengths."""
    task = Strings(language, length_bins=(edges,), samples_per_length=1)
    references = task.references(f"{edges[0]}:{edges[1]}")
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
    return np.concatenate([np.zeros(0), *widened])


class Simulated(NamedTuple):
    """A statistic whose power is simulated.

    Attributes:
        margin: of the true mean beyond the threshold.
        paired: with the same restart of the network that freezes nothing.
        learned: of restarts whose normalised accuracy within is at least .9 only.
        cells: over which it is a mean.
        half: whether only half of the restarts are tested.
    """

    claim: str
    measure: str
    mode: str
    margin: float
    paired: bool = False
    learned: bool = False
    cells: int = len(LANGUAGES) * len(MODELS)
    half: bool = False


SIMULATED = (
    Simulated("b, g, h", "K", "memory", 0.1),
    Simulated("b, g, h", "L", "memory", 0.15),
    Simulated("c", "K", "none", 0.1, cells=1, half=True),
    Simulated("d", "d(long)", "memory", 0.25, paired=True),
    Simulated("d", "e(long)", "memory", 0.25, paired=True),
    Simulated("e", "growth exponent", "controller", 0.25),
    Simulated("e", "growth exponent", "controller", 0.25, paired=True),
    Simulated("e", "d(long)", "controller", 0.25, paired=True),
    Simulated("f", "converged", "memory", 0.1, paired=True),
    Simulated("i", "growth exponent", "none", 0.25, learned=True),
    Simulated("j", "L", "memory", 0.15),
    Simulated("k", "d(long)", "none", 0.1, learned=True),
)


def power(
    statistic: Simulated, pool: np.ndarray, share: float, restarts: int, studies: int
) -> float:
    """Share of studies that find it.

    Args:
        pool: residuals of restarts.
        share: of the restarts that it is about.
    """
    rng = np.random.default_rng([restarts, int(1e6 * statistic.margin)])
    count = restarts // 2 if statistic.half else restarts
    found = 0
    for _ in range(studies):
        values = statistic.margin + rng.choice(pool, size=(statistic.cells, count))
        values[rng.random(values.shape) > share] = np.nan
        estimate = clustered(values, range(statistic.cells), LEVEL)
        found += bool(estimate and estimate.interval and estimate.interval.low > 0)
    return found / studies


def needed(passes: Callable[[int], bool]) -> str:
    return next((str(count) for count in RESTARTS if passes(count)), f"> {RESTARTS[-1]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=200, help="simulated per number of restarts")
    parser.add_argument("--statistics", type=int, default=len(SIMULATED), help="only the first")
    arguments = parser.parse_args()
    known = measures()
    learned = {run for run, value in known["d(within)"].items() if value >= LEARNED}
    print("| claim | statistic | of | spread | margin | restarts for 80 % power |")
    print("|---|---|---|---|---|---|")
    for one in SIMULATED[: arguments.statistics]:
        values = known[one.measure]
        of = "nothing frozen" if one.mode == "none" else f"{one.mode} frozen"
        of += " minus nothing" if one.paired else ""
        share = 1.0
        if one.learned:
            runs = [run for run in values if run[2] == one.mode]
            values = {run: values[run] for run in runs if run in learned}
            share = len(values) / len(runs)
            of += f", learned ({share:.0%} of restarts)"
        pool = residuals(values, one.mode, one.paired)
        answer = "not known"
        if len(pool) > 1:

            def passes(
                count: int, one: Simulated = one, pool: np.ndarray = pool, share: float = share
            ) -> bool:
                return power(one, pool, share, count, arguments.studies) >= 0.8

            answer = needed(passes)
        spread = f"{pool.std():.3f}" if len(pool) else "–"
        print(
            f"| {one.claim} | {one.measure} | {of} | {spread} | {one.margin} | {answer} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
