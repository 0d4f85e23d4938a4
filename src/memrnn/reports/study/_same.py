"""Networks without a memory: freezing the memory is freezing nothing."""

from collections.abc import Sequence

from memrnn.reports.study._scores import View
from memrnn.runtime import formats as form
from memrnn.studies import RunRecord


def same_experiment(view: View, models: Sequence[str]) -> list[str]:
    """Says so of these models, and in how many pairs of restarts the results are the same."""
    whole = {(cell.task.key, cell.model): cell for cell in view.cells((), memory=False)}
    pairs = equal = 0
    for cell in view.cells(("memory",), memory=False):
        if (cell.task.key, cell.model) not in whole:
            continue
        others = {run.restart: run for run in whole[cell.task.key, cell.model].finished}
        for run in cell.finished:
            if other := others.get(run.restart):
                pairs += 1
                equal += _same(run, other)
    have = "has" if len(models) == 1 else "have"
    found = [
        f"{form.listed(models)} {have} no memory: with it frozen the experiment is the same as "
        "with nothing frozen, and with the controller frozen the same as with both. Claims leave "
        "such networks out."
    ]
    if pairs:
        found.append(
            f"In {equal} of {pairs} pairs of restarts the two modes gave the same scores here, to "
            "the last bit."
        )
    return found


def _same(one: RunRecord, other: RunRecord) -> bool:
    """Whether the scores agree to the last bit; what is not a number agrees with itself."""
    scores, others = (one.selection, one.scores), (other.selection, other.scores)
    return scores == others or repr(scores) == repr(others)
