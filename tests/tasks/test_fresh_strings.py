"""Fresh strings, growing ones, and longer ones for validation."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import memrnn
from memrnn import Strings, get_language
from memrnn.runtime.precision import scope
from memrnn.tasks import score_set, total

TASK = Strings("marked-copy", (3, 9), 5, 6, 5, ((3, 9),), 2, fresh_strings=True, longer_strings=40)


def test_fresh_strings_are_new_in_every_epoch_and_have_lengths_of_their_own() -> None:
    language = get_language("marked-copy")
    first, again, later = (TASK.plan(TASK.data(1), 1, epoch)[0] for epoch in (0, 0, 1))
    assert first.tokens.shape == (6, 5, 9)
    np.testing.assert_array_equal(first.tokens, again.tokens)
    assert not np.array_equal(first.tokens, later.tokens)
    other = TASK.plan(TASK.data(2), 2, 0)[0]
    assert not np.array_equal(first.tokens, other.tokens)
    for tokens, length in zip(first.tokens.reshape(-1, 9), first.lengths.ravel(), strict=True):
        assert language.contains(tokens[:length]) and not tokens[length:].any()
    assert set(first.lengths.ravel().tolist()) == {3, 5, 7, 9}
    assert any(len(set(lengths)) > 1 for lengths in first.lengths.tolist())


def test_fresh_strings_may_grow() -> None:
    """Of the four valid lengths 3, 5, 7, 9 the shortest come first."""
    task = dataclasses.replace(TASK, growing_epochs=3)
    epochs = [task.plan(task.data(1), 1, epoch)[0] for epoch in range(5)]
    found = [set(one.lengths.ravel().tolist()) for one in epochs]
    assert found == [{3, 5}, {3, 5, 7}, *[{3, 5, 7, 9}] * 3]
    assert {one.tokens.shape for one in epochs} == {(6, 5, 9)}, "one program serves all epochs"
    plain = [TASK.plan(TASK.data(1), 1, epoch)[0] for epoch in range(5)]
    for ours, theirs in zip(epochs[2:], plain[2:], strict=True):
        np.testing.assert_array_equal(ours.tokens, theirs.tokens)
    assert task.identity() != TASK.identity()
    assert dataclasses.replace(TASK, growing_epochs=0).identity() == TASK.identity()


def test_longer_strings_choose_the_epoch_and_leave_the_perplexity_alone() -> None:
    plain = dataclasses.replace(TASK, longer_strings=0)
    lengths = [int(group) for group in TASK.validation(3).groups]
    kept = [int(group) for group in plain.validation(3).groups]
    assert lengths[: len(kept)] == kept and len(lengths) == len(kept) + 40
    assert min(lengths[len(kept) :]) > 9 and max(lengths) <= 18
    reference = TASK.validation_reference(3)
    assert total(reference)["longer_sequence_accuracy"] == (40.0, 40.0)
    with scope("float32"):
        network = jax.tree.map(
            lambda leaf: 5 * leaf, TASK.build(memrnn.Model("lstm", hidden_size=4), 0)
        )
        found, known = (total(score_set(one, network, one.validation(3))) for one in (TASK, plain))
    assert found["perplexity"] == pytest.approx(known["perplexity"])
    assert set(found) == {*known, "longer_sequence_accuracy"}
    assert (TASK.selection.name, plain.selection.name) == ("longer_sequence_accuracy", "perplexity")


def test_longer_strings_are_scored_by_their_determined_symbols() -> None:
    """Against single strings; the network is right on some of them."""
    task = dataclasses.replace(TASK, language="count-3", longer_strings=12)
    batch = task.validation(0).batches[-1].strings
    with scope("float32"):
        # It predicts the symbol of id 2 everywhere: right where the rest of the string is c.
        network = task.build(memrnn.Model("lstm", hidden_size=4), 0)
        scores = score_set(task, network, task.validation(0))
        logits = np.asarray(network.prefix_logits(jnp.asarray(batch.tokens).T))
    # The other validation strings have no such score.
    right, count = (values[-12:] for values in scores["longer_sequence_accuracy"])
    assert sum(scores["longer_sequence_accuracy"][1]) == 12
    for row, length in enumerate(batch.lengths):
        string = batch.tokens[row, :length]
        targets = [*string, 3]
        determined = task.longer.determined(string[None])[0]
        correct = logits[: length + 1, row].argmax(axis=-1) == targets
        assert right[row] == np.all(correct[determined]) and count[row] == 1
