"""The paper on the Penn Treebank: its claim, its table, and a study of its networks."""

import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from memrnn.nn.components import format_freeze
from memrnn.papers.das_mali_2024._deviations import changes
from memrnn.papers.das_mali_2024._published import (
    BOTH,
    CONTROLLER,
    MEMORY,
    NO_MEMORY,
    NOTHING,
    TEXTS,
    Written,
    published,
    written,
)
from memrnn.papers.das_mali_2024._rules import written_rules
from memrnn.papers.das_mali_2024._treebank_rule import RULES, judge_gain
from memrnn.papers.das_mali_2024._verdicts import Judged, judged_claim
from memrnn.reports import frozen_words
from memrnn.reports.study import (
    Claim,
    Publication,
    Published,
    Question,
    View,
    draws,
)
from memrnn.reports.study.comparisons import paired_cells
from memrnn.reports.study.resampling import LEVEL, student
from memrnn.reports.study.scores import has_memory, last_set
from memrnn.reports.study.table import Column, Entry, Table, count, number_field, text, text_field
from memrnn.runtime import formats as form
from memrnn.studies import Cell, StudyResults
from memrnn.tasks.text import Text
from memrnn.training import TrainingConfig

MODELS = {
    "lstm-256": "lstm-256",
    "jm-hidden-247": "lstm-247+jm-hidden:depth_limit=10",
    "jm-learned-22": "lstm-256+jm-22:depth_limit=10",
    "rns-4-5": "lstm-256+rns-4-5:window=35",
    "vrns-3-3-5": "lstm-256+vrns-3-3-5:window=35",
}
"""The paper's networks, and how they are called here."""

RULE = "by treebank_rules.md: G and H at most −0.012 nats per word"
"""Of claim a, where a study is of the Treebank."""

TREEBANK_NOTE = "This study trains on formal languages only, so nothing of this was run here."

TOKENS, UNIGRAM = 82_430, 639.3
"""Of Mikolov's test part: tokens, and the perplexity of unigrams of the training part."""


def covers_treebank(results: StudyResults) -> bool:
    """Whether a study trains the paper's networks on Mikolov's Penn Treebank.

    The corpus is known by its baseline's score, hence from the first finished run on.
    """
    return bool(results.cells) and all(
        cell.task.spec.startswith("text:") and cell.model in MODELS.values() and _is_treebank(cell)
        for cell in results.cells
    )


def _is_treebank(cell: Cell) -> bool:
    scores = cell.references.get("test", {}).get("unigram")
    if scores is None:
        return False
    total = scores.whole["perplexity"]
    perplexity = math.exp(total.numerator / total.denominator)
    return total.denominator == TOKENS and abs(perplexity - UNIGRAM) < 0.1


def read_treebank(view: View) -> Publication:
    """The paper, seen from a study of the Penn Treebank."""
    return Publication(
        citation=TEXTS["citation"],
        question=TEXTS["treebank_question"],
        claims=[treebank_claim("a", written()["a"], view)],
        rules=written_rules(
            view, RULES, "treebank_rules of das_mali_2024", level=LEVEL, together=False
        ),
        questions=[
            Question(mode, "log perplexity", "is in nats per word of the test part",
                     view.last_value)
            for mode in (MEMORY, CONTROLLER, BOTH)
        ],
        deviations=_deviations(view.results),
        introduction=Markup(TEXTS["treebank_introduction"].strip()),
        tables=[treebank_table(view)],
        notes=(),
        notation=TEXTS["notation"],
        score=lambda cell, name: _published(cell) if name == "test" else None,
        excess=lambda cell: None,
        measures=_restarts_table(view),
    )  # fmt: skip


def treebank_claim(key: str, text: Written, view: View | None = None) -> Claim:
    """Claim a: what the paper publishes, and what a study has beside it.

    Args:
        view: of a study of the Penn Treebank; None for one of other tasks.
    """
    rows = published().treebank
    stacks = [model for model in rows if model not in NO_MEMORY]
    whole, frozen = (
        min(stacks, key=lambda model: rows[model][freeze]) for freeze in (NOTHING, MEMORY)
    )
    best, best_frozen = rows[whole][NOTHING], rows[frozen][MEMORY]
    gain = best - best_frozen
    (lstm,) = set(rows) - set(stacks)
    once, twice = rows[lstm][NOTHING], rows[lstm][MEMORY]
    notes = [
        f"The two networks are {whole} with nothing frozen and {frozen} with memory frozen.",
        f"In the paper’s own table {lstm}, which has no memory to freeze, stands twice: {once} "
        f"with nothing frozen and {twice} with memory frozen. That is one experiment drawn twice, "
        f"{abs(once - twice):.1f} apart; the claimed gain of {gain:.1f} is smaller than that.",
        f"{lstm} at {min(once, twice)} is better than the {best_frozen} that is called best.",
    ]
    here, remark = None, "best of 10 each"
    judged = Judged((), (), "The Penn Treebank is not in this study, so nothing was measured here.")
    if view is not None:
        here, remark = _gain(view)
        judged = judge_gain(view)
        text = text._replace(rule=RULE)
        notes += _measured(view, gain, best)
    return judged_claim(
        key, text, judged, (Published("gain in perplexity", here, gain, remark),), notes
    )


def _cells(view: View, freeze: tuple[str, ...]) -> list[Cell]:
    """Networks with a memory that have a finished restart."""
    return [cell for cell in view.cells(freeze) if cell.best]


def _test(view: View, cell: Cell) -> float:
    """Test perplexity of the restart that validation chooses; infinite where there is none."""
    value = view.value(cell, cell.best, last_set(cell.task)) if cell.best else None
    return math.inf if value is None else value


def _gain(view: View) -> tuple[float | None, str]:
    """The best with nothing frozen minus the best with memory frozen, and of what they are."""
    best = [
        min(_cells(view, freeze), key=lambda cell: _test(view, cell), default=None)
        for freeze in (NOTHING, MEMORY)
    ]
    whole, frozen = best
    if whole is None or frozen is None:
        return None, "best of 10 each in the paper; here no network has both"
    names = " and ".join(
        f"{cell.model} with {frozen_words(cell.freeze)}, {_test(view, cell):.1f}, the best of "
        f"{form.plural(len(cell.finished), 'restart')}"
        for cell in (whole, frozen)
    )
    value = _test(view, whole) - _test(view, frozen)
    return value, f"best of 10 each in the paper; here {names}"


def _measured(view: View, gain: float, best: float) -> Iterator[str]:
    """Sentences: paired differences, noise between draws, baselines."""
    for cell, whole in paired_cells(view, MEMORY):
        values = view.matrix([cell], view.last_value) - view.matrix([whole], view.last_value)
        known = values[~np.isnan(values)]
        if len(known):
            estimate = student(known)
            ends = "" if estimate.interval is None else (
                f" ({' to '.join(map(form.signed, estimate.interval))}, 95 % by Student’s t)"
            )  # fmt: skip
            yield (
                f"{cell.model}, memory frozen minus nothing frozen: {form.signed(estimate.value)} "
                f"nats per word over {form.plural(len(known), 'pair')} of one seed{ends}, below 0 "
                "where freezing helps. The claimed gain is "
                f"{form.signed(math.log(1 - gain / best))}."
            )
    for one in draws(view):
        if one.cell.model in NO_MEMORY or not one.cell.freeze:
            yield (
                f"Noise: two draws of {one.cell.model} with {frozen_words(one.cell.freeze)}, best "
                f"of {one.size} each, differ by {one.median:.1f} in the median of "
                f"{form.plural(one.splits, 'split')} and by up to {one.most:.1f} in 95 % of them; "
                f"the claimed gain is {gain:.1f}."
            )
    cell = view.results.cells[0]
    baselines = [
        f"{name} {math.exp(total.numerator / total.denominator):.1f}"
        for name, scores in cell.references.get(last_set(cell.task), {}).items()
        if (total := scores.whole["perplexity"]).denominator
    ]
    yield f"Without a network: {', '.join(baselines)}."
    plain = [one.model for one in view.results.cells if not has_memory(one)]
    if plain:
        yield (
            f"{plain[0]} has no memory: memory frozen and nothing frozen are one experiment, "
            "which is run once here and stands in both columns."
        )


def _published(cell: Cell) -> float | None:
    names = {ours: theirs for theirs, ours in MODELS.items()}
    return published().treebank.get(names.get(cell.model, ""), {}).get(cell.freeze)


def treebank_table(view: View | None = None) -> Table:
    """The published table, with the best of a study beside it."""
    treebank = published().treebank
    modes = list(dict.fromkeys(freeze for row in treebank.values() for freeze in row))
    groups = [frozen_words(freeze) for freeze in modes]
    rows = [
        (
            text(model),
            *(
                entry
                for freeze in modes
                for entry in (
                    Entry(f"{row[freeze]:.1f}", row[freeze]),
                    *_here(view, model, freeze),
                )
            ),
        )
        for model, row in treebank.items()
    ]
    labels = ("paper", "here") if view is None else ("paper", "here", "of")
    protocol = "" if view is None else form.paired(view.results.tasks[0].protocol)
    return Table(
        "published_treebank",
        "Table: Penn Treebank, test perplexity of the best of 10 restarts",
        (
            Column("model", numeric=False),
            *(Column(label, group) for group in groups for label in labels),
        ),
        tuple(rows),
        heads=1,
        notes=(f"Here: protocol {protocol}.",) if view else (TREEBANK_NOTE,),
    )


def _here(view: View | None, model: str, freeze: tuple[str, ...]) -> tuple[Entry, ...]:
    """Test perplexity of the chosen restart, and of how many; without a memory once."""
    missing = Entry("not run", None, "missing")
    if view is None:
        return (missing,)
    less = tuple(one for one in freeze if one != "memory") if model in NO_MEMORY else freeze
    cells = [c for c in view.results.cells if c.model == MODELS[model] and c.freeze == less]
    if not cells or not cells[0].best:
        return missing, Entry("0", 0)
    value = _test(view, cells[0])
    return Entry(f"{value:.1f}", value), count(len(cells[0].finished))


def _deviations(results: StudyResults) -> Sequence[str]:
    """In what the training is not the paper's, as far as it says."""
    paper, study = Text.presets["paper"], results.study
    config = TrainingConfig(**paper.config)
    changed = changes(dataclasses.asdict(study.config), dataclasses.asdict(config))
    changed += changes(study.options.get(Text.name, {}), {**_options(), **paper.options})
    sentences: list[str] = []
    if changed:
        sentences.append(f"The configuration is not the paper’s: {form.listed(changed)}.")
    counts = {len(cell.finished) for cell in results.cells if cell.finished}
    if counts and counts != {published().restarts}:
        sentences.append(
            f"The best is that of {form.counted(sorted(counts))} restarts and not of "
            f"{published().restarts} everywhere: of more draws the best is likely better."
        )
    return sentences


def _options() -> dict[str, Any]:
    """Options of the task on which training depends, with their defaults.

    Without those of the corpus: that it is Mikolov's is known.
    """
    others = {"corpus", "least_count", "largest_size", *Text.evaluation_options}
    return {one.name: one.default for one in dataclasses.fields(Text) if one.name not in others}


def _restarts_table(view: View) -> Table:
    """Every finished restart: its draws, validation and test."""
    return Table.of(
        "measures",
        "Every restart",
        [(cell, run) for cell in view.results.cells for run in cell.finished],
        [
            text_field("model", lambda row: row[0].model),
            text_field("frozen", lambda row: format_freeze(row[0].freeze)),
            text_field("restart", lambda row: str(row[1].restart)),
            text_field("status", lambda row: row[1].status),
            number_field("learning rate", lambda row: row[1].learning_rate, form.decimal),
            (Column("epochs"), lambda row: count(row[1].epochs)),
            number_field("validation", lambda row: row[1].selection, form.decimal),
            number_field(
                "test", lambda row: view.value(row[0], row[1], last_set(row[0].task)), form.decimal
            ),
        ],
        heads=3,
    )
