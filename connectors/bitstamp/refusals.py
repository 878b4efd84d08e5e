"""What Bitstamp's errors mean. They come in four shapes, and with any status.

``{"error": "text"}``, ``{"error": {"__all__": ["text"]}}``, ``{"status": "error", "reason": …,
"code": "API0005"}`` and ``{"response_code": "400.010", "response_explanation": …}``. Only
documented errors have a meaning; any other with status 200 is a fault of the moment
(``RefusedError``).
"""

import re
from typing import Any, Final

from connectors.errors import (
    AuthError,
    ExchangeError,
    RateLimitedError,
    RefusedError,
    RequestError,
    TransientError,
    UnknownRowError,
)
from connectors.http import Response
from connectors.jsontext import NotJsonError, decode_object, row_type

MEANINGS: Final[tuple[tuple[str, type[ExchangeError]], ...]] = (
    (r"\b400\.002\b|too many requests", RateLimitedError),
    (r"\bAPI00(04|05|06|08|10|11|17)\b|no permission found", AuthError),
    (r"order not found", UnknownRowError),
    (r"\b404\.002\b|invalid (pair|currency pair|market)|market not found", RequestError),
)
_NOT_FRESH: Final = re.compile(r"\bAPI00(04|17)\b")
_DOWN: Final = b"under scheduled maintenance"
_MAY_EXPLAIN: Final = (200, 400, 401, 403, 404)

_Error: Final = row_type("Error", "error status reason code response_code response_explanation")


def refusal(response: Response) -> type[ExchangeError] | None:
    """The error that an answer stands for; None where the status says it all."""
    if _DOWN in response.body[:2000]:  # as text alone, too
        return TransientError
    text = _text(response)
    if text is None:
        return None
    for pattern, error in MEANINGS:
        if re.search(pattern, text, re.IGNORECASE):
            return error
    return RefusedError if response.status == 200 else None


def is_not_fresh(response: Response) -> bool:
    """Whether a signed call was refused for its nonce or its time: another one may be accepted."""
    return _NOT_FRESH.search(_text(response) or "") is not None


def _text(response: Response) -> str | None:
    """Code and reason of a refusal; None where ``response`` is none."""
    if response.status not in _MAY_EXPLAIN or not response.json.lstrip().startswith(b"{"):
        return None
    try:
        found: Any = decode_object(_Error, response.json)
    except NotJsonError:
        return None
    if found.status == "error":
        return f"{found.code} {found.reason}"
    if found.response_code is not None:
        return f"{found.response_code} {found.response_explanation}"
    return None if found.error is None else str(found.error)
