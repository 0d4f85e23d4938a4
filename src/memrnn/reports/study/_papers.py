"""What a paper adds to the page of a study: claims that the study supports or not, and numbers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from markupsafe import Markup

from memrnn.reports.study.resampling import Estimate, numbers
from memrnn.reports.study.scores import Measure, View
from memrnn.reports.study.table import (
    Column,
    Field,
    Table,
    count,
    number_field,
    text_field,
)
from memrnn.runtime import formats as form
from memrnn.studies import Cell

Verdict = Literal["supported", "holds, trivially", "not supported", "undecided"]
Outcome = Literal["holds", "fails", "open"]


class Strip(NamedTuple):
    """Where the parts of a statistic lie on an axis from 0 to 100.

    Attributes:
        cells: their names, places and values.
    """

    cells: list[tuple[str, float | None, str]]
    value: float | None
    low: float | None
    high: float | None
    threshold: float | None


@dataclass(frozen=True)
class Statistic:
    """A number by which a claim is judged.

    Attributes:
        name: what it is, in a few words.
        estimate: None if the study has no such number.
        threshold: that the claim needs.
        at_least: whether the claim needs at least the threshold; at most it otherwise.
        cells: the mean over restarts of each cell, by the cell's name.
        restarts: that have entered it, of all cells.
        missing: of them without the number, hence counted as the worst or left out.
    """

    name: str
    estimate: Estimate | None
    threshold: float
    at_least: bool = True
    cells: tuple[tuple[str, float], ...] = ()
    restarts: int = 0
    missing: int = 0

    @property
    def outcome(self) -> Outcome:
        """Whether the whole interval is on the claim's side of the threshold, or on the other."""
        if self.estimate is None or self.estimate.interval is None:
            return "open"
        low, high = self.estimate.interval
        if not self.at_least:
            low, high = -high, -low
        threshold = self.threshold if self.at_least else -self.threshold
        return "holds" if low >= threshold else "fails" if high < threshold else "open"

    @property
    def needed(self) -> str:
        """What the claim needs, as `at least 0.80`."""
        return f"{'at least' if self.at_least else 'at most'} {self.threshold:g}".replace("-", "−")

    @property
    def strip(self) -> "Strip | None":
        """Where its parts lie on an axis from 0 to 100; None if there is no value."""
        if self.estimate is None:
            return None
        value, low, high = numbers(self.estimate)
        values = [value, low, high, self.threshold, *(mean for _, mean in self.cells)]
        known = [one for one in values if one is not None]
        start, end = min(known), max(known)
        width = (end - start) or 1.0

        def place(number: float | None) -> float | None:
            return None if number is None else round(4 + 92 * (number - start) / width, 1)

        cells = [(name, place(mean), _written(mean)) for name, mean in self.cells]
        return Strip(cells, *map(place, (value, low, high, self.threshold)))

    @property
    def row(self) -> tuple[str, str, str, str]:
        """The number as the page has it: name, value, interval, what the claim needs."""
        value, low, high = map(_written, numbers(self.estimate))
        known = self.estimate is not None and self.estimate.interval is not None
        return self.name, value, f"{low} to {high}" if known else form.MISSING, self.needed


@dataclass(frozen=True)
class Published:
    """A statistic that a paper reports, from its tables and from this study. It judges nothing.

    Attributes:
        name: what it is.
        here: from this study, of the same cells; None if it has none of them.
        paper: from the paper's tables; None if they have none.
        remark: of which restarts, sets and cells both are.
    """

    name: str
    here: float | None
    paper: float | None
    remark: str


@dataclass(frozen=True)
class Claim:
    """A claim of a paper, and what a study has to say about it.

    Attributes:
        key: a letter to name it by.
        source: where the paper says it.
        rule: when it is supported, in words.
        statistics: by which it is judged.
        knowledge: which show that the networks are better than what could hold the claim, too, as a
            baseline.
        why: one sentence.
        published: the paper's own statistic.
        notes: what else one should know.
    """

    key: str
    claim: str
    source: str
    rule: str
    statistics: tuple[Statistic, ...]
    knowledge: tuple[Statistic, ...]
    verdict: Verdict
    why: str
    published: tuple[Published, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rules:
    """By what rules claims are judged.

    Attributes:
        text: of the rules.
        digest: of the same, as runs keep it.
        written: the date in the text.
        begun: when the study's first session began; empty if none did.
        exploratory: why the study is exploratory; empty if it is not.
        preliminary: why its verdicts are preliminary; empty if they are not.
        level: of the intervals.
        together: whether all intervals hold together with 95 %.
        notes: on this study, in sentences.
    """

    text: str
    digest: str
    written: str
    begun: str
    exploratory: str
    preliminary: str
    level: float
    together: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Question:
    """What is compared, cell by cell: a component frozen and nothing frozen.

    Attributes:
        freeze: the frozen components.
        name: of the measure.
        meaning: of the measure, as the end of a sentence that begins with its name.
    """

    freeze: tuple[str, ...]
    name: str
    meaning: str
    measure: Measure


@dataclass(frozen=True)
class Publication:
    """A paper, seen from one study of its tasks and models.

    Attributes:
        citation: its authors and number.
        question: that the page of a study asks first.
        claims: judged by the study's results.
        rules: how verdicts are reached.
        questions: what claims are about, cell by cell; see `compare`.
        deviations: in what the study is not the paper's, in sentences.
        introduction: to the tables.
        tables: published numbers, each beside the study's, and the numbers behind the claims.
        notes: on the tables, in sentences.
        notation: how the paper writes freezing modes, in a sentence.
        score: the published headline metric of a cell on a set.
        excess: the published validation metric of a cell above the study's reference, as
            `RunRecord.excess` is.
        measures: the numbers of every restart behind the claims; not on the page.
    """

    citation: str
    question: str
    claims: Sequence[Claim]
    rules: Rules
    questions: Sequence[Question]
    deviations: Sequence[str]
    introduction: Markup
    tables: Sequence[Table]
    notes: Sequence[str]
    notation: str
    score: Callable[[Cell, str], float | None]
    excess: Callable[[Cell], float | None]
    measures: Table


@dataclass(frozen=True)
class Paper:
    """A paper that has claims and numbers for some studies.

    Attributes:
        read: the paper as seen from a study; None if the study has other tasks or models.
        absent: what the page of such a study says instead.
    """

    read: Callable[[View], Publication | None]
    absent: str


def _written(value: float | None) -> str:
    return form.decimal(value).replace("-", "−")


def claims_table(claims: Sequence[Claim]) -> Table:
    """Claims as rows, one for each number that speaks for or against one."""
    rows = [
        (claim, one) for claim in claims for one in (*claim.statistics, *claim.knowledge) or (None,)
    ]

    def end(index: int) -> Field:
        def read(row: tuple[Claim, Statistic | None]) -> float | None:
            return numbers(row[1] and row[1].estimate)[index]

        return number_field(("here", "from", "to")[index], read, _written)

    def counted(name: Literal["restarts", "missing"]) -> Field:
        return Column(name), lambda row: count(getattr(row[1], name) if row[1] else 0)

    return Table.of(
        "claims",
        "The paper’s claims",
        rows,
        [
            text_field("key", lambda row: row[0].key),
            text_field("claim", lambda row: row[0].claim),
            text_field("statistic", lambda row: row[1].name if row[1] else form.MISSING),
            *map(end, range(3)),
            text_field("needed", lambda row: row[1].needed if row[1] else form.MISSING),
            counted("restarts"),
            counted("missing"),
            text_field("verdict", lambda row: row[0].verdict),
            text_field("why", lambda row: row[0].why),
        ],
        heads=3,
    )
