"""Reading the parameters of a BitexBit call, and the few shapes that its answers share."""

from sandbox.bitexbit.switches import BitexBitSwitches
from sandbox.exchange import Answer, Call, Exchange
from sandbox.jsontext import Raw
from sandbox.markets import Market
from sandbox.windows import Bounds


class BadRequest(Exception):
    """Becomes a 400 with this text as ``detail``."""


def not_found() -> Answer:
    return Answer.of({"detail": "Not found."}, 404)


def date(ms: int, style: str) -> int | Raw:
    return ms if style == "ms" else Raw(f"{ms // 1_000}.{ms % 1_000:03d}000")


def native(market: Market) -> str:
    """The market as BitexBit spells it: ``BTC_USD``."""
    return market.spelled or market.symbol.replace("-", "_")


def known_market(exchange: Exchange, name: str) -> Market:
    found = next((m for m in exchange.markets() if native(m) == name), None)
    if found is None:
        raise BadRequest(f"symbol: unknown pair {name!r}")
    return found


def optional_market(exchange: Exchange, call: Call) -> Market | None:
    name = call.query.get("symbol")
    return known_market(exchange, name) if name else None


def required_market(exchange: Exchange, call: Call) -> Market:
    market = optional_market(exchange, call)
    if market is None:
        raise BadRequest("symbol: this field is required")
    return market


def integer(exchange: Exchange, call: Call, name: str) -> int | None:
    value = call.query.get(name)
    if value is None or value == "" or name in exchange.paging.ignored:
        return None
    if not value.lstrip("-").isdecimal():
        raise BadRequest(f"{name}: a valid integer is required")
    return int(value)


def choice(exchange: Exchange, call: Call, name: str, allowed: tuple[str, ...]) -> str | None:
    value = call.query.get(name)
    if not value or name in exchange.paging.ignored:
        return None
    if value not in allowed:
        raise BadRequest(f"{name}: must be one of {', '.join(allowed)}")
    return value


def limit_of(exchange: Exchange, call: Call) -> int:
    limit = integer(exchange, call, "limit")
    limit = 100 if limit is None else limit
    if not 1 <= limit <= 1000:
        raise BadRequest("limit: must be between 1 and 1000")
    return min(limit, exchange.paging.page_cap or limit)


def bounds_of(exchange: Exchange, call: Call) -> Bounds:
    switches = exchange.of(BitexBitSwitches)
    since, until = integer(exchange, call, "since"), integer(exchange, call, "until")
    if switches.time_unit == "s":
        since = None if since is None else since * 1_000
        until = None if until is None else until * 1_000 + 999
    return Bounds(
        since,
        until,
        integer(exchange, call, "since_id"),
        integer(exchange, call, "until_id"),
        not switches.since_id_inclusive,
        not switches.until_id_inclusive,
    )
