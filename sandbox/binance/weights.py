"""Weights by minute of the world's clock, and the ban of a client that does not stop."""

from dataclasses import dataclass, field

from sandbox.binance.switches import BinanceSwitches
from sandbox.clock import MINUTE, SECOND
from sandbox.exchange import Answer, Exchange

_PATIENCE = 5
"""So many calls in a spent minute, and the address is banned."""
_BAN = 2 * MINUTE


def fail(code: int, message: str, status: int = 400, **headers: str) -> Answer:
    """A refusal as all of this dialect are."""
    return Answer.of({"code": code, "msg": message}, status, **headers)


@dataclass
class Weights:
    """What was spent in which minute, by bucket."""

    minute: int = -1
    used: dict[str, int] = field(default_factory=dict)
    refused: int = 0
    banned_until: int = 0


def spend(exchange: Exchange, bucket: str, cost: int, most: int) -> Answer | int:
    """What is used of ``bucket`` with this call, or the refusal."""
    switches, weights = exchange.of(BinanceSwitches), exchange.of(Weights)
    others = switches.weight_of_others if bucket == "ip" else 0
    if not exchange.limits.enabled:
        return cost + others
    now = exchange.world.clock()
    if now < weights.banned_until:
        return _refused(switches, 418, weights.banned_until, now)
    if now // MINUTE != weights.minute:
        weights.minute, weights.used, weights.refused = now // MINUTE, {}, 0
    used = weights.used.get(bucket, others) + cost
    if used <= most:
        weights.used[bucket] = used
        return used
    weights.refused += 1
    if weights.refused > _PATIENCE:
        weights.banned_until = now + _BAN
        return _refused(switches, 418, weights.banned_until, now)
    return _refused(switches, 429, (weights.minute + 1) * MINUTE, now)


def _refused(switches: BinanceSwitches, status: int, until: int, now: int) -> Answer:
    text = f"Way too much request weight used; IP banned until {until}."
    seconds = 0 if switches.retry_after == "zero" else -(-(until - now) // SECOND)
    if switches.retry_after == "message":
        return fail(-1003, text, status)
    said = "Too much request weight used." if switches.retry_after == "header" else text
    return fail(-1003, said, status, Retry_After=str(seconds))
