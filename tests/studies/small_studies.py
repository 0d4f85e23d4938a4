"""Small studies for the tests, and what of a ledger must not depend on how it was made."""

from pathlib import Path
from typing import Any

from memrnn.studies import Ledger, Study, parse_study

STRINGS = {
    "train_lengths": "3:12",
    "batch_size": 4,
    "batches": 5,
    "validation_batches": 2,
    "length_bins": ["3:9", "12:18"],
    "samples_per_length": 2,
}


def small_study(**changes: Any) -> Study:
    """Two cells of two restarts; seconds to run once it is compiled."""
    values = {"models": ["jm-3", "lstm-4"], "restarts": 2}
    if "tasks" not in changes:
        values["languages"] = ["count-3"]
    if "strings" in changes or "tasks" not in changes:
        values["strings"] = STRINGS | changes.pop("strings", {})
    config = {"max_epochs": 3} | changes.pop("config", {})
    return parse_study(values | changes | {"config": config})


SAME = {
    "runs": "id, position, task, task_key, model, memory, definition, freeze, restart, seed, "
    "configuration, folder, job, status, reason, learning_rate, selection, reference, excess, "
    "epochs, best_epoch",
    "epochs": "*",
    "curves": "*",
    "scores": "*",
    "references": "*",
}


def content(folder: Path) -> dict[str, list[tuple]]:
    """All of a ledger but times, attempts and where it ran."""
    with Ledger(folder) as ledger:
        return {
            table: sorted(
                (tuple(row.values()) for row in ledger.rows(f'SELECT {columns} FROM "{table}"')),
                key=repr,
            )
            for table, columns in SAME.items()
        }
