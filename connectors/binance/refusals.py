"""What Binance's refusals mean: ``{"code": -1121, "msg": "Invalid symbol."}``.

Only documented codes have a meaning of their own; for any other the status speaks.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from typing import Final

from connectors.errors import AuthError, ExchangeError, RateLimitedError, TransientError
from connectors.http import Response
from connectors.jsontext import NotJsonError, decode_object, row_type
from connectors.members import Row
from connectors.pace import Allowance
from connectors.rows import decoded

MEANINGS: Final[dict[int, type[ExchangeError]]] = {
    # The server did not finish, or could not: a read is repeated.
    **dict.fromkeys((-1000, -1001, -1006, -1007, -1008, -1016), TransientError),
    -1003: RateLimitedError,
    -1015: RateLimitedError,
    -1021: TransientError,  # after its clock was asked for anew
    **dict.fromkeys((-1002, -1022, -2014, -2015), AuthError),
}
_TOO_MANY: Final = (418, 429)
_SHORTEST_BAN: Final = 120.0
"""Seconds, as documented; bans grow to three days."""
_UNTIL: Final = re.compile(rb"until (\d{13})\b")
WEIGHT_USED: Final = "x-mbx-used-weight-1m"
LARGEST_WEIGHT: Final = 250
"""Of one call."""
_Refusal = row_type("Refusal", "code")
_LIMITS: Final = re.compile(rb'"rateLimits"\s*:\s*(\[[^\[\]]*\])')
_UNITS: Final = {"SECOND": 1, "MINUTE": 60, "HOUR": 3600, "DAY": 86_400}


def refusal(response: Response) -> type[ExchangeError] | None:
    """The error that an answer's code stands for; None where the status says it all."""
    if response.status >= 500 or response.status in (*_TOO_MANY, 451):
        return None
    return MEANINGS.get(_code(response) or 0)


def is_late(response: Response) -> bool:
    """Whether the time of a call is not near enough to the exchange's own."""
    return _code(response) == -1021


def rest(response: Response) -> float | None:
    """Seconds without a call that a refusal asks for.

    Of the header and the moment in the message the later; a header of 0 seconds has been seen.
    """
    now = response.server_time or response.at
    if 200 <= response.status < 300 and _code(response) is None:
        return None
    until = _UNTIL.search(response.body[:2000])
    waits = [response.retry_after or 0.0, int(until[1]) / 1000 - now / 1_000_000 if until else 0.0]
    if max(waits) > 0:
        return max(waits)
    return _SHORTEST_BAN if response.status == 418 else None


def used(response: Response) -> float | None:
    """The weight used in the current minute by everyone behind this address."""
    found = response.headers.get(WEIGHT_USED, "")
    return float(found) if found.isdecimal() else None


def announced(response: Response) -> Mapping[str, Allowance]:
    """What ``exchangeInfo.rateLimits`` allows an address: weights, and calls of any weight."""
    if not response.request.path.endswith("/exchangeInfo") or response.status != 200:
        return {}
    listed = _LIMITS.search(response.body)
    rows = (decoded(list[Row], listed[1]) if listed else None) or ()
    weights = [_weights(limit, seconds) for limit, seconds in _rates(rows, "REQUEST_WEIGHT")]
    if not weights:
        return {}
    found = reduce(Allowance.lowered, weights)
    calls = _rates(rows, "RAW_REQUESTS")
    least = [found.per_second * seconds / (0.9 * limit) for limit, seconds in calls]
    return {"public": replace(found, least=max([found.least, *least]))}


def _weights(limit: int, seconds: int) -> Allowance:
    room = max(limit - LARGEST_WEIGHT, limit / 2)
    most = limit if seconds == 60 else math.inf
    return Allowance(room * 0.95 / seconds, room * 0.05, most=most)


def _rates(rows: Sequence[Row], kind: str) -> Iterator[tuple[int, int]]:
    """Each limit of that kind, and its seconds."""
    for row in rows:
        seconds = _UNITS.get(str(row.get("interval")))
        limit, count = row.get("limit", 0), row.get("intervalNum", 0)
        are_numbers = all(type(n) is int and n > 0 for n in (limit, count))
        if row.get("rateLimitType") == kind and seconds and are_numbers:
            yield limit, seconds * count


def _code(response: Response) -> int | None:
    """The code of a refusal in JSON."""
    if b'"code"' not in response.body[:200]:
        return None
    try:
        found = decode_object(_Refusal, response.json).code
    except NotJsonError:
        return None
    return found if type(found) is int and found < 0 else None
