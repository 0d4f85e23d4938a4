"""Where the cells of a finished study stand to the floor of each bin.

A cell is a language, a model and a freezing mode. Its interval is the 95 % percentile bootstrap
interval of the median accuracy of its restarts; with up to five restarts that is the whole
range from the lowest to the highest. It stands

    above      if the whole interval lies above floor + 0.01
    equal      if the whole interval lies within 0.01 of the floor
    below      if the whole interval lies below floor - 0.01, the mirror image of `above`
    open       otherwise

    not above  `below` as the report of memrnn 0.1 counts it: the whole interval lies below
               floor + 0.01, and not all of it within 0.01 of the floor

Not every cell can stand above: where floor + 0.01 is more than the ceiling, no network can. And
not every cell is an experiment of its own: a network without a memory has nothing to freeze there.

    python benchmarks/standings.py [FOLDER of a study or of its exported tables]
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from memrnn.nn.components import format_freeze
from memrnn.studies import Cell, load_results

RESULTS = Path(__file__).parent.parent / "results" / "paper-small"
NEAR = 0.01
ROUNDING = 1e-9
WITHOUT_MEMORY = ("lstm", "gru", "elman")
MODES = ("none", "memory", "controller", "controller+memory")
STANDINGS = ("above", "equal", "below", "open", "not above")


def standing(accuracies: list[float], floor: float) -> tuple[str, bool]:
    """Where a cell stands, and whether the report of 0.1 counted it as below."""
    if len(accuracies) > 5:
        raise SystemExit("This script knows the interval of at most five restarts.")
    low, high = min(accuracies), max(accuracies)
    near = NEAR + ROUNDING
    within = low >= floor - near and high <= floor + near
    not_above = high <= floor + near and not within
    if low > floor + near:
        return "above", not_above
    if within:
        return "equal", not_above
    return ("below" if high < floor - near else "open"), not_above


def distinct(model: str, freeze: str) -> str:
    """The freezing mode of the same experiment that comes first."""
    if model in WITHOUT_MEMORY:
        return {"memory": "none", "controller+memory": "controller"}.get(freeze, freeze)
    return freeze


def accuracies(cell: Cell, name: str) -> list[float]:
    """Of every finished restart on a set."""
    metric = cell.task.metric("accuracy")
    runs = [run.scores["float32"][name].value(metric) for run in cell.finished]
    return [value for value in runs if value is not None]


def bounds(cell: Cell, name: str) -> tuple[float, float]:
    """Accuracy of the best baseline and of the Bayes-optimal predictor on a set."""
    metric = cell.task.metric("accuracy")
    values = {one: scores.value(metric) or 0 for one, scores in cell.references[name].items()}
    ceiling = values.pop("bayes")
    return max(values.values()), ceiling


class Standings(NamedTuple):
    """Where cells stand on a set.

    Attributes:
        counts: by selection of cells, how many stand where.
        cells: by the same, how many there are.
        impossible: of languages on which no cell can stand above, floor and ceiling.
    """

    counts: dict[str, Counter[str]]
    cells: dict[str, int]
    impossible: dict[str, tuple[float, float]]


def standings(results: Sequence[Cell], name: str) -> Standings:
    """Where the cells of a study stand on a set."""
    cells = {
        (cell.task.title, cell.model, format_freeze(cell.freeze)): accuracies(cell, name)
        for cell in results
    }
    known = {cell.task.title: bounds(cell, name) for cell in results}
    impossible = {one: ends for one, ends in known.items() if ends[0] + NEAR > ends[1]}
    own = [cell for cell in cells if distinct(*cell[1:]) == cell[2]]
    selections = {
        "all cells": list(cells),
        "distinct cells": own,
        "distinct cells that can stand above": [cell for cell in own if cell[0] not in impossible],
    }
    for mode in MODES:
        selections[f"all cells, frozen: {mode}"] = [cell for cell in cells if cell[2] == mode]
    counts: dict[str, Counter[str]] = {}
    for selection, selected in selections.items():
        counts[selection] = Counter()
        for cell in selected:
            where, not_above = standing(cells[cell], known[cell[0]][0])
            counts[selection][where] += 1
            counts[selection]["not above"] += not_above
    return Standings(counts, {one: len(cells) for one, cells in selections.items()}, impossible)


def report(results: Sequence[Cell], name: str) -> None:
    """Prints the standings on one set."""
    found = standings(results, name)
    title = f"lengths {name.replace(':', ' to ')}"
    print(f"{title:<38}{'cells':>6}" + "".join(f"{name:>11}" for name in STANDINGS))
    for selection, counts in found.counts.items():
        numbers = "".join(f"{counts[one]:>11}" for one in STANDINGS)
        print(f"{selection:<38}{found.cells[selection]:>6}{numbers}")
    for language, (floor, ceiling) in sorted(found.impossible.items()):
        print(
            f"{language}: floor + {NEAR} = {floor + NEAR:.4f} is more than the ceiling "
            f"{ceiling:.4f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=RESULTS)
    cells = load_results(parser.parse_args().folder).cells
    for described in cells[0].task.sets:
        report(cells, described.name)
        print()


if __name__ == "__main__":
    main()
