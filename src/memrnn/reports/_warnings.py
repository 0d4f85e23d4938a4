"""What a task's metrics warn of."""

import math
from collections.abc import Sequence

from memrnn.evaluation import Evaluation
from memrnn.reports._summary import metric_label


def warnings_of(evaluations: Sequence[Evaluation]) -> list[str]:
    """A sentence per metric that warns, with the sum of its numerators over all restarts."""
    counts: dict[tuple[str, str], float] = {}
    for evaluation in evaluations:
        for metric in evaluation.task.metrics:
            if metric.warning:
                totals = (
                    scores.whole[metric.name].numerator
                    for run in evaluation.runs
                    for scores in run.sets.values()
                    if metric.name in scores.whole
                )
                name = metric.name, metric.warning
                counts[name] = counts.get(name, 0.0) + math.fsum(totals)
    return [
        f"{metric_label(name)}: {count:.0f}. {warning}"
        for (name, warning), count in counts.items()
        if count
    ]
