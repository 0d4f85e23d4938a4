"""What a restart draws from its seed."""

import numpy as np

from memrnn.experiment import Recipe
from memrnn.languages import Law, get_language
from memrnn.training._data import draw_batches, draw_learning_rate, epoch_order

LAW = Law(get_language("marked-copy"), 4, 12)
RECIPE = Recipe(lengths=(4, 12), batches=300, validation_batches=40)


def test_batches_are_a_pure_function_of_the_seed() -> None:
    first, again, other = (draw_batches(LAW, RECIPE, seed) for seed in (3, 3, 4))
    for part in ("train", "validation"):
        np.testing.assert_array_equal(first[part].tokens, again[part].tokens)
        assert not np.array_equal(first[part].tokens, other[part].tokens)
    assert not np.array_equal(first["train"].tokens[:40], first["validation"].tokens)


def test_every_batch_has_one_valid_length_and_strings_of_the_language() -> None:
    batches = draw_batches(LAW, RECIPE, 0)["train"]
    assert set(batches.lengths) == set(LAW.lengths) == {5, 7, 9, 11}
    for tokens, length in zip(batches.tokens, batches.lengths, strict=True):
        assert all(LAW.language.contains(string) for string in tokens[:, :length])
        assert not np.any(tokens[:, length:])
    assert batches.symbols == sum(10 * (length + 1) for length in batches.lengths)


def test_the_order_is_a_permutation_that_changes_with_epoch_and_seed() -> None:
    order = epoch_order(50, seed=1, epoch=0)
    assert sorted(order) == list(range(50))
    np.testing.assert_array_equal(order, epoch_order(50, seed=1, epoch=0))
    assert not np.array_equal(order, epoch_order(50, seed=1, epoch=1))
    assert not np.array_equal(order, epoch_order(50, seed=2, epoch=0))


def test_learning_rates_are_log_uniform() -> None:
    rates = np.log([draw_learning_rate(RECIPE, seed) for seed in range(2000)])
    low, high = np.log(5e-4), np.log(1e-2)
    assert low <= rates.min() and rates.max() <= high
    shares = np.histogram(rates, bins=10, range=(low, high))[0] / 2000
    np.testing.assert_allclose(shares, 0.1, atol=0.03)
