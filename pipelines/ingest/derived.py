"""Build candles from the trades held, where the exchange offers none.

A candle is built only where trades are proved complete from before its opening to now or to its
end: none is invented for an empty interval, none is built from half its trades. A pull rebuilds
the candles whose trades changed since the last one, and those that were open.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.ingest.context import StreamContext
from schemas import dataset, timeframe_us
from warehouse import files
from warehouse.coverage import Interval, union
from warehouse.ledger import FileRecord, StreamId

DAY_US: Final = timeframe_us("1d")


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
    whole = _whole_candles(context, records, step)
    changed = {r.period for r in records if r.change > built.change}
    opened = _open_candles(context)
    days = sorted(changed | {files.period_of(dataset("trades"), t) for t in opened})
    now = trades.checked_at or 0
    for day in days:
        parts = [files.read(dataset("trades"), home / r.path) for r in records if r.period == day]
        if not parts:
            continue
        candles = _candles(_in_order(parts), step)
        keep = pa.array([any(w.lower <= t < w.upper for w in whole) for t in _times(candles)])
        candles = candles.filter(keep)
        final = pc.less_equal(pc.add(candles.column("open_us"), step), now)
        context.commit(_rows(context, candles, final), context.state)
    complete = union(
        Interval(w.lower, min(w.upper, now // step * step), w.lower, w.first, w.lower)
        for w in whole
        if w.lower < min(w.upper, now // step * step)
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


def _whole_candles(context: StreamContext, records: list[FileRecord], step: int) -> list[Interval]:
    """Openings ``[lower, upper)`` of candles all of whose trades so far are proved.

    A run of proved trades begins somewhere inside a candle: the first whole one is the next. It
    ends inside a candle too, which is whole only where the run is still the newest (it is open).
    ``first`` is the time of the run's last trade.
    """
    trades = context.writer.ledger.state(StreamId(context.id.exchange, "trades", context.id.part))
    spans: list[Interval] = []
    for number, run in enumerate(trades.complete):
        if run.first_at is None or run.last is None:
            continue
        last_at = _time_of_id(context, records, run.last)
        lower = -(-(run.first_at + 1) // step) * step
        if run.lower <= 0:
            lower = run.first_at // step * step
        newest = number == len(trades.complete) - 1
        upper = (
            (max(last_at, trades.checked_at or 0) // step + 1) * step
            if newest
            else (last_at // step * step)
        )
        if lower < upper:
            spans.append(Interval(lower, upper, last_at))
    return spans


def _time_of_id(context: StreamContext, records: list[FileRecord], wanted: int) -> int:
    declared = dataset("trades")
    for record in records:
        if (record.min_key or 0) <= wanted <= (record.max_key or 0):
            table = files.read(
                declared, context.writer.home / record.path, ["trade_id", "timestamp"]
            )
            at = pc.index(table.column("trade_id"), str(wanted)).as_py()
            if at >= 0:
                return int(table.column("timestamp")[at].value)
    # the run ends with a quarantined row: the newest stored trade below it bounds its time
    return max((r.max_time or 0) for r in records if (r.min_key or 0) <= wanted)


def _open_candles(context: StreamContext) -> list[int]:
    """Openings of stored candles that are not final (they lie at the end)."""
    tail = context.writer.tail(3)
    still = tail.filter(pc.invert(tail.column("is_final")))
    return [t.value for t in still.column("timestamp")]


def _in_order(parts: Iterable[pa.Table]) -> pa.Table:
    table = pa.concat_tables(parts)
    keys = {
        "timestamp": table.column("timestamp"),
        "id": pc.cast(table.column("trade_id"), "int64"),
    }
    order = pc.sort_indices(
        pa.table(keys), sort_keys=[("timestamp", "ascending"), ("id", "ascending")]
    )
    return table.take(order)


def _candles(trades: pa.Table, step: int) -> pa.Table:
    """OHLCV per interval of ``step`` microseconds; ``trades`` in order of time and id."""
    opening = pc.cast(trades.column("timestamp"), pa.int64()).to_numpy() // step * step
    starts = np.flatnonzero(np.r_[True, opening[1:] != opening[:-1]])
    ends = np.r_[starts[1:], len(opening)] - 1
    grouped = (
        pa.table({"t": opening, "p": trades.column("price"), "a": trades.column("amount")})
        .group_by("t", use_threads=False)
        .aggregate([("p", "max"), ("p", "min"), ("a", "sum")])
        .sort_by("t")
    )
    price = trades.column("price")
    return pa.table(
        {
            "open_us": grouped.column("t"),
            "open": price.take(pa.array(starts)),
            "high": grouped.column("p_max"),
            "low": grouped.column("p_min"),
            "close": price.take(pa.array(ends)),
            "volume": grouped.column("a_sum"),
        }
    )


def _times(candles: pa.Table) -> list[int]:
    times: list[int] = candles.column("open_us").to_pylist()
    return times


def _rows(context: StreamContext, candles: pa.Table, final: pa.Array) -> pa.Table:
    schema = context.declared.connector_schema
    count = candles.num_rows
    columns = {
        "symbol": pa.repeat(context.stream.symbol, count),
        "timeframe": pa.repeat(context.stream.timeframe, count),
        "timestamp": candles.column("open_us").cast(schema.field("timestamp").type),
        **{n: candles.column(n) for n in ("open", "high", "low", "close", "volume")},
        "is_final": final,
    }
    return pa.table([columns[name] for name in schema.names], schema=schema)
