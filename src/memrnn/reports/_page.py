"""The page: one HTML file that needs nothing else."""

import dataclasses
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from memrnn.checkpoints import write_bytes
from memrnn.evaluation import Evaluation
from memrnn.reports import _format as form
from memrnn.reports._curves import Family, families
from memrnn.reports._drawing import save_figure, svg
from memrnn.reports._equality import Equality
from memrnn.reports._figures import draw
from memrnn.reports._findings import find
from memrnn.reports._provenance import Provenance, written_options
from memrnn.reports._summary import Summary, metric_label, range_label, set_label, summarize
from memrnn.reports._tables import value_range
from memrnn.reports._templates import inline, template
from memrnn.reports._warnings import warnings_of
from memrnn.tasks import Metric, TaskDescription


def write_report(
    out: str | Path,
    evaluations: Sequence[Evaluation],
    provenance: Provenance,
    *,
    title: str,
    equalities: Sequence[Equality] = (),
) -> Path:
    """Writes index.html, results.json and figures/ into the folder `out`.

    Returns:
        The path of the page.

    Raises:
        MemrnnError: if there is no result, or two results of one cell.
        OSError: naming a file that could not be written.
    """
    out = Path(out)
    page = render_page(evaluations, provenance, title=title, equalities=equalities)
    (out / "figures").mkdir(parents=True, exist_ok=True)
    for stem, family in _figures(evaluations):
        save_figure(_draw(family), out / "figures" / stem, _title(family))
    content = {
        "provenance": provenance.to_json(),
        "results": [evaluation.to_json() for evaluation in evaluations],
    }
    text = json.dumps(content, allow_nan=False) + "\n"
    write_bytes(out / "results.json", text.encode())
    write_bytes(out / "index.html", page.encode())
    return out / "index.html"


def render_page(
    evaluations: Sequence[Evaluation],
    provenance: Provenance,
    *,
    title: str,
    equalities: Sequence[Equality] = (),
) -> str:
    """The page as text: findings, figures, tables with every restart, definitions, provenance.

    It loads nothing from anywhere and runs no script.

    Raises:
        MemrnnError: if there is no result, or two results of one cell.
    """
    summaries = [summarize(evaluation) for evaluation in evaluations]
    pairs = list(zip(summaries, evaluations, strict=True))
    tasks = list(dict.fromkeys(summary.task for summary in summaries))
    return template("report.html.j2").render(
        title=title,
        summaries=summaries,
        restarts=form.counted([summary.restarts for summary in summaries]),
        groups=[_group(task, [pair for pair in pairs if pair[0].task == task]) for task in tasks],
        models=list(dict.fromkeys(summary.model for summary in summaries)),
        modes=list(dict.fromkeys(summary.frozen for summary in summaries)),
        tested=[_tested(task) for task in tasks],
        bounds=any(s.headline.baseline is not None for one in summaries for s in one.sets),
        findings=find(evaluations, equalities),
        figures=list(_on_page(evaluations)),
        undrawn=_undrawn(evaluations),
        metrics=list(dict.fromkeys(metric for one in summaries for metric in one.metrics)),
        missing=sum(
            scores.metrics[metric.name].missing
            for one in summaries
            for scores in one.sets
            for metric in one.metrics
            if metric.name in scores.metrics
        ),
        warnings=warnings_of(evaluations),
        provenance=provenance,
        config=written_options(dataclasses.asdict(provenance.config)),
        options={spec: written_options(some) for spec, some in provenance.options.items()},
        value_range=value_range,
    )


@dataclasses.dataclass(frozen=True)
class _Group:
    """The cells of one task, for the tables.

    Attributes:
        headline: the metric of most columns.
        selection: the metric whose ceiling stands beside it.
        others: all further metrics that were measured.
    """

    title: str
    pairs: Sequence[tuple[Summary, Evaluation]]
    headline: Metric
    selection: Metric
    others: Sequence[Metric]
    precisions: bool


def _group(task: TaskDescription, pairs: Sequence[tuple[Summary, Evaluation]]) -> _Group:
    metrics = list(dict.fromkeys(metric for summary, _ in pairs for metric in summary.metrics))
    headline = task.metric(task.headline)
    return _Group(
        task.title,
        pairs,
        headline,
        task.metric(task.selection),
        [metric for metric in metrics if metric != headline],
        len({summary.precision for summary, _ in pairs}) > 1,
    )


def _tested(task: TaskDescription) -> str:
    """What one task was trained and evaluated on, as half a sentence."""
    sets = form.listed([set_label(one.name) for one in task.sets])
    if task.trained_groups is None:
        return f"{task.title}: evaluated on {sets}"
    axis = f" ({task.group_axis})" if task.group_axis else ""
    return f"{task.title}: trained on {range_label(task.trained_groups)}{axis}, evaluated on {sets}"


def _figures(evaluations: Sequence[Evaluation]) -> Iterator[tuple[str, Family]]:
    """The figures, each with the stem of its file; two of one metric are numbered."""
    seen: dict[str, int] = {}
    for family in families(evaluations):
        name = form.slug(family.metric.name)
        seen[name] = seen.get(name, 0) + 1
        yield (name if seen[name] == 1 else f"{name}-{seen[name]}"), family


def _draw(family: Family, columns: int | None = None) -> Any:
    return draw(family.evaluations, family.metric.name, columns=columns)


def _title(family: Family) -> str:
    return f"{_capital(metric_label(family.metric))} by {_lower(family.axis)}"


def _on_page(evaluations: Sequence[Evaluation]) -> Iterator[dict[str, Any]]:
    """Each figure twice: panels side by side for a wide window, in one column for a narrow one."""
    for stem, family in _figures(evaluations):
        title = _title(family)
        references = any(
            known for evaluation in family.evaluations for known in evaluation.references.values()
        )
        explanation = (
            "Where a line runs on the floor, a network does no better than the best baseline, "
            "however good its score is."
            if references
            else "A line is the median over restarts, its band their range."
        )
        drawings = {
            name: inline(svg(_draw(family, columns), title), f"{stem}-{name}", title, explanation)
            for name, columns in (("wide", None), ("narrow", 1))
        }
        yield {"title": title, "explanation": explanation, **drawings}


def _undrawn(evaluations: Sequence[Evaluation]) -> list[str]:
    """Titles of the tasks whose groups are not numbers, so that no figure shows them."""
    drawn = {id(one) for family in families(evaluations) for one in family.evaluations}
    return list(dict.fromkeys(one.task.title for one in evaluations if id(one) not in drawn))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
