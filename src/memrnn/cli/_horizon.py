"""The command `memrnn horizon`: with how many bits a network is right, and up to which length."""

import io
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import tyro
from rich.console import Console

from memrnn.errors import MemrnnError
from memrnn.runtime import formats as form
from memrnn.runtime.checkpoints import write_bytes
from memrnn.runtime.precision import parse_precision
from memrnn.runtime.printing import print_json, print_rows, say
from memrnn.stability import (
    HorizonCell,
    HorizonRow,
    horizon_strings,
    measure_horizon,
    roundings,
    with_gap,
)
from memrnn.tasks import Strings
from memrnn.training import load_run


def horizon_command(
    directory: tyro.conf.Positional[Path],
    exponents: tuple[int, ...] = (),
    mantissas: tuple[int, ...] = (1, 2, 3, 4, 5, 7, 10, 23),
    components: tuple[Literal["all", "memory", "controller"], ...] = ("all",),
    rounding: tuple[Literal["nearest", "stochastic"], ...] = ("nearest",),
    gap: tuple[float, ...] = (),
    gate: float | None = None,
    length_range: tuple[int, int] | None = None,
    points: int = 8,
    samples: int = 5,
    restart: int | None = None,
    out: Path | None = None,
    json: bool = False,
) -> None:
    """Rounds every operation of a network to few bits, and looks for the first wrong length.

    Each cell of the maps is one number format; see `memrnn evaluate --precision`.

    Args:
        directory: folder of a run that was trained or constructed on strings.
        exponents: bits of the exponent, by default 4, 5 and 8, and 8 with --gap.
        mantissas: bits of the mantissa.
        components: what is rounded.
        rounding: how.
        gap: also for the run's machine with these gaps of the stack's actions, instead of the run's
            network.
        gate: of the controller, with --gap; by default the gap.
        length_range: shortest and longest string, by default from the shortest of training to five
            times the longest.
        points: how many lengths between them.
        samples: strings per length.
        restart: number of the restart; by default the best one.
        out: folder for horizon.parquet, horizon.csv and horizon.svg.
        json: print JSON instead of maps.
    """
    run = load_run(directory)
    task = run.experiment.task
    if not isinstance(task, Strings):
        raise MemrnnError(f"A horizon needs a task of strings; {directory} holds {task.spec}.")
    if min(points, samples) < 1 or not (mantissas and components and rounding):
        raise MemrnnError("A horizon needs at least one length, string, format and component.")
    bits = exponents or ((8,) if gap else (4, 5, 8))
    formats = list(roundings(bits, mantissas, components, rounding))
    for one in formats:
        parse_precision(one.name)
    low, high = task.train_lengths
    strings = horizon_strings(task, length_range or (low, 5 * high), points, samples)
    networks = [(each, with_gap(run, each, gate)) for each in gap]
    if not gap:
        networks = [(None, run.restart(restart).network)]
    rows = [
        row
        for value, network in networks
        for row in measure_horizon(task, network, strings, formats, value)
    ]
    if out is not None:
        _write(rows, out, run.experiment.label)
    if json:
        print_json([row._asdict() for row in rows])
        return
    _print(rows)


def _print(rows: list[HorizonRow]) -> None:
    from memrnn.stability.horizon_figure import horizon_maps  # here: it imports matplotlib

    first, last = min(row.length for row in rows), max(row.length for row in rows)
    for (component, rounding), lines in horizon_maps(rows).items():
        about = f"{component} rounded, {rounding}; lengths {first} to {last}"
        for title, show in (
            ("determined symbols right", _share),
            ("first wrong length", _length),
        ):
            say(Console(), f"{title}; {about}")
            print_rows(
                [
                    {"": f"{label} {value:g}"} | {f"m={m}": show(cell) for m, cell in cells.items()}
                    for (label, value), cells in lines.items()
                ]
            )
            print()


def _share(cell: HorizonCell) -> str:
    return form.share(cell.right)


def _length(cell: HorizonCell) -> str:
    return form.MISSING if cell.first_wrong is None else str(cell.first_wrong)


def _write(rows: list[HorizonRow], out: Path, title: str) -> None:
    from memrnn.runtime.figures import save_figure  # here: both import matplotlib
    from memrnn.stability.horizon_figure import draw_horizon

    out.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist([row._asdict() for row in rows])
    writers: dict[str, Any] = {
        "parquet": pyarrow.parquet.write_table,
        "csv": pyarrow.csv.write_csv,
    }
    for suffix, write in writers.items():
        stream = io.BytesIO()
        write(table, stream)
        write_bytes(out / f"horizon.{suffix}", stream.getvalue())
    save_figure(draw_horizon(rows, title), out / "horizon.svg", title)
