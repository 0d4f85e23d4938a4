import re
import statistics

import pytest
from rich.console import Console

from memrnn.reports import overview_table, result_table, summarize
from reports.results_synthetic import make_result


def lines(table, width=80):
    console = Console(width=width, no_color=True, force_terminal=False)
    with console.capture() as capture:
        console.print(table)
    return capture.get().splitlines()


def test_a_row_holds_the_numbers_of_its_bin():
    result = make_result(best=2, diverged=(1,))
    (row,) = [line for line in lines(result_table(result)) if line.startswith("15–24")]
    accuracies = [run["bins"][1]["accuracy"] for run in result["runs"]]
    expected = [
        f"{accuracies[2]:.3f}",
        f"{statistics.median(accuracies):.3f}",
        f"{min(accuracies):.3f}–{max(accuracies):.3f}",
        "0.600",
        "0.950",
        f"{(accuracies[2] - 0.6) / 0.35:.2f}",
        f"{accuracies[2] / 2:.3f}",
        "inf",
        "1.062",
    ]
    assert row.split()[1:] == expected
    assert "3 restarts, 1 diverged" in " ".join(lines(result_table(result)))


def test_overview_has_every_experiment_within_80_columns_and_no_cut_number():
    grid = [
        make_result(language, model, freeze, bins=((40, 100), (101, 200), (201, 400)),
                    accuracies=((0.9123, 0.5, 0.01), (0.8, 0.4, 0.02)), floor=0.94)
        for language in ("count-3", "marked-reverse-and-copy")
        for model in ("lstm", "jm-3.3.3")
        for freeze in ((), ("memory",), ("controller",))
    ]  # fmt: skip
    text = lines(overview_table(grid))
    assert all(len(line) <= 80 for line in text)
    assert "…" not in "".join(text)
    rows = [line.split() for line in text if re.match(r"(lstm|jm-3.3.3) ", line)]
    assert len(rows) == 12
    assert all(row[2:4] == ["0.912", "0.856"] and row[5:7] == ["0.500", "0.450"] for row in rows)
    assert sum(line.startswith("floor ") and "0.940" in line for line in text) == 2


def test_an_overview_of_nothing_or_of_different_bins_is_refused():
    with pytest.raises(ValueError, match="no result"):
        overview_table([])
    with pytest.raises(ValueError, match="different bins"):
        overview_table([make_result(), make_result(bins=((6, 12), (15, 27)))])
    with pytest.raises(ValueError, match="no restart"):
        summarize({"runs": [], "best": 0})


def test_a_language_without_determined_symbols_has_dashes():
    (row,) = [
        line for line in lines(result_table(make_result(determined=False))) if line[:4] == "6–12"
    ]
    assert row.split()[7] == "–"
