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

`paper-small` was made by version 0.1: its sets are 40:100 and 200:400, and its errors by length are
nats above the Bayes-optimal predictor over all symbols, since it did not keep those of the
determined ones.
"""

import argparse
import functools
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from memrnn import Strings
from memrnn.evaluation import SetScores
from memrnn.nn.components import format_freeze
from memrnn.papers.das_mali_2024 import LEVEL
from memrnn.reports.study.resampling import clustered
from memrnn.runtime.options import parse_range
from memrnn.studies import load_results

RESULTS = Path(__file__).parent.parent / "results" / "paper-small"
LANGUAGES = ("marked-copy", "marked-reverse-and-copy", "count-and-copy")
MODELS = ("jm-10", "jm-3.3.3", "jm-hidden")
BASELINES = ("repeat-last", "unigram", "bigram")
WITHIN, LONG = "40:100", "200:400"
RESTARTS = (3, 5, 8, 10, 12, 16, 20, 30, 50, 100)
CONVERGED, LEARNED = 0.02, 0.9

Key = tuple[str, str, str, int]
"""Language, model, freezing mode, restart."""


def mean(scores: SetScores, metric: str) -> float:
    """Numerator over denominator on a set: nats per symbol of a perplexity."""
    numerator, denominator = scores.whole[metric]
    return numerator / denominator


def by_length(sets: Iterable[SetScores]) -> dict[int, float]:
    """Nats per symbol by length beyond the trained ones; of a length in two sets, the last."""
    return {
        int(group): totals["perplexity"].numerator / totals["perplexity"].denominator
        for scores in sets
        for group, totals in scores.groups.items()
        if 81 <= int(group) <= 400
    }


def measures() -> dict[str, dict[Key, float]]:
    """The measures of the claims, of every run."""
    found: dict[str, dict[Key, float]] = defaultdict(dict)
    for cell in load_results(RESULTS).cells:
        if cell.task.title not in LANGUAGES or cell.model not in MODELS:
            continue
        accuracy, nats, least, gap = {}, {}, {}, {}
        chance = {name: best_accuracy(cell.task.title, name) for name in (WITHIN, LONG)}
        for name, references in cell.references.items():
            least[name] = mean(references["bayes"], "perplexity")
            baselines = [mean(references[one], "perplexity") for one in BASELINES]
            gap[name] = min(baselines) - least[name]
        exact = by_length(references["bayes"] for references in cell.references.values())
        for run in cell.runs:
            key = (cell.task.title, cell.model, format_freeze(cell.freeze), run.restart)
            sets = run.scores["float32"]
            for name in (WITHIN, LONG):
                share = mean(sets[name], "determined_accuracy")
                accuracy[name] = max(-1.0, (share - chance[name]) / (1 - chance[name]))
                above = mean(sets[name], "perplexity") - least[name]
                nats[name] = max(-1.0, 1 - above / gap[name])
            kept = [mean(sets[name], "determined_accuracy") for name in (LONG, WITHIN)]
            found["K"][key] = kept[0] / kept[1]
            found["L"][key] = nats[WITHIN] - nats[LONG]
            found["d(within)"][key], found["d(long)"][key] = accuracy[WITHIN], accuracy[LONG]
            found["e(long)"][key] = nats[LONG]
            found["converged"][key] = float(run.excess <= CONVERGED)
            errors = {
                length: (mean_nats - exact[length]) * (length + 1)
                for length, mean_nats in by_length(sets.values()).items()
            }
            if errors:  # of some runs scores by length were not kept
                found["growth exponent"][key] = growth(errors)
    return found


def growth(errors: Mapping[int, float]) -> float:
    """The exponent of nats above the Bayes-optimal predictor per string, by length."""
    points = {length: error for length, error in errors.items() if error > 0}
    return float(np.polyfit(np.log(list(points)), np.log(list(points.values())), 1)[0])


@functools.cache
def best_accuracy(language: str, name: str) -> float:
    """The best baseline's determined accuracy on strings of these lengths, one of each length."""
    task = Strings(language, length_bins=(parse_range(name),), samples_per_length=1)
    shares = [
        np.sum(scores["determined_accuracy"][0]) / np.sum(scores["determined_accuracy"][1])
        for predictor, scores in task.references(name).items()
        if predictor != "bayes"
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
