"""What Kraken's errors mean. They come with status 200, as a list beside or instead of a result.

``E…`` is an error, ``W…`` a warning beside a result. Only documented errors have a meaning; any
other is a fault of the moment (``RefusedError``).
"""

import re
from typing import Any, Final

from msgspec import Raw, Struct

from connectors.dialect import rest_of_header
from connectors.errors import (
    AuthError,
    ContractError,
    ExchangeError,
    NotOfferedError,
    RateLimitedError,
    RefusedError,
    RequestError,
    TransientError,
)
from connectors.http import Response
from connectors.jsontext import NotJsonError, decode_object

MEANINGS: Final[tuple[tuple[str, type[ExchangeError]], ...]] = (
    (r"EAPI:Invalid (key|signature|nonce)", AuthError),
    (r"EGeneral:Permission denied", AuthError),
    (r"EAPI:Rate limit exceeded|EGeneral:(Too many requests|Temporary lockout)", RateLimitedError),
    (r"EService: ?Throttled", RateLimitedError),
    (r"EGeneral:Unknown method", NotOfferedError),
    (r"EGeneral:Invalid arguments|EQuery:(Unknown|Invalid) asset", RequestError),
    (r"EFunding:No funding method", RequestError),
    (r"EService:|EGeneral:Internal error|EDatabase:", TransientError),
)
_THROTTLED: Final = re.compile(r"EService: ?Throttled: ?(\d{9,11})(?!\d)")
_RESTS: Final = ((r"EGeneral:Temporary lockout", 300.0), (r"EAPI:Rate limit exceeded", 15.0))
"""Seconds: a lockout lasts minutes, and a counter at its top has come down by a third after 15."""
_NONCE: Final = "EAPI:Invalid nonce"
_NONCE_STEP: Final = 5_000


class _Envelope(Struct):
    error: Any = None
    result: Raw = Raw(b"")


_MAY_EXPLAIN: Final = (200, 400, 401, 403, 404, 405)


def refusal(response: Response) -> type[ExchangeError] | None:
    """The error that an answer's text stands for; None where it is no refusal."""
    if response.status not in _MAY_EXPLAIN:
        return None
    found = _errors(response)
    if not found:
        return None
    unknown = RefusedError if response.status == 200 else None
    return next((e for text in found for p, e in MEANINGS if re.match(p, text)), unknown)


def content(response: Response) -> bytes:
    """The result of an answer. Raises ``ContractError`` where there is none."""
    result = bytes(_envelope(response.json).result)
    if not result or result == b"null":
        raise ContractError("neither a result nor an error")
    return result


def rest(response: Response) -> float | None:
    """Seconds for which an answer asks that nothing more is sent."""
    if response.status != 200:
        return rest_of_header(response)
    for text in _errors(response):
        if until := _THROTTLED.match(text):
            now_us = response.server_time or response.at
            return max(1.0, int(until[1]) - now_us / 1_000_000)
        for pattern, seconds in _RESTS:
            if re.match(pattern, text):
                return seconds
    return None


def nonce_after(response: Response, sent: int) -> int | None:
    """A nonce that may be accepted where ``sent`` was not: above what a fast clock has used."""
    if not any(text.startswith(_NONCE) for text in _errors(response)):
        return None
    return max(sent + _NONCE_STEP, (response.server_time or 0) // 1000 + 1000)


def _envelope(body: bytes) -> _Envelope:
    try:
        return decode_object(_Envelope, body)
    except NotJsonError as error:
        raise ContractError(f"not an answer as documented ({error})") from None


def _errors(response: Response) -> list[str]:
    """The errors of an answer, without its warnings."""
    try:
        found = _envelope(response.json).error
    except ContractError:
        return []
    texts = found if isinstance(found, list) else [found]
    return [text for text in texts if isinstance(text, str) and not text.startswith("W")]
