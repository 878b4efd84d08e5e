"""The candle chart: the newest candles of the busiest markets, in every length."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any, Final

from pipelines.output.formatting import with_fix
from pipelines.report.figures import milliseconds
from pipelines.report.query import Queries, Row
from schemas import ConfigError
from schemas.timeframes import TIMEFRAMES

MARKETS: Final = 12
"""How many markets one page offers."""
INTERVALS: Final = 500
"""How many candles of one market and length, the newest."""

Market = tuple[str, str]
"""Exchange and symbol."""


def candle_chart(
    queries: Queries, streams: Sequence[Row], wanted: str | None
) -> dict[str, Any] | None:
    """What to draw, the market ``wanted`` first; ``None`` where there are no trades or candles.

    Where the exchange's candles are not collected they are built from trades. Raises
    ``ConfigError`` for a market of which nothing is held.
    """
    traded = {
        (r["exchange"], r["stream"]): r for r in streams if r["dataset"] == "trades" and r["rows"]
    }
    ready = {_market(r) for r in queries.rows("candle_streams")}
    held = sorted(ready | traded.keys())
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
        if market not in ready:
            candles += _built(queries, market, traded[market]["newest"])
    frames: dict[Market, dict[str, Any]] = {market: {} for market in chosen}
    for (market, length), group in groupby(candles, lambda r: (_market(r), r["timeframe"])):
        frames[market][length] = _columns(group)
    return {
        "intervals": INTERVALS,
        "left": len(held) - len(chosen),
        "markets": [
            {
                "exchange": market[0],
                "symbol": market[1],
                "built": market not in ready,
                "frames": {
                    name: frames[market][name] for name in TIMEFRAMES if name in frames[market]
                },
            }
            for market in chosen
        ],
    }


def _market(row: Row) -> Market:
    return row["exchange"], row["symbol"]


def _built(queries: Queries, market: Market, newest: datetime) -> list[Row]:
    exchange, symbol = market
    given = {"exchange": exchange, "symbol": symbol, "newest": newest, "intervals": INTERVALS}
    return [
        row
        for length in TIMEFRAMES
        for row in queries.rows("candles_of_trades", timeframe=length, **given)
    ]


def _columns(rows: Iterable[Row]) -> dict[str, list[float]]:
    """Columns by their first letters; ``t``: opening time in milliseconds."""
    found: dict[str, list[float]] = {name: [] for name in "tohlcv"}
    for row in rows:
        found["t"].append(milliseconds(row["timestamp"]))
        for name in ("open", "high", "low", "close", "volume"):
            found[name[0]].append(float(row[name]))
    return found
