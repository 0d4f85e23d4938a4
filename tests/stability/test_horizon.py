"""`memrnn horizon`: first wrong lengths against a loop over strings, maps, tables, refusals."""

import json
from dataclasses import replace
from pathlib import Path

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pyarrow.parquet
import pytest

from command_line import run
from memrnn import MemrnnError, Network, Strings, get_model, load_run
from memrnn.nn.rounded import in_precision
from memrnn.stability import (
    golden_network,
    horizon_cell,
    horizon_strings,
    measure_horizon,
    roundings,
    save_golden,
    with_gap,
)
from memrnn.stability.horizon_figure import draw_horizon, horizon_maps

TASK = Strings("marked-reversal", train_lengths=(3, 9), length_bins=((3, 9),))


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "golden"
    network = golden_network(TASK, "lstm-12+jm-2", gate=4.0)
    save_golden(network, TASK, "lstm-12+jm-2", out)
    return out


def test_rows_count_what_a_loop_over_strings_counts() -> None:
    task = replace(TASK, samples_per_length=3)
    network = golden_network(task, gate=3.0)
    strings = horizon_strings(task, (3, 60), points=6, samples=3)
    (rounding,) = roundings([8], [23])
    rows = list(measure_horizon(task, network, strings, [rounding]))
    assert [row.length for row in rows] == [3, 5, 9, 17, 33, 59]
    rounded, logits = in_precision(network, rounding.name), eqx.filter_jit(Network.prefix_logits)
    language = task.distribution.language
    for row in rows:
        (batch,) = task.evaluation_set(f"{row.length}:{row.length}").batches
        wrong = 0
        for string in batch.tokens:
            predicted = np.argmax(logits(rounded, jnp.asarray(string)[:, None])[:, 0], axis=1)
            targets = np.append(string, language.eos)
            determined = np.arange(len(targets)) > list(string).index(2)
            wrong += int((determined & (predicted != targets)).sum())
            assert row.determined == 3 * determined.sum()
        assert (row.strings, row.wrong) == (3, wrong)
    assert horizon_cell(rows).first_wrong == next(row.length for row in rows if row.wrong)
    assert horizon_cell(rows).first_wrong is not None


def test_a_larger_gap_lasts_longer(golden: Path) -> None:
    """The horizon without rounding grows with e^D."""
    constructed = load_run(golden)
    strings = horizon_strings(TASK, (3, 199), points=12, samples=2)
    first = []
    for gap in (3.0, 4.0, 5.0):
        network = with_gap(constructed, gap)
        found = horizon_cell(list(measure_horizon(TASK, network, strings, roundings([8], [23]))))
        assert found.first_wrong is not None
        first.append(found.first_wrong)
    assert first[0] * 2 < first[1] and first[1] * 2 < first[2]


def test_the_command_prints_maps_and_writes_tables(
    golden: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cells = ("--length-range", "3:21", "--points", "3", "--samples", "2", "--exponents", "4", "5")
    out = tmp_path / "map"
    status, printed, _ = run(
        capsys, "horizon", str(golden), *cells, "--mantissas", "1", "3", "--components", "all",
        "memory", "--out", str(out),
    )  # fmt: skip
    assert status == 0 and max(map(len, printed.splitlines())) <= 80
    assert "first wrong length; memory rounded, nearest; lengths 3 to 21" in printed
    table = pyarrow.parquet.read_table(out / "horizon.parquet").to_pylist()
    assert len(table) == 2 * 2 * 2 * 3
    assert {row["precision"] for row in table} >= {"e4m1", "memory=e5m3"}
    assert (out / "horizon.csv").read_text().count("\n") == len(table) + 1
    assert "memory rounded, nearest" in (out / "horizon.svg").read_text()

    status, printed, _ = run(
        capsys, "horizon", str(golden), *cells[:6], "--gap", "3", "9", "--mantissas", "4", "--json"
    )
    rows = json.loads(printed)
    assert status == 0 and [row["gap"] for row in rows] == [3.0] * 3 + [9.0] * 3
    assert sum(row["wrong"] for row in rows[3:]) == 0


def test_a_map_names_its_lines() -> None:
    network = TASK.build(get_model("lstm-3+jm-2"), 0)
    strings = horizon_strings(TASK, (3, 5), points=2, samples=1)
    of_bits = list(measure_horizon(TASK, network, strings, roundings([5, 8], [2, 3])))
    (lines,) = horizon_maps(of_bits).values()
    assert list(lines) == [("e", 5.0), ("e", 8.0)]
    assert [list(cells) for cells in lines.values()] == [[2, 3], [2, 3]]
    of_gaps = [row._replace(gap=gap) for gap in (3.0, 4.5) for row in of_bits]
    (lines,) = horizon_maps(of_gaps).values()
    assert list(lines) == [("e5 D", 3.0), ("e8 D", 3.0), ("e5 D", 4.5), ("e8 D", 4.5)]
    figure = draw_horizon(of_gaps, "gaps")
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["e5 D 3", "e8 D 3", "e5 D 4.5", "e8 D 4.5"]


def test_refusals(golden: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for options, words in (
        (("--exponents", "9"), "There is no precision 'e9m1'"),
        (("--points", "0"), "at least one length"),
        (("--length-range", "4:4"), "no string with a length from 4 to 4"),
    ):
        status, _, told = run(capsys, "horizon", str(golden), *options)
        assert status == 2 and words in told
    with pytest.raises(MemrnnError, match="No prefix of unmarked-copy determines"):
        horizon_strings(Strings("unmarked-copy"), (10, 20), 2, 1)
