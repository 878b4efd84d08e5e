"""Invalidate coverage of stored rows that are gone.

Where a lake file vanished or holds fewer rows than recorded, its stretch is no longer complete. The
next pull fetches and proves it again.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow.compute as pc

from schemas import Dataset, Period, StreamId, dataset, timeframe_us
from warehouse import files
from warehouse.intervals import Interval
from warehouse.metastore import FileRecord
from warehouse.state import StreamState

_TimeOf = Callable[[FileRecord, int], int | None]
"""The time (microseconds) of the row of a file with a key; ``None`` where it is not held."""


def shrank(before: FileRecord, now: FileRecord | None) -> bool:
    """Whether a file that was ``before`` lacks rows now (``None``: it is gone)."""
    if now is None or now.rows < before.rows:
        return before.rows > 0
    least, greatest, earliest, latest = (value or 0 for value in before.span[1:])
    return (
        (now.min_key or 0) > least
        or (now.max_key or 0) < greatest
        or (now.min_time or 0) > earliest
        or (now.max_time or 0) < latest
    )


def invalidate(
    home: Path,
    stream: StreamId,
    state: StreamState,
    gone: Sequence[FileRecord],
    left: Sequence[FileRecord],
) -> StreamState:
    """``state`` without coverage of the rows of ``gone``; ``left`` are the files still whole.

    The checkpoint is dropped as well: it refers to changes of the files.
    """
    if not gone or not state.complete:
        return state
    declared = dataset(stream.dataset)
    gone, left = ([_by_unit(f, state.unit) for f in records] for records in (gone, left))
    if declared.period is Period.ALL or any(g.min_key is None or g.max_key is None for g in gone):
        return replace(state, complete=(), checkpoint="")
    step = timeframe_us(stream.timeframe) if stream.timeframe else 1

    def time_of(file: FileRecord, key: int) -> int | None:
        return key if state.unit == "time" else _time_of(home, declared, file, key)

    complete = list(state.complete)
    for file in gone:
        low, high = file.min_key or 0, file.max_key or 0
        complete = [
            piece
            for run in complete
            for piece in (
                (run,)
                if run.upper <= low or run.lower > high
                else (
                    _below(run, low, left, step, time_of),
                    _above(run, high, left, time_of),
                )
            )
            if piece is not None
        ]
    return replace(state, complete=tuple(complete), checkpoint="")


def _by_unit(record: FileRecord, unit: str) -> FileRecord:
    """The record with the range that coverage counts: ids, or times."""
    if unit != "time":
        return record
    return replace(record, min_key=record.min_time, max_key=record.max_time)


def _below(
    run: Interval, low: int, left: Sequence[FileRecord], step: int, time_of: _TimeOf
) -> Interval | None:
    """The part of ``run`` below the row ``low``, up to the highest row known to be held there."""
    tops = [f for f in left if f.max_key is not None and max(run.lower, 0) <= f.max_key < low]
    if not tops:
        return None
    file = max(tops, key=lambda f: f.max_key or 0)
    last = file.max_key or 0
    if run.first is None:  # a run without marks (built candles): keeps none
        return Interval(run.lower, last + step)
    if last < run.first:
        return None
    last_at = time_of(file, last)
    return Interval(run.lower, last + step, run.first, last, run.first_at, last_at)


def _above(
    run: Interval, high: int, left: Sequence[FileRecord], time_of: _TimeOf
) -> Interval | None:
    """The part of ``run`` above the row ``high``, from the lowest row known to be held there."""
    bottoms = [f for f in left if f.min_key is not None and high < f.min_key < run.upper]
    if not bottoms:
        return None
    file = min(bottoms, key=lambda f: f.min_key or 0)
    first = file.min_key or 0
    if run.last is None:
        return Interval(first, run.upper)
    if run.last < first:
        return None
    first_at = time_of(file, first)
    return Interval(first, run.upper, first, run.last, first_at, run.last_at)


def _time_of(home: Path, declared: Dataset, file: FileRecord, key: int) -> int | None:
    names = [declared.naming_column, declared.time_column]
    table = files.read(declared, home / file.path, names)
    at = pc.index(table.column(0), str(key)).as_py()
    return int(table.column(1)[at].value) if at >= 0 else None
