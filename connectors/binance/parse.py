"""Binance's answers as canonical columns. Pure functions of the body.

Whatever does not have the documented shape raises ``ContractError``; a row that cannot be stored is
returned as rejected.
"""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from operator import attrgetter
from typing import Any, Final

from connectors import columns as kinds
from connectors import exact, market_data
from connectors.codes import Code, Codes
from connectors.columns import Choice, Only, by_word
from connectors.exact import InvalidValue
from connectors.jsontext import row_type
from connectors.members import Row, of
from connectors.names import Names, Spelling
from connectors.rows import Built, Column, Layout, column, member_of, observed, read, rows_of

SPELLING: Final = Spelling(separator="", reserved='",[]/\\')
"""``BTCUSDT``; names are asked for in a JSON array."""
_NO_NAMES: Final = Names(SPELLING)
_MOST_LISTED: Final = 20_000
_PERMISSION_SETS: Final = re.compile(rb'("permissionSets"\s*:\s*)\[(?:\s*\[[^\[\]]*\]\s*,?)*\s*\]')


def without_permissions(body: bytes) -> bytes:
    """``body`` without ``permissionSets``: two thirds of 15 MB of ``exchangeInfo``, not read."""
    return _PERMISSION_SETS.sub(rb"\1[]", body) if b'"permissionSets"' in body else body


_ID, _TIME, _TEXT, _NUMBER = kinds.Id(), kinds.Time(), kinds.Text(), kinds.Number()
_WIDE, _SIGNED, _SIGNED_WIDE = kinds.Wide(), kinds.Number(signed=True), kinds.Wide(signed=True)


_TRADE: Final = row_type("PublicTrade", "id price qty time isBuyerMaker quoteQty isBestMatch")
_TRADE_COLUMNS: Final = (
    column("trade_id", "id", _ID),
    column("timestamp", "time", _TIME),
    column("price", "price", _NUMBER),
    column("amount", "qty", _NUMBER),
)


def trades(body: bytes, symbol: str) -> Built:
    """``trades`` and ``historicalTrades``: where the buyer is the maker, the taker sold.

    Their ``quoteQty`` is cut to 8 decimals, and not stored.
    """
    columns = (*_TRADE_COLUMNS, column("side", "isBuyerMaker", kinds.Worded("sell", "buy")))
    fields = (b"id", b"price", b"qty", b"time", b"isBuyerMaker")
    layout = Layout(
        "trades",
        columns,
        ("trade_id",),
        "trade_id",
        fields,
        {"symbol": symbol},
        besides=("quoteQty", "isBestMatch"),
    )
    return read(layout, rows_of(body, _TRADE))


_CANDLE: Final = row_type("Candle", "time open high low close volume", array_like=True)


def candles(body: bytes, symbol: str, timeframe: str, clock: int | None) -> Built:
    """``klines``. ``clock``: the exchange's time in microseconds, where it is reported.

    When a candle is final: see :func:`connectors.market_data.candles`.
    """
    rows, columns = rows_of(body, _CANDLE), market_data.candle_columns("time")
    return market_data.candles(rows, columns, symbol, timeframe, clock)


def _unless_0(value: Any) -> Any:
    """``value``; 0 stands for a price or rule that there is not."""
    with suppress(InvalidValue):
        return value if exact.number(value) else None
    return value


def _price(source: str) -> Callable[[Any], Any]:
    get = attrgetter(source)
    return lambda row: _unless_0(get(row))


_PRICES_SENT: Final = {
    "last": ("lastPrice", _NUMBER),
    "bid": ("bidPrice", _NUMBER),
    "ask": ("askPrice", _NUMBER),
    "high": ("highPrice", _NUMBER),
    "low": ("lowPrice", _NUMBER),
    "average": ("weightedAvgPrice", _WIDE),
}
_TICKER: Final = row_type(
    "Ticker",
    "symbol closeTime volume quoteVolume priceChangePercent "
    + " ".join(source for source, _ in _PRICES_SENT.values()),
)
_TICKER_COLUMNS: Final = (
    column("timestamp", "closeTime", _TIME),
    *(Column(name, _price(s), kind, required=False) for name, (s, kind) in _PRICES_SENT.items()),
    column("base_volume", "volume", _WIDE, required=False),
    column("quote_volume", "quoteVolume", _WIDE, required=False),
    column("change_percent", "priceChangePercent", _SIGNED, required=False),
)


def tickers(body: bytes, asked: Mapping[str, str], observed_at: int) -> Built:
    """``ticker/24hr``; ``asked``: canonical symbol by native one. Others are left out.

    ``closeTime`` is the last change of a market, not now.
    """
    columns = (*_TICKER_COLUMNS, column("symbol", "symbol", Choice(asked)))
    layout = observed("tickers", columns, "symbol", observed_at, (b"symbol", b"closeTime"))
    return read(layout, rows_of(body, _TICKER), market_data.of_markets(asked))


def _rule(types: tuple[str, ...], name: str) -> Callable[[Any], Any]:
    """The figure ``name`` of a market's filter of one of the ``types``."""

    def figure(row: Any) -> Any:
        sent = row.filters if isinstance(row.filters, list) else ()
        filters = (f for f in sent if isinstance(f, dict))
        return _unless_0(next((f.get(name) for f in filters if f.get("filterType") in types), None))

    return figure


_PRICES, _LOTS, _VALUES = ("PRICE_FILTER",), ("LOT_SIZE",), ("NOTIONAL", "MIN_NOTIONAL")
_RULES: Final = (
    ("price_precision", _rule(_PRICES, "tickSize"), kinds.Places()),
    ("amount_precision", _rule(_LOTS, "stepSize"), kinds.Places()),
    ("min_amount", _rule(_LOTS, "minQty"), _NUMBER),
    ("max_amount", _rule(_LOTS, "maxQty"), _NUMBER),
    ("min_value", _rule(_VALUES, "minNotional"), _NUMBER),
    ("min_price", _rule(_PRICES, "minPrice"), _NUMBER),
    ("max_price", _rule(_PRICES, "maxPrice"), _NUMBER),
)
_MARKET: Final = row_type(
    "Market", "symbol baseAsset quoteAsset status isSpotTradingAllowed filters"
)
_MARKET_COLUMNS: Final = (
    column("native_symbol", "symbol", _TEXT),
    *(Column(name, get, kind, required=False) for name, get, kind in _RULES),
    Column(
        "active",
        lambda row: row.status == "TRADING" if isinstance(row.status, str) else row.status,
        kinds.Flag(),
    ),
)


def market_rows(body: bytes, observed_at: int, names: Names = _NO_NAMES) -> Built:
    """``exchangeInfo``: spot markets alone."""
    return market_data.markets(
        rows_of(member_of(body, "symbols", "a list of markets"), _MARKET),
        ("symbol", "baseAsset", "quoteAsset"),
        _MARKET_COLUMNS,
        names,
        observed_at,
        lambda row: row.isSpotTradingAllowed is not False,
        _MOST_LISTED,
    )


_FILL: Final = row_type(
    "Fill", "id symbol orderId price qty commission commissionAsset time isBuyer isMaker"
)


def account_trades(body: bytes, native: str, symbol: str, codes: Codes = _NO_NAMES.codes) -> Built:
    """``myTrades`` of one market. A row of another market is a ``ContractError``."""
    columns = (
        *_TRADE_COLUMNS,
        column("symbol", "symbol", Only(native, symbol)),
        column("side", "isBuyer", kinds.Worded("buy", "sell")),
        column("order_id", "orderId", _TEXT, required=False),
        column("taker_or_maker", "isMaker", kinds.Worded("maker", "taker"), required=False),
        column("fee_amount", "commission", _SIGNED_WIDE, required=False),
        column("fee_currency", "commissionAsset", Code(codes), required=False),
    )
    fields = (b"id", b"symbol", b"price", b"qty", b"time", b"isBuyer")
    key = ("trade_id", "symbol", "side")
    layout = Layout("account_trades", columns, key, "trade_id", fields)
    return read(layout, rows_of(body, _FILL))


_TYPES: Final = by_word(
    {
        "limit": ("LIMIT", "LIMIT_MAKER", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"),
        "market": ("MARKET", "STOP_LOSS", "TAKE_PROFIT"),
    }
)
_STATES: Final = by_word(
    {
        "open": ("NEW", "PENDING_NEW", "PARTIALLY_FILLED"),
        "closed": ("FILLED",),
        "canceled": ("CANCELED", "PENDING_CANCEL", "REJECTED", "EXPIRED", "EXPIRED_IN_MATCH"),
    }
)


def _is_open(row: Any) -> bool:
    return isinstance(row.status, str) and _STATES.get(row.status) == "open"


def _remaining(row: Any) -> Any:
    """What may still be filled: of an order that has ended, nothing, whatever is left of it."""
    return str(exact.difference(row.origQty, row.executedQty)) if _is_open(row) else "0"


def _paid(row: Any) -> Any:
    """The sum of the fills in quote currency; below 0 stands for unknown."""
    return None if str(row.cummulativeQuoteQty).startswith("-") else row.cummulativeQuoteQty


_ORDER: Final = row_type(
    "Order",
    "symbol orderId price origQty executedQty cummulativeQuoteQty status type side time updateTime",
)
_ORDER_COLUMNS: Final = (
    column("order_id", "orderId", _ID),
    column("timestamp", "time", _TIME),
    column("side", "side", Choice({"BUY": "buy", "SELL": "sell"})),
    column("type", "type", Choice(_TYPES)),
    column("price", "price", _NUMBER),
    column("amount", "origQty", _NUMBER),
    Column("remaining", _remaining, _NUMBER),
    column("status", "status", Choice(_STATES)),
    column("filled", "executedQty", _NUMBER, required=False),
    Column("cost", _paid, kinds.Cost(), required=False),
    Column("average", lambda row: exact.ratio(_paid(row), row.executedQty), _NUMBER, False),
    Column("closed_at", lambda row: None if _is_open(row) else row.updateTime, _TIME, False),
)


def account_orders(body: bytes, native: str, symbol: str) -> Built:
    """``allOrders`` of one market. A row of another market is a ``ContractError``."""
    columns = (*_ORDER_COLUMNS, column("symbol", "symbol", Only(native, symbol)))
    fields = (b"orderId", b"symbol", b"price", b"origQty", b"status", b"time")
    layout = Layout("account_orders", columns, ("order_id", "symbol"), "order_id", fields)
    return read(layout, rows_of(body, _ORDER))


def balances(body: bytes, observed_at: int, codes: Codes = _NO_NAMES.codes) -> Built:
    """``account``: the currencies of the spot wallet, those without anything left out."""
    columns = (
        of("currency", "asset", Code(codes)),
        of("available", "free", _WIDE),
        of("reserved", "locked", _WIDE, required=False),
    )
    layout = observed("balances", columns, "currency", observed_at)
    return read(layout, rows_of(member_of(body, "balances", "an account"), Row))


def trading_fees(body: bytes, observed_at: int, names: Names = _NO_NAMES) -> Built:
    """``asset/tradeFee``: the rates of every market, fractions, by role."""
    columns = (
        of("symbol", "symbol", kinds.Canonical(names.symbol_of)),
        of("maker_fee_rate", "makerCommission", _SIGNED),
        of("taker_fee_rate", "takerCommission", _SIGNED),
    )
    layout = observed("trading_fees", columns, "symbol", observed_at)
    return read(replace(layout, most_rows=_MOST_LISTED), rows_of(body, Row))
