"""Public API v3 of the BTC-e dialect: info, ticker, depth, trades."""

from sandbox.exchange import Answer, Call, Exchange
from sandbox.jsontext import number
from sandbox.marketdata import MarketTape
from sandbox.markets import Market, text
from sandbox.wex.switches import Flavor, WexSwitches
from sandbox.windows import Bounds, Rows


def native(market: Market) -> str:
    """The market as WEX spells it: ``btc_usd``."""
    return market.spelled or market.symbol.replace("-", "_").lower()


class Refusal(Exception):
    """Becomes an answer with this text as ``error``."""


def fail(error: str) -> Answer:
    """The dialect's only error: status 200 and a text."""
    return Answer.of({"success": 0, "error": error})


def info(exchange: Exchange, call: Call, flavor: Flavor) -> Answer:
    now = exchange.world.now()
    style = exchange.of(WexSwitches).wex_numbers
    pairs = {
        native(m): {
            "decimal_places": m.price_digits,
            "min_price": number(text(m.tick), style),
            "max_price": number("10000000", style),
            "min_amount": number(text(m.lot), style),
            "hidden": 0,
            "fee": number(text(m.fee_ppm * 10_000), style),
            **({"min_total": number("0.0001", style)} if flavor.has_totals else {}),
        }
        for m in exchange.markets()
        if m.enabled
    }
    return Answer.of({"server_time": now // 1_000, "pairs": pairs})


def ticker(exchange: Exchange, call: Call, flavor: Flavor, pairs: str) -> Answer:
    chosen = _pairs(exchange, call, flavor, pairs)
    now, style = exchange.world.now(), exchange.of(WexSwitches).wex_numbers
    result = {}
    for market in chosen:
        t = exchange.world.ticker(market.symbol, now)
        buy, sell = (t.bid, t.ask) if flavor.buy_is_bid else (t.ask, t.bid)
        values = {
            "high": t.high, "low": t.low, "avg": (t.high + t.low) // 2, "vol": t.quote_volume,
            "vol_cur": t.base_volume, "last": t.last, "buy": buy, "sell": sell,
        }  # fmt: skip
        row: dict[str, object] = {k: number(text(v), style) for k, v in values.items()}
        result[native(market)] = row | {"updated": t.updated // 1_000}
    return Answer.of(result)


def depth(exchange: Exchange, call: Call, flavor: Flavor, pairs: str) -> Answer:
    chosen = _pairs(exchange, call, flavor, pairs)
    now, style = exchange.world.now(), exchange.of(WexSwitches).wex_numbers
    limit = _limit(call, 150, flavor.most)
    result = {}
    for market in chosen:
        asks, bids = exchange.world.depth(market.symbol, now)
        result[native(market)] = {
            name: [[number(text(p), style), number(text(a), style)] for p, a in side[:limit]]
            for name, side in (("asks", asks), ("bids", bids))
        }
    return Answer.of(result)


def trades(exchange: Exchange, call: Call, flavor: Flavor, pairs: str) -> Answer:
    """Only the newest exist: nothing but ``limit`` chooses."""
    chosen = _pairs(exchange, call, flavor, pairs)
    world, paging, switches = exchange.world, exchange.paging, exchange.of(WexSwitches)
    now = world.now()
    most = min(flavor.most, switches.wex_trades_max)
    limit = _limit(call, switches.wex_trades_default, most)
    parts = []
    for market in chosen:
        tape = world.tapes[market.symbol]
        rows = Rows(tape.ids, tape.times, tape.monotonic)
        shown = rows.within(world.visible(market.symbol, now, paging), Bounds(), paging, now)
        at = rows.page(shown, limit, "newest", switches.wex_order, paging)
        texts = ",".join([_trade(tape, i, exchange) for i in at])
        parts.append(f'"{native(market)}":[{texts}]')
    return Answer(("{" + ",".join(parts) + "}").encode())


def _trade(tape: MarketTape, at: int, exchange: Exchange) -> str:
    style = exchange.of(WexSwitches).wex_numbers
    quote = '"' if style in ("text", "exponent-text") else ""
    price, amount = (number(value, style) for value in tape.texts(at))
    extra = ',"note":null' if exchange.paging.extra_fields else ""
    return (
        f'{{"type":"{"bid" if tape.buys[at] else "ask"}","price":{quote}{price}{quote},'
        f'"amount":{quote}{amount}{quote},"tid":{tape.ids[at]},'
        f'"timestamp":{tape.times[at] // 1_000}{extra}}}'
    )


def _limit(call: Call, default: int, most: int) -> int:
    value = call.query.get("limit", "")
    return min(int(value), most) if value.isdecimal() and int(value) > 0 else min(default, most)


def _pairs(exchange: Exchange, call: Call, flavor: Flavor, pairs: str) -> list[Market]:
    """The markets of ``btc_usd-ltc_usd``; with ``ignore_invalid=1`` unknown ones are left out."""
    lenient = call.query.get("ignore_invalid") == "1"
    chosen: list[Market] = []
    seen: set[str] = set()
    if not pairs or pairs.count("-") >= (flavor.most_pairs or len(pairs)):
        raise Refusal("Empty pair list")
    for name in pairs.split("-"):
        found = next((m for m in exchange.markets() if native(m) == name and m.enabled), None)
        if name in seen:
            raise Refusal(f"Duplicated pair name: {name}")
        seen.add(name)
        if found is not None:
            chosen.append(found)
        elif not lenient:
            raise Refusal(f"Invalid pair name: {name}")
    if not chosen:
        raise Refusal("Empty pair list")
    return chosen
