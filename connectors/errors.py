"""Why an exchange did not answer as needed.

``ExchangeError``
    ``TransientError``    a fault that a later try may not meet (5xx, reset, timeout, HTML page);
                          ``retry_after`` seconds where the exchange names them
        ``RateLimitedError``  too many calls
        ``UnreachableError``  no connection to the host at all
        ``RefusedError``      a refusal whose meaning is not documented: a fault of the moment
    ``AuthError``         key, signature, nonce or rights refused
    ``RequestError``      the exchange refused the request itself (unknown market, bad parameter)
        ``NotOfferedError``   this server does not have that call at all
        ``UnknownRowError``   the documented answer that the row asked for by id does not exist
    ``ContractError``     an answer that is not what the document describes
        ``PartlyReadError``   the rows that were are in ``readable``
    ``NotAskedError``     the circuit breaker is open: nothing was sent
    ``ForbiddenCallError``  the call is not on the list of reading calls: nothing was sent

Messages name the exchange, the call, what came and how to fix it; they are redacted.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from schemas import TidemarkError

if TYPE_CHECKING:
    from connectors.base import Market


class ExchangeError(TidemarkError):
    """An exchange did not answer as needed. ``transient``: whether a later try may succeed."""

    transient = False


class TransientError(ExchangeError):
    transient = True

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class RateLimitedError(TransientError):
    pass


class UnreachableError(TransientError):
    pass


class RefusedError(TransientError):
    pass


class AuthError(ExchangeError):
    pass


class RequestError(ExchangeError):
    pass


class NotOfferedError(RequestError):
    pass


class UnknownRowError(RequestError):
    pass


class ContractError(ExchangeError):
    pass


class PartlyReadError(ContractError):
    def __init__(self, message: str, readable: "Sequence[Market]") -> None:
        super().__init__(message)
        self.readable = readable


class NotAskedError(ExchangeError):
    transient = True


class ForbiddenCallError(ExchangeError):
    pass
