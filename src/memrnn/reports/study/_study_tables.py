"""The tables of what the study itself found: claims, comparisons, statistics, what is missing."""

from collections.abc import Sequence

from memrnn.reports import _format as form
from memrnn.reports._summary import frozen_label, lengths_label
from memrnn.reports.study._comparisons import Comparison
from memrnn.reports.study._resampling import Estimate
from memrnn.reports.study._scores import STANDINGS
from memrnn.reports.study._statistics import CellStatistics
from memrnn.reports.study._table import Column, Entry, Table, text
from memrnn.reports.study._verdicts import Claim
from memrnn.studies import StudyResults


def statistics_tables(found: Sequence[CellStatistics]) -> list[Table]:
    """One table a language: every cell in every bin, over all its restarts."""
    languages = list(dict.fromkeys(one.language for one in found))
    return [_statistics_table([o for o in found if o.language == name], name) for name in languages]


def _statistics_table(found: Sequence[CellStatistics], language: str) -> Table:
    several = len({one.precision for one in found}) > 1
    names = ["model", "frozen", *(["precision"] if several else []), "lengths"]
    numbers = [
        "finished", "median", "from", "to", "IQM", "solved", "best", "skill", "floor", "ceiling",
        "diverged", "failed",
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
                _lengths(one.lengths),
                _of(one.finished, one.planned),
                _share(one.median and one.median.value),
                _share(interval and interval.low),
                _share(interval and interval.high),
                _share(one.middle),
                _none() if share is None else _of(one.solved, one.ended),
                _share(one.best),
                Entry(form.skill(one.skill), one.skill),
                _share(one.floor),
                _share(one.ceiling),
                _count(one.diverged),
                _count(one.failed),
                Entry(STANDINGS[one.standing], STANDINGS[one.standing], _standing_mark(one)),
            )
        )
    return Table(
        f"statistics_{slug(language)}",
        f"{language}: accuracy over all restarts",
        tuple(columns),
        tuple(rows),
        heads=len(names),
        sortable=True,
    )


def comparison_table(found: Sequence[Comparison]) -> Table:
    """Every comparison of a cell with a part frozen and the same with nothing frozen."""
    names = ["language", "model", "frozen", "measure"]
    columns = [Column(name, numeric=False) for name in names]
    columns += [Column(n) for n in ("pairs", "difference", "from", "to", "p", "p after Holm")]
    columns += [Column("verdict", numeric=False), Column("stands", numeric=False)]
    rows = [
        (
            text(one.language),
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
        "A part frozen minus nothing frozen, paired by restart number",
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
    columns = [Column(n, numeric=False) for n in ("language", "model", "frozen", "restart")]
    columns += [Column("epochs"), Column("seconds"), Column("reason", numeric=False)]
    rows = [
        (
            text(cell.language),
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
    columns = [Column(name, numeric=False) for name in ("language", "model", "frozen")]
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
                    text(cell.language),
                    text(cell.model),
                    text(frozen_label(cell.freeze)),
                    _of(len(cell.finished), len(cell.runs)),
                    *(_count(count) for count in counts),
                )
            )
    return Table("missing", "Cells with runs still to come", tuple(columns), tuple(rows), heads=3)


def slug(name: str) -> str:
    """A name as part of a file's name."""
    return "".join(letter if letter.isalnum() or letter in "-." else "_" for letter in name)


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


def _share(value: float | None) -> Entry:
    return Entry(form.share(value), value)


def _of(part: int, whole: int) -> Entry:
    return Entry(f"{part} of {whole}", part, order=part / whole if whole else None)


def _lengths(edges: tuple[int, int]) -> Entry:
    """A bin; bins sort by where they begin, then by where they end."""
    label = lengths_label(edges)
    return Entry(label, label, order=edges[0] + edges[1] / (edges[1] + 1))


def _count(number: int) -> Entry:
    return Entry(str(number), number)


def _none() -> Entry:
    return Entry(form.MISSING)
