"""Build candles from stored trades, where the exchange offers none.

A candle is built only where coverage of the trades is complete from before its opening to its end
(or to now). An interval without trades has no candle. A pull rebuilds the candles whose trades
changed since the last pull, and those that were open.
"""

from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.ingest import checkpoint
from pipelines.ingest.checkpoint import Built
from pipelines.ingest.session import Session
from schemas import timeframe_us
from warehouse import candles
from warehouse.intervals import Interval, union


def build_candles(session: Session) -> None:
    """One pull of a ``Cursor.DERIVED`` candle stream from the trades of the same market."""
    source = session.task.store.reader(replace(session.stream, dataset="trades", timeframe=None))
    trades = source.state()
    step = timeframe_us(session.stream.timeframe or "")
    built = checkpoint.load(session.state.checkpoint, Built)
    newest_change = source.change()
    if not newest_change or not trades.complete:
        session.report.notice = (
            f"{session.stream}: no trades are stored to build candles from. Fix: pull trades first"
        )
        return
    whole = candles.whole(trades, source.time_of, step, with_open=True)
    touched = [t.value for t in _open_candles(session)]
    days = {*source.periods(built.change), *map(source.period_of, touched)}
    if session.task.again is not None:
        low, high = session.task.again
        days |= {
            d for d in source.periods() if source.period_of(low) <= d <= source.period_of(high)
        }
    now = trades.checked_at or 0
    for day in sorted(days):
        rows = source.period(day)
        if not rows.num_rows:
            continue
        found = candles.build(rows, step)
        keep = [
            any(low <= t < high for low, high in whole) for t in found.column("open_us").to_pylist()
        ]
        found = found.filter(pa.array(keep, pa.bool_()))
        final = pc.less_equal(pc.add(found.column("open_us"), step), now)
        session.commit(_rows(session, found, final), session.state)
    complete = union(
        Interval(low, min(high, now // step * step))
        for low, high in whole
        if low < min(high, now // step * step)
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
        **{n: built.column(n) for n in ("open", "high", "low", "close", "volume")},
        "is_final": final,
    }
    return pa.table([columns[name] for name in schema.names], schema=schema)
