"""From scores of rows to items, groups and metrics."""

import math
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from memrnn import EvaluationSet, Metric, Network, OneHot, Strings, get_model
from memrnn.tasks import Total, add, item_scores, score_set, total, total_by_group, whole_set

PIECES = EvaluationSet(
    batches=[0, 1, 2],
    items=[np.array([2, 0]), np.array([1, -1]), np.array([2, -1])],
    groups=["b", "a", "b"],
)
SCORES = [
    {"right": (np.array([1.0, 2.0]), np.array([4.0, 4.0]))},
    {"right": (np.array([3.0, 100.0]), np.array([4.0, 100.0]))},
    {"right": (np.array([0.5, np.nan]), np.array([2.0, np.nan]))},
]


def test_rows_that_fill_up_are_dropped_and_pieces_of_an_item_are_added() -> None:
    found = item_scores(PIECES, SCORES)
    np.testing.assert_array_equal(found["right"][0], [2.0, 3.0, 1.5])
    np.testing.assert_array_equal(found["right"][1], [4.0, 4.0, 6.0])


def test_groups_come_in_the_order_in_which_they_first_occur() -> None:
    found = total_by_group(item_scores(PIECES, SCORES), PIECES.groups)
    assert list(found) == ["b", "a"]
    assert found == {"b": {"right": Total(3.5, 10.0)}, "a": {"right": Total(3.0, 4.0)}}
    assert add(found.values()) == {"right": Total(6.5, 14.0)}
    assert total(item_scores(PIECES, SCORES)) == add(found.values())


def test_totals_are_float64() -> None:
    """In float32, 2 ** 24 + 1 is 2 ** 24."""
    ones = np.ones(3, np.float32)
    large = np.array([2**24, 1, 1], np.float32)
    rows = EvaluationSet([0], [np.array([0, 0, 0])], ["x"])
    found = item_scores(rows, [{"nats": (large, ones)}])
    assert found["nats"][0][0] == 2**24 + 2
    assert total({"nats": (large, ones)})["nats"] == (2**24 + 2, 3)
    groups = total_by_group({"nats": (large, ones)}, ["x", "x", "x"])
    assert groups["x"]["nats"] == (2**24 + 2, 3)


class Sums(Strings):
    """Scores the sum of all batches so far."""

    metrics = (Metric("sum", "max"),)

    def carry(self, network: Network) -> Any:
        return jnp.array(1)

    def score(self, network: Network, carry: Any, batch: Any) -> Any:
        return carry + batch, {"sum": (jnp.array([carry]), jnp.ones(1))}


@pytest.mark.parametrize("carries", [True, False])
def test_state_is_carried_only_where_the_set_says_so(carries: bool) -> None:
    rows = EvaluationSet([10, 20, 30], [np.array([0]), np.array([1]), np.array([0])], ["x", "y"])
    rows = EvaluationSet(rows.batches, rows.items, rows.groups, carries)
    found = score_set(Sums("marked-copy"), get_model("lstm-1").build(OneHot(2), 3, seed=0), rows)[
        "sum"
    ]
    before = [1, 11, 31] if carries else [1, 1, 1]
    np.testing.assert_array_equal(found[0], [before[0] + before[2], before[1]])
    np.testing.assert_array_equal(found[1], [2, 1])


def test_a_whole_set_is_one_batch_with_an_item_per_row() -> None:
    found = whole_set("batch", np.array([3, 5, 3]))
    assert list(found.batches) == ["batch"] and list(found.groups) == ["3", "5", "3"]
    np.testing.assert_array_equal(found.items, [[0, 1, 2]])


def test_the_scale_of_a_metric() -> None:
    assert Metric("x", "max").value(Total(1.0, 4.0)) == 0.25
    assert Metric("x", "min", "exp").value(Total(1.0, 4.0)) == math.exp(0.25)
    assert Metric("x", "min", "exp").value(Total(4000.0, 1.0)) == math.inf
    for scale in ("ratio", "exp"):
        assert Metric("x", "min", scale).value(Total(0.0, 0.0)) is None
        assert math.isnan(Metric("x", "min", scale).value(Total(math.nan, 1.0)) or 0)


def test_what_improves() -> None:
    small, large = Metric("x", "min"), Metric("x", "max")
    assert small.improves(0.9, 1.0) and not small.improves(1.0, 1.0)
    assert large.improves(1.1, 1.0) and not large.improves(1.0, 1.0)
    assert not small.improves(0.95, 1.0, 0.1) and small.improves(0.89, 1.0, 0.1)
    assert not large.improves(1.05, 1.0, 0.1) and large.improves(1.11, 1.0, 0.1)
    for metric in (small, large):
        assert metric.improves(-5.0, metric.worst)
        assert not metric.improves(math.nan, metric.worst)


@pytest.mark.parametrize("shape", [(), (1,), (2, 2)])
def test_a_score_that_is_not_one_per_item_is_refused(shape: tuple[int, ...]) -> None:
    scores = [{"right": (np.ones(2), np.ones(shape))}, *SCORES[1:]]
    told = r"The score right has a numerator of shape \[2\] .* but the batch has 2 items"
    with pytest.raises(ValueError, match=told):
        item_scores(PIECES, scores)


def test_a_score_that_is_no_metric_is_refused() -> None:
    class Misspelt(Strings):
        def score(self, network: Any, carry: Any, batch: Any) -> Any:
            carry, scores = super().score(network, carry, batch)
            return carry, {**scores, "acuracy": scores["accuracy"]}

    task = Misspelt("count-3", length_bins=((3, 6),), samples_per_length=1)
    network = task.build(get_model("jm-2"), seed=0)
    with pytest.raises(ValueError, match="strings scores 'acuracy', which is none of its metrics"):
        score_set(task, network, task.evaluation_set("3:6"))
