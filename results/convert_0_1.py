"""Converts the tables of a study that memrnn 0.1 exported (commit 49f0d0d). It was run once.

    git archive 04b39f2 results/paper-small | tar -x -C OLD
    python results/convert_0_1.py OLD/results/paper-small paper-small results/paper-small

It stands beside what it made, since it says what the numbers there are. 0.1 kept rates and
perplexities. The present tables hold totals, so each value is multiplied by its denominator. The
denominators are those of the same strings, drawn by the present code: test strings do not depend
on a seed, and training and validation strings follow from the seed of a run, which the tables have.
Before anything is written it is checked that the present code scores the predictors without
training, on these strings, as 0.1 did, and that its exact validation perplexities are those of 0.1.

What 0.1 did not keep is missing in the new tables, as is said in their notes.
"""

import argparse
import csv
import dataclasses
import functools
import json
import math
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from memrnn.studies import Ledger, export, load_study, plan
from memrnn.tasks import BAYES, Task, Total, Totals, total, total_by_group

MADE_BY = "0.1.0 (49f0d0d)"
NOTES = (
    "All runs were made by memrnn 0.1 (commit 49f0d0d) and converted. Their seeds follow its rule, "
    "one seed for the same restart of all cells.",
    "memrnn 0.1 did not keep determined_perplexity and not_finite, which are missing.",
)
COLUMNS = {
    "accuracy": "accuracy",
    "determined_accuracy": "determined_accuracy",
    "perplexity": "perplexity",
    "exact_strings": "sequence_accuracy",
}
"""Rates and perplexities of 0.1, and the metrics that they are now."""

CLOSE = 1e-9
"""Relative differences of numbers that 0.1 printed with 16 digits."""

Row = dict[str, str]
Cell = tuple[str, str, str, int]
"""Language, model, freezing mode, restart."""


def rows_of(folder: Path, name: str) -> list[Row]:
    with (folder / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def cell_of(row: Row) -> Cell:
    return row["language"], row["model"], row["freeze"], int(row["restart"])


def set_of(row: Row) -> tuple[str, str]:
    """Language and evaluation set."""
    return row["language"], f"{row['low']}:{row['high']}"


def check(ours: float, theirs: float, what: str) -> None:
    if not math.isclose(ours, theirs, rel_tol=CLOSE, abs_tol=CLOSE):
        raise SystemExit(f"{what} is {theirs} in the tables of 0.1 and {ours} now.")


def times(metric: str, value: float, denominator: float) -> float:
    """The numerator of a value; a count exactly."""
    if metric == "perplexity":
        return math.log(value) * denominator
    count = value * denominator
    check(count, round(count), f"{metric} times its denominator")
    return float(round(count))


def totals_of(row: Row, references: Totals) -> dict[str, Total]:
    """The totals of a row of scores, with the denominators of a predictor on the same strings."""
    known = [(now, row[old]) for old, now in COLUMNS.items() if row[old]]
    totals = {
        metric: Total(times(metric, float(value), denominator), denominator)
        for metric, value in known
        if (denominator := references[metric].denominator)
    }
    for metric in set(references) & set(COLUMNS.values()) - totals.keys():
        if references[metric].denominator:
            raise SystemExit(f"{metric} is missing in {row}.")
    totals["underflow_flagged"] = Total(float(row["doubtful_strings"]), float(row["strings"]))
    return totals


class References:
    """The predictors without training of every task and evaluation set, by the present code."""

    def __init__(self, tasks: Iterable[Task]):
        self.groups: dict[tuple[str, str], dict[str, Mapping[str, Totals]]] = {}
        self.whole: dict[tuple[str, str], dict[str, Totals]] = {}
        for task in tasks:
            for described in task.sets:
                groups = task.evaluation_set(described.name).groups
                scores = task.references(described.name)
                place = task.title, described.name
                self.groups[place] = {
                    name: total_by_group(one, groups) for name, one in scores.items()
                }
                self.whole[place] = {name: total(one) for name, one in scores.items()}

    def check(self, folder: Path) -> None:
        """Refuses tables whose predictors scored otherwise."""
        for row in rows_of(folder, "bin_bounds"):
            self._check(row, self.whole[set_of(row)])
        for row in rows_of(folder, "length_bounds"):
            groups = self.groups[set_of(row)]
            self._check(row, {name: one[row["length"]] for name, one in groups.items()})

    def _check(self, row: Row, predictors: Mapping[str, Totals]) -> None:
        totals = predictors[BAYES if row["predictor"] == "ceiling" else row["predictor"]]
        nats, right = totals["perplexity"], totals["accuracy"]
        what = f"of {row['predictor']} on {set_of(row)} {row.get('length', '')}"
        perplexity = math.exp(nats.numerator / nats.denominator)
        check(perplexity, float(row["perplexity"]), f"The perplexity {what}")
        accuracy = right.numerator / right.denominator
        check(accuracy, float(row["accuracy"]), f"The accuracy {what}")

    def rows(self, keys: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        """Of the ledger.

        Args:
            keys: of the tasks, by language.
        """
        for (language, name), predictors in self.groups.items():
            for predictor, groups in predictors.items():
                row = {"task_key": keys[language], "set": name, "predictor": predictor}
                yield from long(row, groups)


def long(row: Mapping[str, Any], groups: Mapping[str, Totals]) -> Iterator[dict[str, Any]]:
    for place, (group, totals) in enumerate(groups.items()):
        yield from long_of_group({**row, "place": place, "group": group}, totals)


def long_of_group(row: Mapping[str, Any], totals: Totals) -> Iterator[dict[str, Any]]:
    for metric, (numerator, denominator) in totals.items():
        yield {**row, "metric": metric, "numerator": numerator, "denominator": denominator}


@functools.cache
def symbols(task: Task, seed: int) -> tuple[float, float, float]:
    """Symbols of the training and validation strings, and the exact validation perplexity."""
    training = task.data(seed).own
    count = np.sum(training.lengths + 1.0) * training.tokens.shape[1]
    validation = total(task.validation_reference(seed))["perplexity"]
    perplexity = math.exp(validation.numerator / validation.denominator)
    return float(count), validation.denominator, perplexity


def run_row(old: Row, position: int, job: int, run: Any, key: str) -> dict[str, Any]:
    """A row of `runs`: what the run is from the present study, what became of it from 0.1."""
    experiment = run.experiment
    _, _, exact = symbols(experiment.task, int(old["seed"]))
    check(exact, float(old["valid_bound"]), f"The exact validation perplexity of {old['id']}")
    perplexity, reference = float(old["valid_perplexity"]), float(old["valid_bound"])
    versions = json.loads(old["versions"]) | {"memrnn": MADE_BY}
    return {
        **run.cell,
        "id": old["id"],
        "position": position,
        "job": job,
        "task_key": key,
        "memory": experiment.definition.memory,
        "definition": json.dumps(dataclasses.asdict(experiment.definition)),
        "configuration": json.dumps(experiment.to_json()),
        "restart": run.restart,
        "seed": int(old["seed"]),
        "folder": old["folder"],
        "status": old["status"],
        "attempts": int(old["attempts"]),
        "engine": old["engine"],
        "worker": old["worker"],
        "device": old["device"],
        "versions": json.dumps(versions),
        "learning_rate": float(old["learning_rate"]),
        "selection": perplexity,
        "reference": reference,
        "excess": math.log(perplexity / reference),
        "epochs": int(old["epochs"]),
        "best_epoch": int(old["best_epoch"]),
        "seconds": float(old["seconds"]),
        "began": old["began"],
        "ended": old["ended"],
    }


def epoch_rows(rows: Iterable[Row], task: Task, seed: int) -> Iterator[dict[str, Any]]:
    training, validation, _ = symbols(task, seed)
    strings = float(len(task.validation(seed).groups))
    for row in rows:
        start = {"run": row["run"], "epoch": int(row["epoch"])}
        for name, count in (("train", training), ("validation", validation)):
            nats = times("perplexity", float(row[f"{name}_perplexity"]), count)
            yield from long_of_group(start | {"set": name}, {"perplexity": Total(nats, count)})
        flagged = {"underflow_flagged": Total(float(row["doubtful"]), strings)}
        yield from long_of_group(start | {"set": "validation"}, flagged)


def score_rows(
    rows: Iterable[Row], lengths: Mapping[tuple[str, str], Mapping[str, Row]],
    references: References, key: str,
) -> Iterator[dict[str, Any]]:  # fmt: skip
    """The scores of a run: by length where 0.1 kept them, and what these lack to the set's.

    Args:
        rows: one per evaluation set.
        lengths: by run and set, then by length.
    """
    for row in rows:
        place = set_of(row)
        start = {
            "run": row["run"], "task_key": key, "precision": row["precision"], "set": place[1],
        }  # fmt: skip
        of_groups = references.groups[place][BAYES]
        by_length = lengths.get((row["run"], place[1]), {})
        if by_length and by_length.keys() != of_groups.keys():
            raise SystemExit(f"The scores by length of {row['run']} on {place} are not complete.")
        groups = {
            length: totals_of(by_length[length], totals)
            for length, totals in of_groups.items()
            if by_length
        }
        yield from long(start, groups)
        for metric, (numerator, denominator) in totals_of(
            row, references.whole[place][BAYES]
        ).items():
            known = [totals[metric] for totals in groups.values() if metric in totals]
            there = sum(one.numerator for one in known)
            missing = denominator - sum(one.denominator for one in known)
            if known:
                check(there, numerator, f"The sum of {metric} of {row['run']} on {place}")
                check(missing, 0, f"What the lengths of {row['run']} on {place} lack")
            if not known or there != numerator:
                rest = {metric: Total(numerator - there, missing)}
                yield from long_of_group({**start, "place": -1, "group": None}, rest)


def convert(folder: Path, study_name: str, out: Path) -> None:
    study = load_study(study_name)
    tasks = {task.title: task for task in study.make_tasks()}
    references = References(tasks.values())
    references.check(folder)
    descriptions = {name: task.describe() for name, task in tasks.items()}
    keys = {name: description.key for name, description in descriptions.items()}
    old_runs = {cell_of(row): row for row in rows_of(folder, "runs")}
    scores: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows_of(folder, "bin_scores"):
        scores[row["run"]].append(row)
    epochs: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows_of(folder, "epochs"):
        epochs[row["run"]].append(row)
    lengths: defaultdict[tuple[str, str], dict[str, Row]] = defaultdict(dict)
    for row in rows_of(folder, "length_scores"):
        lengths[row["run"], set_of(row)[1]][row["length"]] = row
    without = scores.keys() - {run for run, _ in lengths}
    notes = [*NOTES, f"Of {len(without)} of its {len(old_runs)} runs it kept no scores by length."]
    with tempfile.TemporaryDirectory() as made, Ledger(made, create=True) as ledger:
        with ledger.writing():
            facts = {"study": json.dumps(study.to_json()), "notes": json.dumps(notes)}
            ledger.insert("facts", *({"key": key, "value": facts[key]} for key in facts))
            for name, description in descriptions.items():
                text = msgspec.json.encode(description).decode()
                options = json.dumps(tasks[name].options())
                row = {"key": keys[name], "task": description.spec, "description": text}
                ledger.insert("tasks", row | {"options": options})
            ledger.insert("references", *references.rows(keys))
            planned = [(job, run) for job, runs in enumerate(plan(study)) for run in runs]
            for position, (job, run) in enumerate(planned):
                task = run.experiment.task
                _, model, freeze = run.cell.values()
                old = old_runs.pop((task.title, model, freeze, run.restart))
                row = run_row(old, position, job, run, keys[task.title])
                ledger.insert("runs", row)
                curve = epochs[old["id"]]
                rates = [(int(one["epoch"]), float(one["learning_rate"])) for one in curve]
                ledger.insert("epochs", *({"run": old["id"], "epoch": epoch, "learning_rate": rate}
                                          for epoch, rate in rates))  # fmt: skip
                ledger.insert("curves", *epoch_rows(curve, task, int(old["seed"])))
                ledger.insert("scores", *score_rows(
                    scores[old["id"]], lengths, references, keys[task.title]))  # fmt: skip
        if old_runs:
            raise SystemExit(f"{len(old_runs)} runs are not of the study {study_name}.")
        for path in export(made, out, ["parquet"], compact=True):
            print(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="with the CSV tables of 0.1")
    parser.add_argument("study", help="name or file of the study, as it is now")
    parser.add_argument("out", type=Path, help="folder for the converted tables")
    given = parser.parse_args()
    convert(given.folder, given.study, given.out)


if __name__ == "__main__":
    main()
