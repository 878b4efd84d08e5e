"""BitexBit v2, the calls that need no key. Every handler takes the exchange and the call."""

from sandbox import windows
from sandbox.bitexbit_params import (
    BadRequest,
    bounds_of,
    choice,
    date,
    integer,
    known_market,
    limit_of,
    not_found,
    optional_market,
    required_market,
)
from sandbox.candles import TIMEFRAMES, Candle
from sandbox.exchange import Answer, Call, Exchange, number
from sandbox.jsontext import Raw, decode, encode
from sandbox.laws import Laws
from sandbox.markets import Currency, Market, text


def currencies(exchange: Exchange, call: Call) -> Answer:
    return Answer.of([_currency(c) for c in exchange.world.currencies])


def currency(exchange: Exchange, call: Call, code: str) -> Answer:
    found = next((c for c in exchange.world.currencies if c.code == code), None)
    return Answer.of(_currency(found)) if found else not_found()


def pairs(exchange: Exchange, call: Call) -> Answer:
    return Answer.of([_pair(m) for m in exchange.world.markets])


def pair(exchange: Exchange, call: Call, symbol: str) -> Answer:
    found = next((m for m in exchange.world.markets if m.bitexbit == symbol), None)
    return Answer.of(_pair(found)) if found else not_found()


def trades(exchange: Exchange, call: Call) -> Answer:
    world, laws = exchange.world, exchange.laws
    now = world.now()
    side = choice(call, "type", ("buy", "sell"), laws)
    market = optional_market(world, call)
    bounds, limit = bounds_of(call, laws), limit_of(call, laws)
    if market is None:
        return _all_trades(exchange, now, bounds, limit, side)
    tape = world.tapes[market.symbol]
    shown = world.visible(market.symbol, now, laws)
    shown = windows.within(shown, tape.ids, tape.times, bounds, tape.monotonic)
    if side is not None:
        wanted = side == "buy"
        shown = [i for i in shown if bool(tape.buys[i]) == wanted]
    body = tape.page(windows.page(shown, limit, laws.limit_keeps, laws.order))
    return Answer(body if _as_stored(laws) else restyle(body, laws))


def _all_trades(
    exchange: Exchange, now: int, bounds: windows.Bounds, limit: int, side: str | None
) -> Answer:
    """Without ``symbol``: the trades of all markets, by id."""
    rows: list[tuple[int, int, bytes]] = []
    for market in exchange.world.markets:
        tape = exchange.world.tapes[market.symbol]
        shown = exchange.world.visible(market.symbol, now, exchange.laws)
        shown = windows.within(shown, tape.ids, tape.times, bounds, tape.monotonic)
        kept = [i for i in shown if side is None or bool(tape.buys[i]) == (side == "buy")]
        # No page can need more than ``limit`` rows from either end of one market.
        kept = kept[-limit:] if exchange.laws.limit_keeps == "newest" else kept[:limit]
        rows += [(tape.ids[i], tape.times[i], tape.json(i)) for i in kept]
    rows.sort()
    at = windows.page(range(len(rows)), limit, exchange.laws.limit_keeps, exchange.laws.order)
    body = b"[" + b",".join(rows[i][2] for i in at) + b"]"
    return Answer(body if _as_stored(exchange.laws) else restyle(body, exchange.laws))


def _as_stored(laws: Laws) -> bool:
    return laws.numbers == "text" and laws.dates == "ms" and not laws.extra_fields


def restyle(body: bytes, laws: Laws) -> bytes:
    """Rows of trades in the number and date style of the laws."""
    rows = decode(body)
    for row in rows:
        row["date"] = date(int(row["date"]), laws.dates)
        row["price"] = number(row["price"], laws.numbers)
        row["amount"] = number(row["amount"], laws.numbers)
        if laws.extra_fields:
            row["taker_fee"] = None
    return encode(rows).encode()


def ohlcv(exchange: Exchange, call: Call) -> Answer:
    world, laws = exchange.world, exchange.laws
    now = world.now()
    market = required_market(world, call)
    timeframe = call.query.get("timeframe")
    if timeframe not in TIMEFRAMES:
        raise BadRequest(f"timeframe: must be one of {', '.join(TIMEFRAMES)}")
    length = TIMEFRAMES[timeframe]
    candles = world.candles(market.symbol, now, length, laws)
    if laws.candle_empty == "repeat":
        candles = _repeat(candles, length, now)
    if not laws.candle_open_included:
        candles = [c for c in candles if c.time + length <= now]
    times = [c.time for c in candles]
    bounds = bounds_of(call, laws)
    bounds = windows.Bounds(bounds.since, bounds.until)
    shown = windows.within(range(len(candles)), times, times, bounds)
    at = windows.page(shown, limit_of(call, laws), laws.limit_keeps, laws.candle_order)
    return Answer.of([_candle(candles[i], laws) for i in at])


def _repeat(candles: list[Candle], length: int, now: int) -> list[Candle]:
    """Fill empty intervals with the last close and no volume."""
    result: list[Candle] = []
    ends = [c.time for c in candles[1:]] + [now - now % length + length] if candles else []
    for candle, end in zip(candles, ends, strict=True):
        result.append(candle)
        for time in range(candle.time + length, end, length):
            result.append(Candle(time, *(candle.close,) * 4, 0))
    return result


def _candle(c: Candle, laws: Laws) -> list[int | str]:
    values = (c.open, c.high, c.low, c.close, c.volume)
    time = c.time if laws.candle_time == "ms" else c.time // 1_000
    return [time, *(number(text(v), laws.numbers) for v in values)]


def tickers(exchange: Exchange, call: Call) -> Answer:
    world, laws = exchange.world, exchange.laws
    now = world.now()
    names = [name for name in call.query.get("symbols", "").split(",") if name]
    if len(names) > 5:
        raise BadRequest("symbols: at most 5 pairs")
    chosen = [known_market(world, name) for name in names] or [
        m for m in world.markets if m.enabled
    ]
    rows = []
    for market in chosen:
        t = world.ticker(market.symbol, now)
        values = {
            "last": t.last, "buy": t.bid, "sell": t.ask, "change": t.change,
            "vol1": t.base_volume, "vol2": t.quote_volume, "high": t.high, "low": t.low,
        }  # fmt: skip
        row: dict[str, object] = {"date": date(t.updated, laws.dates), "symbol": market.bitexbit}
        row |= {name: number(text(value), laws.numbers) for name, value in values.items()}
        rows.append(row)
    return Answer.of(rows)


def depth(exchange: Exchange, call: Call) -> Answer:
    world, laws = exchange.world, exchange.laws
    now = world.now()
    market = required_market(world, call)
    limit = integer(call, "limit", laws)
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
        "symbol": m.bitexbit,
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
