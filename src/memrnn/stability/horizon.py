"""The precision horizon: with how many bits, and up to which length, a network is right."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import product
from typing import NamedTuple

import numpy as np

from memrnn.errors import MemrnnError
from memrnn.languages import Distribution, get_language
from memrnn.nn.network import Network
from memrnn.nn.rounded import in_precision
from memrnn.runtime.precision import Rounding, computed_in, scope
from memrnn.stability.construct import golden_network
from memrnn.tasks import EvaluationSet, Strings, score_set, whole_set
from memrnn.training import Run

_METRIC = "determined_accuracy"


class HorizonRow(NamedTuple):
    """The strings of one length in one precision.

    Attributes:
        gap: of the stack's actions, of a network constructed anew; None for the run's network.
        precision: its name, of which the next four fields are the parts.
        component: what is rounded, `all`, `memory` or `controller`.
        rounding: nearest or stochastic.
        exponent: bits of the exponent.
        mantissa: explicit bits of the mantissa.
        length: of the strings, in symbols.
        strings: how many there are.
        determined: their symbols that the prefix leaves no choice about.
        wrong: how many of these are predicted wrong.

    Examples:
        >>> from memrnn.stability import HorizonRow, horizon_cell
        >>> shared = {"gap": None, "precision": "e5m2", "component": "all", "rounding": "nearest"}
        >>> bits = {"exponent": 5, "mantissa": 2, "strings": 1, "determined": 10}
        >>> row = HorizonRow(**shared, **bits, length=19, wrong=1)
        >>> horizon_cell([row]).first_wrong
        19
    """

    gap: float | None
    precision: str
    component: str
    rounding: str
    exponent: int
    mantissa: int
    length: int
    strings: int
    determined: int
    wrong: int


class HorizonCell(NamedTuple):
    """All lengths in one precision.

    Attributes:
        right: share of determined symbols that are predicted right.
        first_wrong: the shortest length with a wrong one; None if there is none.

    Examples:
        >>> from memrnn.stability import HorizonCell
        >>> HorizonCell(right=0.98, first_wrong=41).first_wrong
        41
    """

    right: float
    first_wrong: int | None


def roundings(
    exponents: Iterable[int],
    mantissas: Iterable[int],
    components: Iterable[str] = ("all",),
    kinds: Iterable[str] = ("nearest",),
) -> Iterator[Rounding]:
    """Every combination; the mantissa changes fastest.

    Args:
        exponents: bits of the exponent, 2 to 8.
        mantissas: explicit bits of the mantissa, 1 to 23.
        components: of all, memory and controller.
        kinds: of nearest and stochastic.

    Examples:
        >>> from memrnn.stability import roundings
        >>> [rounding.name for rounding in roundings([5], [2, 3], ["all", "memory"])]
        ['e5m2', 'e5m3', 'memory=e5m2', 'memory=e5m3']
    """
    for component, kind, exponent, mantissa in product(components, kinds, exponents, mantissas):
        name = None if component == "all" else component
        yield Rounding(exponent, mantissa, name, kind == "stochastic")


def horizon_strings(
    task: Strings, lengths: tuple[int, int], points: int, samples: int
) -> EvaluationSet:
    """Test strings of some lengths in a range, as one batch; one program scores them all.

    Args:
        task: on strings.
        lengths: shortest and longest, inclusive.
        points: how many lengths, evenly spaced in their logarithm, as far as they are valid.
        samples: strings per length, the first of those that every evaluation draws.

    Raises:
        MemrnnError: if the language has no such string, or no determined symbol.

    Examples:
        >>> import memrnn
        >>> from memrnn.stability import horizon_strings
        >>> strings = horizon_strings(memrnn.Strings("count-3"), (6, 60), points=3, samples=2)
        >>> strings.groups
        ['6', '6', '18', '18', '60', '60']
    """
    distribution = Distribution(get_language(task.language), *lengths)
    if not distribution.language.has_determined_symbols:
        raise MemrnnError(
            f"No prefix of {task.language} determines its next symbol, so that no length is wrong."
        )
    valid = np.array(distribution.lengths)
    wanted = np.geomspace(max(1, valid[0]), valid[-1], points)
    chosen = sorted({int(valid[np.abs(valid - length).argmin()]) for length in wanted})
    task = replace(task, samples_per_length=samples, length_bins=tuple((n, n) for n in chosen))
    longest, parts = chosen[-1], []
    for name in (one.name for one in task.sets):
        found = task.evaluation_set(name)
        for batch, items in zip(found.batches, found.items, strict=True):
            rows = items >= 0
            beyond = ((0, 0), (0, longest - batch.tokens.shape[1]))
            parts.append(
                batch._replace(
                    tokens=np.pad(batch.tokens[rows], beyond),
                    lengths=batch.lengths[rows],
                    determined=np.pad(batch.determined[rows], beyond),
                    legal=None,
                )
            )
    columns = ("tokens", "lengths", "determined")
    whole = {name: np.concatenate([getattr(part, name) for part in parts]) for name in columns}
    return whole_set(parts[0]._replace(**whole), whole["lengths"])


def measure_horizon(
    task: Strings,
    network: Network,
    strings: EvaluationSet,
    roundings: Iterable[Rounding],
    gap: float | None = None,
) -> Iterator[HorizonRow]:
    """A row per rounding and length of strings.

    Args:
        task: on strings.
        network: of the task.
        strings: of `horizon_strings`.
        roundings: see `roundings`.
        gap: that the network was constructed with, for the rows.

    Examples:
        >>> import memrnn
        >>> from memrnn.stability import golden_network, horizon_strings, measure_horizon, roundings
        >>> bins = {"length_bins": ((3, 9), (21, 25)), "samples_per_length": 2}
        >>> task = memrnn.Strings("marked-reversal", **bins)
        >>> network = golden_network(task)
        >>> strings = horizon_strings(task, (5, 21), points=2, samples=1)
        >>> rows = measure_horizon(task, network, strings, roundings([4], [3]))
        >>> [(row.precision, row.length, row.wrong) for row in rows]  # gates of 128 overflow
        [('e4m3', 5, 3), ('e4m3', 21, 11)]
    """
    lengths = np.array(strings.groups, np.int64)
    for rounding in roundings:
        name = rounding.name
        with scope(computed_in(name)):
            scores = score_set(task, in_precision(network, name), strings)[_METRIC]
        for length in np.unique(lengths).tolist():
            right, determined = (values[lengths == length] for values in scores)
            yield HorizonRow(
                gap,
                name,
                rounding.component or "all",
                "stochastic" if rounding.stochastic else "nearest",
                rounding.exponent,
                rounding.mantissa,
                length,
                len(right),
                int(determined.sum()),
                int((determined - right).sum()),
            )


def with_gap(run: Run, gap: float, gate: float | None = None) -> Network:
    """The network of a constructed run with another gap of the stack's actions.

    Args:
        run: constructed, as `save_golden` writes it.
        gap: D.
        gate: of the controller; by default the gap.

    Raises:
        MemrnnError: if the run's network was not constructed from a machine.

    Examples:
        >>> import memrnn
        >>> from memrnn.stability import golden_network, save_golden, with_gap
        >>> bins = {"length_bins": ((3, 9), (21, 25)), "samples_per_length": 2}
        >>> task, model = memrnn.Strings("marked-reversal", **bins), "lstm-12+jm-2"
        >>> save_golden(golden_network(task, model), task, model, "golden")
        >>> run = memrnn.load_run("golden")
        >>> network = with_gap(run, gap=4.0)
        >>> float(abs(run.restart(0).network.memory.weight_actions).max()) > 4
        True
    """
    experiment = run.experiment
    if run.origin.by != "memrnn golden" or not isinstance(experiment.task, Strings):
        raise MemrnnError("Only a network that memrnn golden constructed has a gap to vary.")
    precision = experiment.config.precision
    return golden_network(
        experiment.task, experiment.model, precision=precision, gate=gate or gap, gap=gap
    )


def horizon_cell(rows: Sequence[HorizonRow]) -> HorizonCell:
    """What the rows of one precision come to.

    Args:
        rows: of `measure_horizon`, all of one precision.

    Examples:
        >>> from memrnn.stability import HorizonRow, horizon_cell
        >>> shared = {"gap": None, "precision": "e5m2", "component": "all", "rounding": "nearest"}
        >>> bits = {"exponent": 5, "mantissa": 2, "strings": 1, "determined": 10}
        >>> lengths = [(19, 0), (29, 0), (39, 3)]
        >>> rows = [HorizonRow(**shared, **bits, length=n, wrong=wrong) for n, wrong in lengths]
        >>> horizon_cell(rows)
        HorizonCell(right=0.9, first_wrong=39)
    """
    wrong, determined = sum(row.wrong for row in rows), sum(row.determined for row in rows)
    failed = [row.length for row in rows if row.wrong]
    return HorizonCell(1 - wrong / determined, min(failed, default=None))
