"""Bitstamp's public calls. Every handler takes the exchange, the call and the market's name."""

from typing import Final

from sandbox.bitstamp.shape import (
    Refused,
    amount,
    id_of,
    integer,
    market_of,
    native,
)
from sandbox.bitstamp.switches import BitstampSwitches
from sandbox.candles import Candle
from sandbox.clock import DAY, HOUR, MINUTE
from sandbox.exchange import Answer, Call, Exchange
from sandbox.markets import Market, text
from sandbox.windows import Bounds, Rows

_WINDOWS: Final = {"minute": MINUTE, "hour": HOUR, "day": DAY}
STEPS: Final = (60, 180, 300, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 259200)
_MOST_CANDLES: Final = 1000


def transactions(exchange: Exchange, call: Call, pair: str) -> Answer:
    """The last minute, hour or day, and nothing else."""
    market, switches = market_of(exchange, pair), exchange.of(BitstampSwitches)
    window = _WINDOWS.get(call.query.get("time", "hour"))
    if window is None:
        raise Refused("API0000", "time: not a valid choice")
    world, paging = exchange.world, exchange.paging
    now, tape = world.now(), world.tapes[market.symbol]
    seen = world.visible(market.symbol, now - switches.bs_behind_ms, paging)
    rows = Rows(tape.ids, tape.times, tape.monotonic)
    since = now - window + (0 if switches.bs_edge else 1)
    shown = rows.within(seen, Bounds(since=since), paging, now)
    cap = switches.bs_window_cap or paging.page_cap or len(tape) or 1
    at = rows.page(shown, cap, "newest", switches.bs_order, paging)
    return Answer.of(
        [
            {
                "amount": amount(exchange, tape.texts(i)[1]),
                "date": str(tape.times[i] // 1000),
                "price": amount(exchange, tape.texts(i)[0]),
                "tid": str(id_of(exchange, tape.ids[i])),
                "type": "0" if tape.buys[i] else "1",
                **({"note": None} if paging.extra_fields else {}),
            }
            for i in at
        ]
    )


def ohlc(exchange: Exchange, call: Call, pair: str) -> Answer:
    """The newest candles up to ``end``, inclusive; ``start`` has an effect without it alone."""
    market, switches = market_of(exchange, pair), exchange.of(BitstampSwitches)
    step, limit = integer(call.query, "step"), integer(call.query, "limit")
    if step not in STEPS or limit is None or not 0 < limit <= _MOST_CANDLES:
        raise Refused("API0000", "step, limit: This field is required.")
    world, now = exchange.world, exchange.world.now()
    found = world.candles(market.symbol, now, step * 1000, exchange.paging)
    if switches.bs_quiet_candles:
        found = _with_quiet_ones(found, step * 1000, now, market)
    start, end = integer(call.query, "start"), integer(call.query, "end")
    bounds = Bounds(until=None if end is None else end * 1000)
    if end is None and start is not None:
        bounds = Bounds(since=start * 1000)
    times = [c.time for c in found]
    rows = Rows(times, times)
    shown = rows.within(range(len(found)), bounds, exchange.paging, now)
    keeps = switches.bs_start_keeps if bounds.since is not None else "newest"
    most = min(limit, exchange.paging.page_cap or limit)
    at = rows.page(shown, most, keeps, "oldest", exchange.paging)
    listed = []
    for candle in (found[i] for i in at):
        if candle.time // 1000 in switches.bs_twice and (len(at) > 1 or switches.bs_twice_alone):
            listed.append(_candle(exchange, candle, 1))
        listed.append(_candle(exchange, candle, 0))
    return Answer.of({"data": {"ohlc": listed, "pair": f"{market.base}/{market.quote}"}})


def _with_quiet_ones(found: list[Candle], length: int, now: int, market: Market) -> list[Candle]:
    """With the intervals in which nothing was traded; their price is not the one before."""
    filled: list[Candle] = []
    for candle in found:
        while filled and filled[-1].time + length < candle.time:
            filled.append(_quiet(filled[-1], length, market))
        filled.append(candle)
    while filled and filled[-1].time + length <= now:
        filled.append(_quiet(filled[-1], length, market))
    return filled


def _quiet(before: Candle, length: int, market: Market) -> Candle:
    price = before.close + market.tick
    return Candle(before.time + length, price, price, price, price, 0)


def _candle(exchange: Exchange, c: Candle, more: int) -> dict[str, str]:
    names = ("close", "high", "low", "open", "volume")
    row = {name: amount(exchange, text(getattr(c, name) + more)) for name in names}
    extra: dict[str, str] = {"note": ""} if exchange.paging.extra_fields else {}
    return row | {"timestamp": str(c.time // 1000)} | extra


def ticker(exchange: Exchange, call: Call, pair: str) -> Answer:
    market, now = market_of(exchange, pair), exchange.world.now()
    t = exchange.world.ticker(market.symbol, now)
    values = {"last": t.last, "bid": t.bid, "ask": t.ask, "high": t.high, "low": t.low}
    values |= {"open": t.last, "open_24": t.last, "volume": t.base_volume}
    values |= {"vwap": (t.high + t.low) // 2, "percent_change_24": t.change}
    row = {name: amount(exchange, text(value)) for name, value in values.items()}
    return Answer.of(row | {"timestamp": str(t.updated // 1000), "side": "0"})


def order_book(exchange: Exchange, call: Call, pair: str) -> Answer:
    market, now = market_of(exchange, pair), exchange.world.now()
    asks, bids = exchange.world.depth(market.symbol, now)
    sides = {
        name: [[amount(exchange, text(p)), amount(exchange, text(a))] for p, a in side]
        for name, side in (("asks", asks), ("bids", bids))
    }
    return Answer.of({"timestamp": str(now // 1000), "microtimestamp": f"{now}000", **sides})


def markets(exchange: Exchange, call: Call) -> Answer:
    old = exchange.of(BitstampSwitches).bs_old_markets
    listed = []
    for m in exchange.markets():
        row: dict[str, object] = {
            "name": f"{m.base}/{m.quote}",
            "base_decimals": m.amount_digits,
            "counter_decimals": m.price_digits,
            "trading": "Enabled" if m.enabled else "Disabled",
        }
        if old:
            row |= {"url_symbol": native(m), "minimum_order": f"10.0 {m.quote}"}
        else:
            row |= {"market_symbol": native(m), "market_type": "SPOT"}
            row |= {"base_currency": m.base, "counter_currency": m.quote}
            row |= {"minimum_order_value": amount(exchange, "10.00000000")}
        listed.append(row)
    perpetual = {**listed[0], "market_symbol": "btcusd-perp", "market_type": "PERPETUAL"}
    return Answer.of(listed if old else [*listed, perpetual])


def currencies(exchange: Exchange, call: Call) -> Answer:
    return Answer.of(
        [
            {
                "currency": c.code,
                "name": c.name,
                "type": "fiat" if c.code == "USD" else "crypto",
                "decimals": c.precision,
                "deposit": "Enabled" if c.enabled else "Disabled",
                "withdrawal": "Enabled" if c.enabled else "Disabled",
                "networks": [],
            }
            for c in exchange.world.currencies
        ]
    )
