"""Merge received rows into stored rows, one row per key. Pure; Arrow in, Arrow out."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas import Dataset
from schemas.arrays import from_numpy
from schemas.declare import UNSETTLED
from warehouse import ids
from warehouse.ids import integers

Indices = np.ndarray[tuple[int], np.dtype[np.int64]]


@dataclass(frozen=True)
class Merged:
    """The outcome of a merge.

    ``table`` is ``None`` when nothing changed. ``conflicts`` are received rows that contradict a
    stored row of a dataset whose rows never change: they were not stored.
    """

    table: pa.Table | None
    added: int
    replaced: int
    conflicts: pa.Table


def row_keys(dataset: Dataset, *tables: pa.Table) -> list[pa.Array]:
    """Per table one value per row; two values are equal exactly where the keys are.

    All tables are of one stream; their values have one type.
    """
    names = [n for n in dataset.key if n not in (*dataset.partition, *dataset.stream_columns)]
    if not names:
        raise ValueError(f"{dataset.name} has no key column in its files")
    if len(names) > 1:
        return [
            _as_one(
                pc.binary_join_element_wise(
                    *(pc.cast(table.column(name), pa.string()) for name in names), "\x1f"
                )
            )
            for table in tables
        ]
    columns = [table.column(names[0]) for table in tables]
    if pa.types.is_timestamp(columns[0].type):
        return [_as_one(pc.cast(column, pa.int64())) for column in columns]
    if names[0] == dataset.id_column:
        numbers = [integers(column) for column in columns]
        found = [_as_one(n) for n in numbers if n is not None]
        if len(found) == len(columns):
            return found
    return [_as_one(column) for column in columns]


def merge(dataset: Dataset, stored: pa.Table, received: pa.Table) -> Merged:
    """``stored`` with ``received``, in the dataset's order, each key once.

    Both of ``dataset.file_schema``. Of two received states of a row the later one counts, if the
    dataset replaces rows. A received row that equals the stored one (except for ``ingested_at``)
    changes nothing.
    """
    none = dataset.file_schema.empty_table()
    if received.num_rows == 0:
        return Merged(None, 0, 0, none)
    # The keys alone decide the order; the rows themselves are copied once.
    keys, held_keys = row_keys(dataset, received, stored)
    fresh, repeats, firsts = _occurrences(keys)
    both = received.take(from_numpy(np.concatenate([repeats, firsts])))
    again, before = both.slice(0, len(repeats)), both.slice(len(repeats))
    only_repeats = not pc.any(differs(again, before)).as_py()

    result, known = stored, none
    if stored.num_rows:
        position = _positions(keys.take(from_numpy(fresh)), held_keys)
        held = position >= 0
        known, position = received.take(from_numpy(fresh[held])), position[held]
        fresh = fresh[~held]
        earlier = stored.take(from_numpy(position))
        changed = differs(known, earlier)
        if dataset.replaces:
            changed = pc.and_(changed, pc.invert(_steps_back(earlier, known)))
        known, position = known.filter(changed), position[changed.to_numpy(zero_copy_only=False)]
    replaced = known.num_rows if dataset.replaces else 0
    conflicts = none if dataset.replaces else known
    added = len(fresh)
    if replaced:
        keep = np.ones(stored.num_rows, dtype=bool)
        keep[position] = False
        parts = [stored.filter(from_numpy(keep)), known, received.take(from_numpy(fresh))]
        result = in_order(dataset, pa.concat_tables(parts))
    elif added:
        plain = _are_integers(dataset, keys, received, stored)
        result = _joined(dataset, result, in_order(dataset, received, fresh), plain=plain)
    # pages overlap at their edges: rows that only repeat the one just merged change nothing
    if len(repeats) and not (only_repeats and not conflicts.num_rows):
        rest = merge(dataset, result, again)
        # a row repeated inside one response is one row: only real differences count
        return Merged(
            rest.table if rest.table is not None else (result if added or replaced else None),
            added + rest.added,
            replaced + rest.replaced,
            pa.concat_tables([conflicts, rest.conflicts]),
        )
    return Merged(result if added or replaced else None, added, replaced, conflicts)


def _as_one(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _occurrences(keys: pa.Array) -> tuple[Indices, Indices, Indices]:
    """Indices: first row of each key; rows with a repeated key; the first row of each of those."""
    if not pa.types.is_integer(keys.type):
        first = pc.index_in(keys, value_set=keys).to_numpy(zero_copy_only=False)
        is_first = first == np.arange(len(keys))
        repeats = np.flatnonzero(~is_first)
        return np.flatnonzero(is_first), repeats, first[repeats]
    # pages come in order, or nearly so: sorting takes a seventh of the time of hashing
    numbers = keys.to_numpy()
    order = np.argsort(numbers, kind="stable")
    numbers = numbers[order]
    again = 1 + np.flatnonzero(numbers[1:] == numbers[:-1])
    begins = np.delete(np.arange(len(order)), again)
    firsts = order[begins[np.searchsorted(begins, again) - 1]]
    return np.sort(order[begins]), order[again], firsts


def _positions(keys: pa.Array, stored: pa.Array) -> Indices:
    """The index of each of ``keys`` among ``stored`` ones; -1 where there is none."""
    if not len(keys):
        return np.empty(0, dtype=np.int64)
    ends = pc.min_max(keys).as_py()
    inside = pc.and_(pc.greater_equal(stored, ends["min"]), pc.less_equal(stored, ends["max"]))
    near = pc.indices_nonzero(inside)
    at = pc.index_in(keys, value_set=stored.take(near))
    found: Indices = pc.fill_null(pc.cast(near.take(at), pa.int64()), -1).to_numpy(
        zero_copy_only=False
    )
    return found


def differs(left: pa.Table, right: pa.Table) -> pa.Array:
    """Row by row: whether two tables of one schema differ in anything but ``ingested_at``."""
    found = pa.repeat(False, left.num_rows)
    for name in left.column_names:
        if name == "ingested_at":
            continue
        a, b = left.column(name), right.column(name)
        same = pc.fill_null(pc.equal(a, b), False)
        if pa.types.is_timestamp(a.type) and not pc.all(same).as_py():
            same = pc.or_(same, _is_cut(a, b))
        both_null = pc.and_(pc.is_null(a), pc.is_null(b))
        found = pc.or_(found, pc.invert(pc.or_(same, both_null)))
    return found


def _is_cut(a: pa.ChunkedArray, b: pa.ChunkedArray) -> pa.Array:
    """Whether one time is the other cut to the millisecond: some sources show no more."""
    x, y = (pc.cast(times, pa.int64()) for times in (a, b))
    x_ms, y_ms = (pc.multiply(pc.divide(times, 1000), 1000) for times in (x, y))
    is_whole = pc.or_(pc.equal(x, x_ms), pc.equal(y, y_ms))
    return pc.fill_null(pc.and_(pc.equal(x_ms, y_ms), is_whole), False)


def _steps_back(earlier: pa.Table, later: pa.Table) -> pa.Array:
    """Where a final row would become one that may change: a stale response, not a newer state."""
    if "is_final" in earlier.column_names:
        was, is_now = earlier.column("is_final"), later.column("is_final")
        return pc.and_(was, pc.invert(is_now)).combine_chunks()
    if "status" in earlier.column_names:
        unsettled = pa.array(UNSETTLED)
        was = pc.invert(pc.is_in(earlier.column("status"), value_set=unsettled))
        is_now = pc.invert(pc.is_in(later.column("status"), value_set=unsettled))
        return pc.and_(was, pc.invert(is_now)).combine_chunks()
    return pa.repeat(False, earlier.num_rows)


def _joined(dataset: Dataset, stored: pa.Table, fresh: pa.Table, *, plain: bool) -> pa.Table:
    """Both sorted: joined without sorting where one lies wholly before the other."""
    if not stored.num_rows:
        return fresh
    held, new = (_ends(dataset, table, plain=plain) for table in (stored, fresh))
    if held[1] < new[0]:
        return pa.concat_tables([stored, fresh])
    if new[1] < held[0]:
        return pa.concat_tables([fresh, stored])
    return in_order(dataset, pa.concat_tables([stored, fresh]))


def _ends(dataset: Dataset, table: pa.Table, *, plain: bool) -> list[list[Any]]:
    """The values by which the first and the last row of ``table`` are ordered."""
    rows = (table.slice(row, 1) for row in (0, table.num_rows - 1))
    return [[c[0].as_py() for c in order_columns(dataset, row, plain=plain)] for row in rows]


def _are_integers(dataset: Dataset, keys: pa.Array, *tables: pa.Table) -> bool:
    """Whether all ids of the tables with these ``keys`` are integers."""
    name = dataset.id_column
    if name is None or pa.types.is_integer(keys.type):
        return True
    return all(integers(table.column(name)) is not None for table in tables)


def order_columns(
    dataset: Dataset, table: pa.Table, *, plain: bool | None = None
) -> list[pa.ChunkedArray]:
    """The columns that give the order, compared one after the other; integer ids as numbers.

    ``plain``: whether all ids are integers, where that is known.
    """
    columns: list[pa.ChunkedArray] = []
    for name in dataset.order:
        column = table.column(name)
        if name == dataset.time_column:
            columns.append(pc.cast(column, pa.int64()))
        elif name != dataset.id_column:
            columns.append(column)
        else:
            numbers = integers(column) if plain in (None, True) else None
            columns += ids.order_columns(column) if numbers is None else [numbers]
    return columns


def in_order(dataset: Dataset, table: pa.Table, rows: Any = None) -> pa.Table:
    """``table``, or the ``rows`` (indices) of it, in the dataset's order."""
    columns = order_columns(dataset, table)
    if rows is not None:
        chosen = from_numpy(rows)
        columns = [column.take(chosen) for column in columns]
    if all(pa.types.is_integer(column.type) for column in columns):
        # rows come in order, or in runs of it, which numpy makes use of
        order = np.lexsort([column.to_numpy() for column in reversed(columns)])
    else:
        names = [str(number) for number in range(len(columns))]
        keys = pa.table(columns, names=names)
        order = pc.sort_indices(keys, sort_keys=[(n, "ascending") for n in names]).to_numpy()
    return table.take(from_numpy(order if rows is None else rows[order]))
