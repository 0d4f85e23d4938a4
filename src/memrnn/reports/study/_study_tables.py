"""The tables of what the study itself found: claims, comparisons, statistics, what is missing."""

from collections.abc import Sequence

from memrnn.reports._summary import format_value, frozen_label, in_order, metric_label, set_label
from memrnn.reports.study._comparisons import Comparison
from memrnn.reports.study._resampling import Estimate
from memrnn.reports.study._scores import STANDINGS
from memrnn.reports.study._statistics import CellStatistics
from memrnn.reports.study._table import Column, Entry, Table, number, text
from memrnn.reports.study._verdicts import Claim
from memrnn.runtime import formats as form
from memrnn.studies import StudyResults
from memrnn.tasks import Metric, TaskDescription


def statistics_tables(found: Sequence[CellStatistics]) -> list[Table]:
    """One table per task: every cell on every set, over all its restarts."""
    tasks = list(dict.fromkeys(one.task for one in found))
    return [
        _statistics_table([o for o in found if o.task == task], task, stem)
        for task, stem in zip(tasks, stems(tasks), strict=True)
    ]


def stems(tasks: Sequence[TaskDescription]) -> list[str]:
    """The titles of tasks as parts of file names, each once."""
    slugs = [form.slug(task.title) for task in tasks]
    return [
        slug if slugs.count(slug) == 1 else f"{slug}-{slugs[: place + 1].count(slug)}"
        for place, slug in enumerate(slugs)
    ]


def _statistics_table(found: Sequence[CellStatistics], task: TaskDescription, stem: str) -> Table:
    several = len({one.precision for one in found}) > 1
    missing = any(one.missing for one in found)
    metric = found[0].metric
    order = in_order([one.name for one in task.sets])
    names = ["model", "frozen", *(["precision"] if several else []), "set"]
    numbers = [
        "finished", "median", "from", "to", "IQM", "solved", "best", "norm.", "floor", "ceiling",
        "diverged", "failed", *(["missing"] if missing else []),
    ]  # fmt: skip
    columns = [Column(name, numeric=False) for name in names]
    columns += [Column(name) for name in numbers] + [Column("stands", numeric=False)]
    rows: list[tuple[Entry, ...]] = []
    for one in found:
        interval = one.median.interval if one.median else None
        share = one.solved_share
        rows.append(
            (
                text(one.model),
                text(frozen_label(one.freeze)),
                *([text(one.precision)] if several else []),
                _set(one.set, order),
                _of(one.finished, one.planned),
                _value(one.median and one.median.value, metric),
                _value(interval and interval.low, metric),
                _value(interval and interval.high, metric),
                _value(one.middle, metric),
                _none() if share is None else _of(one.solved or 0, one.ended),
                _value(one.best, metric),
                number(form.normalised(one.normalised), one.normalised),
                _value(one.floor, metric),
                _value(one.ceiling, metric),
                _count(one.diverged),
                _count(one.failed),
                *([_count(one.missing)] if missing else []),
                Entry(STANDINGS[one.standing], STANDINGS[one.standing], _standing_mark(one)),
            )
        )
    return Table(
        f"statistics_{stem}",
        f"{task.title}: {metric_label(metric)} over all restarts"
        + ("" if metric.goal == "max" else ", the smaller the better"),
        tuple(columns),
        tuple(rows),
        heads=len(names),
        sortable=True,
    )


def comparison_table(found: Sequence[Comparison]) -> Table:
    """Every comparison of a cell with a component frozen and the same with nothing frozen."""
    names = ["task", "model", "frozen", "measure"]
    columns = [Column(name, numeric=False) for name in names]
    columns += [Column(n) for n in ("pairs", "difference", "from", "to", "p", "p after Holm")]
    columns += [Column("verdict", numeric=False), Column("stands", numeric=False)]
    rows = [
        (
            text(one.task.title),
            text(one.model),
            text(frozen_label(one.freeze)),
            text(one.measure),
            Entry(str(one.pairs), one.pairs),
            *_estimate(one.estimate),
            _probability(one.p),
            _probability(one.adjusted),
            Entry(one.verdict, one.verdict, "" if one.verdict == "undecided" else "differs"),
            text(STANDINGS[one.standing]),
        )
        for one in found
    ]
    return Table(
        "comparisons",
        "A component frozen minus nothing frozen, paired by restart number",
        tuple(columns),
        tuple(rows),
        heads=4,
        sortable=True,
    )


def claims_table(claims: Sequence[Claim]) -> Table:
    """Claims as rows, one for each number that speaks for or against one."""
    names = ["key", "claim", "statistic"]
    columns = [Column(name, numeric=False) for name in names]
    columns += [Column(name) for name in ("here", "from", "to", "published")]
    columns += [Column(name, numeric=False) for name in ("verdict", "why")]
    rows = [
        (
            text(claim.key),
            text(claim.claim),
            text(one.name),
            *_estimate(one.estimate, one.kind),
            _written(one.published, one.kind),
            text(claim.verdict),
            text(claim.why),
        )
        for claim in claims
        for one in claim.measured
    ]
    return Table("claims", "The paper’s claims", tuple(columns), tuple(rows), heads=3)


def failed_table(results: StudyResults) -> Table:
    """Every run that failed, and why."""
    columns = [Column(n, numeric=False) for n in ("task", "model", "frozen", "restart")]
    columns += [Column("epochs"), Column("seconds"), Column("reason", numeric=False)]
    rows = [
        (
            text(cell.task.title),
            text(cell.model),
            text(frozen_label(cell.freeze)),
            Entry(str(run.restart), run.restart),
            Entry(str(run.epochs), run.epochs),
            Entry(f"{run.seconds:.0f}", run.seconds),
            text(run.reason or "no reason known"),
        )
        for cell in results.cells
        for run in cell.runs
        if run.status == "failed"
    ]
    return Table("failed", "Runs that failed", tuple(columns), tuple(rows), heads=4)


def missing_table(results: StudyResults) -> Table:
    """Every cell of which runs are missing: planned, or running when this was written."""
    columns = [Column(name, numeric=False) for name in ("task", "model", "frozen")]
    columns += [Column(name) for name in ("finished", "running", "planned", "failed")]
    rows: list[tuple[Entry, ...]] = []
    for cell in results.cells:
        counts = [
            sum(run.status == status for run in cell.runs)
            for status in ("running", "planned", "failed")
        ]
        if counts[0] + counts[1]:
            rows.append(
                (
                    text(cell.task.title),
                    text(cell.model),
                    text(frozen_label(cell.freeze)),
                    _of(len(cell.finished), len(cell.runs)),
                    *(_count(count) for count in counts),
                )
            )
    return Table("missing", "Cells with runs still to come", tuple(columns), tuple(rows), heads=3)


def _standing_mark(one: CellStatistics) -> str:
    return {"above": "good", "floor": "bad", "below": "bad"}.get(one.standing or "", "")


def _estimate(estimate: Estimate | None, kind: str = "difference") -> tuple[Entry, Entry, Entry]:
    ends = estimate.interval if estimate else None
    return (
        _written(estimate and estimate.value, kind),
        _written(ends and ends.low, kind),
        _written(ends and ends.high, kind),
    )


def _written(value: float | None, kind: str) -> Entry:
    return Entry(written(value, kind), value)


def written(value: float | None, kind: str) -> str:
    """A number of a claim: shares and perplexities plain, differences with their sign."""
    if value is not None and kind == "share":
        return form.share(value)
    if value is not None and kind == "perplexity":
        return f"{value:.1f}"
    return form.signed(value)


def _probability(value: float | None) -> Entry:
    if value is None:
        return _none()
    return Entry("<0.001" if value < 0.001 else f"{value:.3f}", value)


def _value(value: float | None, metric: Metric) -> Entry:
    return number(format_value(value, metric), value)


def _of(part: int, whole: int) -> Entry:
    return Entry(f"{part} of {whole}", part, order=part / whole if whole else None)


def _set(name: str, order: Sequence[str]) -> Entry:
    """A set; sets sort by their ranges, or as the task has them."""
    label = set_label(name)
    return Entry(label, label, order=float(order.index(name)))


def _count(number: int) -> Entry:
    return Entry(str(number), number)


def _none() -> Entry:
    return Entry(form.MISSING)
