"""An exchange of which nothing but ccxt's classes is known: what it shows now, and no more.

ccxt composes each request and finds the rows in each answer. It sees an answer that is whole JSON;
rows must be a list of that very answer, and each is read from its own text, by itself. So nothing
is dropped, sorted or made up on the way, and an answer without rows counts as empty only where the
answer itself has an empty list.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from connectors import columns as kinds
from connectors import exact, market_data
from connectors.base import Cursor, Key, Paging
from connectors.books import book
from connectors.ccxt import library
from connectors.ccxt.table import Entry
from connectors.dialect import Answered, Asked, Dialect, Endpoint, ServerClock
from connectors.errors import ContractError, ForbiddenCallError, RequestError
from connectors.exact import InvalidValue
from connectors.http import Request
from connectors.jsontext import NotJsonError, decode_row, elements, members
from connectors.members import Row, of
from connectors.names import Names, Spelling
from connectors.pace import Allowance
from connectors.rows import Built, Column, Layout, RowText, Source, observed, read
from schemas.timeframes import grid

MAX_ROWS: Final = 1000
_MAX_LEVELS: Final = 100_000
_MAX_MARKETS: Final = 20_000
_TEXT, _TIME, _NUMBER = kinds.Text(), kinds.Time(), kinds.Number()
_SIGNED, _WIDE = kinds.Number(signed=True), kinds.Wide(signed=True)


def dialect(entry: Entry) -> Dialect:
    """The dialect of an exchange without a profile."""
    return Dialect(
        name=entry.name,
        base_url=entry.host,
        endpoints=endpoints(entry),
        reads=entry.patterns,
        limits={"public": Allowance(entry.per_second)},
        sign=_unsigned,
        spelling=Spelling(separator="", reserved="/\\?#" if _is_by_path(entry) else ""),
        markets_of=lambda request: (),
        freshness=ServerClock(None, lambda response: False),
        refusal=partial(library.refusal, entry),
    )


def endpoints(entry: Entry) -> Mapping[str, Endpoint]:
    """What can be had of any exchange, where its calls are declared."""
    newest = Paging(Cursor.NEWEST, key=Key.TEXT, max_rows=entry.most.get("trades", MAX_ROWS))
    candles = replace(newest, key=Key.TIME, max_rows=MAX_ROWS, timeframes=entry.timeframes)
    now, listed = Paging(Cursor.SNAPSHOT, max_rows=1), Paging(Cursor.SNAPSHOT, batch=0)
    found = {
        "markets": Endpoint(listed, partial(_asked, entry, _markets), partial(_listed, entry)),
        "trades": Endpoint(newest, partial(_asked, entry, _trades), partial(traded, entry)),
        "candles": Endpoint(candles, partial(_asked, entry, _candles), partial(_drawn, entry)),
        "tickers": Endpoint(now, partial(_asked, entry, _ticker), partial(_quoted, entry)),
        "order_books": Endpoint(
            replace(now, max_rows=_MAX_LEVELS),
            partial(_asked, entry, _book),
            partial(_booked, entry),
        ),
    }
    return {name: found[name] for name in found if name in entry.reads}


def _is_by_path(entry: Entry) -> bool:
    return any(read.is_by_path for read in entry.reads.values())


def _unsigned(request: Request, *_: object) -> Request:
    raise ForbiddenCallError(f"{request.label} needs a key; of this exchange only public calls are")


# -- one market, as ccxt wants it ------------------------------------------------------------------


@dataclass(frozen=True)
class _Subject:
    """What is asked for: a market by the exchange's own name, and its two currencies."""

    native: str = ""
    symbol: str = ""
    timeframe: str = ""
    limit: int | None = None


def _subject(entry: Entry, names: Names, symbol: str, timeframe: str = "") -> _Subject:
    native = names.native_of(symbol) if symbol else ""
    odd = ".." in native or any(c in native for c in "/\\?#")
    if odd and _is_by_path(entry):
        raise RequestError(f"{entry.name}: {native!r} cannot be part of a path; not sent")
    base, _, quoted = symbol.partition("-")
    return _Subject(native, f"{base}/{quoted or 'X'}", timeframe, entry.most.get("trades"))


def _with_market(subject: _Subject, ask: Callable[[Any, _Subject], Any]) -> library.Ask:
    """``ask`` of an object that knows the one market, made of its names alone."""

    def asks(made: Any) -> Any:
        if subject.native:
            base, quoted = subject.symbol.split("/")
            market = made.safe_market_structure(
                {
                    **{"id": subject.native, "symbol": subject.symbol, "base": base},
                    **{"quote": quoted, "baseId": base, "quoteId": quoted, "type": "spot"},
                    **{"spot": True, "active": True, "contract": False, "info": {}},
                    **dict.fromkeys(("margin", "swap", "future", "option"), False),
                    "precision": {"amount": "0.00000001", "price": "0.00000001"},
                }
            )
            made.markets, made.symbols, made.ids = (
                {subject.symbol: market},
                [subject.symbol],
                [subject.native],
            )
            made.markets_by_id = {subject.native: [market]}
            made.currencies, made.currencies_by_id = {}, {}
        return ask(made, subject)

    return asks


def _markets(made: Any, _: _Subject) -> Any:
    return made.fetch_markets()


def _trades(made: Any, subject: _Subject) -> Any:
    return made.fetch_trades(subject.symbol, None, subject.limit)


def _candles(made: Any, subject: _Subject) -> Any:
    return made.fetch_ohlcv(subject.symbol, subject.timeframe)


def _ticker(made: Any, subject: _Subject) -> Any:
    return made.fetch_ticker(subject.symbol)


def _book(made: Any, subject: _Subject) -> Any:
    return made.fetch_order_book(subject.symbol)


Method = Callable[[Any, _Subject], Any]


def _asked(entry: Entry, method: Method, asked: Asked) -> Request:
    subject = _subject(entry, asked.names, asked.symbol, asked.timeframe)
    place = entry.place if method is _markets else 0
    return library.composed(entry, _with_market(subject, method), asked.now, place)


# -- where ccxt finds the rows ---------------------------------------------------------------------


@dataclass(frozen=True)
class _Found:
    """A part of an answer that ccxt takes for the rows; ``body``: its text as received.

    ``more``: what its parser is given besides.
    """

    made: Any
    market: Any
    value: Any
    body: bytes
    more: Sequence[Any] = ()


class _Seen(BaseException):
    def __init__(self, value: Any, more: Sequence[Any]) -> None:
        super().__init__()
        self.value, self.more = value, more


def _rows_of(
    entry: Entry, method: Method, parser: str, body: bytes, about: Answered, what: str
) -> _Found:
    """What ``method`` hands to ``parser`` of ccxt. Raises ``ContractError`` for what is no part.

    An answer whose rows are missing is read as an empty list by ccxt: that list is none of the
    answer's, and so it is noticed.
    """
    answer = library.decoded(body)
    subject = _subject(entry, about.names, about.symbol, about.timeframe)
    known: list[tuple[Any, Any]] = []

    def ask(made: Any, subject: _Subject) -> Any:
        known.append((made, made.market(subject.symbol)))

        def seen(value: Any, *more: Any, **named: Any) -> Any:
            raise _Seen(value, (more, named))

        setattr(made, parser, seen)
        return method(made, subject)

    try:
        library.replayed(entry, _with_market(subject, ask), answer, about.at)
    except _Seen as found:
        path = _path(answer, found.value)
        if path is not None:
            made, market = known[0]
            delattr(made, parser)
            return _Found(made, market, found.value, _part(body, path), found.more)
    raise ContractError(f"no {what} are where ccxt expects them")


def _path(answer: Any, wanted: Any) -> tuple[Any, ...] | None:
    """The keys that lead from ``answer`` to the very object ``wanted``; None where none do."""
    waiting: list[tuple[Any, tuple[Any, ...]]] = [(answer, ())]
    for value, path in waiting:
        if value is wanted:
            return path
        parts = value.items() if isinstance(value, dict) else enumerate(value)
        waiting += [(part, (*path, key)) for key, part in parts if isinstance(part, dict | list)]
    return None


def _part(body: bytes, path: Iterable[Any]) -> bytes:
    """The text at ``path`` of ``body``, as received."""
    part: bytes | memoryview = body
    try:
        for key in path:
            if isinstance(key, int):
                part = elements(part)[key]
            else:
                part = next(m.value for m in reversed(members(part)) if m.key == key)
    except (NotJsonError, StopIteration, IndexError) as error:
        raise ContractError(f"not an answer of one reading ({error})") from None
    return bytes(part)


def _list_of(found: _Found, what: str) -> list[RowText]:
    if not isinstance(found.value, list):
        raise ContractError(f"the {what} are not a list")
    try:
        return [RowText(text, text) for text in elements(found.body)]
    except NotJsonError as error:
        raise ContractError(f"the {what} are not a list ({error})") from None


def _parsed(parse: Callable[..., Any], text: RowText, *more: Any) -> Any:
    """One row as ccxt reads it, from its own text. Raises :class:`InvalidValue`."""
    row = decode_row(Any, text.value)
    try:
        found = parse(row, *more)
    except Exception as error:
        raise InvalidValue(f"cannot be read by ccxt: {type(error).__name__} {error}") from None
    return row, found


# -- trades ----------------------------------------------------------------------------------------


def _values(row: Any) -> Iterator[str]:
    """The text of everything in a row."""
    waiting = [row]
    for value in waiting:
        if isinstance(value, dict | list):
            waiting += value.values() if isinstance(value, dict) else value
        elif value is not None:
            yield str(value)


_NO_ID: Final = "trade_id is missing: the exchange gives this trade no id"


def _of_its_own(row: Any, id_: Any) -> Any:
    """``id_`` where the exchange sent it. ccxt makes one up of time, price and amount elsewhere."""
    if id_ is None or str(id_) not in set(_values(row)):
        raise InvalidValue(_NO_ID)
    return id_


_TRADES: Final = Layout(
    "trades",
    (
        of("trade_id", "id", _TEXT),
        of("timestamp", "timestamp", _TIME),
        of("side", "side", kinds.Choice({"buy": "buy", "sell": "sell"})),
        of("price", "price", _NUMBER),
        of("amount", "amount", _NUMBER),
    ),
    key=("trade_id",),
    position="timestamp",
)


def traded(entry: Entry, body: bytes, about: Answered) -> Built:
    """The newest trades of a market. Times are in milliseconds: ccxt cuts what is finer."""
    found = _rows_of(entry, _trades, "parse_trades", body, about, "trades")

    def one(text: RowText) -> Row:
        row, trade = _parsed(found.made.parse_trade, text, found.market)
        return {**trade, "id": _of_its_own(row, trade.get("id"))}

    layout = replace(_TRADES, constants={"symbol": about.symbol})
    built = read(layout, Source.of_texts(found.body, _list_of(found, "trades"), one))
    without = sum(_NO_ID in row.reason for row in built.rejected)
    if without and without == len(built.rejected) + len(built.positions):
        raise ContractError(
            "none of the trades has an id, so that they cannot be told apart. "
            "Fix: leave trades out of the feed"
        )
    return built


# -- candles ---------------------------------------------------------------------------------------

_CANDLE: Final = ("timestamp", "open", "high", "low", "close", "volume")


def _drawn(entry: Entry, body: bytes, about: Answered) -> Built:
    """The newest candles of a market."""
    found = _rows_of(entry, _candles, "parse_ohlcvs", body, about, "candles")

    def one(text: RowText) -> Row:
        _, values = _parsed(found.made.parse_ohlcv, text, found.market)
        return dict(zip(_CANDLE, values, strict=False))

    columns = (
        of("timestamp", "timestamp", _TIME),
        *(of(name, name, _NUMBER) for name in _CANDLE[1:]),
    )
    source = Source.of_texts(found.body, _list_of(found, "candles"), one)
    built = market_data.candles(source, columns, about.symbol, about.timeframe, about.server_time)
    frame = grid(about.timeframe)
    for opening in built.positions.to_pylist():
        if frame.opening(opening) != opening:
            raise ContractError(
                f"candles of {about.timeframe} begin at other times than in UTC. "
                f"Fix: leave {about.timeframe} out of the feed's timeframes"
            )
    return built


# -- tickers and books -----------------------------------------------------------------------------

_FIGURES: Final = {"last": "last", "bid": "bid", "ask": "ask", "high": "high", "low": "low"}


def _quoted(entry: Entry, body: bytes, about: Answered) -> Built:
    """The ticker of a market. Where it has no time, that of the observation is taken."""
    found = _rows_of(entry, _ticker, "parse_ticker", body, about, "figures")

    def one(text: RowText) -> Row:
        _, ticker = _parsed(found.made.parse_ticker, text, found.market)
        return {**ticker, "timestamp": ticker.get("timestamp") or about.at}

    columns = (
        of("timestamp", "timestamp", _TIME),
        *(of(name, source, _SIGNED, required=False) for name, source in _FIGURES.items()),
        of("base_volume", "baseVolume", _WIDE, required=False),
        of("quote_volume", "quoteVolume", kinds.Cost(), required=False),
    )
    layout = observed("tickers", columns, key="timestamp", at=about.at)
    layout = replace(layout, constants={**layout.constants, "symbol": about.symbol})
    return read(layout, Source.of_texts(found.body, [RowText(found.body, found.body)], one))


def _booked(entry: Entry, body: bytes, about: Answered) -> Built:
    """The order book of a market, as far as one answer shows it."""
    found = _rows_of(entry, _book, "parse_order_book", body, about, "levels")
    if not isinstance(found.value, dict):
        raise ContractError("no order book with two sides")
    more, named = found.more
    defaults = ("", None, "bids", "asks", 0, 1)
    given = [*more, *defaults[len(more) :]]
    names = dict(zip(("bidsKey", "asksKey", "priceKey", "amountKey"), given[2:6], strict=True))
    keys = {**names, **{name: value for name, value in named.items() if name in names}}
    asks, bids = (_side(found, keys[name], keys) for name in ("asksKey", "bidsKey"))
    return book(asks, bids, about.symbol, about.at, _MAX_LEVELS)


def _side(found: _Found, name: Any, keys: Mapping[str, Any]) -> bytes:
    """One side as a JSON array of price and amount, both as text."""
    levels = found.value.get(name)
    if not isinstance(levels, list):
        raise ContractError(f"the {name} are not a list")
    pairs = []
    for level in levels:
        pair: list[Any] = [None, None]
        with suppress(KeyError, IndexError, TypeError):
            pair = [level[keys["priceKey"]], level[keys["amountKey"]]]
        pairs.append([None if value is None else str(value) for value in pair])
    return json.dumps(pairs).encode()


# -- markets ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Market:
    """One of ccxt's markets. ``base`` and ``quote``: ccxt's codes, one of each coin."""

    id: Any
    base: Any
    quote: Any
    active: bool
    price_precision: Any
    amount_precision: Any
    min_amount: Any
    max_amount: Any
    min_value: Any


_LISTED: Final = (
    Column("native_symbol", lambda row: row.id, _TEXT),
    Column("price_precision", lambda row: row.price_precision, kinds.Whole(), False),
    Column("amount_precision", lambda row: row.amount_precision, kinds.Whole(), False),
    Column("min_amount", lambda row: row.min_amount, _NUMBER, False),
    Column("max_amount", lambda row: row.max_amount, _NUMBER, False),
    Column("min_value", lambda row: row.min_value, _NUMBER, False),
    Column("active", lambda row: row.active, kinds.Flag()),
)


def _listed(entry: Entry, body: bytes, about: Answered) -> Built:
    """The spot markets that ccxt finds in a list. Raises ``ContractError`` where there are none."""
    answer = library.decoded(body)
    steps: list[bool] = []

    def ask(made: Any) -> Any:
        steps.append(made.precisionMode == 4)
        return made.fetch_markets()

    found = library.replayed(entry, ask, answer, about.at, entry.place)
    spot = [m for m in found or () if isinstance(m, dict) and m.get("spot") and m.get("id")]
    if not spot:
        raise ContractError("ccxt finds no spot markets in it")
    texts = [_payload(market) for market in spot]
    rows = [_market(market, is_step=steps[0]) for market in spot]
    by_text = dict(zip(map(id, texts), rows, strict=True))
    source = Source(body, rows, lambda: texts, lambda text: by_text[id(text)])
    fields = ("id", "base", "quote")
    return market_data.markets(
        source, fields, _LISTED, about.names, about.at, most_rows=_MAX_MARKETS
    )


def _payload(market: Mapping[str, Any]) -> RowText:
    text = json.dumps(market.get("info"), default=str).encode()
    return RowText(text, text)


def _market(market: Mapping[str, Any], *, is_step: bool) -> _Market:
    precision, limits = market.get("precision") or {}, market.get("limits") or {}

    def places(name: str) -> Any:
        """Decimal places of a step, or digits; None for anything else."""
        value = precision.get(name)
        with suppress(InvalidValue):
            return exact.places(value) if is_step else exact.identity(value)
        return None

    def limit(name: str, end: str) -> Any:
        value = (limits.get(name) or {}).get(end)
        return None if value is None else str(value)

    return _Market(
        str(market["id"]),
        market.get("base"),
        market.get("quote"),
        market.get("active") is not False,
        places("price"),
        places("amount"),
        limit("amount", "min"),
        limit("amount", "max"),
        limit("cost", "min"),
    )
