"""In what a study of the paper's tasks and models is not the paper's."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from memrnn.reports._summary import range_label, set_label
from memrnn.reports.study._published import PAPER_CONFIG, PAPER_OPTIONS, published
from memrnn.runtime import formats as form
from memrnn.studies import StudyResults


def deviations(results: StudyResults) -> list[str]:
    """In what a study is not the paper's, as sentences; none if in nothing."""
    paper, study = published(), results.study
    found: list[str] = []
    for task in results.tasks:
        if task.trained_groups != paper.lengths:
            trained = range_label(task.trained_groups) if task.trained_groups else "others"
            found.append(
                f"This study trains on lengths {trained}, the paper on "
                f"{range_label(paper.lengths)}: no figure is comparable."
            )
        names = [one.name for one in task.sets]
        if set(names) != set(paper.sets):
            ours, theirs = (form.listed(list(map(set_label, one))) for one in (names, paper.sets))
            found.append(
                f"This study tests on {ours}, the paper on {theirs}: only sets that are the same "
                "stand side by side."
            )
    changed = _changed(dataclasses.asdict(study.config), dataclasses.asdict(PAPER_CONFIG))
    for options in study.options.values():
        changed += _changed(options, PAPER_OPTIONS)
    if changed:
        found.append(f"The configuration is not the paper’s: {form.listed(changed)}.")
    if study.restarts != paper.restarts:
        fewer = study.restarts < paper.restarts
        found.append(
            f"The best is that of {study.restarts} restarts and not of {paper.restarts}: "
            f"of {'fewer' if fewer else 'more'} draws the best is likely "
            f"{'worse' if fewer else 'better'}."
        )
    # Tasks differ in the language alone, so that most say the same.
    return list(dict.fromkeys(found))


def comparable(results: StudyResults) -> bool:
    """Whether a difference to the paper means anything: only after training on its lengths."""
    return all(task.trained_groups == published().lengths for task in results.tasks)


def _changed(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    """Options of which both have a value, and not the same."""
    return [
        f"{name.replace('_', ' ')} {_plain(value)} instead of {_plain(theirs[name])}"
        for name, value in ours.items()
        if name in theirs and _plain(value) != _plain(theirs[name])
    ]


def _plain(value: object) -> str:
    return range_label(value) if isinstance(value, list | tuple) else str(value)
