"""The candle chart: the busiest markets, any span held, coarser where 500 candles do not reach."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any, Final

from pipelines.output.formatting import number, with_fix
from pipelines.report.figures import microseconds, milliseconds
from pipelines.report.query import Queries, Row
from schemas import ConfigError
from schemas.timeframes import TIMEFRAMES, USUAL

MARKETS: Final = 12
"""How many markets one page offers."""
INTERVALS: Final = 500
"""How many candles of one market and length, the newest."""
_LONGER: Final = {f"{weeks}w": weeks * TIMEFRAMES["1w"] for weeks in (1, 4, 12, 52)}
LENGTHS: Final = {**TIMEFRAMES, **_LONGER}
"""Lengths of candles in microseconds, the shortest first: those of exchanges, and longer ones."""
_MADE: Final = (*USUAL, *_LONGER)
"""Those that are made here of shorter ones, or of trades."""

Market = tuple[str, str]
"""Exchange and symbol."""


def candle_chart(
    queries: Queries, streams: Sequence[Row], wanted: str | None
) -> dict[str, Any] | None:
    """What to draw, the market ``wanted`` first; ``None`` where there are no trades or candles.

    Of every length the newest ``INTERVALS``. Longer candles are added until one length reaches back
    to the first candle. Where the exchange's candles are not collected they are built from trades.
    Raises ``ConfigError`` for a market of which nothing is held.
    """
    traded = {
        (r["exchange"], r["stream"]): r for r in streams if r["dataset"] == "trades" and r["rows"]
    }
    ready = {
        market: list(rows) for market, rows in groupby(queries.rows("candle_streams"), _market)
    }
    held = sorted(ready.keys() | traded.keys())
    if wanted is not None and wanted not in {symbol for _, symbol in held}:
        choices = ", ".join(sorted({symbol for _, symbol in held})) or "none is; tidemark pull"
        problem = f"no trades or candles of the market {wanted} are held"
        raise ConfigError(with_fix(problem, f"choose one that is: {choices}"))
    rows_of = {market: row["rows"] for market, row in traded.items()}
    chosen = sorted(held, key=lambda m: (m[1] != wanted, -rows_of.get(m, 0)))[:MARKETS]
    if not chosen:
        return None
    candles = queries.rows(
        "candles",
        exchanges=[exchange for exchange, _ in chosen],
        symbols=[symbol for _, symbol in chosen],
        intervals=INTERVALS,
    )
    for market in chosen:
        if market in ready:
            candles += _longer(queries, market, ready[market])
        else:
            candles += _built(queries, market, traded[market])
    frames: dict[Market, dict[str, Any]] = {market: {} for market in chosen}
    for (market, length), group in groupby(candles, lambda r: (_market(r), r["timeframe"])):
        frames[market][length] = _columns(group, LENGTHS[length])
    collected = {(*_market(row), row["timeframe"]) for rows in ready.values() for row in rows}
    return {
        "intervals": INTERVALS,
        "left": len(held) - len(chosen),
        "markets": [
            {
                "exchange": market[0],
                "symbol": market[1],
                "built": market not in ready,
                "longer": [name for name in frames[market] if (*market, name) not in collected],
                "frames": {
                    name: frames[market][name] for name in LENGTHS if name in frames[market]
                },
            }
            for market in chosen
        ],
    }


def _market(row: Row) -> Market:
    return row["exchange"], row["symbol"]


def _longer(queries: Queries, market: Market, held: Sequence[Row]) -> Iterator[Row]:
    """Longer candles than those held, of the held ones that reach back furthest."""
    oldest = min(row["oldest"] for row in held)
    newest = max(row["newest"] for row in held)
    for row in held:
        length = LENGTHS[row["timeframe"]]
        if microseconds(row["oldest"] - oldest) < length and _fits(oldest, newest, length):
            return
    longest = max(LENGTHS[row["timeframe"]] for row in held)
    given = {"exchange": market[0], "symbol": market[1], "newest": newest, "intervals": INTERVALS}
    for name in _until_all(oldest, newest, longest):
        parts = [row for row in held if LENGTHS[name] % LENGTHS[row["timeframe"]] == 0]
        if parts:
            source = min(parts, key=lambda r: (r["oldest"], -LENGTHS[r["timeframe"]]))["timeframe"]
            yield from queries.rows("candles_rolled_up", timeframe=name, source=source, **given)


def _built(queries: Queries, market: Market, trades: Row) -> Iterator[Row]:
    exchange, symbol = market
    given = {"exchange": exchange, "symbol": symbol, "newest": trades["newest"]}
    for name in _until_all(trades["oldest"], trades["newest"], 0):
        yield from queries.rows("candles_of_trades", timeframe=name, intervals=INTERVALS, **given)


def _until_all(oldest: datetime, newest: datetime, above: int) -> Iterator[str]:
    """Lengths above ``above`` microseconds, up to the day at least and the first that holds all."""
    for name in _MADE:
        length = LENGTHS[name]
        if length > above:
            yield name
            if _fits(oldest, newest, length) and length >= TIMEFRAMES["1d"]:
                return


def _fits(oldest: datetime, newest: datetime, length: int) -> bool:
    return microseconds(newest - oldest) // length < INTERVALS - 1


def _columns(rows: Iterable[Row], length: int) -> dict[str, Any]:
    """``step`` and ``first`` opening time in milliseconds, ``t``: openings counted from it.

    ``o``, ``h``, ``l``, ``c``, ``v``: exact decimal text.
    """
    listed = list(rows)
    first, step = milliseconds(listed[0]["timestamp"]), length // 1000
    found: dict[str, Any] = {"step": step, "first": first}
    found["t"] = [(milliseconds(row["timestamp"]) - first) / step for row in listed]
    found["t"] = [int(t) if t == int(t) else round(t, 6) for t in found["t"]]
    for name in ("open", "high", "low", "close", "volume"):
        found[name[0]] = " ".join(number(row[name]) for row in listed)
    return found
