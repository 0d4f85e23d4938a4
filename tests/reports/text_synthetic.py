"""A study of the paper's networks on the Penn Treebank that nobody ran."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from memrnn.evaluation import SetScores
from memrnn.studies import Cell, StudyResults
from memrnn.tasks import Metric, SetDescription, TaskDescription, Total
from memrnn.tasks.text import Text
from memrnn.training import TrainingConfig
from reports.results_synthetic import Values
from reports.study_synthetic import MEMORIES, Made, make_results

TOKENS, SENTENCES = 82_430, 3_761
LSTM, JM, RNS = "lstm-256", "lstm-256+jm-22:depth_limit=10", "lstm-256+rns-4-5:window=35"
BASELINES = {"unigram": 639.3, "kneser-ney-5": 143.4}

TASK = TaskDescription(
    spec="text:ptb",
    title="ptb",
    key="text",
    metrics=(Metric("perplexity", "min", "exp"),),
    selection="perplexity",
    headline="perplexity",
    sets=(SetDescription("validation", "within"), SetDescription("test", "within")),
    sample="sentence",
    protocol={"streams": 32, "segment": 35, "dropped tokens": 0},
)

LENGTHS = np.full(SENTENCES, TOKENS // SENTENCES)
LENGTHS[: TOKENS % SENTENCES] += 1


def _scores(task: TaskDescription, values: Values, groups: Sequence[str]) -> SetScores:
    (value,) = values.values()
    return SetScores({"1": {"perplexity": Total(TOKENS * math.log(value or 1.0), TOKENS)}})


def sentence_sums(perplexity: float, seed: int) -> np.ndarray:
    """Nats of every sentence, that add up to what the perplexity says."""
    noise = 0.3 * np.random.default_rng(seed).normal(size=SENTENCES)
    sums = LENGTHS * (math.log(perplexity) + noise)
    return sums + LENGTHS * (TOKENS * math.log(perplexity) - sums.sum()) / TOKENS


def treebank_like(
    perplexity: Callable[[str, str, int], float | None], restarts: int = 10, **study: Any
) -> StudyResults:
    """`perplexity(model, freeze, restart)` on test; None for a run that is still to come.

    Validation is 3 % above it. Sums are there by sentence, and by frequency in two groups.
    """

    def made(task: TaskDescription, model: str, freeze: str, restart: int) -> Made:
        value = perplexity(model, freeze, restart)
        if value is None:
            return {"status": "planned", "reference": None}
        values = {name: {"perplexity": value} for name in ("validation", "test")}
        excess = math.log(1.03 * value)
        return {"values": values, "selection": 1.03 * value, "reference": None, "excess": excess}

    def references(task: TaskDescription, name: str) -> Mapping[str, Values]:
        return {predictor: {"perplexity": value} for predictor, value in BASELINES.items()}

    MEMORIES[LSTM] = "none"
    config = TrainingConfig(**Text.presets["paper"].config)  # type: ignore[arg-type]
    results = make_results(
        [TASK], made, references, groups=lambda name: ["1"], scores=_scores,
        **{"models": (LSTM, JM, RNS), "freeze": ("none", "memory"), "restarts": restarts,
           "config": config, "distinct_cells": True} | study,
    )  # fmt: skip
    cells = tuple(c for c in results.cells if not (c.model == LSTM and "memory" in c.freeze))
    scores = [
        row | {"run": run.id, "precision": "float32"}
        for cell in cells
        for run in cell.finished
        for row in _rows(_test(cell, run.restart), 7 + run.restart)
    ]
    known = [row | {"predictor": name} for name, value in BASELINES.items()
             for row in _rows(value, 1)]  # fmt: skip
    return replace(
        results,
        cells=cells,
        partition_scores=pa.Table.from_pylist(scores),
        partition_references=pa.Table.from_pylist(known),
    )


def _test(cell: Cell, restart: int) -> float:
    (run,) = (one for one in cell.runs if one.restart == restart)
    total = run.scores["float32"]["test"].whole["perplexity"]
    return math.exp(total.numerator / total.denominator)


def _rows(perplexity: float, seed: int) -> list[dict[str, Any]]:
    sums = sentence_sums(perplexity, seed)
    row = {"task_key": TASK.key, "set": "test", "metric": "perplexity"}
    half = SENTENCES // 2
    return [
        *(
            row
            | {"partition": "sentence", "group": str(number + 1)}
            | {"numerator": float(one), "denominator": float(length)}
            for number, (one, length) in enumerate(zip(sums, LENGTHS, strict=True))
        ),
        *(
            row
            | {"partition": "frequency", "group": name}
            | {"numerator": float(sums[part].sum()), "denominator": float(LENGTHS[part].sum())}
            for name, part in (("1–9", slice(half)), ("10–", slice(half, None)))
        ),
    ]
