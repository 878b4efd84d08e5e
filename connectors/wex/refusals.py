"""What WEX's error texts mean. The dialect answers everything with status 200 and a sentence."""

import re
from typing import Final

from connectors.errors import (
    ExchangeError,
    NotOfferedError,
    RateLimitedError,
    RequestError,
    TransientError,
)
from connectors.http import Http, Response

_NOTHING: Final = re.compile(r"no (trades|orders|transactions)\b", re.IGNORECASE)
_KEY_NONCE: Final = re.compile(r"on key:\s*'?(\d{1,20})")
_AUTH: Final = ("api key", "invalid sign", "nonce", "permission")
_BUSY: Final = ("not available", "external service unavailable")


def is_nothing(error: str) -> bool:
    """Whether the "error" only says that there are no rows."""
    return _NOTHING.match(error.strip()) is not None


def is_nonce(error: str) -> bool:
    """Whether the nonce was refused."""
    return "nonce" in error.lower()


def key_nonce(error: str) -> int | None:
    """The highest nonce the exchange has seen of this key, where it says so."""
    found = _KEY_NONCE.search(error)
    return int(found[1]) if found else None


def meaning(error: str, response: Response, http: Http) -> ExchangeError:
    """The error that ``error`` stands for. Its text is shown as the response's, redacted."""
    said = error.lower()
    at = f"{http.exchange}: {response.call.label}"
    if any(word in said for word in _AUTH):
        return http.refused(response, response.said())
    if "too often" in said:
        return RateLimitedError(f"{at}: {response.said()}", response.retry_after)
    if any(word in said for word in _BUSY):
        return TransientError(f"{at}: {response.said()}", response.retry_after)
    if "invalid method" in said:
        return NotOfferedError(f"{at}: this server does not have that call ({response.said()})")
    return RequestError(f"{at}: {response.said()}")
