"""BitexBit's answers as canonical columns. Pure functions of the body.

Whatever is not an array of rows raises ``ContractError``; a row that cannot be stored is returned
as rejected.
"""

from collections.abc import Mapping
from itertools import chain
from typing import Any, Final

import msgspec

from connectors import market_data
from connectors.bitexbit import models
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
from connectors.errors import ContractError
from connectors.jsontext import decode_row
from connectors.market_data import candle_columns, of_markets
from connectors.names import Listed, Names, Spelling, listed_rows
from connectors.rows import (
    Built,
    Column,
    Layout,
    RowText,
    Source,
    column,
    list_of,
    nullable,
    object_of,
    observed,
    read,
    rows_of,
)

SPELLING: Final = Spelling(reserved=",/\\")
"""``BTC_USD``; a comma separates names."""
_NO_NAMES: Final = Names(SPELLING)
_ANY_CODE: Final = Codes()


SIDES: Final = {"buy": "buy", "sell": "sell"}
_ID, _TIME, _NUMBER, _SIGNED, _TEXT = Id(), Time(), Number(), Number(signed=True), Text()
_SIGNED_WIDE: Final = Wide(signed=True)


_FILL: Final = (
    column("trade_id", "id", _ID),
    column("timestamp", "date", _TIME),
    column("side", "type", Choice(SIDES)),
    column("price", "price", _NUMBER),
    column("amount", "amount", _NUMBER),
)
_FILL_FIELDS: Final = (b"id", b"date", b"type", b"symbol", b"price", b"amount")

_ACCOUNT_TRADES: Final = Layout(
    "account_trades",
    (
        *_FILL,
        # A maker's fee may be a rebate.
        *nullable(_SIGNED_WIDE, {"fee_amount": "fee_amount"}),
        *nullable(_SIGNED, {"fee_rate": "fee_rate"}),
    ),
    key=("trade_id", "symbol", "side"),
    position="trade_id",
    fields=_FILL_FIELDS,
)

_CANDLE_COLUMNS: Final = candle_columns("date")
_TICKER_COLUMNS: Final = (
    column("timestamp", "date", _TIME),
    *nullable(
        _SIGNED,
        {
            "last": "last",
            "bid": "buy",
            "ask": "sell",
            "high": "high",
            "low": "low",
            "change_percent": "change",
        },
    ),
    *nullable(_SIGNED_WIDE, {"base_volume": "vol1", "quote_volume": "vol2"}),
)


def trades(body: bytes, native: str, symbol: str) -> Built:
    """``/public/trades`` of one market. A row of another market is a ``ContractError``."""
    layout = Layout(
        "trades",
        (*_FILL, column("symbol", "symbol", Only(native, symbol))),
        key=("trade_id",),
        position="trade_id",
        fields=_FILL_FIELDS,
    )
    return read(layout, rows_of(body, models.Trade))


def account_trades(body: bytes, names: Names = _NO_NAMES) -> Built:
    """``/private/trades`` of all markets. No order is named, nor who was the maker."""
    layout = _ACCOUNT_TRADES.with_columns(
        column("symbol", "symbol", Canonical(names.symbol_of)),
        column("fee_currency", "fee_symbol", Code(names.codes), required=False),
    )
    return read(layout, rows_of(body, models.AccountTrade))


def candles(body: bytes, symbol: str, timeframe: str, clock: int | None) -> Built:
    """``/public/ohlcv``. ``clock``: the exchange's time in microseconds, where it is reported.

    A candle is final when its interval has ended by that clock. Without one, the newest opening
    time of the answer is all that is known of the exchange's time: it proves that the intervals
    before have ended, and never its own.
    """
    return market_data.candles(
        rows_of(body, models.Candle), _CANDLE_COLUMNS, symbol, timeframe, clock
    )


def tickers(body: bytes, asked: Mapping[str, str], observed_at: int) -> Built:
    """``/public/tickers``; ``asked``: canonical symbol by native one. Others are left out."""
    layout = observed(
        "tickers",
        (*_TICKER_COLUMNS, column("symbol", "symbol", Choice(asked))),
        key="symbol",
        at=observed_at,
        fields=(b"symbol", b"date"),
    )
    return read(layout, rows_of(body, models.Ticker), of_markets(asked))


_KINDS: Final = {
    "buy-limit": ("buy", "limit"),
    "sell-limit": ("sell", "limit"),
    "buy-market": ("buy", "market"),
    "sell-market": ("sell", "market"),
}
_STATES: Final = {
    "submitted": "open",
    "partial-filled": "open",
    "filled": "closed",
    "canceled": "canceled",
    "partial-canceled": "canceled",
}


_MARKET_COLUMNS: Final = (
    column("native_symbol", "symbol", _TEXT),
    *nullable(Whole(), {name: name for name in ("price_precision", "amount_precision")}),
    *nullable(_NUMBER, {name: name for name in ("min_amount", "max_amount", "min_value")}),
    column("active", "is_enabled", Flag()),
)


def market_rows(
    body: bytes,
    observed_at: int,
    asked: tuple[str, str] | None = None,
    names: Names = _NO_NAMES,
) -> Built:
    """``/public/pairs``; ``asked`` (native and canonical name): of the one pair that it is."""
    source = rows_of(b"[%b]" % body if asked else body, models.Market)
    listed = _currencies_of(source)
    kind = Only(*asked) if asked else Listed(names, listed)
    code = Code(names.codes.listed(chain.from_iterable(listed.values())))
    layout = observed(
        "markets",
        (
            column("symbol", "symbol", kind),
            column("base", "base", code),
            column("quote", "quote", code),
            *_MARKET_COLUMNS,
        ),
        key="symbol",
        at=observed_at,
    )
    return read(layout, source)


def _currencies_of(source: Source) -> dict[str, tuple[str, str]]:
    """Base and quote of every pair listed, as far as they can be read."""
    rows = [row for row in listed_rows(source) if isinstance(row.symbol, str)]
    return {row.symbol: (str(row.base or ""), str(row.quote or "")) for row in rows}


def currency_rows(
    body: bytes,
    observed_at: int,
    asked: str | None = None,
    codes: Codes = _ANY_CODE,
) -> Built:
    """``/public/currencies``, or of the one currency that was ``asked`` for."""
    source = rows_of(b"[%b]" % body if asked else body, models.Currency)
    codes = codes.listed(row.code for row in listed_rows(source))
    layout = observed(
        "currencies",
        (
            Column(
                "currency",
                lambda row: codes.code_of(row.code),
                Only(asked, asked) if asked else _TEXT,
            ),
            column("name", "name", _TEXT),
            column("precision", "precision", Whole()),
            column("active", "is_enabled", Flag()),
        ),
        key="currency",
        at=observed_at,
    )
    return read(layout, source)


def order_books(body: bytes, native: str, symbol: str, observed_at: int) -> Built:
    """``/public/depth`` of one market, which it may name or not."""
    found = object_of(models.Depth, body, "an order book")
    if found.symbol not in (None, native):
        raise ContractError(f"the book of {str(found.symbol)[:40]!r} in the answer for {native!r}")
    return book(bytes(found.asks), bytes(found.bids), symbol, observed_at)


def _filled(row: models.Order) -> Any:
    """An order of which nothing is filled says null."""
    untouched = row.amount_filled is None and row.state in ("submitted", "canceled")
    return "0" if untouched else row.amount_filled


def _remaining(row: models.Order) -> Any:
    """What may still be filled: of an order that has ended, nothing, whatever is left of it."""
    over = isinstance(row.state, str) and _STATES.get(row.state) in ("closed", "canceled")
    return "0" if over else row.amount_unfilled


_ORDER_COLUMNS: Final = (
    column("order_id", "id", _ID),
    column("timestamp", "date", _TIME),
    column("side", "type", Choice({word: side for word, (side, _) in _KINDS.items()})),
    column("type", "type", Choice({word: kind for word, (_, kind) in _KINDS.items()})),
    column("price", "price", _NUMBER),
    column("amount", "amount", _NUMBER),
    Column("remaining", _remaining, _NUMBER),
    column("status", "state", Choice(_STATES)),
    Column("filled", _filled, _NUMBER, required=False),
    column("cost", "value_filled", Cost(), required=False),
    column("average", "price_avg", _NUMBER, required=False),
    column("closed_at", "done_at", _TIME, required=False),
)
_ORDER_FIELDS: Final = (b"id", b"date", b"type", b"symbol", b"price", b"amount", b"state")

_ACCOUNT_ORDERS: Final = Layout(
    "account_orders",
    (*_ORDER_COLUMNS, column("fee_amount", "fee_filled", _SIGNED, required=False)),
    key=("order_id", "symbol"),
    position="order_id",
    fields=_ORDER_FIELDS,
)


def public_orders(body: bytes, native: str, symbol: str) -> Built:
    """``/public/orders`` of one market. A row of another market is a ``ContractError``."""
    layout = Layout(
        "public_orders",
        (*_ORDER_COLUMNS, column("symbol", "symbol", Only(native, symbol))),
        key=("order_id",),
        position="order_id",
        fields=_ORDER_FIELDS,
    )
    return read(layout, rows_of(body, models.Order))


def account_orders(body: bytes, names: Names = _NO_NAMES) -> Built:
    """``/private/orders`` of all markets."""
    layout = _ACCOUNT_ORDERS.with_columns(column("symbol", "symbol", Canonical(names.symbol_of)))
    return read(layout, rows_of(body, models.Order))


_ALL: Final = "*"


class _Top(msgspec.Struct):
    pair_fee_rates: msgspec.Raw = msgspec.Raw(b"[]")


def balances(body: bytes, observed_at: int, codes: Codes = _ANY_CODE) -> Built:
    """``/private/balance``: every currency of the account."""
    source = rows_of(body, models.Balance)
    codes = codes.listed(row.symbol for row in listed_rows(source))
    layout = observed(
        "balances",
        (
            column("currency", "symbol", Code(codes)),
            column("available", "available", _SIGNED_WIDE),
            column("reserved", "reserved", _SIGNED_WIDE, required=False),
        ),
        key="currency",
        at=observed_at,
    )
    return read(layout, source)


def trading_fees(body: bytes, observed_at: int, names: Names = _NO_NAMES) -> Built:
    """``/private/trading-fees``: the account's rates as symbol ``*``, and those of single pairs."""
    pairs = bytes(object_of(_Top, body, "the account's fee rates").pair_fee_rates)
    texts = [RowText(body, body, _ALL)]
    if pairs != b"null":
        texts += list_of(pairs, "the fee rates of pairs")
    if b'_fee_rate"' not in body:
        raise ContractError("no fee rate in the answer")
    layout = observed(
        "trading_fees",
        (
            column("symbol", "symbol", Canonical(lambda n: n if n == _ALL else names.symbol_of(n))),
            Column("buy_fee_rate", _buy, _SIGNED),
            Column("sell_fee_rate", _sell, _SIGNED),
        ),
        key="symbol",
        at=observed_at,
    )
    return read(layout, Source.of_texts(body, texts, _one))


def _one(text: RowText) -> models.Fees:
    row: models.Fees = decode_row(models.Fees, text.value)
    if text.key:
        row.symbol = text.key
    return row


# The text explains the account's `taker_fee_rate` as "fee rate for sell orders" and its
# `maker_fee_rate` as that for buy orders, and those of a pair the other way round. It is taken at
# its word; the example's keys need no explanation and come first.
def _buy(row: models.Fees) -> Any:
    if row.buy_fee_rate is not None:
        return row.buy_fee_rate
    return row.maker_fee_rate if row.symbol == _ALL else row.taker_fee_rate


def _sell(row: models.Fees) -> Any:
    if row.sell_fee_rate is not None:
        return row.sell_fee_rate
    return row.taker_fee_rate if row.symbol == _ALL else row.maker_fee_rate
