"""What the error texts of the BTC-e dialect mean: it answers everything with status 200.

Only documented sentences have a meaning. Any other is a fault of the moment (``RefusedError``):
"The exchange is under maintenance, try again" says nothing about a row.
"""

import re
from typing import Final

from connectors.errors import (
    AuthError,
    ContractError,
    ExchangeError,
    NotOfferedError,
    RateLimitedError,
    RefusedError,
    RequestError,
    TransientError,
    UnknownRowError,
)
from connectors.http import Response
from connectors.wex import parse

MEANINGS: Final[tuple[tuple[str, type[ExchangeError]], ...]] = (
    (r"api key not specified|invalid api key|invalid sign\b.*", AuthError),
    (r"invalid nonce.*|api key dont have \w+ permission", AuthError),
    (r"requests too often", RateLimitedError),
    (r"not available|external service unavailable", TransientError),
    (r"invalid method", NotOfferedError),
    (r"(invalid|duplicated) pair name\b.*|empty pair list", RequestError),
    (r"invalid order", UnknownRowError),
)
_NOTHING: Final = r"no (trades|orders|transactions)"
_KEY_NONCE: Final = re.compile(r"on key:\s*'?(\d{1,20})")
_MAY_EXPLAIN: Final = (200, 400, 401, 403, 404)


def refusal(response: Response) -> type[ExchangeError] | None:
    """The error that an answer's text stands for; None where it is no refusal."""
    text = _text(response)
    if text is None or (response.request.private and _is(_NOTHING, text)):
        return None
    return next((error for pattern, error in MEANINGS if _is(pattern, text)), RefusedError)


def content(response: Response) -> bytes:
    """The rows of an answer, ``{}`` where there are none. Raises ``ContractError``."""
    if not response.request.private:
        return response.json
    answer = parse.envelope(response.json)
    if parse.succeeded(answer):
        return bytes(answer.result)
    if isinstance(answer.error, str) and _is(_NOTHING, answer.error):
        return b"{}"
    raise ContractError("neither a result nor an error")


def nonce_after(response: Response, sent: int) -> int | None:
    """The nonce to try next where ``sent`` was refused: above the key's, where it is named."""
    text = _text(response) or ""
    if "nonce" not in text.lower():
        return None
    named = _KEY_NONCE.search(text)
    return (int(named[1]) if named else sent) + 1


def _text(response: Response) -> str | None:
    """The error text of an answer; empty where it gives no reason, None where it is no refusal."""
    private = response.request.private
    if response.status not in _MAY_EXPLAIN or not (private or b'"error"' in response.body):
        return None
    try:
        answer = parse.envelope(response.json)
    except ContractError:
        return None
    refused = answer.error is not None or (private and answer.success is not None)
    if parse.succeeded(answer) or not refused:
        return None
    return answer.error if isinstance(answer.error, str) else ""


def _is(pattern: str, text: str) -> bool:
    return re.fullmatch(rf"({pattern})[.!]?", text.strip(), re.IGNORECASE) is not None
