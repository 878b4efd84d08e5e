"""Build candles from stored trades, where the exchange offers none.

A candle is built only where coverage of the trades is complete from before its opening to its end
(or to now). An interval without trades has no candle. A pull rebuilds the candles whose trades
changed since the last pull, and those that were open.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.ingest import checkpoint
from pipelines.ingest.checkpoint import Built
from pipelines.ingest.session import Session
from schemas.timeframes import Grid, grid
from schemas.times import DAY_US
from warehouse import candles
from warehouse.intervals import Interval, subtract, union
from warehouse.paths import period_bounds
from warehouse.reader import StreamReader
from warehouse.state import StreamState

_FIGURES: Final = ("open", "high", "low", "close", "volume")


def build_candles(session: Session) -> None:
    """One pull of a candle stream that is built from the trades of the same market."""
    source = session.task.store.reader(replace(session.stream, dataset="trades", timeframe=None))
    trades = source.state()
    frame = grid(session.stream.timeframe or "")
    built = checkpoint.load(session.state.checkpoint, Built)
    newest_change = source.change()
    if not newest_change or not trades.complete:
        session.report.notice = (
            f"{session.stream}: no trades are stored to build candles from. Fix: pull trades first"
        )
        return
    whole = candles.whole(trades, source.time_of, frame, with_open=True)
    starts = {day: period_bounds(source.declared, day)[0] for day in source.periods()}
    changed = [starts[day] for day in source.periods(built.change)]
    changed += [t.value for t in _open_candles(session)]
    if session.task.again is not None:
        low, high = session.task.again
        changed += [start for start in starts.values() if low - DAY_US < start <= high]
    now = trades.checked_at or 0
    for found in _rebuilt(source, frame, changed):
        keep = [
            any(low <= t < high for low, high in whole) for t in found.column("open_us").to_pylist()
        ]
        found = found.filter(pa.array(keep, pa.bool_()))
        final = pc.less_equal(pc.add(found.column("open_us"), frame.step), now)
        session.count_built(found.num_rows)
        session.commit(_rows(session, found, final), session.state)
    up_to = frame.opening(now)
    complete = union(
        Interval(low, min(high, up_to)) for low, high in whole if low < min(high, up_to)
    )
    session.commit(
        None,
        replace(
            session.state,
            unit="time",
            complete=complete or session.state.complete,
            wanted_from=complete[0].lower if complete else None,
            newest_at=trades.newest_at,
            checked_at=trades.checked_at,
            checkpoint=checkpoint.dump(Built(newest_change)),
        ),
    )


def build_missing(session: Session, state: StreamState, change: int) -> tuple[StreamState, int]:
    """Build the candles that the exchange shows no longer and ``state`` does not hold.

    ``change``: the last change of the trades that is built in. Returns the state with what is held
    now, and the last change. All are final: their intervals lie before one that the exchange shows.
    """
    source = session.task.store.reader(replace(session.stream, dataset="trades", timeframe=None))
    trades, newest_change = source.state(), source.change()
    if not newest_change or not trades.complete or not state.complete:
        return state, change
    frame = grid(session.stream.timeframe or "")
    end = state.complete[-1].upper
    whole = candles.whole(trades, source.time_of, frame, with_open=False)
    known = [Interval(low, min(high, end)) for low, high in whole]
    is_from_first = trades.unit == "id" and trades.complete[0].lower <= 0
    if whole and is_from_first and session.wanted_from < whole[0][0]:
        # no candle lies before the first trade of a market
        known.append(Interval(session.wanted_from, whole[0][0]))
    wanted = subtract(union(known), state.complete)
    starts = {day: period_bounds(source.declared, day)[0] for day in source.periods()}
    built: set[int] = set()
    for found in _rebuilt(source, frame, [starts[day] for day in source.periods(change)]):
        times = found.column("open_us").to_pylist()
        keep = [any(moment in stretch for stretch in wanted) for moment in times]
        found = found.filter(pa.array(keep, pa.bool_()))
        built.update(found.column("open_us").to_pylist())
        if found.num_rows:
            final = pa.array([True] * found.num_rows)
            session.commit(_rows(session, found, final), state)
    left = _end_quiet(session, state, [w.lower for w in wanted if w.lower not in built])
    wanted = subtract(wanted, [Interval(t, t + frame.step) for t in left])
    return replace(state, complete=union([*state.complete, *wanted])), newest_change


def _end_quiet(session: Session, state: StreamState, openings: Iterable[int]) -> list[int]:
    """Store candles at ``openings`` as final that were open, and in which no trade came after all.

    Gives those that say that there was one: none is held.
    """
    names = ["timestamp", *_FIGURES, "is_final"]
    stored = [session.writer.between(t, t + 1, names) for t in openings]
    if not stored:
        return []
    rows = pa.concat_tables(stored)
    is_open = rows.filter(pc.invert(rows.column("is_final")))
    times = pc.cast(is_open.column("timestamp"), pa.int64())
    is_open = is_open.append_column("open_us", times)
    quiet = pc.equal(is_open.column("volume"), 0)
    ended = is_open.filter(quiet)
    if ended.num_rows:
        session.commit(_rows(session, ended, pa.repeat(True, ended.num_rows)), state)
    left: list[int] = times.filter(pc.invert(quiet)).to_pylist()
    return left


def _rebuilt(source: StreamReader, frame: Grid, changed: Iterable[int]) -> Iterator[pa.Table]:
    """The candles of all days in which a moment of ``changed`` lies.

    Trades are read a day at a time. Candles longer than a day are rolled up from those of the days.
    """
    block = replace(frame, step=max(frame.step, DAY_US))
    of_day = replace(frame, step=min(frame.step, DAY_US))
    for first in sorted({block.opening(moment) for moment in changed}):
        days = range(first, first + block.step, DAY_US)
        trades = (source.period(source.period_of(day)) for day in days)
        parts = [candles.build(rows, of_day) for rows in trades if rows.num_rows]
        if parts:
            whole = pa.concat_tables(parts)
            yield whole if len(days) == 1 else candles.roll_up(whole, frame)


def _open_candles(session: Session) -> pa.ChunkedArray:
    """Opening times of the stored candles that are not final: they are among the newest."""
    tail = session.writer.tail(3)
    return tail.filter(pc.invert(tail.column("is_final"))).column("timestamp")


def _rows(session: Session, built: pa.Table, final: pa.Array) -> pa.Table:
    schema = session.declared.connector_schema
    count = built.num_rows
    columns = {
        "symbol": pa.repeat(session.stream.symbol, count),
        "timeframe": pa.repeat(session.stream.timeframe, count),
        "timestamp": built.column("open_us").cast(schema.field("timestamp").type),
        **{n: built.column(n) for n in _FIGURES},
        "is_final": final,
    }
    return pa.table([columns[name] for name in schema.names], schema=schema)
