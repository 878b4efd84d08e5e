"""Binance's public calls. Every handler takes the exchange and the call."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any, Final

from sandbox.binance.rows import (
    first_id,
    integer,
    known,
    limit_of,
    market_of,
    native,
    page_from_id,
    refuse,
    required,
)
from sandbox.binance.switches import BinanceSwitches
from sandbox.candles import Candle, fold
from sandbox.clock import DAY, HOUR, MINUTE
from sandbox.exchange import Answer, Call, Exchange
from sandbox.jsontext import decode, number
from sandbox.marketdata import MarketTape
from sandbox.markets import UNIT, Market, text
from sandbox.paging import End
from sandbox.windows import Bounds, Rows

_WEEK: Final = 7 * DAY
_MONDAY: Final = 4 * DAY
_BUILT: Final = 5 * MINUTE
"""The world keeps candles of this length; others are folded from them, or from trades."""
INTERVALS: Final = {
    "1m": MINUTE, "3m": 3 * MINUTE, "5m": 5 * MINUTE, "15m": 15 * MINUTE, "30m": 30 * MINUTE,
    "1h": HOUR, "2h": 2 * HOUR, "4h": 4 * HOUR, "6h": 6 * HOUR, "8h": 8 * HOUR, "12h": 12 * HOUR,
    "1d": DAY, "3d": 3 * DAY, "1w": _WEEK,
}  # fmt: skip
_TICKERS: Final = 100


def server_time(exchange: Exchange, call: Call) -> Answer:
    known(call)
    ahead = exchange.of(BinanceSwitches).clock_ahead_ms
    return Answer.of({"serverTime": exchange.world.now() + ahead})


def exchange_info(exchange: Exchange, call: Call) -> Answer:
    known(call)
    switches = exchange.of(BinanceSwitches)
    limits = [
        {
            "rateLimitType": "REQUEST_WEIGHT",
            "interval": "MINUTE",
            "intervalNum": 1,
            "limit": switches.weight_per_minute,
        }
    ]
    return Answer.of(
        {
            "timezone": "UTC",
            "serverTime": exchange.world.now(),
            "rateLimits": limits,
            "exchangeFilters": [],
            "symbols": [_listed(m, switches) for m in exchange.markets()],
        }
    )


def _listed(m: Market, switches: BinanceSwitches) -> dict[str, Any]:
    def figure(value: int) -> str:
        return number(text(value), switches.binance_numbers)

    return {
        "symbol": native(m),
        "status": "TRADING" if m.enabled else "BREAK",
        "baseAsset": m.base,
        "baseAssetPrecision": 8,
        "quoteAsset": m.quote,
        "quoteAssetPrecision": 8,
        "isSpotTradingAllowed": True,
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": figure(m.tick),
                "maxPrice": figure(10**7 * UNIT),
                "tickSize": figure(m.tick),
            },
            {
                "filterType": "LOT_SIZE",
                "minQty": figure(m.lot),
                "maxQty": figure(10**6 * UNIT),
                "stepSize": figure(m.lot),
            },
            {"filterType": "ICEBERG_PARTS", "limit": 10},
            {"filterType": "NOTIONAL", "minNotional": figure(UNIT // 1000)},
        ],
        "permissions": [],
        "permissionSets": [["SPOT", "TRD_GRP_004"]],
    }


def trades(exchange: Exchange, call: Call) -> Answer:
    """The newest; no parameter asks for older ones."""
    given = known(call, "symbol", "limit")
    return _trades(exchange, market_of(exchange, required(given, "symbol")), None, given, 0)


def historical_trades(exchange: Exchange, call: Call) -> Answer:
    given = known(call, "symbol", "limit", "fromId")
    market = market_of(exchange, required(given, "symbol"))
    lag = exchange.of(BinanceSwitches).history_lag_ms
    return _trades(exchange, market, integer(given, "fromId"), given, lag)


def _trades(
    exchange: Exchange, market: Market, start: int | None, given: dict[str, str], lag: int
) -> Answer:
    world, now = exchange.world, exchange.world.now()
    tape = world.tapes[market.symbol]
    shown = world.visible(market.symbol, now - lag, exchange.paging)
    rows = Rows(_ids(tape), tape.times, tape.monotonic)
    at = page_from_id(exchange, rows, shown, start, limit_of(exchange, given))
    return Answer(b"[" + b",".join(_trade(tape, i, exchange) for i in at) + b"]")


def _ids(tape: MarketTape) -> Sequence[int]:
    first = first_id(tape)
    return range(first, first + len(tape))


def _trade(tape: MarketTape, at: int, exchange: Exchange) -> bytes:
    style = exchange.of(BinanceSwitches).binance_numbers
    quote = '"' if style in ("text", "exponent-text") else ""
    price, amount = (number(value, style) for value in tape.texts(at))
    value = number(text(tape.prices[at] * tape.amounts[at] // UNIT), style)  # cut, not rounded
    extra = ',"note":null' if exchange.paging.extra_fields else ""
    return (
        f'{{"id":{first_id(tape) + at},"price":{quote}{price}{quote},"qty":{quote}{amount}{quote},'
        f'"quoteQty":{quote}{value}{quote},"time":{tape.times[at]},'
        f'"isBuyerMaker":{"false" if tape.buys[at] else "true"},"isBestMatch":true{extra}}}'
    ).encode()


def klines(exchange: Exchange, call: Call) -> Answer:
    """Bounds are those of opening times, both inclusive."""
    given = known(call, "symbol", "interval", "startTime", "endTime", "limit")
    market = market_of(exchange, required(given, "symbol"))
    if required(given, "interval") not in INTERVALS:
        raise refuse(-1120, "Invalid interval.")
    length = INTERVALS[given["interval"]]
    switches, paging, now = exchange.of(BinanceSwitches), exchange.paging, exchange.world.now()
    candles = _candles(exchange, market, length, now)
    since, until = integer(given, "startTime"), integer(given, "endTime")
    oldest = since is not None and (until is None or switches.klines_keep == "documented")
    times = [c.time for c in candles]
    rows = Rows(times, times)
    shown = rows.within(range(len(times)), Bounds(since, until), paging, now)
    keeps: End = "oldest" if oldest else "newest"
    at = rows.page(shown, limit_of(exchange, given), keeps, "oldest", paging)
    return Answer.of([_candle(candles[i], length, switches) for i in at])


def _candles(exchange: Exchange, market: Market, length: int, now: int) -> list[Candle]:
    world, paging, switches = exchange.world, exchange.paging, exchange.of(BinanceSwitches)
    if length < _BUILT:
        tape = world.tapes[market.symbol]
        shown = sorted(world.visible(market.symbol, now, paging), key=tape.times.__getitem__)
        each = ((tape.times[i], tape.prices[i], tape.amounts[i]) for i in shown)
        found = fold((Candle(at, p, p, p, p, a) for at, p, a in each), length)
    else:
        found = world.candles(market.symbol, now, min(length, DAY), paging)
    origin = {_WEEK: _MONDAY, 3 * DAY: switches.three_days_from * DAY}.get(length, 0)
    if length > DAY:
        moved = [Candle(c.time - origin, c.open, c.high, c.low, c.close, c.volume) for c in found]
        found = [
            Candle(c.time + origin, c.open, c.high, c.low, c.close, c.volume)
            for c in fold(moved, length)
        ]
    return repeated(found, length, now) if switches.klines_empty == "repeat" else found


def repeated(candles: list[Candle], length: int, now: int) -> list[Candle]:
    """With the last close in intervals without trades."""
    result: list[Candle] = []
    ends = [c.time for c in candles[1:]] + [now + 1]
    for candle, end in zip(candles, ends, strict=False):
        result.append(candle)
        for time in range(candle.time + length, end, length):
            result.append(Candle(time, *(candle.close,) * 4, 0))
    return result


def _candle(c: Candle, length: int, switches: BinanceSwitches) -> list[Any]:
    values = [number(text(v), switches.binance_numbers) for v in (c.open, c.high, c.low, c.close)]
    volume = number(text(c.volume), switches.binance_numbers)
    return [c.time, *values, volume, c.time + length - 1, "0", 0, "0", "0", "0"]


def tickers(exchange: Exchange, call: Call) -> Answer:
    given = known(call, "symbol", "symbols")
    if "symbol" in given and "symbols" in given:
        raise refuse(-1128, "Combination of optional parameters invalid.")
    if "symbol" in given:
        return Answer.of(_ticker(exchange, market_of(exchange, given["symbol"])))
    try:
        names = [str(n) for n in decode(given["symbols"])] if "symbols" in given else None
    except ValueError:
        raise refuse(-1100, "Illegal characters found in parameter 'symbols'.") from None
    chosen = exchange.markets() if names is None else [market_of(exchange, n) for n in names]
    return Answer.of([_ticker(exchange, market) for market in chosen[:_TICKERS]])


def _ticker(exchange: Exchange, market: Market) -> dict[str, Any]:
    world, style = exchange.world, exchange.of(BinanceSwitches).binance_numbers
    now = world.now()
    t, tape = world.ticker(market.symbol, now), world.tapes[market.symbol]
    first, end = (bisect_right(tape.times, at) for at in (now - DAY, now))
    average = t.quote_volume * UNIT // t.base_volume if t.base_volume else 0
    values = {
        "priceChangePercent": t.change, "weightedAvgPrice": average, "lastPrice": t.last,
        "bidPrice": t.bid, "askPrice": t.ask, "highPrice": t.high, "lowPrice": t.low,
        "volume": t.base_volume, "quoteVolume": t.quote_volume,
    }  # fmt: skip
    row: dict[str, Any] = {"symbol": native(market)}
    row |= {name: number(text(value), style) for name, value in values.items()}
    has_trades = end > first
    return row | {
        "openTime": t.updated - DAY,
        "closeTime": t.updated,
        "firstId": first_id(tape) + first if has_trades else -1,
        "lastId": first_id(tape) + end - 1 if has_trades else -1,
        "count": end - first,
    }


def depth(exchange: Exchange, call: Call) -> Answer:
    given = known(call, "symbol", "limit")
    market = market_of(exchange, required(given, "symbol"))
    world, style = exchange.world, exchange.of(BinanceSwitches).binance_numbers
    now, limit = world.now(), integer(given, "limit") or 100

    def side(levels: list[tuple[int, int]]) -> list[list[str]]:
        return [[number(text(p), style), number(text(a), style)] for p, a in levels[:limit]]

    asks, bids = world.depth(market.symbol, now)
    return Answer.of({"lastUpdateId": now, "bids": side(bids), "asks": side(asks)})
