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

    python benchmarks/standings.py [FOLDER of exported CSV tables]
"""

import argparse
import csv
from collections import Counter, defaultdict
from pathlib import Path

RESULTS = Path(__file__).parent.parent / "results" / "paper-small"
NEAR = 0.01
ROUNDING = 1e-9
WITHOUT_MEMORY = ("lstm", "gru", "elman")
MODES = ("none", "memory", "controller", "controller+memory")
STANDINGS = ("above", "equal", "below", "open", "not above")


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


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


def report(scores: list[dict[str, str]], bounds: list[dict[str, str]], edges: tuple[str, str]):
    """Prints the standings in one bin."""
    chosen = {"low": edges[0], "high": edges[1]}.items()
    cells: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for row in scores:
        if chosen <= row.items():
            cells[row["language"], row["model"], row["freeze"]].append(float(row["accuracy"]))
    floors: dict[str, float] = defaultdict(float)
    ceilings: dict[str, float] = {}
    for row in bounds:
        if chosen <= row.items():
            language, accuracy = row["language"], float(row["accuracy"])
            if row["predictor"] == "ceiling":
                ceilings[language] = accuracy
            else:
                floors[language] = max(floors[language], accuracy)
    impossible = {name for name in ceilings if floors[name] + NEAR > ceilings[name]}
    own = [cell for cell in cells if distinct(*cell[1:]) == cell[2]]
    selections = {
        "all cells": list(cells),
        "distinct cells": own,
        "distinct cells that can stand above": [cell for cell in own if cell[0] not in impossible],
    }
    for mode in MODES:
        selections[f"all cells, frozen: {mode}"] = [cell for cell in cells if cell[2] == mode]
    title = f"lengths {edges[0]} to {edges[1]}"
    print(f"{title:<38}{'cells':>6}" + "".join(f"{name:>11}" for name in STANDINGS))
    for name, selected in selections.items():
        counts: Counter[str] = Counter()
        for cell in selected:
            where, not_above = standing(cells[cell], floors[cell[0]])
            counts[where] += 1
            counts["not above"] += not_above
        print(f"{name:<38}{len(selected):>6}" + "".join(f"{counts[one]:>11}" for one in STANDINGS))
    for name in sorted(impossible):
        print(
            f"{name}: floor + {NEAR} = {floors[name] + NEAR:.4f} is more than the ceiling "
            f"{ceilings[name]:.4f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=RESULTS)
    folder = parser.parse_args().folder
    scores, bounds = rows(folder / "bin_scores.csv"), rows(folder / "bin_bounds.csv")
    for edges in dict.fromkeys((row["low"], row["high"]) for row in scores):
        report(scores, bounds, edges)
        print()


if __name__ == "__main__":
    main()
