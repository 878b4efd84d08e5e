"""One market at several exchanges: how far each is from the median, over the time they share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import groupby
from statistics import median
from typing import Any, Final

from pipelines.report.figures import milliseconds, plain, total
from pipelines.report.query import Queries, Row
from schemas.timeframes import TIMEFRAMES

MARKETS: Final = 12
"""How many markets are compared, those with the most trades held."""
INTERVALS: Final = 500
"""How many intervals of a market are drawn and counted, the newest."""

Span = tuple[datetime, datetime]
"""Of rows held: the time of the oldest and of the newest."""


@dataclass(frozen=True)
class Distance:
    """How far one exchange is from the median of all, in hundredths of a per cent.

    ``typical``: the median of the distances without their sign; ``furthest``: the largest, with it.
    """

    symbol: str
    timeframe: str
    exchange: str
    intervals: int
    since: datetime
    mean: Decimal
    typical: Decimal
    furthest: Decimal
    volume: Decimal


def compared(
    queries: Queries, streams: Sequence[Row], candles: Sequence[Row]
) -> tuple[list[Distance], dict[str, Any] | None]:
    """The table, and what to draw; nothing where no two exchanges hold the same market.

    ``streams``, ``candles``: the results of the queries ``streams`` and ``candle_streams``.
    """
    trades = [row for row in streams if row["dataset"] == "trades" and row["rows"]]
    busy = {row["stream"]: 0 for row in trades}
    for row in trades:
        busy[row["stream"]] += row["rows"]
    lengths = {
        symbol: timeframe
        for symbol, spans in _spans(trades, candles).items()
        if (timeframe := _shared_timeframe(spans)) is not None
    }
    symbols = sorted(lengths, key=lambda symbol: (-busy.get(symbol, 0), symbol))[:MARKETS]
    found: dict[str, list[Row]] = {}
    for timeframe in sorted({lengths[symbol] for symbol in symbols}):
        mine = [symbol for symbol in symbols if lengths[symbol] == timeframe]
        rows = queries.rows(
            "prices_compared", timeframe=timeframe, symbols=mine, intervals=INTERVALS
        )
        found |= {symbol: list(group) for symbol, group in groupby(rows, lambda r: r["symbol"])}
    table, markets = [], []
    for symbol in (one for one in symbols if one in found):
        lines = {name: list(rows) for name, rows in groupby(found[symbol], lambda r: r["exchange"])}
        table += [_distance(symbol, lengths[symbol], name, rows) for name, rows in lines.items()]
        markets.append(
            {
                "symbol": symbol,
                "timeframe": lengths[symbol],
                "lines": [{"name": name, "points": _points(rows)} for name, rows in lines.items()],
            }
        )
    left = len(lengths) - len(symbols)
    return table, {"markets": markets, "left": left} if markets else None


def _spans(trades: Sequence[Row], candles: Sequence[Row]) -> dict[str, dict[str, dict[str, Span]]]:
    """What is held by symbol, timeframe and exchange, as ``marts.prices_compared`` takes it."""
    found: dict[str, dict[str, dict[str, Span]]] = {}
    for row in candles:
        of_length = found.setdefault(row["symbol"], {}).setdefault(row["timeframe"], {})
        of_length[row["exchange"]] = row["oldest"], row["newest"]
    for row in trades:
        for of_length in found.setdefault(
            row["stream"], {name: {} for name in TIMEFRAMES}
        ).values():
            of_length.setdefault(row["exchange"], (row["oldest"], row["newest"]))
    return found


def _shared_timeframe(spans: Mapping[str, Mapping[str, Span]]) -> str | None:
    """The shortest with at most ``INTERVALS`` that reaches back to the beginning; else the longest.

    ``None`` where no two exchanges have anything of the same time.
    """
    shared: dict[str, Span] = {}
    for name, exchanges in spans.items():
        oldest = sorted(span[0] for span in exchanges.values())
        newest = sorted(span[1] for span in exchanges.values())
        if len(exchanges) > 1 and newest[-2] > oldest[1]:
            shared[name] = oldest[1], newest[-2]
    steps = {
        name: timedelta(microseconds=TIMEFRAMES[name]) for name in TIMEFRAMES if name in shared
    }
    fitting = [n for n, step in steps.items() if shared[n][1] - shared[n][0] <= step * INTERVALS]
    if not fitting:
        return max(steps, key=steps.__getitem__, default=None)
    # a long interval may open before the first trade in it, where no shorter one begins
    begins = min(shared[name][0] + steps[name] for name in fitting)
    return next(name for name in fitting if shared[name][0] < begins)


def _distance(symbol: str, timeframe: str, exchange: str, rows: Sequence[Row]) -> Distance:
    apart = [row["difference_bps"] for row in rows]
    return Distance(
        symbol,
        timeframe,
        exchange,
        len(rows),
        rows[0]["timestamp"],
        mean=total(apart) / len(apart),
        typical=median(map(abs, apart)),
        furthest=max(apart, key=abs),
        volume=total([row["volume"] for row in rows]),
    )


def _points(rows: Sequence[Row]) -> list[list[Any]]:
    return [[milliseconds(row["timestamp"]), plain(row["difference_bps"])] for row in rows]
