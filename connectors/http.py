"""One long-lived HTTP client per exchange: what goes over the wire, and what a fault is called.

Keep-alive and gzip, safe for threads, one deadline per answer. A status or a broken connection
becomes one of ``connectors.errors``; messages name the call, what came and the mend, redacted.
Redirects are followed for public calls only: a signed request goes to the configured host or
nowhere.
"""

import re
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache, lru_cache
from typing import Final

import httpx

from connectors.base import Connection
from connectors.errors import (
    AuthError,
    ContractError,
    ExchangeError,
    RateLimitedError,
    RequestError,
    TransientError,
    UnreachableError,
)
from connectors.redact import excerpt, redact

_LARGEST: Final = 64 * 1024 * 1024
_LOOPBACK: Final = {"127.0.0.1", "localhost", "::1"}
_AGAIN: Final = {408, 425}


@dataclass(frozen=True)
class Request:
    """One request. ``label`` names it in messages; ``secrets`` must not appear in any."""

    method: str
    path: str
    label: str
    query: str = ""
    content: bytes | None = None
    headers: Mapping[str, str] | None = None
    private: bool = False
    secrets: tuple[str, ...] = ()


@dataclass(frozen=True)
class Response:
    """One answer. ``server_time``: the exchange's clock in microseconds, if it told.

    ``at``: when the client took it, in microseconds of its own clock.
    """

    call: Request
    status: int
    content_type: str
    body: bytes
    server_time: int | None
    retry_after: float | None
    location: str
    at: int = 0

    def said(self) -> str:
        """The answer, short and redacted, for a message."""
        return excerpt(self.body, self.call.secrets)


class Http:
    """The client of one exchange. ``exchange`` is its name as in ``BITEXBIT_BASE_URL``."""

    def __init__(self, exchange: str, connection: Connection) -> None:
        self.exchange = exchange
        self.connection = connection
        self.base_url = httpx.URL(connection.base_url.rstrip("/"))
        timeout = connection.timeout
        self._client = httpx.Client(
            timeout=httpx.Timeout(timeout, connect=min(timeout, 10.0), pool=None),
            headers={"User-Agent": "tidemark", "Accept": "application/json"},
            # Shorter than the usual 5 s of servers, so that they are not the first to hang up.
            limits=httpx.Limits(keepalive_expiry=4.0),
            max_redirects=3,
            # A proxy of the environment is no way to this machine itself.
            trust_env=self.base_url.host not in _LOOPBACK,
            verify=_authorities(),
        )

    @property
    def variable(self) -> str:
        """The setting that holds the base URL."""
        return f"{self.exchange.upper()}_BASE_URL"

    @property
    def shown_url(self) -> str:
        """Scheme, host and port: what may be shown of the base URL."""
        url = self.base_url
        port = f":{url.port}" if url.port else ""
        return f"{url.scheme}://{url.host}{port}"

    def send(self, call: Request) -> Response:
        """Send ``call`` once. Raises ``TransientError`` where no whole answer came."""
        url = self.base_url.copy_with(
            raw_path=(self.base_url.path.rstrip("/") + call.path).encode()
            + (b"?" + call.query.encode() if call.query else b"")
        )
        request = self._client.build_request(
            call.method, url, content=call.content, headers=call.headers
        )
        try:
            return self._answer(call, request)
        except httpx.HTTPError as error:
            problem = self._fault(call, error)
        # Outside the except block: the library's error holds the request with all its headers.
        raise problem

    def _answer(self, call: Request, request: httpx.Request) -> Response:
        timeout = self.connection.timeout
        deadline = time.monotonic() + 4 * timeout
        response = self._client.send(request, stream=True, follow_redirects=not call.private)
        try:
            parts: list[bytes] = []
            size = 0
            for part in response.iter_bytes():
                parts.append(part)
                size += len(part)
                if size > _LARGEST:
                    raise ContractError(f"{self._at(call)}: the answer is larger than 64 MiB")
                if time.monotonic() > deadline:
                    raise httpx.ReadTimeout("the answer trickled in too slowly")
        finally:
            response.close()
        headers = response.headers
        return Response(
            call=call,
            status=response.status_code,
            content_type=headers.get("content-type", ""),
            body=b"".join(parts),
            server_time=_server_time(headers),
            retry_after=retry_after(headers.get("retry-after"), headers.get("date")),
            location=headers.get("location", ""),
        )

    def _at(self, call: Request) -> str:
        return f"{self.exchange}: {call.label}"

    def _fault(self, call: Request, error: httpx.HTTPError) -> ExchangeError:
        told = redact(str(error) or type(error).__name__, call.secrets)
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.ProxyError):
            return UnreachableError(
                f"{self.exchange}: cannot reach {self.shown_url} ({told}). "
                f"Check the network, and {self.variable} if the exchange moved."
            )
        if isinstance(error, httpx.TimeoutException):
            wait = f"{self.connection.timeout:g} s"
            return TransientError(f"{self._at(call)}: no whole answer within {wait} ({told})")
        if isinstance(error, httpx.TooManyRedirects | httpx.UnsupportedProtocol):
            return RequestError(f"{self._at(call)}: {told}. Check {self.variable}.")
        return TransientError(f"{self._at(call)}: the answer broke off ({told})")

    def check(self, response: Response) -> None:
        """Raise what the status, or a web page in place of JSON, means."""
        problem = self._status(response)
        if problem is not None:
            raise problem
        if _is_page(response):
            raise TransientError(
                f"{self._at(response.call)}: a web page came instead of JSON: {response.said()}"
            )

    def _status(self, response: Response) -> ExchangeError | None:
        status = response.status
        if 200 <= status < 300:
            return None
        at = f"{self._at(response.call)}: status {status}"
        said = f": {response.said()}" if response.body else ""
        if status == 429 or (status == 403 and response.retry_after is not None):
            return RateLimitedError(f"{at}, too many calls{said}", response.retry_after)
        if status >= 500 or status in _AGAIN:
            return TransientError(f"{at}{said}", response.retry_after)
        if 300 <= status < 400:
            # The host alone: the rest of a Location may repeat what was sent.
            host = _host(response.location)
            return RequestError(
                f"{at}, a redirect to {host or 'nowhere'}, not followed. "
                f"If the exchange moved, set {self.variable}."
            )
        if status in (401, 403):
            return self.refused(response, f"status {status}{said}")
        if status == 404 and _is_page(response):
            said += f". Is {self.variable} ({self.shown_url}) the address of the exchange's API?"
        return RequestError(f"{at}{said}")

    def refused(self, response: Response, said: str) -> AuthError:
        """The error for a refused key, signature, nonce or right, with the mend."""
        if not response.call.private:
            return AuthError(
                f"{self._at(response.call)}: {said}. The exchange refuses a public call; it may "
                f"block this address, or {self.variable} ({self.shown_url}) is not its API."
            )
        key, secret = key_variables(self.exchange, self.connection.account)
        return AuthError(
            f"{self._at(response.call)}: {said}. Check {key} and {secret} (account "
            f"'{self.connection.account}'), the key's right to read, and this machine's clock: "
            "the nonce follows it, and a key that another program uses may have a higher one."
        )

    def close(self) -> None:
        """Close all connections."""
        self._client.close()


def key_variables(exchange: str, account: str) -> tuple[str, str]:
    """The settings that hold key and secret of ``account``."""
    names = exchange if account == "main" else f"{exchange}_{account}"
    prefix = re.sub(r"[^A-Za-z0-9]", "_", names).upper()
    return f"{prefix}_API_KEY", f"{prefix}_API_SECRET"


@cache
def _authorities() -> ssl.SSLContext:
    """The authorities that servers are checked by: read once, which takes as long as 20 calls."""
    return httpx.create_ssl_context()


@lru_cache(16)  # many answers a second
def http_date(text: str | None) -> datetime | None:
    """The moment of an HTTP date; None for anything else."""
    try:
        moment = parsedate_to_datetime(text or "")
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def retry_after(text: str | None, date: str | None) -> float | None:
    """Seconds to wait, from either form of Retry-After; a date counts from the answer's Date."""
    if not text:
        return None
    if text.strip().isascii() and text.strip().isdigit():
        return float(text.strip()[:9])
    until = http_date(text)
    if until is None:
        return None
    since = http_date(date) or datetime.now(UTC)
    return max(0.0, (until - since).total_seconds())


def _server_time(headers: Mapping[str, str]) -> int | None:
    moment = http_date(headers.get("date"))
    if moment is None:
        return None
    age = headers.get("age", "")
    # A cache's answer is as old as it says: its content knows nothing of the time since.
    seconds = int(age[:9]) if age.isascii() and age.isdigit() else 0
    return (int(moment.timestamp()) - seconds) * 1_000_000


def _is_page(response: Response) -> bool:
    return "html" in response.content_type.lower() or response.body.lstrip()[:1] == b"<"


def _host(location: str) -> str:
    try:
        return httpx.URL(location).host
    except httpx.InvalidURL:
        return ""
