"""What differs between a study as it was run before and as its file says now."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from memrnn.errors import MemrnnError
from memrnn.nn.components import format_freeze
from memrnn.runtime.options import to_json
from memrnn.studies._about import versions
from memrnn.studies._ledger import Ledger
from memrnn.studies._records import Tasks
from memrnn.studies._study import PlannedJob, Study
from memrnn.tasks import task_class


def check_changes(
    ledger: Ledger, study: Study, planned_jobs: Sequence[PlannedJob], tasks: Tasks
) -> list[str]:
    """Sentences about what the study adds and leaves out; nothing for a new one.

    Raises:
        MemrnnError: if configuration, seed or training options of a task are others: then it is
            another study. `max_epochs` may grow.
    """
    if ledger.fact("study") is None:
        return []
    before = ledger.study()
    known = ledger.rows(
        "SELECT id, runs.task, model, freeze, restart, task_key, options FROM runs "
        "JOIN tasks ON tasks.key = runs.task_key WHERE position IS NOT NULL"
    )
    where = ledger.path.parent
    most, asked = before.config.max_epochs, study.config.max_epochs
    if asked < most:
        raise MemrnnError(
            f"max_epochs is {most} in the ledger of {where} and {asked} now, but may only grow; "
            "give another folder."
        )
    changed = [
        f"{name} is {theirs} in its ledger and {ours} now"
        for name, theirs, ours in (*_configuration(before, study), *_options(known, tasks))
        if theirs != ours
    ]
    if changed:
        raise MemrnnError(
            f"{where} holds a study with another configuration, seed or task: "
            f"{'; '.join(changed)}. Give another folder."
        )
    sentences = [*_grown(known, planned_jobs)]
    if asked > most:
        sentences.append(
            f"max_epochs has grown from {most} to {asked}; runs that had reached {most} go on."
        )
    evaluated_anew = any(
        theirs != ours for _, theirs, ours in _options(known, tasks, evaluation=True)
    )
    if evaluated_anew or before.precisions != study.precisions:
        sentences.append(
            "It asks for other evaluations than before; what is trained is only evaluated."
        )
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


def _configuration(before: Study, study: Study) -> Iterator[tuple[str, Any, Any]]:
    """What must not change whatever the tasks are: name, value before and value now."""
    yield "seed", before.seed, study.seed
    theirs, ours = to_json(before.config), to_json(study.config)
    for name in ours:
        if name != "max_epochs":
            yield f"config.{name}", theirs.get(name), ours[name]


def _options(
    known: Sequence[Mapping[str, Any]], tasks: Tasks, *, evaluation: bool = False
) -> Iterator[tuple[str, Any, Any]]:
    """Options, of training or of evaluation, of the tasks that the study had before.

    The first option of a task is its argument: another one is another task.
    """
    before = {row["task"].partition(":")[0]: json.loads(row["options"]) for row in known}
    seen: set[str] = set()
    for spec, options in tasks.options.items():
        name = spec.partition(":")[0]
        if name in before and name not in seen:
            seen.add(name)
            for option in list(options)[1:]:
                if (option in task_class(name).evaluation_options) == evaluation:
                    yield f"{name}.{option}", before[name].get(option), options[option]


def _grown(known: Sequence[Mapping[str, Any]], planned_jobs: Sequence[PlannedJob]) -> Iterator[str]:
    """What the study adds, and what it leaves out."""
    planned = {
        run.id: (
            run.experiment.task.spec,
            run.experiment.model,
            format_freeze(run.experiment.freeze),
            run.restart,
        )
        for planned_job in planned_jobs
        for run in planned_job
    }
    places = {
        row["id"]: (row["task"], row["model"], row["freeze"], row["restart"]) for row in known
    }
    added = {place for run, place in planned.items() if run not in places}
    left = {place for run, place in places.items() if run not in planned}
    if changed := added & left:
        names = sorted({f"{task} with {model}" for task, model, _, _ in changed})
        yield (
            f"{', '.join(names)} {'means' if len(names) == 1 else 'mean'} something else than "
            f"before: {len(changed)} runs are trained anew; the old ones are kept, but count in "
            "no report."
        )
    if grown := len(added - changed):
        yield f"The study has grown by {grown} runs since it was last run."
    if gone := len(left - changed):
        yield (
            f"{gone} runs of the ledger are not in the study any more; they are kept, but count "
            "in no report."
        )
