"""In what a study of the paper's tasks and models is not the paper's."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from memrnn.papers.das_mali_2024._published import published
from memrnn.reports import range_label, set_label
from memrnn.runtime import formats as form
from memrnn.studies import StudyResults
from memrnn.training import TrainingConfig

CONFIG = dataclasses.asdict(TrainingConfig())
"""memrnn's defaults are the paper's configuration."""

OPTIONS = {"batches": 1000, "batch_size": 10, "validation_batches": 100}
"""The options of `strings` besides lengths on which trained networks depend, as in the paper."""


def deviations(results: StudyResults) -> list[str]:
    """In what a study is not the paper's, as sentences; none if in nothing."""
    paper, study = published(), results.study
    sentences: list[str] = []
    for task in results.tasks:
        if task.trained_groups != paper.lengths:
            trained = range_label(task.trained_groups) if task.trained_groups else "others"
            sentences.append(
                f"This study trains on lengths {trained}, the paper on "
                f"{range_label(paper.lengths)}: no figure is comparable."
            )
        names = [of_set.name for of_set in task.sets]
        if set(names) != set(paper.sets):
            here, there = (form.listed(list(map(set_label, sets))) for sets in (names, paper.sets))
            sentences.append(
                f"This study tests on {here}, the paper on {there}: only sets that are the same "
                "stand side by side."
            )
    changed = changes(dataclasses.asdict(study.config), CONFIG)
    for options in study.options.values():
        changed += changes(options, OPTIONS)
    if changed:
        sentences.append(f"The configuration is not the paper’s: {form.listed(changed)}.")
    if study.restarts != paper.restarts:
        more, better = ("fewer", "worse") if study.restarts < paper.restarts else ("more", "better")
        sentences.append(
            f"The best is that of {study.restarts} restarts and not of {paper.restarts}: "
            f"of {more} draws the best is likely {better}."
        )
    # Tasks differ in the language alone, so that most say the same.
    return list(dict.fromkeys(sentences))


def comparable(results: StudyResults) -> bool:
    """Whether a difference to the paper means anything: only after training on its lengths."""
    return all(task.trained_groups == published().lengths for task in results.tasks)


def changes(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    """Options of which both have a value, and not the same."""
    return [
        f"{name.replace('_', ' ')} {_plain(value)} instead of {_plain(theirs[name])}"
        for name, value in ours.items()
        if name in theirs and _plain(value) != _plain(theirs[name])
    ]


def _plain(value: object) -> str:
    return range_label(value) if isinstance(value, list | tuple) else str(value)
