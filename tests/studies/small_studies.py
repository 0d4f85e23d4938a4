"""Small studies for the tests, and what of a ledger must not depend on how it was made."""

from pathlib import Path
from typing import Any

from memrnn.studies import Ledger, Study

RECIPE = {"lengths": [3, 12], "batch_size": 4, "batches": 5, "validation_batches": 2, "epochs": 3}


def small_study(**changes: Any) -> Study:
    """Two cells of two restarts; seconds to run once it is compiled."""
    values = {
        "languages": ["count-3"],
        "models": ["jm-3", "lstm-4"],
        "restarts": 2,
        "bins": [[3, 9], [12, 18]],
        "strings_per_length": 2,
    }
    recipe = RECIPE | changes.pop("recipe", {})
    return Study.from_json(values | changes | {"recipe": recipe})


SAME = {
    "runs": "id, position, language, model, freeze, restart, seed, configuration, folder, pack, "
    "status, reason, learning_rate, valid_bound, valid_perplexity, epochs, best_epoch, doubtful",
    "epochs": "*",
    "bin_scores": "*",
    "length_scores": "*",
    "bin_bounds": "*",
    "length_bounds": "*",
}


def content(folder: Path) -> dict[str, list[tuple]]:
    """All of a ledger but times, attempts and where it ran."""
    with Ledger(folder) as ledger:
        return {
            table: sorted(
                tuple(row.values()) for row in ledger.rows(f"SELECT {columns} FROM {table}")
            )
            for table, columns in SAME.items()
        }
