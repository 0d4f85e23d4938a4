"""Smaller tables of a study's results, for a repository: rounded, and with fewer groups."""

import json
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
from pyarrow import compute

from memrnn.studies._schema import ADDED, REST
from memrnn.studies._study import Study

BITS = 12
"""Of a numerator that is not a count: a rounded one is off by at most 2**-12 of its value."""

MOST_GROUPS = 200
"""Of an evaluation set. Of a set with more, every second group is kept, or every third, ..."""

_SET_ORDER = ("precision", "set", "metric")
"""Rows are sorted by these, so that neighbours are alike and compress well."""


def compact(tables: Mapping[str, pa.Table], study: Study) -> dict[str, pa.Table]:
    """The same tables, smaller by a factor of ten or more; totals of sets stay as they are.

    - Scores by group are kept in the study's first precision only, and of sets with more than
      `MOST_GROUPS` groups of every second or third group only.
    - Numerators by group and in curves are rounded to `BITS` bits, if they are not counts.
    - What the groups' totals then lack to those of their set is a row without a group.
    - Sums by the groups of partitions are kept in the first precision only. Those of partitions
      with more than `MOST_GROUPS` groups, as the sentences of a text, are rounded likewise, and
      kept of the last set only.

    What was done is a sentence in the table `facts`. Compact tables stay as they are.
    """
    first = study.precisions[0]
    scores, references = tables["scores"], tables["references"]
    of_first = scores["precision"].to_numpy() == first
    changed = {
        "curves": _replace_numerators(tables["curves"], _rounded(_numbers(tables["curves"]))),
        "scores": _sorted(_fewer_groups(scores, ("run", "precision"), of_first)),
        "references": _fewer_groups(references, ("task_key", "predictor"), None),
    }
    notes = [_note(study, scores)]
    tasks = tables["tasks"].to_pylist()
    sets = {row["key"]: json.loads(row["description"])["sets"] for row in tasks}
    last = {key: of_task[-1][0] for key, of_task in sets.items() if of_task}
    of_partitions = {name: _partitions(tables[name], first, last) for name in ADDED}
    if any(table.num_rows < tables[name].num_rows for name, table in of_partitions.items()):
        notes.append(
            f"Sums by partitions with more than {MOST_GROUPS} groups are rounded to {BITS} bits "
            "and there for the last evaluation set only."
        )
    changed["facts"] = with_notes(tables["facts"], notes)
    return {**tables, **changed, **of_partitions}


def notes_of(facts: pa.Table) -> tuple[str, ...]:
    """Sentences about what was left out of the tables, or where they are from."""
    values = dict(zip(facts["key"].to_pylist(), facts["value"].to_pylist(), strict=True))
    return tuple(json.loads(values.get("notes", "[]")))


def with_notes(facts: pa.Table, notes: Sequence[str]) -> pa.Table:
    """The facts with further notes, each of which stands there once."""
    known = list(dict.fromkeys([*notes_of(facts), *notes]))
    rows = [row for row in facts.to_pylist() if row["key"] != "notes"]
    rows.append({"key": "notes", "value": json.dumps(known, ensure_ascii=False)})
    return pa.Table.from_pylist(rows, facts.schema)


def _note(study: Study, scores: pa.Table) -> str:
    others, last = study.precisions[1:], scores["place"].to_numpy().max(initial=0)
    return (
        "From compact tables: totals of evaluation sets are exact; values by group and curves are "
        f"rounded to {BITS} bits, by at most {100 * 2.0**-BITS:.2f} % of a numerator"
        + (f"; {' and '.join(others)} without values by group" if others else "")
        + (
            f"; of a set with more than {MOST_GROUPS} groups every second or third is there"
            if last >= MOST_GROUPS
            else ""
        )
        + "."
    )


def _fewer_groups(table: pa.Table, owner: Sequence[str], chosen: np.ndarray | None) -> pa.Table:
    """Scores with rounded numerators, fewer groups, and a row for what these lack.

    Args:
        owner: columns that with set and metric name the rows of one set.
        chosen: rows of which groups are kept; by default all.
    """
    if not table.num_rows:
        return table
    rows_of, firsts = _numbered(table, (*owner, "set", "metric"))
    places = table["place"].to_numpy()
    groups = places != REST
    steps = -(-np.bincount(rows_of[groups], minlength=len(firsts)) // MOST_GROUPS)
    kept = groups & (places % np.maximum(1, steps)[rows_of] == 0)
    if chosen is not None:
        kept &= chosen
    numerators = _numbers(table)
    kept_numerators = _rounded(numerators)
    kept_rows = _replace_numerators(table, kept_numerators).filter(pa.array(kept))

    # Sums in the order in which readers take them: the groups, then the rest.
    def lacking(values: np.ndarray, values_kept: np.ndarray) -> np.ndarray:
        whole = np.bincount(rows_of[groups], values[groups], len(firsts))
        whole += np.bincount(rows_of[~groups], values[~groups], len(firsts))
        of_kept = np.bincount(rows_of[kept], values_kept[kept], len(firsts))
        with np.errstate(invalid="ignore"):
            difference = whole - of_kept
        # The difference of two infinities: the groups alone have the sum.
        known = np.isnan(difference) & (np.bincount(rows_of[kept], minlength=len(firsts)) > 0)
        return np.where(known, 0.0, difference)

    denominators = table["denominator"].to_numpy()
    rest = {
        "numerator": lacking(numerators, kept_numerators),
        "denominator": lacking(denominators, denominators),
        "place": np.full(len(firsts), REST),
    }
    rest_rows = table.take(pa.array(firsts))
    for name, values in rest.items():
        rest_rows = _replace(rest_rows, name, pa.array(values))
    rest_rows = _replace(rest_rows, "group", pa.nulls(len(firsts), pa.string()))
    # What lacks nothing needs no row; but a set without groups does.
    needed = (rest["numerator"] != 0) | (rest["denominator"] != 0)
    needed |= np.bincount(rows_of[kept], minlength=len(firsts)) == 0
    return pa.concat_tables([kept_rows, rest_rows.filter(pa.array(needed))]).combine_chunks()


def _partitions(table: pa.Table, precision: str, last: Mapping[str, str]) -> pa.Table:
    """Sums by partitions, of large ones fewer and rounded.

    Args:
        last: the last evaluation set by the key of the task.
    """
    if "precision" in table.column_names:
        table = table.filter(compute.field("precision") == precision)
    if not table.num_rows:
        return table
    rows_of, _ = _numbered(table, ("task_key", "set", "partition", "metric"))
    largest = np.zeros(rows_of.max() + 1, np.int64)
    np.maximum.at(largest, rows_of, table["place"].to_numpy())
    large = largest[rows_of] >= MOST_GROUPS
    keys, sets = table["task_key"].to_pylist(), table["set"].to_pylist()
    of_last = [last[key] == name for key, name in zip(keys, sets, strict=True)]
    numerators = _numbers(table)
    table = _replace_numerators(table, np.where(large, _rounded(numerators), numerators))
    return table.filter(pa.array(~large | np.array(of_last)))


def _numbered(table: pa.Table, columns: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Per row the number of its values in some columns, and per number its first row."""
    codes = np.zeros(table.num_rows, np.int64)
    for name in columns:
        encoded = table[name].combine_chunks().dictionary_encode()
        codes = codes * len(encoded.dictionary) + encoded.indices.to_numpy()
    _, firsts, rows_of = np.unique(codes, return_index=True, return_inverse=True)
    order = np.argsort(firsts)  # numbers in the order of rows
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return place[rows_of.ravel()], firsts[order]


def _sorted(table: pa.Table) -> pa.Table:
    codes = [_numbered(table, (name,))[0] for name in reversed(_SET_ORDER)]
    return table.take(pa.array(np.lexsort(codes))).combine_chunks()


def _numbers(table: pa.Table) -> np.ndarray:
    return table["numerator"].to_numpy()


def _rounded(values: np.ndarray) -> np.ndarray:
    """Values with `BITS` bits; counts, and what is not finite, as they are."""
    mantissa, exponent = np.frexp(values)
    with np.errstate(invalid="ignore"):
        rounded = np.ldexp(np.rint(mantissa * 2.0**BITS), exponent - BITS)
    exact = ~np.isfinite(values) | (values == np.rint(values))
    return np.where(exact, values, rounded)


def _replace_numerators(table: pa.Table, values: np.ndarray) -> pa.Table:
    return _replace(table, "numerator", pa.array(values))


def _replace(table: pa.Table, name: str, values: pa.Array) -> pa.Table:
    index = table.schema.get_field_index(name)
    return table.set_column(index, table.schema.field(index), values)
