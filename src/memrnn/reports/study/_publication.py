"""What a paper adds to the page of a study: its claims, and its numbers beside the study's."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from memrnn.reports.study._claims import Claim
from memrnn.reports.study._scores import View
from memrnn.reports.study._table import Table
from memrnn.studies import Cell


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
