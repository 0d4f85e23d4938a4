"""Tests trained networks on test sets, in any precision."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import numpy as np

from memrnn.evaluation._scores import finite, report_bin
from memrnn.evaluation._test_set import Bin, Group, Marks, TestSet, make_test_sets
from memrnn.experiment import Experiment
from memrnn.network import Network, check_room
from memrnn.network import mark as network_marks
from memrnn.padding import padded_lengths
from memrnn.precision import cast, check_precision, scope
from memrnn.training import Run, Trained

BINS: tuple[Bin, ...] = ((40, 100), (100, 200), (200, 400))
"""The paper's test bins (Das & Mali 2024)."""

BATCH = 100
"""Strings a batch: the loop over time costs about the same for 10 strings as for 100."""


def test(
    run: Run,
    bins: Sequence[Bin] = BINS,
    *,
    precision: str | None = None,
    strings_per_length: int = 10,
) -> dict[str, Any]:
    """Tests every restart of a run, each at its best epoch.

    Args:
        bins: ranges of lengths, inclusive.
        precision: number format of the test; by default that of the training.
        strings_per_length: test strings of each valid length in a bin.

    Returns:
        What `memrnn test --json` prints, see `docs/scores.md`.

    Raises:
        MemrnnError: for a bin without a valid length or an unknown precision.
    """
    experiment = run.experiment
    precision = check_precision(precision or experiment.recipe.precision)
    test_sets = make_test_sets(experiment.law, bins, strings_per_length)
    return {
        "precision": precision,
        "runs": [
            test_restart(experiment, restart, test_sets, precision) for restart in run.restarts
        ],
        "best": run.best,
    }


test.__test__ = False  # type: ignore[attr-defined]  # pytest: a function of ours, not a test


def mark(network: Network, test_set: TestSet, precision: str) -> list[Marks]:
    """A network's marks on a test set, computed in the given precision."""
    with scope(precision):
        return _mark(cast(network, precision), test_set)


def _mark(network: Network, test_set: TestSet) -> list[Marks]:
    marks: list[Marks] = []
    edges = padded_lengths(test_set.law)
    for low, longest in zip((-1, *edges), edges, strict=False):
        groups = [group for group in test_set.groups if low < group.shape[1] <= longest]
        tokens, lengths = _pad(groups, longest)
        batch = min(BATCH, len(lengths))
        pieces = []
        for start in range(0, len(lengths), batch):
            # The last batch is filled up with its predecessors, so that it has the same shape.
            begin = max(0, min(start, len(lengths) - batch))
            rows = slice(begin, begin + batch)
            marked = _marked(network, *jax.device_put((tokens[rows], lengths[rows])))
            new = slice(start - begin, None)
            pieces.append([np.asarray(part).T[new] for part in marked])
        nats, right, doubtful = (np.concatenate(column) for column in zip(*pieces, strict=True))
        row = 0
        for group in groups:
            count, positions = group.shape[0], group.shape[1] + 1
            rows = slice(row, row + count)
            marks.append(
                Marks(nats[rows, :positions], right[rows, :positions], int(doubtful[rows].sum()))
            )
            row += count
    return marks


_marked = eqx.filter_jit(network_marks)


def _pad(groups: Sequence[Group], longest: int) -> tuple[np.ndarray, np.ndarray]:
    tokens = np.zeros((sum(len(group) for group in groups), longest), np.int32)
    row = 0
    for group in groups:
        tokens[row : row + len(group), : group.shape[1]] = group
        row += len(group)
    lengths = [group.shape[1] for group in groups for _ in range(len(group))]
    return tokens, np.array(lengths, np.int32)


def test_restart(
    experiment: Experiment, restart: Trained, test_sets: Sequence[TestSet], precision: str
) -> dict[str, Any]:
    """One restart on test sets that are at hand: an entry of `runs` in what `test` returns.

    Raises:
        MemrnnError: if the test needs more memory than there is.
    """
    longest = max(test_set.law.longest for test_set in test_sets)
    check_room(restart.network, BATCH, longest, gradient=False)
    progress = restart.progress
    return {
        "restart": restart.number,
        "seed": progress.seed,
        "language": experiment.language,
        "model": experiment.model,
        "freeze": list(experiment.freeze),
        "status": progress.status,
        "epochs": progress.epochs,
        "best_epoch": progress.best_epoch,
        "learning_rate": progress.curve[0].learning_rate,
        "valid_perplexity": finite(progress.schedule.best),
        "valid_bound": progress.bound,
        "bins": [
            report_bin(test_set, mark(restart.network, test_set, precision))
            for test_set in test_sets
        ],
    }


test_restart.__test__ = False  # type: ignore[attr-defined]  # pytest: likewise
