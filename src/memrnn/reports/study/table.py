"""A table as data, and as CSV and LaTeX; the page's template writes it as HTML."""

import csv
import io
import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from memrnn.reports.study.resampling import Estimate, numbers
from memrnn.runtime import formats as form

Value = float | int | str | None

MOST_ROWS = 45
"""Rows from which a LaTeX table may break over pages."""

LONGEST_LINE = 45
"""Characters from which LaTeX breaks what a cell says."""

_SENTENCES = r"p{0.2\textwidth}"


@dataclass(frozen=True)
class Entry:
    """A cell of a table.

    Attributes:
        text: as people read it.
        value: for CSV files, and for sorting unless there is an `order`.
        mark: `differs`, `missing`, `good` or `bad`, or nothing.
    """

    text: str
    value: Value = None
    mark: str = ""
    order: float | None = None

    @property
    def sort(self) -> Value:
        """What the page sorts by; empty if there is nothing."""
        key = self.value if self.order is None else self.order
        return "" if key is None else key

    @property
    def key(self) -> str | None:
        """The same as the page keeps it, six digits of numbers; None where that is the text."""
        key = f"{self.sort:.6g}" if isinstance(self.sort, float) else str(self.sort)
        return None if key == self.text else key


@dataclass(frozen=True)
class Column:
    """A column: its heading, and the heading over it that it shares with its neighbours."""

    label: str
    group: str = ""
    numeric: bool = True

    @property
    def name(self) -> str:
        """The heading in a CSV file."""
        return f"{self.group} {self.label}".strip()


Field = tuple[Column, Callable[[Any], Entry]]
"""A column, and its entry for a record."""


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        stem: of its files.
        heads: how many of the first columns name the row.
        sortable: whether the page lets one sort it.
        notes: sentences that belong to it.
    """

    stem: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Entry, ...], ...]
    heads: int = 2
    sortable: bool = False
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, stem: str, caption: str, records: Iterable[Any], fields: Sequence[Field],
           **options: Any) -> "Table":  # fmt: skip
        """A table with a row per record; `options` are its other attributes."""
        rows = tuple(tuple(entry(record) for _, entry in fields) for record in records)
        return cls(stem, caption, tuple(column for column, _ in fields), rows, **options)

    @property
    def groups(self) -> list[tuple[str, int]]:
        """The upper headings, each with the number of columns under it."""
        runs = itertools.groupby(column.group for column in self.columns)
        return [(name, len(list(run))) for name, run in runs]

    @property
    def bodies(self) -> list[list[tuple[Entry, ...]]]:
        """Rows that have the first entry in common and follow each other."""
        return [list(rows) for _, rows in itertools.groupby(self.rows, key=lambda row: row[0])]


def number(text: str, value: float | None) -> Entry:
    """An entry that is a number; what is not a number is a dash without a value."""
    known = value is not None and not math.isnan(value)
    return Entry(text, value) if known else Entry(form.MISSING)


def text(value: str) -> Entry:
    """An entry that is a name or a sentence."""
    return Entry(value, value)


def count(value: int) -> Entry:
    """An entry that is a whole number."""
    return Entry(str(value), value)


def count_of(part: int, whole: int) -> Entry:
    """3 of 10; sorted by the share."""
    return Entry(f"{part} of {whole}", part, order=part / whole if whole else None)


def text_field(label: str, read: Callable[[Any], str]) -> Field:
    """A column of names or sentences."""
    return Column(label, numeric=False), lambda record: text(read(record))


def number_field(
    label: str, read: Callable[[Any], float | None], write: Callable[[float | None], str]
) -> Field:
    """A column of numbers."""
    return Column(label), lambda record: number(write(read(record)), read(record))


def estimate_fields(
    label: str, read: Callable[[Any], Estimate | None], write: Callable[[float | None], str]
) -> list[Field]:
    """A column for an estimate, and two for the ends of its interval."""
    return [
        number_field(label, lambda record: numbers(read(record))[0], write),
        number_field("from", lambda record: numbers(read(record))[1], write),
        number_field("to", lambda record: numbers(read(record))[2], write),
    ]


def to_csv(table: Table) -> str:
    """Values in full; empty where there is none."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(column.name for column in table.columns)
    writer.writerows([entry.value for entry in row] for row in table.rows)
    return buffer.getvalue()


def to_latex(table: Table) -> str:
    """A booktabs table without a float around it; one that may not fit a page is a longtable."""
    columns = zip(*table.rows, strict=True) if table.rows else [()] * len(table.columns)
    shapes = list(map(_shape, table.columns, columns))
    long = len(table.rows) > MOST_ROWS or _SENTENCES in shapes
    kind = "longtable" if long else "tabular"
    lines = [
        f"% {escape_latex(table.caption)}",
        *(f"% {escape_latex(note)}" for note in table.notes),
        f"% needs \\usepackage{{booktabs{',longtable' if long else ''}}}",
        f"\\begin{{{kind}}}{{{''.join(shapes)}}}",
        "\\toprule",
    ]
    if any(column.group for column in table.columns):
        lines += _upper_heading(table.groups)
    lines += [_line([escape_latex(column.label) for column in table.columns]), "\\midrule"]
    if long:
        lines.append("\\endhead")
    bodies = table.bodies
    for number, body in enumerate(bodies):
        if number and len(bodies) < len(table.rows):
            lines.append("\\addlinespace")
        for row_number, row in enumerate(body):
            first = "" if row_number and table.heads > 1 else _latex(row[0])
            lines.append(_line([first, *map(_latex, row[1:])]))
    return "\n".join([*lines, "\\bottomrule", f"\\end{{{kind}}}", ""])


def _shape(column: Column, entries: Sequence[Entry]) -> str:
    """How LaTeX sets a column: sentences are broken into lines."""
    if max((len(entry.text) for entry in entries), default=0) > LONGEST_LINE:
        return _SENTENCES
    return "r" if column.numeric else "l"


_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "–": "--",
    "−": r"\ensuremath{-}",
    "≥": r"\ensuremath{\geq}",
    "×": r"\ensuremath{\times}",
    "’": "'",
    "“": "``",
    "”": "''",
} | {symbol: f"\\{symbol}" for symbol in "&%$#_{}"}


def escape_latex(value: str) -> str:
    """Text as LaTeX shows it, on one line."""
    return " ".join(value.split()).translate(str.maketrans(_SPECIAL))


def _latex(entry: Entry) -> str:
    shown = escape_latex(entry.text)
    return f"\\textbf{{{shown}}}" if entry.mark == "differs" else shown


def _line(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _upper_heading(groups: Sequence[tuple[str, int]]) -> list[str]:
    cells: list[str] = []
    rules: list[str] = []
    first = 1
    for name, width in groups:
        if name:
            cells.append(f"\\multicolumn{{{width}}}{{c}}{{{escape_latex(name)}}}")
            rules.append(f"\\cmidrule(lr){{{first}-{first + width - 1}}}")
        else:
            cells += [""] * width
        first += width
    return [_line(cells), "".join(rules)]
