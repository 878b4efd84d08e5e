"""Binance's answers as canonical columns. Pure functions of the body.

Whatever does not have the documented shape raises ``ContractError``; a row that cannot be stored is
returned as rejected.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from itertools import chain
from operator import attrgetter
from typing import Any, Final

from connectors import exact, market_data
from connectors.binance import models
from connectors.books import book
from connectors.codes import Code, Codes
from connectors.columns import (
    Canonical,
    Choice,
    Cost,
    Flag,
    Id,
    Number,
    Only,
    Text,
    Time,
    Whole,
    Wide,
)
from connectors.errors import TransientError
from connectors.exact import InvalidValue
from connectors.jsontext import NotJsonError, decode_object
from connectors.market_data import candle_columns, of_markets
from connectors.names import Listed, Names, Spelling, listed_rows
from connectors.rows import Built, Column, Layout, column, object_of, observed, read, rows_of

SPELLING: Final = Spelling(separator="", reserved='",[]/\\')
"""``BTCUSDT``; names are asked for in a JSON array."""
_NO_NAMES: Final = Names(SPELLING)
_ANY_CODE: Final = Codes()
_MOST_LISTED: Final = 20_000
_PERMISSION_SETS: Final = re.compile(rb'("permissionSets"\s*:\s*)\[(?:\s*\[[^\[\]]*\]\s*,?)*\s*\]')


def without_permissions(body: bytes) -> bytes:
    """``body`` without ``permissionSets``: two thirds of 15 MB of ``exchangeInfo``, not read."""
    return _PERMISSION_SETS.sub(rb"\1[]", body) if b'"permissionSets"' in body else body


_ID, _TIME, _NUMBER, _SIGNED, _TEXT = Id(), Time(), Number(), Number(signed=True), Text()
_WIDE: Final = Wide()
_SIDES: Final = Choice({"buy": "buy", "sell": "sell"})


def _worded(source: str, yes: str, no: str) -> Callable[[Any], Any]:
    """The word for a flag; anything but a flag stays as it is, and is none of the words."""
    get = attrgetter(source)

    def word(row: Any) -> Any:
        value = get(row)
        return yes if value is True else no if value is False else value

    return word


def _optional(name: str, source: str, kind: Any) -> Column:
    return column(name, source, kind, required=False)


_TRADE_COLUMNS: Final = (
    column("trade_id", "id", _ID),
    column("timestamp", "time", _TIME),
    column("price", "price", _NUMBER),
    column("amount", "qty", _NUMBER),
)


def trades(body: bytes, symbol: str) -> Built:
    """``trades`` and ``historicalTrades``: where the buyer is the maker, the taker sold."""
    layout = Layout(
        "trades",
        (*_TRADE_COLUMNS, Column("side", _worded("isBuyerMaker", "sell", "buy"), _SIDES)),
        key=("trade_id",),
        position="trade_id",
        fields=(b"id", b"price", b"qty", b"time", b"isBuyerMaker"),
        constants={"symbol": symbol},
    )
    return read(layout, rows_of(body, models.PublicTrade))


_CANDLE_COLUMNS: Final = candle_columns("time")


def candles(body: bytes, symbol: str, timeframe: str, clock: int | None) -> Built:
    """``klines``. ``clock``: the exchange's time in microseconds, where it is reported.

    A candle is final when its interval has ended by that clock; without one, when a later candle
    is in the answer, and its interval has ended by then.
    """
    return market_data.candles(
        rows_of(body, models.Candle), _CANDLE_COLUMNS, symbol, timeframe, clock
    )


def _is_nothing(value: Any) -> bool:
    with suppress(InvalidValue):
        return not exact.number(value)
    return False


def _price(source: str) -> Callable[[Any], Any]:
    """A price; 0 stands for one that there is not."""
    get = attrgetter(source)
    return lambda row: None if _is_nothing(get(row)) else get(row)


_TICKER_COLUMNS: Final = (
    column("timestamp", "closeTime", _TIME),
    *(
        Column(name, _price(source), kind, required=False)
        for name, source, kind in (
            ("last", "lastPrice", _NUMBER),
            ("bid", "bidPrice", _NUMBER),
            ("ask", "askPrice", _NUMBER),
            ("high", "highPrice", _NUMBER),
            ("low", "lowPrice", _NUMBER),
            ("average", "weightedAvgPrice", _WIDE),
        )
    ),
    _optional("base_volume", "volume", _WIDE),
    _optional("quote_volume", "quoteVolume", _WIDE),
    _optional("change_percent", "priceChangePercent", _SIGNED),
)


def tickers(body: bytes, asked: Mapping[str, str], observed_at: int) -> Built:
    """``ticker/24hr``; ``asked``: canonical symbol by native one. Others are left out."""
    layout = observed(
        "tickers",
        (*_TICKER_COLUMNS, column("symbol", "symbol", Choice(asked))),
        key="symbol",
        at=observed_at,
        fields=(b"symbol", b"closeTime"),
    )
    return read(layout, rows_of(body, models.Ticker), of_markets(asked))


def order_books(body: bytes, symbol: str, observed_at: int) -> Built:
    """``depth`` of one market."""
    found = object_of(models.Depth, body, "an order book")
    return book(bytes(found.asks), bytes(found.bids), symbol, observed_at)


def _filters(row: Any) -> Iterator[Mapping[str, Any]]:
    return (f for f in row.filters or () if isinstance(f, dict))


def _rule(kinds: tuple[str, ...], name: str) -> Callable[[Any], Any]:
    """The figure ``name`` of a market's filter; 0 switches it off."""

    def figure(row: Any) -> Any:
        found = (f.get(name) for f in _filters(row) if f.get("filterType") in kinds)
        value = next(found, None)
        return None if value is None or _is_nothing(value) else value

    return figure


def _places(kind: str, name: str) -> Callable[[Any], Any]:
    step = _rule((kind,), name)
    return lambda row: exact.places(step(row))


_PRICES, _LOTS, _VALUES = ("PRICE_FILTER",), ("LOT_SIZE",), ("NOTIONAL", "MIN_NOTIONAL")
_MARKET_COLUMNS: Final = (
    column("native_symbol", "symbol", _TEXT),
    *(
        Column(name, get, kind, required=False)
        for name, get, kind in (
            ("price_precision", _places("PRICE_FILTER", "tickSize"), Whole()),
            ("amount_precision", _places("LOT_SIZE", "stepSize"), Whole()),
            ("min_amount", _rule(_LOTS, "minQty"), _NUMBER),
            ("max_amount", _rule(_LOTS, "maxQty"), _NUMBER),
            ("min_value", _rule(_VALUES, "minNotional"), _NUMBER),
            ("min_price", _rule(_PRICES, "minPrice"), _NUMBER),
            ("max_price", _rule(_PRICES, "maxPrice"), _NUMBER),
        )
    ),
    Column(
        "active",
        lambda row: row.status == "TRADING" if isinstance(row.status, str) else row.status,
        Flag(),
    ),
)


def market_rows(body: bytes, observed_at: int, names: Names = _NO_NAMES) -> Built:
    """``exchangeInfo``: base and quote are named, and no name says them. Spot markets alone."""
    listing = object_of(models.Listing, body, "a list of markets")
    source = rows_of(bytes(listing.symbols), models.Market)
    listed = {
        row.symbol: (str(row.baseAsset or ""), str(row.quoteAsset or ""))
        for row in listed_rows(source)
        if isinstance(row.symbol, str) and _is_spot(row)
    }
    code = Code(names.codes.listed(chain.from_iterable(listed.values())))
    layout = observed(
        "markets",
        (
            column("symbol", "symbol", Listed(names, listed)),
            column("base", "baseAsset", code),
            column("quote", "quoteAsset", code),
            *_MARKET_COLUMNS,
        ),
        key="symbol",
        at=observed_at,
    )
    return read(replace(layout, most_rows=_MOST_LISTED), source, _is_spot)


def _is_spot(row: Any) -> bool:
    return row.isSpotTradingAllowed is not False


def account_trades(body: bytes, native: str, symbol: str, codes: Codes = _ANY_CODE) -> Built:
    """``myTrades`` of one market. A row of another market is a ``ContractError``."""
    layout = Layout(
        "account_trades",
        (
            *_TRADE_COLUMNS,
            column("symbol", "symbol", Only(native, symbol)),
            Column("side", _worded("isBuyer", "buy", "sell"), _SIDES),
            _optional("order_id", "orderId", _TEXT),
            Column(
                "taker_or_maker",
                _worded("isMaker", "maker", "taker"),
                Choice({"maker": "maker", "taker": "taker"}),
                required=False,
            ),
            _optional("fee_amount", "commission", Wide(signed=True)),
            _optional("fee_currency", "commissionAsset", Code(codes)),
        ),
        key=("trade_id", "symbol", "side"),
        position="trade_id",
        fields=(b"id", b"symbol", b"price", b"qty", b"time", b"isBuyer"),
    )
    return read(layout, rows_of(body, models.AccountTrade))


_TYPES: Final = {
    **dict.fromkeys(("LIMIT", "LIMIT_MAKER", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"), "limit"),
    **dict.fromkeys(("MARKET", "STOP_LOSS", "TAKE_PROFIT"), "market"),
}
_STATES: Final = {
    **dict.fromkeys(("NEW", "PENDING_NEW", "PARTIALLY_FILLED"), "open"),
    "FILLED": "closed",
    **dict.fromkeys(
        ("CANCELED", "PENDING_CANCEL", "REJECTED", "EXPIRED", "EXPIRED_IN_MATCH"), "canceled"
    ),
}


def _is_open(row: Any) -> bool:
    return isinstance(row.status, str) and _STATES.get(row.status) == "open"


def _remaining(row: Any) -> Any:
    """What may still be filled: of an order that has ended, nothing, whatever is left of it."""
    return str(exact.difference(row.origQty, row.executedQty)) if _is_open(row) else "0"


def _paid(row: Any) -> Any:
    """The sum of the fills in quote currency; below 0 stands for unknown."""
    return None if str(row.cummulativeQuoteQty).startswith("-") else row.cummulativeQuoteQty


def _average(row: Any) -> str | None:
    return exact.ratio(_paid(row), row.executedQty)


def account_orders(body: bytes, native: str, symbol: str) -> Built:
    """``allOrders`` of one market. A row of another market is a ``ContractError``."""
    layout = Layout(
        "account_orders",
        (
            column("order_id", "orderId", _ID),
            column("timestamp", "time", _TIME),
            column("symbol", "symbol", Only(native, symbol)),
            column("side", "side", Choice({"BUY": "buy", "SELL": "sell"})),
            column("type", "type", Choice(_TYPES)),
            column("price", "price", _NUMBER),
            column("amount", "origQty", _NUMBER),
            Column("remaining", _remaining, _NUMBER),
            column("status", "status", Choice(_STATES)),
            _optional("filled", "executedQty", _NUMBER),
            Column("cost", _paid, Cost(), required=False),
            Column("average", _average, _NUMBER, required=False),
            Column(
                "closed_at",
                lambda row: None if _is_open(row) else row.updateTime,
                _TIME,
                required=False,
            ),
        ),
        key=("order_id", "symbol"),
        position="order_id",
        fields=(b"orderId", b"symbol", b"price", b"origQty", b"status", b"time"),
    )
    return read(layout, rows_of(body, models.Order))


def balances(body: bytes, observed_at: int, codes: Codes = _ANY_CODE) -> Built:
    """``account``: the currencies of the spot wallet, those without anything left out."""
    found = object_of(models.Account, body, "an account")
    layout = observed(
        "balances",
        (
            column("currency", "asset", Code(codes)),
            column("available", "free", _WIDE),
            _optional("reserved", "locked", _WIDE),
        ),
        key="currency",
        at=observed_at,
    )
    return read(layout, rows_of(bytes(found.balances), models.Balance))


def trading_fees(body: bytes, observed_at: int, names: Names = _NO_NAMES) -> Built:
    """``asset/tradeFee``: the rates of every market, by role."""
    layout = observed(
        "trading_fees",
        (
            column("symbol", "symbol", Canonical(names.symbol_of)),
            column("maker_fee_rate", "makerCommission", _SIGNED),
            column("taker_fee_rate", "takerCommission", _SIGNED),
        ),
        key="symbol",
        at=observed_at,
    )
    return read(replace(layout, most_rows=_MOST_LISTED), rows_of(body, models.Fee))


def clock(body: bytes) -> int:
    """``time``: the exchange's, in microseconds."""
    try:
        return exact.time_us(decode_object(models.Clock, body).serverTime)
    except (NotJsonError, InvalidValue) as error:
        raise TransientError(f"binance: the exchange does not say its time ({error})") from None
