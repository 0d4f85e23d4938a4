"""A table as data, and as CSV and LaTeX; the page's template writes it as HTML."""

import csv
import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from memrnn.runtime.formats import MISSING

Value = float | int | str | None

MOST_ROWS = 45
"""Rows from which a LaTeX table may break over pages."""

LONGEST_LINE = 45
"""Characters from which LaTeX breaks what a cell says."""

_SENTENCES = r"p{0.2\textwidth}"


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
    notes: tuple[str, ...] = field(default=())

    @property
    def groups(self) -> list[tuple[str, int]]:
        """The upper headings, each with the number of columns under it."""
        found: list[tuple[str, int]] = []
        for column in self.columns:
            if found and found[-1][0] == column.group:
                found[-1] = (column.group, found[-1][1] + 1)
            else:
                found.append((column.group, 1))
        return found

    @property
    def bodies(self) -> list[list[tuple[Entry, ...]]]:
        """Rows that have the first entry in common and follow each other."""
        found: list[list[tuple[Entry, ...]]] = []
        for row in self.rows:
            if found and found[-1][0][0] == row[0]:
                found[-1].append(row)
            else:
                found.append([row])
        return found


def number(written: str, value: float | None) -> Entry:
    """An entry that is a number; what is not a number is a dash without a value."""
    known = value is not None and not math.isnan(value)
    return Entry(written, value) if known else Entry(MISSING)


def text(value: str) -> Entry:
    """An entry that is a name or a sentence."""
    return Entry(value, value)


def to_csv(table: Table) -> str:
    """Values in full; empty where there is none."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(column.name for column in table.columns)
    for row in table.rows:
        writer.writerow("" if entry.value is None else entry.value for entry in row)
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
    lines.append(_line([escape_latex(column.label) for column in table.columns]))
    lines.append("\\midrule")
    if long:
        lines.append("\\endhead")
    for number, body in enumerate(table.bodies):
        if number and len(table.bodies) < len(table.rows):
            lines.append("\\addlinespace")
        for place, row in enumerate(body):
            first = "" if place and table.heads > 1 else _latex(row[0])
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
    one_line = " ".join(value.split())
    return re.sub(
        "|".join(map(re.escape, _SPECIAL)), lambda found: _SPECIAL[found.group()], one_line
    )


def _latex(entry: Entry) -> str:
    shown = escape_latex(entry.text)
    return f"\\textbf{{{shown}}}" if entry.mark == "differs" else shown


def _line(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _upper_heading(groups: Sequence[tuple[str, int]]) -> list[str]:
    cells: list[str] = []
    rules: list[str] = []
    place = 1
    for name, width in groups:
        cells.append(f"\\multicolumn{{{width}}}{{c}}{{{escape_latex(name)}}}" if name else
                     " & ".join([""] * width))  # fmt: skip
        if name:
            rules.append(f"\\cmidrule(lr){{{place}-{place + width - 1}}}")
        place += width
    return [_line(cells), "".join(rules)]
