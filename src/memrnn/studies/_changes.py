"""What differs between a study as it was run before and as its file says now."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from memrnn.errors import MemrnnError
from memrnn.runtime.options import to_json
from memrnn.studies._about import versions
from memrnn.studies._ledger import Ledger
from memrnn.studies._study import PlannedJob, Study
from memrnn.tasks import Task, task_class


def check_changes(
    ledger: Ledger, study: Study, jobs: Sequence[PlannedJob], tasks: Mapping[str, Task]
) -> list[str]:
    """Sentences about what the study adds and leaves out; nothing for a new one.

    Args:
        tasks: of the study, by their spec.

    Raises:
        MemrnnError: if configuration, seed or training options of a task are others: then it is
            another study. `max_epochs` may grow, unless rate or noise follow a schedule over it.
    """
    if ledger.fact("study") is None:
        return []
    before = ledger.study()
    known = ledger.rows(
        "SELECT id, runs.task, model, freeze, restart, versions, options FROM runs "
        "JOIN tasks ON tasks.key = runs.task_key WHERE position IS NOT NULL"
    )
    folder = ledger.path.parent
    old_epochs, new_epochs = before.config.max_epochs, study.config.max_epochs
    if new_epochs < old_epochs:
        raise MemrnnError(
            f"max_epochs is {old_epochs} in the ledger of {folder} and {new_epochs} now, but may "
            "only grow; give another folder."
        )
    old = _settings(before, {row["task"]: json.loads(row["options"]) for row in known})
    new = _settings(study, {spec: task.options() for spec, task in tasks.items()})
    tables = {name.partition(".")[0] for name in old}
    changed = [
        name
        for name, value in new.items()
        if name.partition(".")[0] in tables and old.get(name) != value
    ]
    evaluation = [name for name in changed if _is_of_evaluation(name)]
    differences = [
        f"{name} is {old.get(name)} in its ledger and {new[name]} now"
        for name in changed
        if name not in evaluation
    ]
    if differences:
        raise MemrnnError(
            f"{folder} holds a study with another configuration, seed or task: "
            f"{'; '.join(differences)}. Give another folder."
        )
    sentences = [*_grown(known, jobs)]
    if new_epochs > old_epochs:
        sentences.append(
            f"max_epochs has grown from {old_epochs} to {new_epochs}; runs that had reached "
            f"{old_epochs} go on."
        )
    if evaluation or before.precisions != study.precisions:
        sentences.append(
            "It asks for other evaluations than before; what is trained is only evaluated."
        )
    sources = {json.loads(row["versions"])["source"] for row in known if row["versions"]}
    if sources - {versions()["source"]}:
        sentences.append(
            "Some runs were made by another version of memrnn; the report names the versions."
        )
    return sentences


def _settings(study: Study, options: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Seed, configuration and options of tasks, by their names in a study file.

    The first option of a task is its argument: another one is another task. All tasks of one name
    share the other ones.
    """
    settings: dict[str, Any] = {"seed": study.seed}
    for name, value in to_json(study.config).items():
        if name != "max_epochs" or study.config.scheduled:
            settings[f"config.{name}"] = value
    for spec, values in options.items():
        table = spec.partition(":")[0]
        # A ledger knows no option that came after it.
        later = task_class(table).added_options() if len(values) > 1 else {}
        for name, value in (later | dict(list(values.items())[1:])).items():
            settings[f"{table}.{name}"] = value
    return settings


def _is_of_evaluation(name: str) -> bool:
    table, _, option = name.partition(".")
    return table not in ("seed", "config") and option in task_class(table).evaluation_options


def _grown(known: Sequence[Mapping[str, Any]], jobs: Sequence[PlannedJob]) -> Iterator[str]:
    """What the study adds, and what it leaves out."""
    planned = {run.id: (*run.cell.values(), run.restart) for job in jobs for run in job}
    before = {
        row["id"]: (row["task"], row["model"], row["freeze"], row["restart"]) for row in known
    }
    added = {run for id_, run in planned.items() if id_ not in before}
    left = {run for id_, run in before.items() if id_ not in planned}
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
