"""Reading the parameters of a BitexBit call, and the few shapes that its answers share."""

from sandbox import windows
from sandbox.exchange import Answer, Call
from sandbox.jsontext import Raw
from sandbox.laws import Laws
from sandbox.markets import Market
from sandbox.world import World


class BadRequest(Exception):
    """Becomes a 400 with this text as ``detail``."""


def not_found() -> Answer:
    return Answer.of({"detail": "Not found."}, 404)


def date(ms: int, style: str) -> int | Raw:
    return ms if style == "ms" else Raw(f"{ms // 1_000}.{ms % 1_000:03d}000")


def known_market(world: World, name: str) -> Market:
    found = next((m for m in world.markets if m.bitexbit == name), None)
    if found is None:
        raise BadRequest(f"symbol: unknown pair {name!r}")
    return found


def optional_market(world: World, call: Call) -> Market | None:
    name = call.query.get("symbol")
    return known_market(world, name) if name else None


def required_market(world: World, call: Call) -> Market:
    market = optional_market(world, call)
    if market is None:
        raise BadRequest("symbol: this field is required")
    return market


def integer(call: Call, name: str, laws: Laws) -> int | None:
    value = call.query.get(name)
    if value is None or value == "" or name in laws.ignored:
        return None
    if not value.lstrip("-").isdecimal():
        raise BadRequest(f"{name}: a valid integer is required")
    return int(value)


def choice(call: Call, name: str, allowed: tuple[str, ...], laws: Laws) -> str | None:
    value = call.query.get(name)
    if not value or name in laws.ignored:
        return None
    if value not in allowed:
        raise BadRequest(f"{name}: must be one of {', '.join(allowed)}")
    return value


def limit_of(call: Call, laws: Laws) -> int:
    limit = integer(call, "limit", laws)
    limit = 100 if limit is None else limit
    if not 1 <= limit <= 1000:
        raise BadRequest("limit: must be between 1 and 1000")
    return min(limit, laws.page_cap or limit)


def bounds_of(call: Call, laws: Laws) -> windows.Bounds:
    since, until = integer(call, "since", laws), integer(call, "until", laws)
    if laws.time_unit == "s":
        since = None if since is None else since * 1_000
        until = None if until is None else until * 1_000 + 999
    return windows.Bounds(
        since,
        until,
        integer(call, "since_id", laws),
        integer(call, "until_id", laws),
        not laws.since_id_inclusive,
        not laws.until_id_inclusive,
    )
