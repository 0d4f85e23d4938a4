import re
import statistics

import pytest
from rich.console import Console

from memrnn.reports import overview_table, result_table, summarize
from memrnn.tasks import SetDescription
from reports.results_synthetic import (
    COPYING,
    INF,
    NAN,
    copying,
    make_evaluation,
    make_result,
    recognition,
)


def lines(table, width=80):
    console = Console(width=width, no_color=True, force_terminal=False)
    with console.capture() as capture:
        console.print(table)
    return capture.get().splitlines()


def block(table, metric):
    """The rows of a metric, by set."""
    text = lines(table)
    start = next(n for n, line in enumerate(text) if line.strip() == metric)
    rows = {}
    for line in text[start + 1 :]:
        if not line.startswith(" ") or not line.strip():
            break
        rows[line.split()[0]] = line.split()[1:]
    return rows


def test_a_row_holds_the_numbers_of_its_set():
    table = result_table(make_result(best=2, diverged=(1,)))
    accuracies = (0.5, 0.4, 0.3)
    assert block(table, "accuracy")["15–24"] == [
        "0.300",
        f"{statistics.median(accuracies):.3f}",
        "0.300–0.500",
        "0.600",
        "0.950",
        f"{(0.3 - 0.6) / 0.35:.2f}",
    ]
    assert block(table, "determined accuracy")["6–12"][0] == f"{0.95 / 2:.3f}"
    assert block(table, "perplexity")["15–24"][:5] == [
        "inf",
        "2.500",
        "2.000–inf",
        "1.500",
        "1.062",
    ]
    text = " ".join(" ".join(lines(table)).split())
    assert "3 restarts, 1 diverged" in text and "Smaller is better for perplexity" in text


def test_a_metric_that_nobody_measured_has_no_rows_and_one_with_nothing_to_score_has_dashes():
    table = result_table(make_result(determined=False))
    assert set(block(table, "determined accuracy")["6–12"]) == {"–"}
    assert "missing" not in " ".join(lines(table))
    task = make_result().task
    only = make_evaluation(task, lambda restart, name: {"accuracy": 0.5})
    assert "perplexity" not in " ".join(lines(result_table(only)))


def test_a_task_without_a_bayes_optimal_predictor_has_no_such_columns():
    text = lines(result_table(recognition()))
    assert "floor" in text[1] and "Bayes" not in text[1] and "norm." not in text[1]
    text = lines(result_table(copying()))
    assert "floor" not in " ".join(text)


@pytest.mark.parametrize(
    ("errors", "median", "range_", "missing"),
    [
        ((2.0, NAN, 3.0), "3.000", "2.000–inf", 1),
        ((2.0, None, NAN), "inf", "2.000–inf", 2),
        ((NAN, NAN, NAN), "–", "–", 3),
        ((None, None, None), "–", "–", 0),
        ((2.0, INF, 3.0), "3.000", "2.000–inf", 0),
    ],
)
def test_a_score_that_is_missing_counts_as_the_worst_and_is_counted(
    errors, median, range_, missing
):
    evaluation = copying(errors)
    table = result_table(evaluation)
    assert block(table, "error")["all"][1:] == [median, range_]
    assert summarize(evaluation).sets[0].headline.missing == missing
    assert (f"{missing} score" in " ".join(lines(table))) == (missing > 0)


def test_a_missing_share_counts_as_zero():
    one = summarize(recognition(((0.9, NAN), (0.8, 0.5)))).sets[1].headline
    assert (one.best, one.median, one.low, one.missing) == (None, pytest.approx(0.25), 0.0, 1)
    assert one.normalised is None


def test_a_baseline_that_is_not_a_number_is_none():
    def references(name):
        return {"broken": {"error": NAN}, "constant": {"error": 4.0}, "worse": {"error": 5.0}}

    evaluation = make_evaluation(
        COPYING, lambda restart, name: {"error": 2.0}, references, groups=lambda name: ["a"]
    )
    one = summarize(evaluation).sets[0].headline
    assert (one.baseline_name, one.baseline, one.bayes) == ("constant", 4.0, None)


def test_overview_has_every_experiment_within_80_columns_and_no_cut_number():
    grid = [
        make_result(language, model, freeze, sets=((40, 100), (101, 200), (201, 400)),
                    trained=(40, 80), accuracies=((0.9123, 0.5, 0.01), (0.8, 0.4, 0.02)),
                    floor=0.94)
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
    assert "201–400" in "".join(text)


def test_an_overview_holds_tasks_of_every_kind():
    text = lines(overview_table([make_result(), recognition(), copying((2.0, NAN, 3.0))]))
    assert any(line.startswith("recognition of count-3: accuracy") for line in text)
    # What looks like markup is written as it is.
    assert any(line.startswith("copying [bold]far[/]: error") for line in text)
    assert sum(line.startswith("floor") for line in text) == 2
    assert sum(line.split()[:2] == ["Bayes", "optimal"] for line in text) == 1
    assert "1 score is missing" in " ".join(text)


def test_wide_numbers_and_long_names_still_fit():
    task = make_result().task
    long = [SetDescription(f"a-very-long-name-of-a-set-{n}", None) for n in range(5)]
    task = type(task)(**{**vars(task), "sets": tuple(long), "headline": "perplexity"})
    evaluation = make_evaluation(
        task, lambda restart, name: {"perplexity": 1.2e7}, groups=lambda name: ["a"], step=0.0,
        model="[red]a-model-with-a-name-that-is-far-too-long-for-a-column",
    )  # fmt: skip
    for table in (overview_table([evaluation]), result_table(evaluation)):
        text = lines(table)
        assert all(len(line) <= 80 for line in text)
        assert "1.2e+07" in "".join(text) and "…" not in "".join(text)
        assert "[red]" in "".join(text)


def test_precisions_are_told_apart():
    text = lines(overview_table([make_result(), make_result(precision="bfloat16")]))
    assert any("lstm bfloat16" in line for line in text)


def test_an_overview_of_nothing_is_refused():
    with pytest.raises(ValueError, match="no result"):
        overview_table([])
    empty = make_evaluation(COPYING, lambda restart, name: {}, restarts=0)
    with pytest.raises(ValueError, match="no restart"):
        summarize(empty)


def test_different_sets_of_one_task_have_tables_of_their_own():
    text = lines(overview_table([make_result(), make_result(sets=((6, 12), (15, 27)))]))
    assert sum(line.startswith("count-3") for line in text) == 2
    assert any("15–27" in line for line in text)
