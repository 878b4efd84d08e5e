"""OKX v5: public data by id and by time, and an account's lists by windows of time.

Source: OKX's API documentation. ``after`` asks for rows older than it names, ``before`` for newer
ones, both without the row itself; ``before`` alone gives the newest page, not the next one. Rows
come newest first, every value as text, and ``""`` where there is none.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, Final
from urllib.parse import parse_qs

import pyarrow.compute as pc

from connectors import columns as kinds
from connectors import exact, market_data
from connectors.base import Bounds, Cursor, Key, Paging, ReadOnlyKey
from connectors.books import book_of
from connectors.ccxt import library, okx_account
from connectors.ccxt.okx_shape import API, SPELLING, blank
from connectors.ccxt.table import Entry, Read
from connectors.dialect import Answered, Asked, Call, Dialect, Endpoint, ServerClock
from connectors.errors import ContractError, TransientError
from connectors.http import Request, Response, get
from connectors.jsontext import NotJsonError, elements, row_type
from connectors.names import Names
from connectors.pace import Allowance
from connectors.rows import Built, Column, Layout, column, member_of, observed, read, rows_of
from schemas import timeframe_us

MAX_TRADES: Final = 100
MAX_CANDLES: Final = 300
MAX_SPAN: Final = MAX_CANDLES - 1
MAX_LEVELS: Final = 400
"""Of either side of an order book."""
NEWEST_CANDLES: Final = 1440
"""So many are in the list of new candles; older ones are in another."""
MAX_LISTED: Final = 5000
BARS: Final = {
    **{name: name for name in ("1m", "3m", "5m", "15m", "30m")},
    **{"1h": "1H", "2h": "2H", "4h": "4H", "6h": "6Hutc", "12h": "12Hutc"},
    **{"1d": "1Dutc", "1w": "1Wutc"},
}
"""Longer ones open at 16:00 UTC where they are not asked for in UTC."""
_ID, _TIME, _TEXT, _NUMBER = kinds.Id(), kinds.Time(), kinds.Text(), kinds.Number()
_SIGNED, _WIDE = kinds.Number(signed=True), kinds.Wide()


# -- requests --------------------------------------------------------------------------------------


def _of_market(name: str, asked: Asked, query: Mapping[str, str]) -> Request:
    return get(f"{API}/market/{name}", {"instId": asked.natives[0], **query})


def _trades(asked: Asked) -> Request:
    """By trade id. Never ``before`` alone; with ``after``, no more ids than an answer holds."""
    low, high = asked.window.lower, asked.window.upper
    limit = min(asked.window.limit, MAX_TRADES)
    query = {"type": "1", "limit": str(limit)}
    if low is not None:
        high = low + limit - 1 if high is None else high
        query["before"] = str(max(low, high - limit + 1, 1) - 1)
    if high is not None:
        query["after"] = str(max(high, 0) + 1)
    return _of_market("history-trades", asked, query)


def _candles(asked: Asked) -> Request:
    """Bounds leave out the candle that they name, so that they lie a millisecond outside."""
    step = timeframe_us(asked.timeframe)
    low, high = asked.window.lower, asked.window.upper
    query = {"bar": BARS[asked.timeframe], "limit": str(MAX_CANDLES)}
    if low is not None or high is not None:
        high = (low or 0) + MAX_SPAN * step if high is None else high
        low = max(high - MAX_SPAN * step, 0 if low is None else low)
        query["before"] = str(max(-(-low // 1000) - 1, 0))
        query["after"] = str(max(high // 1000, 0) + 1)
    is_old = low is not None and low < asked.now - (NEWEST_CANDLES - 1) * step
    return _of_market("history-candles" if is_old else "candles", asked, query)


def _markets_of(request: Request) -> list[str]:
    return parse_qs(request.query).get("instId", [])


# -- answers ---------------------------------------------------------------------------------------

_TRADE: Final = row_type("OkxTrade", "tradeId ts side px sz instId")
_TRADE_COLUMNS: Final = (
    column("trade_id", "tradeId", _ID),
    column("timestamp", "ts", _TIME),
    column("side", "side", kinds.Choice({"buy": "buy", "sell": "sell"})),
    column("price", "px", _NUMBER),
    column("amount", "sz", _NUMBER),
)


def trades(body: bytes, native: str, symbol: str, query: str = "") -> Built:
    """``market/history-trades``, without rows that a bound of ``query`` names, if they come."""
    given = parse_qs(query)
    named = {id_ for bound in ("before", "after") for id_ in given.get(bound, ())}
    columns = (*_TRADE_COLUMNS, column("symbol", "instId", kinds.Only(native, symbol)))
    fields = (b"tradeId", b"ts", b"side", b"px", b"sz", b"instId")
    layout = Layout("trades", columns, ("trade_id",), "trade_id", fields)
    return read(layout, rows_of(body, _TRADE), lambda row: str(row.tradeId) not in named)


_CANDLE: Final = row_type(
    "OkxCandle",
    "time open high low close volume volCcy volCcyQuote confirm",
    array_like=True,
)
_CANDLE_COLUMNS: Final = (
    *market_data.candle_columns("time"),
    Column("confirmed", lambda row: str(row.confirm) == "1", kinds.Flag()),
)


def candles(body: bytes, about: Answered) -> Built:
    """``market/candles`` and ``market/history-candles``; the volume is in base currency.

    A candle is final where it says so and its interval has ended.
    """
    built = market_data.candles(
        rows_of(body, _CANDLE), _CANDLE_COLUMNS, about.symbol, about.timeframe, about.server_time
    )
    both = pc.and_(built.columns["is_final"], built.columns["confirmed"])
    return built.with_column("is_final", both)


_TICKER: Final = row_type("OkxTicker", "instId ts last askPx bidPx high24h low24h vol24h volCcy24h")
_PRICES: Final = {
    "last": "last",
    "bid": "bidPx",
    "ask": "askPx",
    "high": "high24h",
    "low": "low24h",
}


def tickers(body: bytes, about: Answered) -> Built:
    """``market/tickers``: every market; those that were not asked for are left out."""
    asked = {about.names.native_of(s.symbol): s.symbol for s in about.streams if s.symbol}
    columns = (
        column("symbol", "instId", kinds.Choice(asked)),
        column("timestamp", "ts", _TIME),
        *(Column(name, blank(source), _SIGNED, False) for name, source in _PRICES.items()),
        Column("base_volume", blank("vol24h"), _WIDE, False),
        Column("quote_volume", blank("volCcy24h"), kinds.Cost(), False),
    )
    layout = observed("tickers", columns, key="symbol", at=about.at)

    def keep(row: Any) -> bool:
        return not isinstance(row.instId, str) or row.instId in asked

    return read(layout, rows_of(body, _TICKER), keep)


def order_book(body: bytes, symbol: str, observed_at: int) -> Built:
    """``market/books``: the best 400 levels of either side."""
    try:
        books = elements(body)
    except NotJsonError as error:
        raise ContractError(f"not a list of books ({error})") from None
    if len(books) != 1:
        raise ContractError(f"{len(books)} books, not one")
    return book_of(bytes(books[0]), symbol, observed_at)


_INSTRUMENT: Final = row_type(
    "OkxInstrument", "instId baseCcy quoteCcy tickSz lotSz minSz maxLmtSz state"
)
_LISTED: Final = (
    column("native_symbol", "instId", _TEXT),
    Column("price_precision", blank("tickSz"), kinds.Places(), False),
    Column("amount_precision", blank("lotSz"), kinds.Places(), False),
    Column("min_amount", blank("minSz"), _NUMBER, False),
    Column("max_amount", blank("maxLmtSz"), _NUMBER, False),
    Column("active", lambda row: bool(row.state == "live"), kinds.Flag()),
)


def markets(body: bytes, observed_at: int, names: Names) -> Built:
    """``public/instruments``, spot."""
    fields = ("instId", "baseCcy", "quoteCcy")
    source = rows_of(body, _INSTRUMENT)
    return market_data.markets(source, fields, _LISTED, names, observed_at, most_rows=MAX_LISTED)


_TIME_PATH: Final = f"{API}/public/time"
_MOMENT: Final = row_type("OkxTime", "ts")


def _clock(name: str, body: bytes, about: Answered) -> int:
    """``public/time``, in microseconds. Anything else that it answers is a fault of the moment."""
    try:
        (row,) = rows_of(_data(body), _MOMENT).rows or ()
        return exact.time_us(row.ts)
    except (ContractError, ValueError) as error:
        raise TransientError(f"{name}: GET {_TIME_PATH}: not its time ({error})") from None


def _data(body: bytes) -> bytes:
    """The rows of an answer. One without them is none of OKX's."""
    return member_of(body, "data", "an answer with rows")


def content(response: Response) -> bytes:
    """What parsers read: the rows; of the call that tells the time, all of it."""
    return response.json if response.request.path == _TIME_PATH else _data(response.json)


# -- the table -------------------------------------------------------------------------------------

_NOW: Final = Paging(Cursor.SNAPSHOT, batch=0)

ENDPOINTS: Final[Mapping[str, Endpoint]] = {
    "trades": Endpoint(
        # Shown for three months. Ids of a market have no holes in all that was recorded.
        Paging(Cursor.ID, max_rows=MAX_TRADES, bounds=Bounds.UPPER, dense=True, drops_oldest=True),
        _trades,
        lambda body, about: trades(body, *about.market, about.query),
    ),
    "candles": Endpoint(
        Paging(
            Cursor.TIME,
            key=Key.TIME,
            max_rows=MAX_CANDLES,
            max_span_steps=MAX_SPAN,
            cache_us=1_000_000,
            timeframes=tuple(BARS),
        ),
        _candles,
        candles,
    ),
    "tickers": Endpoint(
        Paging(Cursor.SNAPSHOT, max_rows=MAX_LISTED, batch=MAX_LISTED, cache_us=1_000_000),
        lambda asked: get(f"{API}/market/tickers", {"instType": "SPOT"}),
        tickers,
    ),
    "order_books": Endpoint(
        Paging(Cursor.SNAPSHOT, max_rows=2 * MAX_LEVELS, cache_us=1_000_000),
        lambda asked: _of_market("books", asked, {"sz": str(MAX_LEVELS)}),
        lambda body, about: order_book(body, about.symbol, about.at),
    ),
    "markets": Endpoint(
        _NOW,
        lambda asked: get(f"{API}/public/instruments", {"instType": "SPOT"}),
        lambda body, about: markets(body, about.at, about.names),
    ),
    **okx_account.ENDPOINTS,
}


def dialect(entry: Entry) -> Dialect:
    """OKX's dialect, also of its other hosts (``myokx``, ``okxus``)."""
    triples: Mapping[str, Read] = {read.at: read for read in entry.every}
    return Dialect(
        name=entry.name,
        base_url=entry.host,
        endpoints=ENDPOINTS,
        reads=entry.patterns,
        limits={
            # of an address: 20 in two seconds of the slowest call
            "public": Allowance(entry.per_second, burst=4),
            # of an account: 10 in two seconds; slower calls cost more
            "private": Allowance(5, burst=4, per_account=True),
        },
        sign=lambda request, key, at: library.signed(
            entry, triples[request.path], request, key, at
        ),
        spelling=SPELLING,
        markets_of=_markets_of,
        freshness=ServerClock(
            Call(lambda asked: get(_TIME_PATH), partial(_clock, entry.name)),
            partial(library.is_not_fresh, entry),
        ),
        refusal=partial(library.refusal, entry),
        content=content,
        key=ReadOnlyKey(
            "read_only", "at OKX under API keys, with the permission Read and nothing else"
        ),
        has_passphrase=True,
    )
