"""A claim that a study supports or not, and a table of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from memrnn.reports import _format as form
from memrnn.reports.study._resampling import Estimate, numbers
from memrnn.reports.study._table import Column, Entry, Field, Table, text_field

Verdict = Literal["supported", "not supported", "undecided"]


@dataclass(frozen=True)
class Measured:
    """One number that speaks for or against a claim.

    Attributes:
        estimate: here; None if this study has no answer.
        published: the same from the paper's tables; None if they have none.
        remark: what the published number is of.
        kind: how it is written: `share`, `difference`, `nats` or `perplexity`.
    """

    name: str
    estimate: Estimate | None
    published: float | None
    remark: str = ""
    kind: str = "share"

    @property
    def row(self) -> tuple[str, str, str, str, str]:
        """The number as the page has it: name, value, interval, published value, remark."""
        value, *ends = numbers(self.estimate)
        known = self.estimate is not None and self.estimate.interval is not None
        return (
            self.name,
            written(value, self.kind),
            " to ".join(written(end, self.kind) for end in ends) if known else form.MISSING,
            written(self.published, self.kind),
            self.remark,
        )


@dataclass(frozen=True)
class Claim:
    """A claim of a paper, and what a study has to say about it.

    Attributes:
        key: a letter to name it by.
        source: where the paper says it.
        rule: when it is supported and when not, in words.
        why: one sentence.
        notes: what else one should know.
    """

    key: str
    claim: str
    source: str
    rule: str
    measured: tuple[Measured, ...]
    verdict: Verdict
    why: str
    notes: tuple[str, ...] = ()


def claims_table(claims: Sequence[Claim]) -> Table:
    """Claims as rows, one for each number that speaks for or against one."""
    return Table.of(
        "claims",
        "The paper’s claims",
        [(claim, number) for claim in claims for number in claim.measured],
        [
            text_field("key", lambda row: row[0].key),
            text_field("claim", lambda row: row[0].claim),
            text_field("statistic", lambda row: row[1].name),
            *estimate_fields("here", lambda row: row[1].estimate, lambda row: row[1].kind),
            (Column("published"), lambda row: _entry(row[1].published, row[1].kind)),
            text_field("verdict", lambda row: row[0].verdict),
            text_field("why", lambda row: row[0].why),
        ],
        heads=3,
    )


def estimate_fields(
    label: str,
    read: Callable[[Any], Estimate | None],
    kind: Callable[[Any], str] = lambda record: "difference",
) -> list[Field]:
    """A column for an estimate, and two for the ends of its interval."""

    def entry(record: Any, index: int) -> Entry:
        return _entry(numbers(read(record))[index], kind(record))

    names = (label, "from", "to")
    return [(Column(name), partial(entry, index=index)) for index, name in enumerate(names)]


def written(value: float | None, kind: str) -> str:
    """A number of a claim: shares and perplexities plain, differences with their sign."""
    if value is not None and kind == "share":
        return form.share(value)
    if value is not None and kind == "perplexity":
        return f"{value:.1f}"
    return form.signed(value)


def _entry(value: float | None, kind: str) -> Entry:
    return Entry(written(value, kind), value)
