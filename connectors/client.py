"""What the clients of all exchanges share: dispatch, memory of the markets, retries, limits."""

import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from decimal import Decimal
from typing import ClassVar, Final, TypeVar
from urllib.parse import urlencode

from connectors.base import (
    Connection,
    Credentials,
    Cursor,
    Market,
    Page,
    Paging,
    RecordedResponse,
    Window,
)
from connectors.errors import (
    AuthError,
    ContractError,
    NotOfferedError,
    PartlyReadError,
    TransientError,
)
from connectors.http import Http, Request, Response, key_variables
from connectors.jsontext import is_json
from connectors.redact import excerpt, without
from connectors.retry import Retry
from connectors.rows import Built
from schemas import StreamId, dataset

T = TypeVar("T")

_LATE: Final = 0.02
"""Seconds after which a call has missed the moment that the rate limit gave it."""

Sleep = Callable[[float], None]
Now = Callable[[], float]


class Client:
    """The common part of a :class:`connectors.base.Connector`.

    A dialect names its ``offers`` and has one method per dataset, ``_trades(stream, window)`` for
    ``trades`` and so on: ``(stream, window)`` for ID, TIME and NEWEST, ``(stream, token)`` for
    PAGES, ``(symbols)`` for SNAPSHOT, ``(stream, row_id)`` for LOOKUP; and one that reads an
    answer, ``_read_trades(streams, response)``, which alone makes pages: of a call, and of an
    answer that was kept. ``now``: seconds since 1970, this machine's clock.
    """

    name: ClassVar[str]
    offers: Mapping[str, Paging]
    public_per_second: ClassVar[float]
    """How many public calls from one address the exchange takes."""

    def __init__(self, connection: Connection, sleep: Sleep = time.sleep, now: Now = time.time):
        self.connection = connection
        self._now = now
        self._http = Http(self.name, connection)
        self._retry = Retry(connection.retries, sleep)
        self._listed: Sequence[Market] | None = None
        self._markets_lock = threading.Lock()

    def markets(self) -> Sequence[Market]:
        """All listed markets; asked once and remembered.

        Raises ``PartlyReadError`` where a row cannot be read: it may be that of any market, so none
        can be said to be missing.
        """
        with self._markets_lock:
            if self._listed is None:
                page = self.snapshot("markets", ())
                told = page.table.select([field.name for field in fields(Market)])
                readable = [Market(**row) for row in told.to_pylist()]
                if page.rejected:
                    raise PartlyReadError(
                        f"{self.name}: {len(page.rejected)} of the {page.received} markets listed "
                        f"cannot be read: {page.rejected[0].reason}; "
                        f"came: {excerpt(page.rejected[0].payload.encode())}",
                        readable,
                    )
                self._listed = readable
            return self._listed

    def fetch(self, stream: StreamId, window: Window) -> Page:
        """One page of an ``ID``, ``TIME`` or ``NEWEST`` stream."""
        self._must_offer(stream.dataset, Cursor.ID, Cursor.TIME, Cursor.NEWEST)
        found: Page = getattr(self, f"_{stream.dataset}")(stream, window)
        return found

    def page(self, stream: StreamId, token: str | None) -> Page:
        """One page of a ``PAGES`` stream."""
        self._must_offer(stream.dataset, Cursor.PAGES)
        found: Page = getattr(self, f"_{stream.dataset}")(stream, token)
        return found

    def snapshot(self, dataset_: str, symbols: Sequence[str]) -> Page:
        """The state now of up to ``Paging.batch`` markets."""
        offer = self._must_offer(dataset_, Cursor.SNAPSHOT)
        if offer.batch and not 0 < len(symbols) <= offer.batch:
            raise ValueError(f"{self.name}: 1 to {offer.batch} markets a call, not {len(symbols)}")
        if not offer.batch and len(symbols) > offer.details:
            raise ValueError(f"{self.name}: {dataset_} is not asked for by name")
        found: Page = getattr(self, f"_{dataset_}")(symbols)
        return found

    def open_rows(self, stream: StreamId) -> Mapping[int, Decimal | None]:
        """What remains of each open row of a ``LOOKUP`` stream, by id."""
        self._must_offer(stream.dataset, Cursor.LOOKUP)
        found: Mapping[int, Decimal | None] = getattr(self, f"_open_{stream.dataset}")(stream)
        return found

    def lookup(self, stream: StreamId, row_id: int) -> Page:
        """One row of a ``LOOKUP`` stream."""
        self._must_offer(stream.dataset, Cursor.LOOKUP)
        found: Page = getattr(self, f"_{stream.dataset}")(stream, row_id)
        if found.received and found.positions.to_pylist() not in ([row_id], []):
            raise ContractError(f"{self.name}: asked for row {row_id}, another one came")
        return found

    def address(self, currency: str) -> str:
        """The account's address for deposits of ``currency``."""
        raise NotOfferedError(f"{self.name} has no call that tells an address for deposits")

    def read(self, answer: RecordedResponse) -> Page:
        """The page that an earlier ``answer`` holds, as a call would read it; sends nothing."""
        offered = [c for c in Cursor if c is not Cursor.DERIVED]
        self._must_offer(answer.dataset, *offered)
        label = _label(answer.method, answer.path, answer.query)
        private = dataset(answer.dataset).is_account
        call = Request(answer.method, answer.path, label, answer.query, private=private)
        time_, body = answer.server_time, answer.body
        response = Response(call, answer.status, "", body, time_, None, "", answer.at)
        return self._read(answer.streams, response)

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def _public(
        self, streams: Sequence[StreamId], path: str, query: Mapping[str, str] | None = None
    ) -> Page:
        """One public call: its answer kept and read."""
        text = urlencode(query or {}, safe=",")
        call = Request("GET", path, _label("GET", path, text), text)

        def attempt() -> Page:
            self._limit("public", self.public_per_second)
            return self._answered(streams, self._http.send(call))

        return self._retry(attempt)

    def _answered(self, streams: Sequence[StreamId], response: Response) -> Page:
        """The page of an answer, where it is not a refusal."""
        self._http.check(response)
        return self._take(streams, response)

    def _take(
        self, streams: Sequence[StreamId], response: Response, form: str | None = None
    ) -> Page:
        """Keep an answer, where somebody does, and read it. ``form``: what a POST asked."""
        call = response.call
        response = replace(response, at=self._now_us())
        if call.private:
            # A nonce looks like a time or an id, and is no secret after its use.
            secrets = [s for s in call.secrets if not s.isdecimal()]
            response = replace(response, body=without(response.body, secrets))
        if self.connection.recorder is not None:
            self.connection.recorder.keep(
                RecordedResponse(
                    tuple(streams),
                    call.method,
                    call.path,
                    call.query if form is None else form,
                    response.status,
                    response.at,
                    response.server_time,
                    response.body,
                )
            )
        return self._read(streams, response)

    def _read(self, streams: Sequence[StreamId], response: Response) -> Page:
        found: Page = getattr(self, f"_read_{streams[0].dataset}")(streams, response)
        return found

    def _must_offer(self, dataset_: str, *cursors: Cursor) -> Paging:
        offer = self.offers.get(dataset_)
        if offer is None or offer.cursor not in cursors:
            offered = ", ".join(self.offers)
            raise NotOfferedError(
                f"{self.name} does not offer {dataset_} in this way; it offers: {offered}"
            )
        return offer

    def _credentials(self, dataset_: str) -> Credentials:
        if self.connection.credentials is None:
            key, secret = key_variables(self.name, self.connection.account)
            raise AuthError(
                f"{self.name}: {dataset_} needs the key of account '{self.connection.account}'; "
                f"set {key} and {secret}"
            )
        return self.connection.credentials

    def _now_us(self) -> int:
        return int(self._now() * 1_000_000)

    def _bucket(self, kind: str) -> str:
        """A rate limit's name: per host for public calls, per account besides for private ones."""
        url = self._http.base_url
        parts = [self.name, kind, url.host, str(url.port or "")]
        if kind == "private":
            parts.append(self.connection.account)
        return re.sub(r"[^A-Za-z0-9.-]", "_", "-".join(p for p in parts if p))

    def _mine(self, dataset_: str) -> StreamId:
        """The stream of the connection's account."""
        return StreamId(self.name, dataset_, account=self.connection.account)

    def _limit(self, kind: str, per_second: float) -> None:
        self.connection.limits.wait(self._bucket(kind), per_second)

    @contextmanager
    def _turn(self, per_second: float, at_least: int) -> Iterator[int]:
        """The next nonce, at a moment when one more private call is allowed."""
        self._limit("private", per_second)
        allowed = time.monotonic()
        with self.connection.nonces.next(at_least) as nonce:
            if time.monotonic() - allowed > _LATE:
                # Another call held the nonce. Those that queued behind it must not go in a burst.
                self._limit("private", per_second)
            yield nonce

    def _page(self, response: Response, parse: Callable[[bytes], Built]) -> Page:
        """The page of an answer's rows."""
        return self._parsed(response, parse).page(response.server_time)

    def _parsed(self, response: Response, parse: Callable[[bytes], T]) -> T:
        """``parse(body)``; an answer cut off on the way is a fault, one of another shape is not."""
        try:
            return parse(response.body)
        except ContractError as error:
            call = f"{self.name}: {response.call.label}"
            if not is_json(response.body):
                raise TransientError(
                    f"{call}: the answer is no whole JSON: {response.said()}"
                ) from None
            raise ContractError(f"{call}: {error}; came: {response.said()}") from None


def _label(method: str, path: str, query: str) -> str:
    """How messages name a call."""
    return f"{method} {path}{'?' if query else ''}{query}"
