"""One long-lived HTTP client per exchange: what goes over the wire, and what a fault is called.

Keep-alive and gzip, safe for threads, one deadline per call and one size for any answer. A status
or a broken connection becomes one of ``connectors.errors``; messages name the call, what came and
the fix, redacted. Redirects are followed for public calls only, and stay in the domain of the host
and with https: a signed request goes to the configured host or nowhere. Cookies are neither kept
nor sent. A call that is not on the exchange's list of reading calls is never sent: a collector must
be safe to hand a key to.
"""

import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlencode

from connectors.base import Connection
from connectors.errors import (
    AuthError,
    ContractError,
    ExchangeError,
    ForbiddenCallError,
    RateLimitedError,
    RequestError,
    TransientError,
    UnreachableError,
)
from connectors.exact import EARLIEST_US, LATEST_US
from connectors.jsontext import plain
from connectors.redact import excerpt, masked, redact
from connectors.variables import base_url_variable

if TYPE_CHECKING:  # whoever only makes or reads requests needs no HTTP library (0.06 s)
    import httpx

_LEFT: Final = ".send_request_body.complete"
_AGAIN: Final = {408, 425}
_MOVED: Final = {301, 302, 303, 307, 308}
_REDIRECTS: Final = 3
_PATIENCE: Final = 4
"""A whole call may take so many times the timeout of a single step."""
_SENDABLE: Final = re.compile(r"(/(?!(\.|%2[eE]){1,2}(/|$))[A-Za-z0-9._~!$&'()*+,;=:@%-]*)+")
_SENDABLE_QUERY: Final = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@/?%-]*")
_LONGEST_QUERY: Final = 8000
_SHOWN_QUERY: Final = 400


@dataclass(frozen=True)
class Request:
    """One request. ``query``: of the URL; ``form``: the fields of a POST, before it is signed.

    ``cost``: what it takes of ``bucket``, one of the dialect's limits (empty: ``private`` or
    ``public``). ``host``: that a private one goes to, with any port. Signing adds ``content`` (the
    body), ``headers``, ``proof`` (the end of the URL's query) and ``secrets``, which no message may
    show.
    """

    method: str
    path: str
    query: str = ""
    form: str = ""
    private: bool = False
    cost: float = 1.0
    bucket: str = ""
    host: str = ""
    content: bytes | None = field(default=None, repr=False)
    headers: Mapping[str, str] | None = field(default=None, repr=False)
    proof: str = field(default="", repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @property
    def label(self) -> str:
        """How messages name it."""
        asked = self.query or self.form
        asked = asked if len(asked) <= _SHOWN_QUERY else f"{asked[:_SHOWN_QUERY]}..."
        return f"{self.method} {self.path}{'?' if asked else ''}{asked}"

    @property
    def call(self) -> str:
        """What it calls: method and path, and of a form every ``method`` in the body."""
        form = parse_qsl((self.content or b"").decode("latin-1"), keep_blank_values=True)
        methods = [value for name, value in form if name.lower() == "method"]
        return " ".join([self.method, self.path, *methods])


def get(
    path: str,
    query: Mapping[str, str] | None = None,
    *,
    private: bool = False,
    cost: float = 1.0,
    bucket: str = "",
) -> Request:
    """A GET. Commas of the query travel as they are."""
    text = urlencode(query or {}, safe=",")
    return Request("GET", path, text, private=private, cost=cost, bucket=bucket)


@dataclass(frozen=True)
class Response:
    """One answer. ``server_time``: the exchange's clock in microseconds, where it is reported.

    ``at``: when the client took it, in microseconds of its own clock. ``headers``: by name in lower
    case; they are not recorded, so no parser reads them.
    """

    request: Request
    status: int
    body: bytes
    content_type: str = ""
    server_time: int | None = None
    retry_after: float | None = None
    location: str = ""
    at: int = 0
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def reported(self) -> str:
        """The answer, short and redacted, for a message."""
        return excerpt(self.json, self.request.secrets)

    @property
    def json(self) -> bytes:
        """The body without a byte order mark."""
        return plain(self.body)


class Http:
    """The client of one exchange. ``exchange`` is its name as in ``BITEXBIT_BASE_URL``.

    ``reads``: patterns of the calls that may be sent, see :attr:`Request.call`. ``key_advice``:
    what to check where a key is refused.
    """

    def __init__(
        self,
        exchange: str,
        connection: Connection,
        reads: Sequence[str],
        key_advice: str = "",
    ) -> None:
        import httpx

        from connectors.transport import open_client
        from connectors.wire import Deadline

        self.exchange = exchange
        self._key_advice = key_advice
        self._reads = re.compile("|".join(reads))
        self.connection = connection
        self.base_url = httpx.URL(connection.base_url.rstrip("/"))
        self._client = open_client(self.base_url, connection.timeout)
        self._deadline = Deadline()
        self._deadline.hold(self._client)

    @property
    def variable(self) -> str:
        """The setting that holds the base URL."""
        return base_url_variable(self.exchange)

    @property
    def shown_url(self) -> str:
        """Scheme, host and port: what may be shown of the base URL."""
        url = self.base_url
        port = f":{url.port}" if url.port else ""
        return f"{url.scheme}://{url.host}{port}"

    def send(self, request: Request, sent: Callable[[], None] = lambda: None) -> Response:
        """Send ``request`` once; ``sent`` is called when it has left, before the answer.

        Raises ``TransientError`` where no whole answer came. Sends nothing and raises
        ``ForbiddenCallError`` where it is not a reading call, and ``RequestError`` where a name in
        it cannot be part of a URL.
        """
        import httpx

        from connectors.wire import LARGEST, TooLargeError

        if not self._reads.fullmatch(request.call):
            raise ForbiddenCallError(
                f"{self.exchange}: {request.call} is no reading call; not sent"
            )
        query = "&".join(part for part in (request.query, request.proof) if part)
        if (
            not _SENDABLE.fullmatch(request.path)
            or not _SENDABLE_QUERY.fullmatch(query)
            or len(request.path + query) > _LONGEST_QUERY
        ):
            raise RequestError(
                f"{self.exchange}: not sent, since it is no path of a URL: {request.label[:200]!r}"
            )
        path = self.base_url.path.rstrip("/") + request.path
        url = self.base_url.copy_with(raw_path=_target(path, request.query))
        extensions: dict[str, Any] = {
            "trace": lambda event, _: sent() if event.endswith(_LEFT) else None
        }
        if request.proof:  # sent, and not in the URL, which the library logs
            extensions["target"] = _target(path, query)
        built = self._client.build_request(
            request.method,
            url,
            content=request.content,
            headers=request.headers,
            extensions=extensions,
        )
        try:
            with self._deadline.within(_PATIENCE * self.connection.timeout):
                return self._answer(request, built)
        except TooLargeError:
            size = LARGEST // 1024 // 1024
            problem: ExchangeError = ContractError(
                f"{self._at(request)}: the answer is larger than {size} MiB"
            )
        # ValueError: a host or header that no standard allows
        except (httpx.HTTPError, httpx.InvalidURL, zlib.error, ValueError) as error:
            problem = self._fault(request, error)
        # Outside the except block: the library's error holds the request with all its headers.
        raise problem

    def _answer(self, request: Request, built: "httpx.Request") -> Response:
        for redirects in range(_REDIRECTS + 1):
            response = self._client.send(built, stream=True)
            try:
                target = None if request.private else self._target(response)
                if target is None or redirects == _REDIRECTS:
                    return self._received(request, response)
            finally:
                response.close()
            built = self._client.build_request("GET", target)
        raise AssertionError("unreachable")

    def _target(self, response: "httpx.Response") -> "httpx.URL | None":
        """Where a redirect leads, if it is one that may be followed: within the host's domain."""
        import httpx

        from connectors.transport import location, may_follow

        found = location(response)
        if response.status_code not in _MOVED or not found:
            return None
        try:
            target = response.request.url.join(found)
            return target if may_follow(self.base_url, target) else None
        except (httpx.InvalidURL, ValueError):
            return None

    def _received(self, request: Request, response: "httpx.Response") -> Response:
        from connectors.transport import location
        from connectors.wire import decoded

        headers = response.headers
        # A nonce looks like a time or an id, and is no secret after its use; a text as short as
        # some passphrase is part of many a word.
        secrets = [s for s in request.secrets if len(s) > 3 and not s.isdecimal()]
        body = BytesIO()  # gives its bytes away without a copy
        parts = decoded(response.iter_raw(), headers.get("content-encoding", ""))
        for part in masked(parts, secrets):
            body.write(part)
        return Response(
            request=request,
            status=response.status_code,
            content_type=headers.get("content-type", ""),
            body=body.getvalue(),
            server_time=_server_time(headers),
            retry_after=retry_after(headers.get("retry-after"), headers.get("date")),
            location=location(response),
            headers=dict(headers),
        )

    def _at(self, request: Request) -> str:
        return f"{self.exchange}: {request.label}"

    def _fault(self, request: Request, error: Exception) -> ExchangeError:
        import httpx

        reason = redact(str(error) or type(error).__name__, request.secrets)
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.ProxyError):
            return UnreachableError(
                f"{self.exchange}: cannot reach {self.shown_url} ({reason}). "
                f"Fix: check the network, and {self.variable} if the exchange moved."
            )
        if isinstance(error, httpx.TimeoutException):
            wait = f"{self.connection.timeout:g} s"
            return TransientError(f"{self._at(request)}: no whole answer within {wait} ({reason})")
        if isinstance(error, httpx.UnsupportedProtocol):
            return RequestError(f"{self._at(request)}: {reason}. Fix: check {self.variable}.")
        return TransientError(f"{self._at(request)}: the answer broke off ({reason})")

    def check(self, response: Response) -> None:
        """Raise what the status, or a web page in place of JSON, means."""
        problem = self._status(response)
        if problem is not None:
            raise problem
        if _is_page(response):
            raise TransientError(
                f"{self._at(response.request)}: a web page came instead of JSON: "
                f"{response.reported()}"
            )

    def _status(self, response: Response) -> ExchangeError | None:
        status = response.status
        if 200 <= status < 300:
            return None
        at = f"{self._at(response.request)}: status {status}"
        came = f": {response.reported()}" if response.body else ""
        if status in (418, 429) or (status == 403 and response.retry_after is not None):
            return RateLimitedError(f"{at}, too many calls{came}", response.retry_after)
        if status >= 500 or status in _AGAIN:
            return TransientError(f"{at}{came}", response.retry_after)
        if 300 <= status < 400:
            # The host alone: the rest of a Location may repeat what was sent.
            host = _host(response.location)
            return RequestError(
                f"{at}, a redirect to {host or 'nowhere'}, not followed. "
                f"Fix: set {self.variable} if the exchange moved."
            )
        if status in (401, 403):
            return self.refused(response)
        if status == 451:
            came += f". Fix: see the page of {self.exchange} in docs/exchanges for another host"
        if status == 404 and _is_page(response):
            came += f". Fix: set {self.variable} ({self.shown_url}) to the exchange's API."
        return RequestError(f"{at}{came}")

    def refused(self, response: Response) -> AuthError:
        """The error for a refused key, signature, nonce or right, with the fix."""
        status = "" if response.status == 200 else f"status {response.status}: "
        at = f"{self._at(response.request)}: {status}{response.reported()}"
        if not response.request.private:
            return AuthError(
                f"{at}. The exchange refuses a public call. Fix: check whether it blocks this "
                f"address, and whether {self.variable} ({self.shown_url}) is its API."
            )
        return AuthError(f"{at}. Fix: {self._key_advice}")

    def close(self) -> None:
        """Close all connections."""
        self._client.close()


def _target(path: str, query: str) -> bytes:
    return f"{path}?{query}".encode() if query else path.encode()


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
    if moment is None or not EARLIEST_US <= moment.timestamp() * 1_000_000 < LATEST_US:
        return None
    age = headers.get("age", "")
    # A cache's answer is as old as it says: its content knows nothing of the time since.
    seconds = int(age[:9]) if age.isascii() and age.isdigit() else 0
    return (int(moment.timestamp()) - seconds) * 1_000_000


def _is_page(response: Response) -> bool:
    return "html" in response.content_type.lower() or response.body.lstrip()[:1] == b"<"


def _host(location: str) -> str:
    import httpx

    try:
        return httpx.URL(location).host
    except (httpx.InvalidURL, ValueError):
        return ""
