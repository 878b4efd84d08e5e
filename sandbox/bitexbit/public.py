"""BitexBit v2, the calls that need no key. Every handler takes the exchange and the call."""

from dataclasses import replace
from typing import Final

from sandbox.bitexbit.params import (
    BadRequest,
    bounds_of,
    choice,
    date,
    integer,
    known_market,
    limit_of,
    native,
    not_found,
    optional_market,
    required_market,
)
from sandbox.bitexbit.switches import BitexBitSwitches
from sandbox.candles import Candle
from sandbox.clock import DAY, HOUR, MINUTE
from sandbox.exchange import Answer, Call, Exchange
from sandbox.jsontext import Raw, decode, encode, number
from sandbox.markets import Currency, Market, text
from sandbox.windows import Bounds, Rows

TIMEFRAMES: Final = {
    "5": 5 * MINUTE,
    "15": 15 * MINUTE,
    "30": 30 * MINUTE,
    "60": HOUR,
    "240": 4 * HOUR,
    "D": DAY,
}
"""Their lengths in milliseconds, by BitexBit's names."""


def currencies(exchange: Exchange, call: Call) -> Answer:
    return Answer.of([_currency(c) for c in exchange.world.currencies])


def currency(exchange: Exchange, call: Call, code: str) -> Answer:
    found = next((c for c in exchange.world.currencies if c.code == code), None)
    return Answer.of(_currency(found)) if found else not_found()


def pairs(exchange: Exchange, call: Call) -> Answer:
    return Answer.of([_pair(m) for m in exchange.markets()])


def pair(exchange: Exchange, call: Call, symbol: str) -> Answer:
    found = next((m for m in exchange.markets() if native(m) == symbol), None)
    return Answer.of(_pair(found)) if found else not_found()


def trades(exchange: Exchange, call: Call) -> Answer:
    """The trades of one market, or without ``symbol`` those of all markets, by id."""
    world, paging = exchange.world, exchange.paging
    now = world.now()
    side = choice(exchange, call, "type", ("buy", "sell"))
    market = optional_market(exchange, call)
    bounds, limit = bounds_of(exchange, call), limit_of(exchange, call)
    chosen = exchange.markets() if market is None or paging.filters_after_limit else [market]
    if len(chosen) == 1:
        tape = world.tapes[chosen[0].symbol]
        rows, shown = _shown(exchange, chosen[0], bounds, now)
        if side is not None:
            shown = [i for i in shown if bool(tape.buys[i]) == (side == "buy")]
        body = tape.page(rows.page(shown, limit, paging.limit_keeps, paging.order, paging))
        return Answer(_restyled(body, exchange))
    found: list[tuple[int, int, str, bytes]] = []
    for each in chosen:
        tape, (rows, shown) = world.tapes[each.symbol], _shown(exchange, each, bounds, now)
        kept = [i for i in shown if side is None or bool(tape.buys[i]) == (side == "buy")]
        # No page can need more than ``limit`` rows from either end of one market.
        kept = [*rows.page(kept, limit, paging.limit_keeps, "oldest", paging)]
        found += [(tape.ids[i], tape.times[i], each.symbol, tape.json(i)) for i in kept]
    found.sort()
    rows = Rows([row[0] for row in found], [row[1] for row in found])
    at = rows.page(range(len(found)), limit, paging.limit_keeps, paging.order, paging)
    texts = [found[i][3] for i in at if market is None or found[i][2] == market.symbol]
    return Answer(_restyled(b"[" + b",".join(texts) + b"]", exchange))


def _shown(
    exchange: Exchange, market: Market, bounds: Bounds, now: int
) -> tuple[Rows, range | list[int]]:
    tape = exchange.world.tapes[market.symbol]
    rows = Rows(tape.ids, tape.times, tape.monotonic)
    visible = exchange.world.visible(market.symbol, now, exchange.paging)
    return rows, rows.within(visible, bounds, exchange.paging, now)


def _restyled(body: bytes, exchange: Exchange) -> bytes:
    """Rows of trades (kept as the example has them) in the style of the switches."""
    switches, extra = exchange.of(BitexBitSwitches), exchange.paging.extra_fields
    if switches.numbers == "text" and switches.dates == "ms" and not extra:
        return body
    rows = decode(body)
    for row in rows:
        row["date"] = date(int(row["date"]), switches.dates)
        row["price"] = number(row["price"], switches.numbers)
        row["amount"] = number(row["amount"], switches.numbers)
        if extra:
            row["taker_fee"] = None
    return encode(rows).encode()


def ohlcv(exchange: Exchange, call: Call) -> Answer:
    world, paging, switches = exchange.world, exchange.paging, exchange.of(BitexBitSwitches)
    now = world.now()
    market = required_market(exchange, call)
    timeframe = call.query.get("timeframe")
    if timeframe not in TIMEFRAMES:
        raise BadRequest(f"timeframe: must be one of {', '.join(TIMEFRAMES)}")
    length = TIMEFRAMES[timeframe]
    candles = world.candles(market.symbol, now, length, paging)
    if switches.candle_empty == "repeat":
        candles = _repeat(candles, length, now)
    if not switches.candle_open_included:
        candles = [c for c in candles if c.time + length <= now]
    times = [c.time for c in candles]
    bounds, rows = bounds_of(exchange, call), Rows(times, times)
    bounds, no_ids = Bounds(bounds.since, bounds.until), replace(paging, hidden_ids=None)
    shown = rows.within(range(len(candles)), bounds, no_ids, now)
    limit = limit_of(exchange, call)
    at = rows.page(shown, limit, paging.limit_keeps, switches.candle_order, paging)
    return Answer.of([_candle(candles[i], switches) for i in at])


def _repeat(candles: list[Candle], length: int, now: int) -> list[Candle]:
    """Fill empty intervals with the last close and no volume."""
    result: list[Candle] = []
    ends = [c.time for c in candles[1:]] + [now - now % length + length] if candles else []
    for candle, end in zip(candles, ends, strict=True):
        result.append(candle)
        for time in range(candle.time + length, end, length):
            result.append(Candle(time, *(candle.close,) * 4, 0))
    return result


def _candle(c: Candle, switches: BitexBitSwitches) -> list[int | str]:
    values = (c.open, c.high, c.low, c.close, c.volume)
    time = c.time if switches.candle_time == "ms" else c.time // 1_000
    return [time, *(number(text(v), switches.numbers) for v in values)]


def tickers(exchange: Exchange, call: Call) -> Answer:
    world, switches = exchange.world, exchange.of(BitexBitSwitches)
    now = world.now()
    names = [name for name in call.query.get("symbols", "").split(",") if name]
    if len(names) > 5:
        raise BadRequest("symbols: at most 5 pairs")
    chosen = [known_market(exchange, name) for name in names] or [
        m for m in exchange.markets() if m.enabled
    ]
    rows = []
    for market in chosen:
        t = world.ticker(market.symbol, now)
        values = {
            "last": t.last, "buy": t.bid, "sell": t.ask, "change": t.change,
            "vol1": t.base_volume, "vol2": t.quote_volume, "high": t.high, "low": t.low,
        }  # fmt: skip
        row: dict[str, object] = {"date": date(t.updated, switches.dates), "symbol": native(market)}
        row |= {name: number(text(value), switches.numbers) for name, value in values.items()}
        rows.append(row)
    return Answer.of(rows)


def depth(exchange: Exchange, call: Call) -> Answer:
    world, now = exchange.world, exchange.world.now()
    market = required_market(exchange, call)
    limit = integer(exchange, call, "limit")
    limit = 50 if limit is None else limit
    if not 1 <= limit <= 50:
        raise BadRequest("limit: must be between 1 and 50")
    asks, bids = world.depth(market.symbol, now)

    def side(levels: list[tuple[int, int]]) -> list[list[Raw]]:
        return [[_bare(price), _bare(amount)] for price, amount in levels[:limit]]

    return Answer.of(
        {
            "date": date(now, "s"),
            "asks": side(asks),
            "bids": side(bids),
            "sum_bids": _bare(sum(amount for _, amount in bids)),
            "sum_asks": _bare(sum(amount for _, amount in asks)),
        }
    )


def _bare(value: int) -> Raw:
    return Raw(number(text(value), "number"))


def _currency(c: Currency) -> dict[str, object]:
    return {
        "code": c.code,
        "name": c.name,
        "image_url": f"/media/currency/{c.code}/l.png",
        "precision": c.precision,
        "is_enabled": c.enabled,
    }


def _pair(m: Market) -> dict[str, object]:
    return {
        "symbol": native(m),
        "label": f"{m.base}/{m.quote}",
        "base": m.base,
        "quote": m.quote,
        "price_precision": m.price_digits,
        "amount_precision": m.amount_digits,
        "min_amount": text(m.lot),
        "max_amount": "100000000",
        "min_value": "0.00001000",
        "can_create_order": m.enabled,
        "can_cancel_order": m.enabled,
        "is_enabled": m.enabled,
    }
