"""The connector of every exchange: it runs the endpoints of a :class:`~connectors.dialect.Dialect`.

There is one call path: breaker, retries, sender (rate limit, nonce and signature, HTTP client,
which sends reading calls only), recorder, parser.
"""

import threading
import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from decimal import Decimal
from itertools import chain
from typing import Generic, TypeVar

import pyarrow as pa

from connectors.base import (
    Connection,
    Cursor,
    Market,
    Page,
    Paging,
    RecordedResponse,
    Window,
)
from connectors.codes import Codes
from connectors.dialect import Answered, Asked, Call, Dialect, Endpoint
from connectors.errors import (
    AuthError,
    ContractError,
    ExchangeError,
    NotAskedError,
    NotOfferedError,
    PartlyReadError,
    RequestError,
    TransientError,
    UnknownRowError,
)
from connectors.http import Request, Response
from connectors.joining import added_up, joined, without_known
from connectors.jsontext import is_json
from connectors.names import Names
from connectors.redact import excerpt, printable
from connectors.retry import Retry
from connectors.rows import Built, nothing
from connectors.sending import Sender
from schemas import StreamId, dataset

T = TypeVar("T")

Sleep = Callable[[float], None]
Now = Callable[[], float]


class _Once(Generic[T]):
    """What one call gives, asked for once; also a failure, since it took all its retries."""

    def __init__(self, ask: Callable[[], T]) -> None:
        self._ask = ask
        self._given: list[T] = []
        self._failed: ExchangeError | None = None
        self._lock = threading.Lock()

    def get(self) -> T:
        with self._lock:
            if self._failed is not None:
                raise self._failed
            if not self._given:
                try:
                    self._given.append(self._ask())
                except NotAskedError:
                    raise
                except ExchangeError as error:
                    self._failed = error
                    raise
            return self._given[0]


class Client:
    """A :class:`connectors.base.Connector`. ``now``: seconds since 1970, this machine's clock."""

    def __init__(
        self,
        dialect: Dialect,
        connection: Connection,
        sleep: Sleep = time.sleep,
        now: Now = time.time,
    ) -> None:
        self.name = dialect.name
        self.offers: Mapping[str, Paging] = dialect.offers
        self.connection = connection
        self._dialect = dialect
        self._sender = Sender(dialect, connection, now)
        self._retry = Retry(connection.retries, sleep)
        codes = Codes(dialect.spelling.lower).knowing(connection.codes)
        self._names = Names(dialect.spelling, connection.names, codes)
        self._names_lock = threading.Lock()
        self._markets = _Once(self._listed)
        self._currencies = _Once(lambda: self.snapshot("currencies", ()))

    @property
    def called_for(self) -> float:
        return self._sender.called_for

    def markets(self) -> Sequence[Market]:
        """All listed markets; asked once and remembered, also a failure: it took all its retries.

        Raises ``PartlyReadError`` where a row cannot be read: it may be that of any market, so none
        can be said to be missing.
        """
        return self._markets.get()

    def learn_codes(self) -> None:
        if "currencies" in self.offers:
            self._currencies.get()
        else:
            self._markets.get()

    def _listed(self) -> Sequence[Market]:
        page = self.snapshot("markets", ())
        columns = page.table.select([field.name for field in fields(Market)])
        readable = [Market(**row) for row in columns.to_pylist()]
        unread = [row for row in page.rejected if not row.is_stored]
        if unread:
            raise PartlyReadError(
                f"{self.name}: {len(unread)} of the {page.received} markets listed "
                f"cannot be read: {unread[0].reason}; "
                f"came: {excerpt(unread[0].payload.encode())}",
                readable,
            )
        return readable

    def symbol_of(self, name: str) -> str | None:
        return self._names.named(name)

    def fetch(self, stream: StreamId, window: Window) -> Page:
        cursors = (Cursor.ID, Cursor.TIME, Cursor.NEWEST)
        endpoint = self._endpoint(stream.dataset, *cursors, part=stream.symbol)
        if endpoint.paging.of(stream.timeframe).cursor is Cursor.DERIVED:
            raise NotOfferedError(
                f"{self.name} has no candles of {stream.timeframe}; "
                f"it has {', '.join(endpoint.paging.timeframes)}"
            )
        return self._page(endpoint, Asked((stream,), window))

    def page(self, stream: StreamId, token: str | None) -> Page:
        endpoint = self._endpoint(stream.dataset, Cursor.PAGES, part=stream.symbol)
        return self._page(endpoint, Asked((stream,), token=token))

    def snapshot(self, dataset_: str, symbols: Sequence[str]) -> Page:
        endpoint = self._endpoint(dataset_, Cursor.SNAPSHOT)
        paging = endpoint.paging
        if paging.batch and not 0 < len(symbols) <= paging.batch:
            raise ValueError(f"{self.name}: 1 to {paging.batch} markets a call, not {len(symbols)}")
        if not paging.batch and len(symbols) > paging.details:
            raise ValueError(f"{self.name}: {dataset_} is not asked for by name")
        account = self.connection.account if dataset(dataset_).is_account else None
        streams = [StreamId(self.name, dataset_, s, account) for s in symbols or (None,)]
        try:
            page = self._page(endpoint, Asked(streams))
        except UnknownRowError:
            return nothing(dataset_)
        if dataset_ == "markets":
            columns = (page.table[name].to_pylist() for name in ("native_symbol", "symbol"))
            markets = dict(zip(*columns, strict=True))
            with self._names_lock:  # lists are read at the same time
                known = self._names.knowing(markets, _texts(page, "base", "quote"))
                aliases = {**known.aliases, **page.aliases}
                listed = known.listed if symbols else tuple(markets)
                self._names = replace(known, aliases=aliases, listed=listed)
        elif "currency" in page.table.column_names:
            with self._names_lock:
                known = self._names.knowing({}, _texts(page, "currency"))
                codes = replace(known.codes, aliases={**known.codes.aliases, **page.aliases})
                self._names = replace(known, codes=codes)
        return page

    def open_rows(self, stream: StreamId) -> Mapping[int, Decimal | None]:
        call = self._endpoint(stream.dataset, Cursor.LOOKUP).open_rows
        if call is None:
            raise NotOfferedError(f"{self.name} has no list of the open rows of {stream.dataset}")
        asked = Asked((stream,), names=self._names)
        return self._unrecorded(call, asked, stream.dataset)

    def lookup(self, stream: StreamId, row_id: int) -> Page:
        endpoint = self._endpoint(stream.dataset, Cursor.LOOKUP)
        found = self._page(endpoint, Asked((stream,), row_id=row_id))
        if found.received and found.positions.to_pylist() not in ([row_id], []):
            raise ContractError(f"{self.name}: asked for row {row_id}, another one came")
        return found

    def renamed(self, dataset_: str, received: pa.Table, stored: pa.Table) -> Mapping[str, str]:
        return self._dialect.endpoints[dataset_].renamed(received, stored)

    def address(self, currency: str) -> str:
        """The account's address for deposits of ``currency``. It is never recorded."""
        call = self._dialect.address
        if call is None:
            raise NotOfferedError(f"{self.name} has no call that gives an address for deposits")
        stream = StreamId(self.name, "address", account=self.connection.account)
        return self._unrecorded(call, Asked((stream,), currency=currency), "an address")

    def read(self, response: RecordedResponse) -> Page:
        cursors = (c for c in Cursor if c is not Cursor.DERIVED)
        part = response.streams[0].symbol
        endpoint = self._endpoint(response.dataset, *cursors, part=part)
        private = dataset(response.dataset).is_account
        received = Response(
            request=Request(response.method, response.path, response.query, private=private),
            status=response.status,
            body=response.body,
            server_time=response.server_time,
            at=response.at,
        )
        return self._read(endpoint, response.streams, received, self._content(received))

    def close(self) -> None:
        self._sender.close()

    def _endpoint(self, dataset_: str, *cursors: Cursor, part: str | None = None) -> Endpoint:
        endpoint = self._dialect.endpoints.get(dataset_)
        endpoint = endpoint and endpoint.part(part)
        if endpoint is None or endpoint.paging.cursor not in cursors:
            offered = ", ".join(self.offers)
            raise NotOfferedError(
                f"{self.name} does not offer {dataset_} in this way; it offers: {offered}"
            )
        return endpoint

    # The call path.

    def _page(self, endpoint: Endpoint, asked: Asked) -> Page:
        """The page that one recorded call gives, or several where it takes them."""
        asked = replace(asked, names=self._names, now=self._now(asked.streams[0]))
        first = endpoint.request(asked)
        if endpoint.following is None:
            return self._recorded(endpoint, asked, first)
        dataset_, paging = asked.streams[0].dataset, endpoint.paging
        pages: list[Page] = []
        known: set[Hashable] = set()
        request: Request | None = first
        while request is not None:
            try:
                received = self._recorded(endpoint, asked, request, is_further=bool(pages))
            except (AuthError, RequestError, TransientError) as error:
                is_lacking = isinstance(error, NotOfferedError)
                if not pages or not (is_lacking or request.path in endpoint.extras):
                    raise
                received = replace(nothing(dataset_), notices=(str(error),))
            adds = endpoint.adds_up
            pages.append(received if adds else without_known(dataset_, received, known))
            try:
                request = endpoint.following(asked, request, received, pages[-1].received)
            except ContractError as error:
                raise ContractError(f"{self.name}: {error}") from None
        return added_up(pages) if endpoint.adds_up else joined(pages, asked.window, paging)

    def _now(self, stream: StreamId) -> int:
        """The time by the exchange's clock, as well as a call needs to know it."""
        if not dataset(stream.dataset).is_account or self.connection.credentials is None:
            return self._sender.now_us()
        return self.connection.breaker.call(
            f"{stream.dataset} {stream.label}",
            lambda: self._retry(self._sender.exchange_now_us),
            public=False,
        )

    def _recorded(
        self, endpoint: Endpoint, asked: Asked, request: Request, *, is_further: bool = False
    ) -> Page:
        """The page that one recorded call gives; ``is_further``: of a list besides the first."""

        def read(response: Response) -> Page:
            name = asked.streams[0].dataset
            is_list = is_further or endpoint is not self._dialect.endpoints.get(name)
            refused = response.status in (400, 404) and is_json(response.json)
            refused = refused or (is_list and response.status == 404)
            missing = endpoint.not_found(asked, response.status) if refused else None
            if missing is not None:
                offered = ", ".join(n for n in self.offers if n != name)
                raise missing(
                    f"{self.name}: this server has no {request.path} (status {response.status}), "
                    + (
                        f"so what it lists is missing from {name}"
                        if is_list
                        else f"so {name} cannot be collected from it; it offers: {offered}. "
                        f"Fix: leave {name} out of the feed"
                    )
                )
            content = self._content(response, asked.streams)
            return self._read(endpoint, asked.streams, response, content)

        return self._call(asked.streams[0], asked.streams[0].dataset, request, read)

    def _unrecorded(self, call: Call[T], asked: Asked, what: str) -> T:
        """The result of one call whose answer is not recorded."""

        def read(response: Response) -> T:
            content, about = self._content(response), _about(asked.streams, response)
            return self._parsed(response, lambda: call.parse(content, about))

        return self._call(asked.streams[0], what, call.request(asked), read)

    def _call(
        self, stream: StreamId, what: str, request: Request, read: Callable[[Response], T]
    ) -> T:
        """``read`` of the answer to ``request``; ``what`` is asked for, as messages name it."""
        if request.private and self.connection.credentials is None:
            raise AuthError(
                f"{self.name}: {what} needs the key of account '{self.connection.account}'. "
                f"Fix: set {self._sender.key_settings}."
            )
        return self.connection.breaker.call(
            f"{stream.dataset} {stream.label}",
            lambda: self._retry(lambda: read(self._sender.send(request))),
            public=not request.private,
        )

    def _content(self, response: Response, record: Sequence[StreamId] = ()) -> bytes:
        """What parsers read of an answer. Raises what a refusal means; it is recorded before."""
        refusal = self._dialect.refusal(response)
        if refusal is None:
            self._sender.http.check(response)
        if record and self.connection.recorder is not None:
            request = response.request
            self.connection.recorder.keep(
                RecordedResponse(
                    tuple(record),
                    request.method,
                    request.path,
                    request.query or request.form,
                    response.status,
                    response.at,
                    response.server_time,
                    response.body,
                )
            )
        if refusal is None:
            return self._parsed(response, lambda: self._dialect.content(response))
        if issubclass(refusal, AuthError):
            raise self._sender.http.refused(response)
        message = f"{self.name}: {response.request.label}: {response.reported()}"
        if issubclass(refusal, TransientError):
            raise refusal(message, response.retry_after)
        raise refusal(message)

    def _read(
        self, endpoint: Endpoint, streams: Sequence[StreamId], response: Response, content: bytes
    ) -> Page:
        symbols = [stream.symbol for stream in streams if stream.symbol]
        asked = dict(zip(self._dialect.markets_of(response.request), symbols, strict=False))
        about = replace(_about(streams, response), names=self._names, markets=asked)
        found = self._parsed(response, lambda: endpoint.parse(content, about))
        page = found.page() if isinstance(found, Built) else found
        return replace(page, server_time=response.server_time)

    def _parsed(self, response: Response, parse: Callable[[], T]) -> T:
        """``parse()``; an answer cut off on the way is a fault, one of another shape is not."""
        try:
            return parse()
        except ContractError as error:
            call = f"{self.name}: {response.request.label}"
            came = response.reported()
            if not is_json(response.json):
                raise TransientError(f"{call}: the answer is no whole JSON: {came}") from None
            raise ContractError(f"{call}: {printable(str(error))}; came: {came}") from None


def _texts(page: Page, *columns: str) -> Iterator[str]:
    return chain.from_iterable(page.table[name].to_pylist() for name in columns)


def _about(streams: Sequence[StreamId], response: Response) -> Answered:
    query = response.request.query or response.request.form
    path = response.request.path
    return Answered(streams, response.at, response.server_time, query, path)
