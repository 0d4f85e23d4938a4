"""The page: one HTML file that needs nothing else."""

import dataclasses
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from memrnn.checkpoints import write_bytes
from memrnn.reports import _format as form
from memrnn.reports._equality import Equality
from memrnn.reports._figures import draw, save_figure, svg
from memrnn.reports._findings import find
from memrnn.reports._provenance import Provenance
from memrnn.reports._summary import Result, summarize
from memrnn.reports._templates import inline, template

_CAPTIONS = {
    "accuracy": (
        "Accuracy by string length",
        "Where a line runs on the floor, a network does no better than a trivial predictor, "
        "however high the line is.",
    ),
    "determined_accuracy": (
        "Determined accuracy by string length",
        "Only symbols that the prefix leaves no choice about count here. Whoever has the grammar "
        "gets all of them right, at any length.",
    ),
}
"""Title and explanation of the figure of each score."""


def write_report(
    out: str | Path,
    results: Sequence[Result],
    provenance: Provenance,
    *,
    title: str,
    training_lengths: tuple[int, int] | None = None,
    equalities: Sequence[Equality] = (),
) -> Path:
    """Writes index.html, results.json and figures/ into the folder `out`.

    Returns:
        The path of the page.

    Raises:
        MemrnnError: if there is no result, or two results of one experiment.
        OSError: naming a file that could not be written.
    """
    out = Path(out)
    page = render_page(
        results,
        provenance,
        title=title,
        training_lengths=training_lengths,
        equalities=equalities,
    )
    (out / "figures").mkdir(parents=True, exist_ok=True)
    for score in _drawable(results):
        figure = draw(results, score, training_lengths=training_lengths)
        save_figure(figure, out / "figures" / score, _CAPTIONS[score][0])
    content = {
        "provenance": provenance.to_json(),
        "training_lengths": training_lengths,
        "results": list(results),
    }
    text = json.dumps(_finite(content), allow_nan=False) + "\n"
    write_bytes(out / "results.json", text.encode())
    write_bytes(out / "index.html", page.encode())
    return out / "index.html"


def render_page(
    results: Sequence[Result],
    provenance: Provenance,
    *,
    title: str,
    training_lengths: tuple[int, int] | None = None,
    equalities: Sequence[Equality] = (),
) -> str:
    """The page as text: findings, figures, tables with every restart, definitions, provenance.

    It loads nothing from anywhere and runs no script.

    Raises:
        MemrnnError: if there is no result, or two results of one experiment.
    """
    summaries = [summarize(result) for result in results]
    languages = list(dict.fromkeys(summary.language for summary in summaries))
    pairs = list(zip(summaries, results, strict=True))
    return template("report.html.j2").render(
        title=title,
        summaries=summaries,
        restarts=form.counted([summary.restarts for summary in summaries]),
        groups=[(name, [pair for pair in pairs if pair[0].language == name]) for name in languages],
        models=list(dict.fromkeys(summary.model for summary in summaries)),
        modes=list(dict.fromkeys(summary.frozen for summary in summaries)),
        training_lengths=training_lengths,
        findings=find(results, training_lengths, equalities),
        figures=list(_figures(results, training_lengths)),
        provenance=provenance,
        recipe={
            name.replace("_", " "): " to ".join(map(str, value))
            if isinstance(value, tuple)
            else value
            for name, value in dataclasses.asdict(provenance.recipe).items()
        },
    )


def _figures(
    results: Sequence[Result], training_lengths: tuple[int, int] | None
) -> Iterator[dict[str, Any]]:
    """Each score twice: panels side by side for a wide window, in one column for a narrow one."""
    for score in _drawable(results):
        title, explanation = _CAPTIONS[score]
        drawings = {
            name: inline(
                svg(
                    draw(results, score, training_lengths=training_lengths, columns=columns), title
                ),
                f"{score}-{name}",
                title,
                explanation,
            )
            for name, columns in (("wide", None), ("narrow", 1))
        }
        yield {"title": title, "explanation": explanation, **drawings}


def _drawable(results: Sequence[Result]) -> list[str]:
    """The scores that exist for these results; some languages determine no symbol."""
    determined = any(
        scores["determined_accuracy"] is not None
        for result in results
        for scores in result["runs"][0]["bins"]
    )
    return ["accuracy", "determined_accuracy"] if determined else ["accuracy"]


def _finite(value: Any) -> Any:
    """The same without infinities and NaN, which JSON does not know: null stands for them."""
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
