"""Results as JSON: totals and values, and null for what JSON does not know."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from memrnn.evaluation import Evaluation, SetScores
from memrnn.reports._summary import known_value
from memrnn.tasks import TaskDescription


def to_json(evaluation: Evaluation) -> dict[str, Any]:
    """A cell with all its restarts and references.

    Of each metric on a set there is the value and, by group, numerator and denominator; a number
    that is not finite is null. `best` is the index of the best restart in `runs`.
    """
    task = evaluation.task
    return finite(
        {
            "task": dataclasses.asdict(task),
            "model": evaluation.model,
            "freeze": list(evaluation.freeze),
            "precision": evaluation.precision,
            "best": evaluation.best,
            "runs": [
                {
                    **{
                        field.name: getattr(run, field.name)
                        for field in dataclasses.fields(run)
                        if field.name != "sets"
                    },
                    "sets": {name: _scores(task, scores) for name, scores in run.sets.items()},
                }
                for run in evaluation.runs
            ],
            "references": {
                name: {predictor: _scores(task, scores) for predictor, scores in known.items()}
                for name, known in evaluation.references.items()
            },
        }
    )


def _scores(task: TaskDescription, scores: SetScores) -> dict[str, Any]:
    return {
        metric.name: {
            "value": known_value(scores, metric),
            "groups": {
                group: list(totals[metric.name])
                for group, totals in scores.groups.items()
                if metric.name in totals
            },
        }
        for metric in task.metrics
        if metric.name in scores.whole
    }


def finite(value: Any) -> Any:
    """The same without infinities and NaN, which JSON does not know: null stands for them."""
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
