"""What Binance's refusals mean: ``{"code": -1121, "msg": "Invalid symbol."}``.

Only documented codes have a meaning of their own; for any other the status speaks.
"""

import re
from typing import Final

from connectors.binance import models
from connectors.errors import AuthError, ExchangeError, RateLimitedError, TransientError
from connectors.http import Response
from connectors.jsontext import NotJsonError, decode_object

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
_A_MINUTE: Final = 60.0
WEIGHT_USED: Final = "x-mbx-used-weight-1m"
NEARLY_SPENT: Final = 5_800
"""Of 6000 in a minute, by all programs behind this address."""


def refusal(response: Response) -> type[ExchangeError] | None:
    """The error that an answer's code stands for; None where the status says it all."""
    if response.status >= 500 or response.status in (*_TOO_MANY, 451):
        return None
    return MEANINGS.get(_code(response) or 0)


def is_late(response: Response) -> bool:
    """Whether the time of a call is not near enough to the exchange's own."""
    return _code(response) == -1021


def rest(response: Response) -> float | None:
    """Seconds without a call: what a refusal asks for, or until a minute that is spent is over.

    Of the header and the moment in the message the later; a header of 0 seconds has been seen.
    """
    now = response.server_time or response.at
    if 200 <= response.status < 300 and _code(response) is None:
        used = response.headers.get(WEIGHT_USED, "")
        if not used.isdecimal() or int(used) < NEARLY_SPENT:
            return None
        return _A_MINUTE - now / 1_000_000 % _A_MINUTE
    until = _UNTIL.search(response.body[:2000])
    waits = [response.retry_after or 0.0, int(until[1]) / 1000 - now / 1_000_000 if until else 0.0]
    if max(waits) > 0:
        return max(waits)
    return _SHORTEST_BAN if response.status == 418 else None


def _code(response: Response) -> int | None:
    """The code of a refusal in JSON."""
    if b'"code"' not in response.body[:200]:
        return None
    try:
        found = decode_object(models.Refusal, response.json).code
    except NotJsonError:
        return None
    return found if type(found) is int and found < 0 else None
