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
    (r"EAPI:Invalid (key|signature|nonce)|EGeneral:Permission denied", AuthError),
    (r"EAPI:Rate limit exceeded|EGeneral:(Too many requests|Temporary lockout)", RateLimitedError),
    (r"EService: ?Throttled", RateLimitedError),
    (r"EGeneral:Unknown method", NotOfferedError),
    (r"EGeneral:Invalid arguments|EQuery:(Unknown|Invalid) asset", RequestError),
    (r"EFunding:No funding method", RequestError),
    (r"EService:|EGeneral:Internal error|EDatabase:", TransientError),
)
_THROTTLED: Final = re.compile(r"EService: ?Throttled: ?(\d{9,11})(?!\d)")
_RESTS: Final = {"EGeneral:Temporary lockout": 300.0, "EAPI:Rate limit exceeded": 15.0}
"""Seconds: a lockout lasts minutes, and a counter at its top has come down by a third after 15."""
_MAY_EXPLAIN: Final = (200, 400, 401, 403, 404, 405)


class _Envelope(Struct):
    error: Any = None
    result: Raw = Raw(b"")


def refusal(response: Response) -> type[ExchangeError] | None:
    """The error that an answer's text stands for; None where it is no refusal."""
    found = _errors(response) if response.status in _MAY_EXPLAIN else []
    known = (error for text in found for pattern, error in MEANINGS if re.match(pattern, text))
    return next(known, RefusedError if found and response.status == 200 else None)


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
            return max(1.0, int(until[1]) - (response.server_time or response.at) / 1_000_000)
        if text in _RESTS:
            return _RESTS[text]
    return None


def nonce_after(response: Response, sent: int) -> int | None:
    """A nonce that may be accepted where ``sent`` was not: above what a fast clock has used."""
    if not any(text.startswith("EAPI:Invalid nonce") for text in _errors(response)):
        return None
    return max(sent + 5_000, (response.server_time or 0) // 1000 + 1000)


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
