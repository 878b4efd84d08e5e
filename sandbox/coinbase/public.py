"""Coinbase Exchange, the calls that need no key. Every handler takes the exchange and the call."""

from dataclasses import replace
from typing import Any, Final

from sandbox.candles import Candle
from sandbox.clock import DAY, HOUR, MINUTE
from sandbox.coinbase.shape import (
    Refused,
    amount,
    between,
    ids_of,
    integer,
    iso,
    limit_of,
    microseconds,
    native,
    product,
)
from sandbox.coinbase.switches import CoinbaseSwitches
from sandbox.exchange import Answer, Call, Exchange
from sandbox.jsontext import Raw, encode, number
from sandbox.markets import Currency, Market, text
from sandbox.windows import Bounds, Rows

GRANULARITIES: Final = {
    "60": MINUTE,
    "300": 5 * MINUTE,
    "900": 15 * MINUTE,
    "3600": HOUR,
    "21600": 6 * HOUR,
    "86400": DAY,
}
"""Their lengths in milliseconds, by their names in seconds."""
MOST_CANDLES: Final = 300
_CACHED: Final = ("cache-control", "public, max-age=1")


def products(exchange: Exchange, call: Call) -> Answer:
    return Answer.of([_product(exchange, m) for m in exchange.markets()])


def _product(exchange: Exchange, m: Market) -> dict[str, object]:
    row: dict[str, object] = {
        "id": native(m),
        "base_currency": m.base,
        "quote_currency": m.quote,
        "quote_increment": amount(exchange, text(m.tick)),
        "display_name": f"{m.base}/{m.quote}",
        "min_market_funds": amount(exchange, "1"),
        "post_only": False,
        "limit_only": False,
        "cancel_only": False,
        "trading_disabled": not m.enabled,
        "status": "online" if m.enabled else "delisted",
        "status_message": "",
        "auction_mode": False,
    }
    if exchange.of(CoinbaseSwitches).cb_base_increment:
        return row | {"base_increment": amount(exchange, text(m.lot))}
    least, most = amount(exchange, text(m.lot)), amount(exchange, "70")
    return row | {"base_min_size": least, "base_max_size": most}


def currencies(exchange: Exchange, call: Call) -> Answer:
    return Answer.of([_currency(exchange, c) for c in exchange.world.currencies])


def _currency(exchange: Exchange, c: Currency) -> dict[str, object]:
    step = amount(exchange, f"{10**-c.precision:.{c.precision}f}")
    return {
        "id": c.code,
        "name": c.name,
        "min_size": step,
        "status": "online" if c.enabled else "delisted",
        "message": "",
        "max_precision": step,
        "details": {"type": "fiat" if c.code == "USD" else "crypto", "display_name": c.name},
    }


def time(exchange: Exchange, call: Call) -> Answer:
    now = exchange.world.now() + exchange.of(CoinbaseSwitches).cb_clock_ahead_ms
    return Answer.of({"iso": iso(now), "epoch": Raw(f"{now // 1_000}.{now % 1_000:03d}")})


def trades(exchange: Exchange, call: Call, name: str) -> Answer:
    """Trades between two exclusive ids, newest first; without cursors the newest ones."""
    market, switches, paging = (
        product(exchange, name),
        exchange.of(CoinbaseSwitches),
        exchange.paging,
    )
    if not market.enabled and not switches.cb_delisted_trades:
        raise Refused("NotFound", 404)
    before, after = integer(call, "before"), integer(call, "after")
    limit = limit_of(exchange, call, switches.cb_most, switches.cb_most)
    now, tape = exchange.world.now(), exchange.world.tapes[market.symbol]
    ids = ids_of(exchange, tape)
    seen = exchange.world.visible(market.symbol, now, paging)
    if switches.cb_skipped:
        seen = [i for i in seen if ids[i] not in switches.cb_skipped]
    if switches.cb_behind:
        behind, *others = switches.cb_behind
        switches.cb_behind = (*others, behind)
        seen = seen[: max(0, len(seen) - behind)]
    if before is not None and (not seen or before > ids[seen[-1]]):
        if switches.cb_beyond_head == "refuse":
            raise Refused("before is not a valid cursor")
        if switches.cb_beyond_head == "newest":
            before = after = None
    rows = Rows(ids, tape.times, tape.monotonic)
    shown = rows.within(seen, Bounds(upper_id=after), paging, now)
    at = between(exchange, shown, ids, (before, after), limit)
    body = f"[{','.join([_trade(exchange, tape, ids[i], i) for i in at])}]".encode()
    if not at:
        return Answer(body, 200, (_CACHED,))
    cursors = (("cb-before", str(ids[at[0]])), ("cb-after", str(ids[at[-1]])))
    return Answer(body, 200, (_CACHED, *cursors))


def _trade(exchange: Exchange, tape: Any, trade_id: int, at: int) -> str:
    price, size = (encode(amount(exchange, value)) for value in tape.texts(at))
    maker = "sell" if tape.buys[at] else "buy"
    extra = ',"note":null' if exchange.paging.extra_fields else ""
    return (
        f'{{"time":"{iso(tape.times[at])}","trade_id":{trade_id},"price":{price},'
        f'"size":{size},"side":"{maker}"{extra}}}'
    )


def candles(exchange: Exchange, call: Call, name: str) -> Answer:
    """Candles whose opening lies from ``start`` to ``end``, both inclusive; else the newest."""
    market, switches = product(exchange, name), exchange.of(CoinbaseSwitches)
    length = GRANULARITIES.get(call.query.get("granularity", "60"))
    if length is None:
        raise Refused("Unsupported granularity")
    now = exchange.world.now()
    found = exchange.world.candles(market.symbol, now, length, exchange.paging)
    times = [c.time for c in found]
    since, until = call.query.get("start"), call.query.get("end")
    bounds = Bounds()
    if since and until:  # one alone is ignored
        first, last = microseconds(since, "start"), microseconds(until, "end")
        if (last - first) // (length * 1000) + 1 > MOST_CANDLES:
            raise Refused(
                "granularity too small for the requested time range. "
                f"Count of aggregations requested exceeds {MOST_CANDLES}"
            )
        bounds = Bounds(-(-first // 1000), last // 1000)
    no_ids = replace(exchange.paging, hidden_ids=None)
    shown = Rows(times, times).within(range(len(found)), bounds, no_ids, now)
    at = [*shown[max(0, len(shown) - MOST_CANDLES) :]]
    if bounds.since is not None and at:
        at = [*range(max(0, at[0] - switches.cb_surplus_candles), at[0]), *at]
    if switches.cb_empty_candles:
        switches.cb_candles_asked += 1
        at = at if switches.cb_candles_asked % switches.cb_empty_candles else []
    return Answer.of([_candle(exchange, found[i]) for i in reversed(at)])


def _candle(exchange: Exchange, c: Candle) -> list[int | str]:
    """Numbers are floats here, whatever they are elsewhere."""
    style = exchange.of(CoinbaseSwitches).cb_numbers
    values = (c.low, c.high, c.open, c.close, c.volume)
    return [
        c.time // 1_000,
        *(number(text(v), "number" if style == "text" else style) for v in values),
    ]


def ticker(exchange: Exchange, call: Call, name: str) -> Answer:
    market, world = product(exchange, name), exchange.world
    now = world.now()
    t, tape = world.ticker(market.symbol, now), world.tapes[market.symbol]
    shown = world.visible(market.symbol, now, exchange.paging)
    if not shown:
        raise Refused("NotFound", 404)
    price, size = tape.texts(shown[-1])
    values = {"price": price, "size": size, "bid": text(t.bid), "ask": text(t.ask)}
    values |= {"volume": text(t.base_volume), "rfq_volume": "0.5"}
    return Answer.of(
        {"trade_id": ids_of(exchange, tape)[shown[-1]], "time": iso(t.updated)}
        | {key: amount(exchange, value) for key, value in values.items()}
    )


def book(exchange: Exchange, call: Call, name: str) -> Answer:
    market, now = product(exchange, name), exchange.world.now()
    level = call.query.get("level", "1")
    if level not in ("1", "2", "3"):
        raise Refused("Invalid level")
    counts: dict[tuple[bool, int], int] = {}
    for order in exchange.world.open_orders(market.symbol, now):
        counts[order.buy, order.price] = counts.get((order.buy, order.price), 0) + 1

    def side(levels: list[tuple[int, int]], buy: bool) -> list[list[object]]:
        return [
            [amount(exchange, text(price)), amount(exchange, text(size)), counts[buy, price]]
            for price, size in levels[: 1 if level == "1" else None]
        ]

    asks, bids = exchange.world.depth(market.symbol, now)
    return Answer.of(
        {
            "sequence": now,
            "bids": side(bids, True),
            "asks": side(asks, False),
            "auction_mode": False,
            "auction": None,
            "time": iso(now),
        }
    )
