"""The ledger's file: locked, damaged, of another version, and numbers that are none."""

import dataclasses
import math
import sqlite3
from pathlib import Path

import pytest
from scripted_engine import ScriptedEngine
from small_studies import small_study

from memrnn.evaluation import SetScores
from memrnn.studies import (
    LedgerError,
    RunFinished,
    load_results,
    load_tables,
    run_job,
    run_study,
)
from memrnn.tasks import Total


def test_a_locked_ledger_is_one_sentence(
    undisturbed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("memrnn.studies._ledger.LOCK_TIMEOUT", 0.2)
    other = sqlite3.connect(undisturbed / "ledger.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(LedgerError, match="is locked by another program"):
            run_study(small_study(), undisturbed, ScriptedEngine())
        assert load_results(undisturbed).runs, "reading goes on"
    finally:
        other.close()


@pytest.mark.parametrize("damage", ["all", "middle", "not a ledger"])
def test_a_damaged_ledger_is_one_sentence(tmp_path: Path, damage: str) -> None:
    run_study(small_study(models=["lstm-4"], restarts=1), tmp_path, ScriptedEngine())
    path = tmp_path / "ledger.db"
    content = bytearray(path.read_bytes())
    if damage == "not a ledger":
        path.unlink()
        other = sqlite3.connect(path)
        other.execute("CREATE TABLE x (y)")
        other.close()
    else:
        content[0 if damage == "all" else 4096 : 20_000] = b"\xa5" * (
            20_000 - (0 if damage == "all" else 4096)
        )
        path.write_bytes(content)
    for action in (
        lambda: run_study(small_study(), tmp_path, ScriptedEngine()),
        lambda: load_results(tmp_path),
    ):
        with pytest.raises(LedgerError, match=r"damaged|not a ledger of this version"):
            action()


def test_a_ledger_of_version_0_1_is_refused_with_one_sentence(tmp_path: Path) -> None:
    old = sqlite3.connect(tmp_path / "ledger.db")
    old.execute("CREATE TABLE facts (key TEXT PRIMARY KEY, value TEXT NOT NULL)")
    old.execute("INSERT INTO facts VALUES ('format', '1')")
    old.commit()
    old.close()
    for action in (
        lambda: run_study(small_study(), tmp_path, ScriptedEngine()),
        lambda: load_results(tmp_path),
    ):
        with pytest.raises(LedgerError, match=r"was written by memrnn 0\.1, .* another folder"):
            action()


def test_scores_beyond_all_numbers_survive(tmp_path: Path) -> None:
    """What is infinite or no number is never averaged away."""
    given = {
        "a": {"accuracy": Total(math.inf, 3.0), "perplexity": Total(1e308, 0.0)},
        "b": {"accuracy": Total(-math.inf, 3.0), "perplexity": Total(math.nan, 2.0)},
        "10": {"accuracy": Total(1 / 3, 3.0)},
    }

    def script(job):
        for event in run_job(job):
            if isinstance(event, RunFinished):
                sets = {"12:18": SetScores(given)}
                event = dataclasses.replace(event, scores={"float32": sets})
            yield event

    study = small_study(models=["lstm-4"], restarts=1)
    run_study(study, tmp_path, ScriptedEngine(script))
    (run,) = load_results(tmp_path).runs
    found = run.scores["float32"]["12:18"].groups
    assert list(found) == ["a", "b", "10"], "groups are in the order of their set"
    assert repr(found) == repr(given)
    whole = run.scores["float32"]["12:18"].whole
    assert math.isnan(whole["accuracy"].numerator)
    assert math.isnan(whole["perplexity"].numerator)
    rows = load_tables(tmp_path).scores.to_pylist()
    assert repr([row["numerator"] for row in rows]) == repr(
        [total.numerator for totals in given.values() for total in totals.values()]
    )
