"""What differs from one exchange's API to another's, as data and small pure functions.

A folder of ``connectors/`` declares one :class:`Dialect`; :class:`connectors.client.Client` runs
its endpoints. Every dataset has one :class:`Endpoint`: how it is paged, which request asks for it,
and which parser reads the answer, of a call just made and of a recorded one alike.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Generic, NoReturn, TypeVar

import pyarrow as pa

from connectors import exact
from connectors.base import EACH, Credentials, Page, Paging, ReadOnlyKey, Window
from connectors.errors import ExchangeError, NotOfferedError, TransientError, UnknownRowError
from connectors.exact import InvalidValue
from connectors.http import Request, Response, get
from connectors.jsontext import NotJsonError, decode_object, row_type
from connectors.names import Names, Spelling
from connectors.pace import Allowance
from connectors.rows import Built
from schemas import StreamId

T = TypeVar("T", covariant=True)


@dataclass(frozen=True)
class Asked:
    """What one call asks for. Only what the endpoint's kind of paging needs is set.

    ``streams``: one, or those of a snapshot of several markets. ``now``: the time in
    microseconds, of account data by the exchange's clock where that is measured.
    """

    streams: Sequence[StreamId]
    window: Window = field(default_factory=Window)
    token: str | None = None
    row_id: int | None = None
    currency: str = ""
    names: Names = field(default_factory=Names)
    now: int = 0

    @property
    def natives(self) -> list[str]:
        """The markets asked for, by the exchange's own names."""
        return [self.names.native_of(stream.symbol) for stream in self.streams if stream.symbol]

    @property
    def symbol(self) -> str:
        """The market or currency asked for; empty where it is a whole account or exchange."""
        return self.streams[0].symbol or ""

    @property
    def timeframe(self) -> str:
        """That of the candles asked for; empty where it is another dataset."""
        return self.streams[0].timeframe or ""


@dataclass(frozen=True)
class Answered:
    """What a parser needs to know of an answer besides its body. Times in microseconds.

    ``at``: by this machine's clock. ``server_time``: by the exchange's, where it is reported.
    ``query``: of the URL, or of the form, that asked; ``path``: of the URL.
    ``names``: those known. ``markets``: the symbols of the markets asked for, by native name.
    """

    streams: Sequence[StreamId]
    at: int
    server_time: int | None
    query: str = ""
    path: str = ""
    names: Names = field(default_factory=Names)
    markets: Mapping[str, str] = field(default_factory=dict)

    @property
    def market(self) -> tuple[str, str]:
        """The one market asked for: native name and symbol."""
        return next(iter(self.markets.items()))

    @property
    def symbol(self) -> str:
        """The market or currency asked for; empty where it is a whole account or exchange."""
        return self.streams[0].symbol or ""

    @property
    def timeframe(self) -> str:
        """That of the candles asked for; empty where it is another dataset."""
        return self.streams[0].timeframe or ""


@dataclass(frozen=True)
class Call(Generic[T]):
    """One call of an exchange: the request that asks, and the parser of the answer's content."""

    request: Callable[[Asked], Request]
    parse: Callable[[bytes, Answered], T]


NotFound = type[NotOfferedError] | type[UnknownRowError]


def _derived(*_: object) -> NoReturn:
    raise NotOfferedError("this dataset is built from others; no call gives it")


@dataclass(frozen=True)
class Endpoint:
    """One dataset. No call gives one that is built from others (``Cursor.DERIVED``).

    ``open_rows``: the list of open rows of a ``LOOKUP`` dataset, what remains of each by id.
    ``not_found``: what a refusal in JSON with that status (400, 404) means, None for what it says.
    ``renamed``: the ids of stored rows that would have others now, and those, by received rows.
    ``following``: where one page takes several calls (a history in several lists), the next one
    after a call, its page, and how many rows of that no earlier one brought; None after the last.
    One that the server does not have is left out, with a notice. ``extras``: paths of those for
    which any failure is no more than that, as the page is whole without them.
    ``parts``: further lists, each a stream of its own (:attr:`connectors.base.Paging.parts`).
    ``adds_up``: whether amounts of one currency in several of those calls are added up: what is
    held in several places.
    """

    paging: Paging
    request: Callable[[Asked], Request] = _derived
    parse: Callable[[bytes, Answered], Built | Page] = _derived
    open_rows: Call[Mapping[int, Decimal | None]] | None = None
    not_found: Callable[[Asked, int], NotFound | None] = lambda asked, status: None
    renamed: Callable[[pa.Table, pa.Table], Mapping[str, str]] = lambda received, stored: {}
    following: Callable[[Asked, Request, Page, int], Request | None] | None = None
    extras: Sequence[str] = ()
    parts: Mapping[str, "Endpoint"] = field(default_factory=dict)
    adds_up: bool = False

    def part(self, name: str | None) -> "Endpoint":
        """That of the list ``name``; itself where that is no list of these."""
        return self.parts.get(name or "") or (self.parts.get(EACH) if name else None) or self

    @property
    def offer(self) -> Paging:
        """How it and its parts are paged."""
        if not self.parts:
            return self.paging
        return replace(self.paging, parts={name: e.paging for name, e in self.parts.items()})


@dataclass(frozen=True)
class NonceRule:
    """How the nonces of a key go on.

    ``first``: the lowest to begin with, by this machine's clock (microseconds). ``after``: the
    lowest to try next after an answer to the nonce given, or None where the nonce was accepted.
    """

    first: Callable[[int], int]
    after: Callable[[Response, int], int | None]
    tries: int
    largest: int


@dataclass(frozen=True)
class ServerClock:
    """How calls without nonces are fresh: they carry a time near the exchange's own.

    ``call``: gives that time in microseconds since 1970; None where no call does: then it is this
    machine's, and after a refusal that of the answer. ``refused``: whether an answer says that the
    time of the call is not near enough.
    """

    call: Call[int] | None
    refused: Callable[[Response], bool]


def public_clock(
    exchange: str, path: str, member: str, refused: Callable[[Response], bool]
) -> ServerClock:
    """The clock that a public call gives as one member of an object.

    Anything else that it answers is a ``TransientError``.
    """
    model = row_type("Clock", member)

    def time_us(body: bytes, about: Answered) -> int:
        try:
            return exact.time_us(getattr(decode_object(model, body), member))
        except (NotJsonError, InvalidValue) as error:
            raise TransientError(f"{exchange}: GET {path}: not its time ({error})") from None

    return ServerClock(Call(lambda asked: get(path), time_us), refused)


def rest_of_header(response: Response) -> float | None:
    """``Retry-After`` of a refusal."""
    return None if 200 <= response.status < 300 else response.retry_after


@dataclass(frozen=True)
class Dialect:
    """One exchange's API. ``name`` is the exchange's.

    ``reads``: the calls that may leave, as patterns of :attr:`connectors.http.Request.call`; there
    is no other way out. ``limits``: what calls may cost, by bucket; ``public`` and ``private`` are
    those of requests that name none. ``sign``: signs with a nonce, or with the exchange's time in
    microseconds, as ``freshness`` has it. ``spelling``: of markets. ``markets_of``: the markets
    that a request names, as it spells them. ``refusal``: the error that an answer's text stands
    for, None where the status says it all. ``content``: the part of an answer that parsers read;
    raises ``ContractError``. ``rest``: seconds for which a refusal asks that nothing more of its
    bucket is sent, else None. ``used``: what an answer says is used of ``Allowance.most``, by all
    who share it; once that is nearly all, nothing more is sent in that minute. ``announced``: by
    bucket, what an answer says that calls may cost; where it is less than ``limits``, it is kept.
    ``with_key``: a public request that an answer refuses for want of a key, with the key; None for
    any other. ``has_passphrase``: whether a key has a third part, ``Credentials.passphrase``.
    """

    name: str
    base_url: str
    endpoints: Mapping[str, Endpoint]
    reads: Sequence[str]
    limits: Mapping[str, Allowance]
    sign: Callable[[Request, Credentials, int], Request]
    freshness: NonceRule | ServerClock
    spelling: Spelling
    markets_of: Callable[[Request], Sequence[str]]
    refusal: Callable[[Response], type[ExchangeError] | None] = lambda response: None
    content: Callable[[Response], bytes] = lambda response: response.json
    rest: Callable[[Response], float | None] = rest_of_header
    used: Callable[[Response], float | None] = lambda response: None
    announced: Callable[[Response], Mapping[str, Allowance]] = lambda response: {}
    address: Call[str] | None = None
    key: ReadOnlyKey | None = None
    with_key: Callable[[Request, Response, Credentials], Request | None] = lambda *_: None
    has_passphrase: bool = False

    @property
    def offers(self) -> Mapping[str, Paging]:
        """How each dataset is paged."""
        return {name: endpoint.offer for name, endpoint in self.endpoints.items()}
