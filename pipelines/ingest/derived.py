"""Build candles from the trades held, where the exchange offers none.

A candle is built only where trades are proved complete from before its opening to now or to its
end: none is invented for an empty interval, none is built from half its trades. A pull rebuilds
the candles whose trades changed since the last one, and those that were open.
"""

from dataclasses import dataclass, replace

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.ingest.context import StreamContext
from schemas import dataset, timeframe_us
from warehouse import candles, files
from warehouse.coverage import Interval, union
from warehouse.ledger import StreamId


@dataclass(frozen=True)
class _Built:
    """Up to which change of the trades' files candles were built."""

    change: int = 0


def build_candles(context: StreamContext) -> None:
    """One pull of a ``Cursor.DERIVED`` candle stream from the trades of the same market."""
    ledger = context.writer.ledger
    source = StreamId(context.id.exchange, "trades", context.id.part)
    trades = ledger.state(source)
    step = timeframe_us(context.id.timeframe or "")
    built = msgspec.json.decode(context.state.law, type=_Built)
    records = ledger.files(source)
    if not records or not trades.complete:
        context.report.notice = (
            f"{context.name}: no trades are held to build candles from; pull trades first"
        )
        return
    home = context.writer.home
    whole = candles.whole(home, trades, records, step, with_open=True)
    changed = {r.period for r in records if r.change > built.change}
    opened = _open_candles(context)
    days = sorted(changed | {files.period_of(dataset("trades"), t) for t in opened})
    now = trades.checked_at or 0
    for day in days:
        parts = [files.read(dataset("trades"), home / r.path) for r in records if r.period == day]
        if not parts:
            continue
        built_now = candles.build(candles.in_order(parts), step)
        keep = [any(low <= t < high for low, high in whole) for t in _times(built_now)]
        built_now = built_now.filter(pa.array(keep, pa.bool_()))
        final = pc.less_equal(pc.add(built_now.column("open_us"), step), now)
        context.commit(_rows(context, built_now, final), context.state)
    complete = union(
        Interval(low, min(high, now // step * step))
        for low, high in whole
        if low < min(high, now // step * step)
    )
    context.commit(
        None,
        replace(
            context.state,
            unit="time",
            complete=complete or context.state.complete,
            wanted_from=complete[0].lower if complete else None,
            newest_at=trades.newest_at,
            checked_at=trades.checked_at,
            law=msgspec.json.encode(_Built(max(r.change for r in records))).decode(),
        ),
    )


def _open_candles(context: StreamContext) -> list[int]:
    """Openings of stored candles that are not final (they lie at the end)."""
    tail = context.writer.tail(3)
    still = tail.filter(pc.invert(tail.column("is_final")))
    return [t.value for t in still.column("timestamp")]


def _times(built: pa.Table) -> list[int]:
    times: list[int] = built.column("open_us").to_pylist()
    return times


def _rows(context: StreamContext, built: pa.Table, final: pa.Array) -> pa.Table:
    schema = context.declared.connector_schema
    count = built.num_rows
    columns = {
        "symbol": pa.repeat(context.stream.symbol, count),
        "timeframe": pa.repeat(context.stream.timeframe, count),
        "timestamp": built.column("open_us").cast(schema.field("timestamp").type),
        **{n: built.column(n) for n in ("open", "high", "low", "close", "volume")},
        "is_final": final,
    }
    return pa.table([columns[name] for name in schema.names], schema=schema)
