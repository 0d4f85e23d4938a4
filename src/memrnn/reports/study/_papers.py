"""What a paper adds to the page of a study: claims that the study supports or not, and numbers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from markupsafe import Markup

from memrnn.reports.study.resampling import Estimate, numbers
from memrnn.reports.study.scores import View
from memrnn.reports.study.table import Column, Entry, Table, number, text_field
from memrnn.runtime import formats as form
from memrnn.studies import Cell

Verdict = Literal["supported", "not supported", "undecided"]


@dataclass(frozen=True)
class Measured:
    """One number that speaks for or against a claim.

    Attributes:
        estimate: here; None if this study has no answer.
        published: the same from the paper's tables; None if they have none.
        remark: what the published number is of.
        write: how it is written.
    """

    name: str
    estimate: Estimate | None
    published: float | None
    remark: str = ""
    write: Callable[[float | None], str] = form.share

    @property
    def row(self) -> tuple[str, str, str, str, str]:
        """The number as the page has it: name, value, interval, published value, remark."""
        value, *ends = map(self.write, numbers(self.estimate))
        known = self.estimate is not None and self.estimate.interval is not None
        interval = " to ".join(ends) if known else form.MISSING
        return self.name, value, interval, self.write(self.published), self.remark


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


@dataclass(frozen=True)
class Publication:
    """A paper, seen from one study of its tasks and models.

    Attributes:
        citation: its authors and number.
        claims: judged by the study's results.
        rules: how verdicts are reached, in sentences.
        questions: what claims are about, cell by cell; see `compare`.
        deviations: in what the study is not the paper's, in sentences.
        introduction: to the tables.
        tables: published numbers, each beside the study's.
        notes: on the tables, in sentences.
        notation: how the paper writes freezing modes, in a sentence.
        score: the published headline metric of a cell on a set.
        excess: the published validation metric of a cell above the study's reference, as
            `RunRecord.excess` is.
    """

    citation: str
    claims: Sequence[Claim]
    rules: Sequence[str]
    questions: Sequence[tuple[tuple[str, ...], str]]
    deviations: Sequence[str]
    introduction: Markup
    tables: Sequence[Table]
    notes: Sequence[str]
    notation: str
    score: Callable[[Cell, str], float | None]
    excess: Callable[[Cell], float | None]


@dataclass(frozen=True)
class Paper:
    """A paper that has claims and numbers for some studies.

    Attributes:
        read: the paper as seen from a study; None if the study has other tasks or models.
        absent: what the page of such a study says instead.
    """

    read: Callable[[View], Publication | None]
    absent: str


def claims_table(claims: Sequence[Claim]) -> Table:
    """Claims as rows, one for each number that speaks for or against one."""

    def entry(row: tuple[Claim, Measured], index: int) -> Entry:
        value = (*numbers(row[1].estimate), row[1].published)[index]
        return number(row[1].write(value), value)

    names = "here", "from", "to", "published"

    return Table.of(
        "claims",
        "The paper’s claims",
        [(claim, measured) for claim in claims for measured in claim.measured],
        [
            text_field("key", lambda row: row[0].key),
            text_field("claim", lambda row: row[0].claim),
            text_field("statistic", lambda row: row[1].name),
            *((Column(name), partial(entry, index=index)) for index, name in enumerate(names)),
            text_field("verdict", lambda row: row[0].verdict),
            text_field("why", lambda row: row[0].why),
        ],
        heads=3,
    )
