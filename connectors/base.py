"""What every connector offers, and the plain values that pass between it and the pipelines.

A connector knows one exchange's HTTP dialect. It is asked for a window of one stream and answers
with one :class:`Page` of canonical rows. It never decides what is complete, stores nothing and
moves no money.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import Enum
from typing import Literal, Protocol, TypeVar

import pyarrow as pa

from connectors.local import NoBreaker
from connectors.pace import Allowance
from schemas import RejectedRow, StreamId, timeframe_us

T = TypeVar("T")

Unit = Literal["ms", "s"]


THROUGH_CCXT = "ccxt:"
"""How the names of exchanges begin that have no connector of their own: ``ccxt:okx``."""
EACH = "*"
"""In :attr:`Paging.parts`: a list for each currency, under its code."""


class Cursor(Enum):
    """How the history of a dataset can be asked for."""

    ID = "id"  # windows of integer ids
    TIME = "time"  # windows of time (microseconds here; the exchange's unit is found out)
    NEWEST = "newest"  # only the newest N rows exist
    PAGES = "pages"  # numbered pages, newest or oldest first
    SNAPSHOT = "snapshot"  # the state now; no history
    LOOKUP = "lookup"  # the open rows in a list, any other by its id alone
    DERIVED = "derived"  # candles that the exchange does not have; built from its trades


class Key(Enum):
    """What identifies the rows of a stream, and what its coverage counts."""

    INTEGER = "integer"  # an integer id, rising with time as a rule; coverage counts ids
    TIME = "time"  # one row a moment (candles); coverage counts microseconds
    TEXT = "text"  # an opaque id; several rows may share a moment; coverage counts microseconds


class Bounds(Enum):
    """Which ends of a window one request can name."""

    BOTH = "both"
    EITHER = "either"  # one of the two, never both
    LOWER = "lower"  # forward only
    UPPER = "upper"  # backward only


@dataclass(frozen=True)
class Paging:
    """How one dataset of an exchange is asked for, as documented. Answers may break it.

    What the documentation leaves open (which end ``limit`` keeps, whether bounds are inclusive,
    the order of rows, lower caps) is found out from the answers.
    """

    cursor: Cursor
    key: Key = Key.INTEGER
    max_rows: int = 1000
    """The most rows one answer holds."""
    bounds: Bounds = Bounds.BOTH
    dense: bool = False
    """Integer ids without holes: a missing id is a missing row."""
    drops_oldest: bool = False
    """Of such ids: the oldest rows are shown no more, and the history begins with the first shown.
    Else it begins with id 1."""
    units: tuple[Unit, ...] = ()
    """Candidates for the unit of time bounds, the likelier first (``Cursor.TIME``)."""
    max_span_us: int | None = None
    """The longest window of time that one request may name, in microseconds.

    Of newest rows: the stretch of time that the longest answer shows, however many rows it has."""
    max_span_steps: int | None = None
    """Of candles: the longest such window, in intervals of their timeframe."""
    cache_us: int = 0
    """How old an answer may be when it arrives, in microseconds."""
    batch: int = 1
    """How many markets one snapshot call takes; 0: it is of the whole account or exchange."""
    details: bool = False
    """Whether one market or currency of such a whole can be asked for by name."""
    timeframes: tuple[str, ...] = ()
    """Of candles: those that the exchange has. Any other is built from its trades."""
    per_market: bool = False
    """Of account data: it is asked for market by market, never all at once."""

    apart: str = ""
    """Ids that begin so are of rows which come along and which no count includes."""
    drops_canceled: bool = False
    """Of orders: one that was canceled before anything was filled is shown no more."""
    appends: bool = False
    """Of numbered pages: the newest row first, and rows are only ever added at that end."""
    resumes: bool = False
    """Of numbered pages: the oldest row first, and rows are only ever added at the other end.

    A walk goes on from the last page with rows of the one before (:attr:`Page.place`)."""
    parts: Mapping[str, "Paging"] = field(default_factory=dict)
    """Of account data: the lists that it has besides, each a stream of its own by that name.

    ``EACH`` stands for one list of every currency."""

    def part(self, name: str | None) -> "Paging":
        """How the list ``name`` is asked for; as itself where it is no list of these."""
        return self.parts.get(name or "") or (self.parts.get(EACH) if name else None) or self

    def of(self, timeframe: str | None) -> "Paging":
        """How the candles of ``timeframe`` are asked for; any other dataset as it is."""
        if timeframe is None:
            return self
        if timeframe not in self.timeframes:
            return replace(self, cursor=Cursor.DERIVED)
        if self.max_span_steps is None:
            return self
        return replace(self, max_span_us=self.max_span_steps * timeframe_us(timeframe))


@dataclass(frozen=True)
class Window:
    """Rows asked for: ids, or microseconds since 1970; both bounds as sent, ``None`` = not sent.

    ``unit`` is the unit in which time bounds are sent. ``resume``: the lower bound to a finer unit,
    from an earlier ``Page.resume``. No caller may assume that the exchange honours any of it.
    """

    lower: int | None = None
    upper: int | None = None
    limit: int = 1000
    unit: Unit | None = None
    resume: int | None = None


@dataclass(frozen=True)
class Page:
    """One answer.

    ``table``: the good rows, of the dataset's ``connector_schema``, in the order received; a row
    that came twice is there once, where it came first.
    ``positions``: int64, one per row of ``table`` and in the same order: the row's id, or its time
    in microseconds.
    ``server_time``: the exchange's clock in microseconds (Date header), where it is reported.
    ``next_token``/``total``: for ``Cursor.PAGES``; the following page, and how many rows there are.
    ``place``: where :attr:`Paging.resumes` holds, the token by which this page can be asked for at
    any later time; None where there is none.
    ``resume``: for ``Cursor.TIME``, where the answer ends, in nanoseconds, where it says so.
    ``others``: ids of rows of another dataset that came along (entries of a ledger that repeat
    fills); ``total`` counts them.
    ``rights``: what the key may do (``info``, ``trade``), where it is reported.
    ``aliases``: of a list of markets or currencies, what other calls name them by, with the symbol
    or currency that is meant.
    ``notices``: what a person should know of it, though nothing failed.
    """

    table: pa.Table
    positions: pa.Int64Array
    rejected: Sequence[RejectedRow] = ()
    server_time: int | None = None
    next_token: str | None = None
    total: int | None = None
    place: str | None = None
    resume: int | None = None
    others: Sequence[str] = ()
    rights: tuple[str, ...] | None = None
    aliases: Mapping[str, str] = field(default_factory=dict)
    notices: tuple[str, ...] = ()

    @property
    def received(self) -> int:
        """Rows in the answer, good or not."""
        return int(self.table.num_rows) + sum(not row.is_stored for row in self.rejected)


@dataclass(frozen=True)
class RecordedResponse:
    """One whole answer as it came, and what was asked: enough to read it again at any time.

    Nothing in it is secret: no header, key, signature or nonce; where a server repeats a secret in
    its answer, ``body`` has it masked. ``query``: of the URL, or of a signed form. ``at``: when it
    came, by this machine's clock; ``server_time``: by the exchange's, where it is reported (both in
    microseconds since 1970).
    """

    streams: tuple[StreamId, ...]
    """What was asked for: one stream, or the markets of a snapshot."""
    method: str
    path: str
    query: str
    status: int
    at: int
    server_time: int | None
    body: bytes

    @property
    def dataset(self) -> str:
        """The dataset whose rows it holds."""
        return self.streams[0].dataset


@dataclass(frozen=True)
class Market:
    """One listed market. ``active`` is false for a pair that is listed but disabled."""

    symbol: str
    native_symbol: str
    base: str
    quote: str
    active: bool


class Nonces(Protocol):
    """The one nonce sequence of one key, shared by every process that uses it.

    ``next`` is held for the whole request, because an exchange refuses a nonce that overtakes
    another on the wire.
    """

    def next(self, at_least: int) -> AbstractContextManager[int]:
        """A number never returned before, ``>= at_least`` and above every earlier one."""
        ...


class Limits(Protocol):
    """Rate limits, shared by every process on the machine."""

    def wait(self, bucket: str, allowance: Allowance, cost: float = 1.0) -> None:
        """Block until one more call of ``bucket``, of that cost, is allowed."""
        ...

    def sent(self, bucket: str, allowance: Allowance, cost: float = 1.0) -> None:
        """A call of ``bucket`` left this machine just now: the next one counts from here."""
        ...

    def hold(self, bucket: str, seconds: float) -> None:
        """Let no call of ``bucket`` go for so long: the exchange asks for it."""
        ...


class Breaker(Protocol):
    """A circuit breaker: calls off requests to an exchange that is down or has banned us."""

    def call(self, stream: str, ask: Callable[[], T], *, public: bool = True) -> T:
        """The answer of ``ask``. Raises ``NotAskedError`` without asking while it is open.

        ``stream``: what is asked for, as messages name it. ``public``: whether the call goes
        without a key; a refused key says nothing about the exchange.
        """
        ...


class Recorder(Protocol):
    """Keeps answers as they came. Safe to use from several threads at once."""

    def keep(self, response: RecordedResponse) -> None:
        """Called before ``response`` is read; what this raises ends the call."""
        ...


@dataclass(frozen=True)
class Credentials:
    """An API key. ``repr`` shows no part. ``passphrase``: where the exchange's keys have one."""

    key: str = field(repr=False)
    secret: str = field(repr=False)
    passphrase: str | None = field(default=None, repr=False)

    @property
    def parts(self) -> tuple[str, ...]:
        """Key, secret and, if there is one, passphrase: no message may show any."""
        return (self.key, self.secret, *([self.passphrase] if self.passphrase else ()))


@dataclass(frozen=True)
class ReadOnlyKey:
    """The key with just the right that collecting needs, where an exchange's keys have rights.

    ``right``: the one right that it needs. ``how_to``: how to make one, for a person.
    """

    right: str
    how_to: str


@dataclass(frozen=True)
class Connection:
    """Everything a connector needs from outside."""

    base_url: str
    nonces: Nonces
    limits: Limits
    breaker: Breaker = field(default_factory=NoBreaker)
    account: str = "main"
    credentials: Credentials | None = None
    timeout: float = 30.0
    retries: int = 5
    recorder: Recorder | None = None
    allow_http: bool = False
    """Whether the key may be sent to another machine unencrypted."""
    names: Mapping[str, str] = field(default_factory=dict)
    """Symbols by native name, of lists read earlier: a market keeps its symbol."""
    codes: Collection[str] = ()
    """Currencies as they are stored, of lists read earlier: each keeps its code."""


class Connector(Protocol):
    """One exchange, for reading only. Safe to use from several threads at once.

    Every call raises ``connectors.errors.ExchangeError`` (and nothing else) when the exchange does
    not answer as needed. An empty answer is an empty page, not an error.
    """

    name: str
    offers: Mapping[str, Paging]

    @property
    def called_for(self) -> float:
        """How many calls at once use up the rate limits, as long as answers take now; 0: unknown.

        Few where answers come at once, or few calls are allowed.
        """
        ...

    def markets(self) -> Sequence[Market]:
        """All listed markets; asked once and remembered. One unreadable: PartlyReadError."""
        ...

    def learn_codes(self) -> None:
        """Ask for the list that tells currencies apart whose names differ by case; once."""
        ...

    def symbol_of(self, name: str) -> str | None:
        """The symbol that ``name`` (a symbol, or the exchange's own name) stands for, if any."""
        ...

    def fetch(self, stream: StreamId, window: Window) -> Page:
        """One page of an ``ID``, ``TIME`` or ``NEWEST`` stream."""
        ...

    def page(self, stream: StreamId, token: str | None) -> Page:
        """One page of a ``PAGES`` stream: the first, or the one that ``token`` names."""
        ...

    def snapshot(self, dataset: str, symbols: Sequence[str]) -> Page:
        """The state now of up to ``Paging.batch`` markets; positions are the time of observation.

        Where ``batch`` is 0: of everything (no name), or of one by name (``Paging.details``); a
        name that the exchange does not know is an empty page.
        """
        ...

    def open_rows(self, stream: StreamId) -> Mapping[int, Decimal | None]:
        """A ``LOOKUP`` stream's open rows: what remains of each by id (``None``: unreadable)."""
        ...

    def lookup(self, stream: StreamId, row_id: int) -> Page:
        """One row of a ``LOOKUP`` stream.

        Raises ``UnknownRowError`` only where the documented answer is that there is no such row.
        """
        ...

    def renamed(self, dataset: str, received: pa.Table, stored: pa.Table) -> Mapping[str, str]:
        """Ids that an earlier version gave to ``stored`` rows, with those that they have now.

        ``received``: rows of an answer, which show how the server identifies them.
        """
        ...

    def address(self, currency: str) -> str:
        """The account's address for deposits of ``currency``, as the exchange has it."""
        ...

    def read(self, response: RecordedResponse) -> Page:
        """The page in an earlier ``response``, as the calls above read it; sends nothing."""
        ...

    def close(self) -> None:
        """Close all connections."""
        ...
