"""An exchange of which nothing but ccxt's classes is known: what it shows now, and no more.

ccxt composes each request and finds the rows in each answer. It sees an answer that is whole JSON;
rows must be a list of that very answer, and each is read from its own text, by itself. So nothing
is dropped, sorted or made up on the way, and an answer without rows counts as empty only where the
answer itself has an empty list.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from connectors import columns as kinds
from connectors import exact, market_data
from connectors.base import Cursor, Key, Paging
from connectors.books import book
from connectors.ccxt import library
from connectors.ccxt.found import (
    Found,
    Method,
    Subject,
    parsed_row,
    rows_found,
    subject_of,
    texts_of,
    with_market,
)
from connectors.ccxt.table import Entry
from connectors.dialect import Answered, Asked, Dialect, Endpoint, ServerClock
from connectors.errors import ContractError, ForbiddenCallError
from connectors.exact import InvalidValue
from connectors.http import Request
from connectors.members import Row, of
from connectors.names import Spelling
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
        spelling=Spelling(separator="", reserved="/\\?#" if entry.is_by_path else ""),
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


def _unsigned(request: Request, *_: object) -> Request:
    raise ForbiddenCallError(f"{request.label} needs a key; of this exchange only public calls are")


# -- requests --------------------------------------------------------------------------------------


def _markets(made: Any, _: Subject) -> Any:
    return made.fetch_markets()


def _trades(made: Any, subject: Subject) -> Any:
    return made.fetch_trades(subject.symbol, None, subject.limit)


def _candles(made: Any, subject: Subject) -> Any:
    return made.fetch_ohlcv(subject.symbol, subject.timeframe)


def _ticker(made: Any, subject: Subject) -> Any:
    return made.fetch_ticker(subject.symbol)


def _book(made: Any, subject: Subject) -> Any:
    return made.fetch_order_book(subject.symbol)


def _asked(entry: Entry, method: Method, asked: Asked) -> Request:
    subject = subject_of(entry, asked.names, asked.symbol, asked.timeframe)
    place = entry.place if method is _markets else 0
    return library.composed(entry, with_market(subject, method), asked.now, place)


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
    found = rows_found(entry, _trades, "parse_trades", body, about, "trades")

    def one(text: RowText) -> Row:
        row, trade = parsed_row(found.made.parse_trade, text, found.market)
        return {**trade, "id": _of_its_own(row, trade.get("id"))}

    layout = replace(_TRADES, constants={"symbol": about.symbol})
    built = read(layout, Source.of_texts(found.body, texts_of(found, "trades"), one))
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
    found = rows_found(entry, _candles, "parse_ohlcvs", body, about, "candles")

    def one(text: RowText) -> Row:
        _, values = parsed_row(found.made.parse_ohlcv, text, found.market)
        return dict(zip(_CANDLE, values, strict=False))

    columns = (
        of("timestamp", "timestamp", _TIME),
        *(of(name, name, _NUMBER) for name in _CANDLE[1:]),
    )
    source = Source.of_texts(found.body, texts_of(found, "candles"), one)
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
    found = rows_found(entry, _ticker, "parse_ticker", body, about, "figures")

    def one(text: RowText) -> Row:
        _, ticker = parsed_row(found.made.parse_ticker, text, found.market)
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
    found = rows_found(entry, _book, "parse_order_book", body, about, "levels")
    if not isinstance(found.value, dict):
        raise ContractError("no order book with two sides")
    more, named = found.more
    defaults = ("", None, "bids", "asks", 0, 1)
    given = [*more, *defaults[len(more) :]]
    names = dict(zip(("bidsKey", "asksKey", "priceKey", "amountKey"), given[2:6], strict=True))
    keys = {**names, **{name: value for name, value in named.items() if name in names}}
    asks, bids = (_side(found, keys[name], keys) for name in ("asksKey", "bidsKey"))
    return book(asks, bids, about.symbol, about.at, _MAX_LEVELS)


def _side(found: Found, name: Any, keys: Mapping[str, Any]) -> bytes:
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
