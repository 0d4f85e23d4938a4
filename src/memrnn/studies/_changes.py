"""What differs between a study as it was run before and as its file says now."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from memrnn.errors import MemrnnError
from memrnn.studies._about import versions
from memrnn.studies._ledger import Ledger
from memrnn.studies._study import Pack, Study


def check_changes(ledger: Ledger, study: Study, packs: Sequence[Pack]) -> list[str]:
    """Sentences about what the study adds and leaves out; nothing for a new one.

    Raises:
        MemrnnError: if recipe or seed are others: then it is another study.
    """
    if ledger.fact("study") is None:
        return []
    before = ledger.study()
    changed = [
        f"{name} is {theirs} in its ledger and {ours} now"
        for (name, theirs), ours in zip(_fixed(before).items(), _fixed(study).values(), strict=True)
        if theirs != ours
    ]
    if changed:
        raise MemrnnError(
            f"{ledger.path.parent} holds a study with another recipe or seed: "
            f"{'; '.join(changed)}. Give another folder."
        )
    known = {row["id"] for row in ledger.rows("SELECT id FROM runs WHERE position IS NOT NULL")}
    planned = {run.id for pack in packs for run in pack}
    sentences: list[str] = []
    if added := len(planned - known):
        sentences.append(f"The study has grown by {added} runs since it was last run.")
    if left := len(known - planned):
        sentences.append(
            f"{left} runs of the ledger are not in the study any more; they are kept, but count "
            "in no report."
        )
    tests = ("bins", "precisions", "strings_per_length")
    if any(getattr(before, name) != getattr(study, name) for name in tests):
        sentences.append("It asks for other tests than before; what is trained is only tested.")
    sources = {
        row["source"]
        for row in ledger.rows(
            "SELECT DISTINCT json_extract(versions, '$.source') AS source FROM runs "
            "WHERE versions IS NOT NULL"
        )
    }
    if sources - {versions()["source"]}:
        sentences.append(
            "Some runs were made by another version of memrnn; the report names the versions."
        )
    return sentences


def _fixed(study: Study) -> dict[str, Any]:
    """What must not change, flat."""
    recipe = {f"recipe.{name}": value for name, value in asdict(study.recipe).items()}
    return {"seed": study.seed, **recipe}
