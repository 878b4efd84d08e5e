"""Take back what the ledger claims of rows that are no longer there.

A claim is only as good as the rows under it: where a lake file vanished or holds fewer rows than
it did, its stretch is claimed no more, and the next pull fetches and proves it again.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from schemas import Dataset, Period, timeframe_us
from warehouse import files
from warehouse.coverage import Interval
from warehouse.ledger import FileRecord, StreamId, StreamState


def shrank(before: FileRecord, now: FileRecord | None) -> bool:
    """Whether a file that was ``before`` lacks rows now (``None``: it is gone)."""
    if now is None or now.rows < before.rows:
        return before.rows > 0

    was = (before.min_key, before.max_key, before.min_time, before.max_time)
    least, greatest, earliest, latest = (value or 0 for value in was)
    return (
        (now.min_key or 0) > least
        or (now.max_key or 0) < greatest
        or (now.min_time or 0) > earliest
        or (now.max_time or 0) < latest
    )


def unclaim(
    home: Path,
    dataset: Dataset,
    stream: StreamId,
    state: StreamState,
    gone: Sequence[FileRecord],
    left: Sequence[FileRecord],
) -> StreamState:
    """``state`` without claims on the key ranges of ``gone``; ``left`` are the files still whole.

    What is known of the exchange's ways is forgotten as well: what was built up to a change of
    the files has to be built again.
    """
    if not gone or not state.complete:
        return state
    if dataset.period is Period.ALL or any(g.min_key is None or g.max_key is None for g in gone):
        return replace(state, complete=(), law="{}")
    step = timeframe_us(stream.timeframe) if stream.timeframe else 1
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
                    _below(run, low, left, step),
                    _above(home, dataset, run, high, left),
                )
            )
            if piece is not None
        ]
    return replace(state, complete=tuple(complete), law="{}")


def _below(run: Interval, low: int, left: Sequence[FileRecord], step: int) -> Interval | None:
    """The part of ``run`` under the row ``low``, up to the highest row surely held there."""
    tops = [
        f.max_key for f in left if f.max_key is not None and max(run.lower, 0) <= f.max_key < low
    ]
    if not tops or (run.first is not None and max(tops) < run.first):
        return None
    last = max(tops)
    if run.first is None:  # a run without marks (built candles): keeps none
        return Interval(run.lower, last + step)
    return Interval(run.lower, last + step, run.first, last, run.first_at)


def _above(
    home: Path, dataset: Dataset, run: Interval, high: int, left: Sequence[FileRecord]
) -> Interval | None:
    """The part of ``run`` over the row ``high``, from the lowest row surely held there."""
    bottoms = [f for f in left if f.min_key is not None and high < f.min_key < run.upper]
    if not bottoms:
        return None
    file = min(bottoms, key=lambda f: f.min_key or 0)
    first = file.min_key or 0
    if run.last is None:
        return Interval(first, run.upper)
    if run.last < first:
        return None
    return Interval(first, run.upper, first, run.last, _time_of(home, dataset, file, first))


def _time_of(home: Path, dataset: Dataset, file: FileRecord, key: int) -> int | None:
    if dataset.integer_id is None:
        return key
    names = [dataset.integer_id, dataset.time_column]
    table = files.read(dataset, home / file.path, names)
    at = pc.index(pc.cast(table.column(0), pa.int64()), key).as_py()
    return int(table.column(1)[at].value) if at >= 0 else None
