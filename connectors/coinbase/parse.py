"""Coinbase's answers as canonical columns. Pure functions of the body.

Whatever is not an array of rows raises ``ContractError``; a row that cannot be stored is returned
as rejected.
"""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final
from urllib.parse import parse_qs

from connectors import exact, market_data
from connectors.base import Page
from connectors.books import book_of
from connectors.codes import Code, Codes
from connectors.coinbase import models
from connectors.columns import (
    Canonical,
    Choice,
    Cost,
    Flag,
    Id,
    Number,
    Only,
    Places,
    Text,
    Time,
    Wide,
)
from connectors.errors import ContractError
from connectors.exact import InvalidValue
from connectors.jsontext import NotJsonError, decode_object, elements
from connectors.market_data import candle_columns
from connectors.names import Names, Spelling, listed_rows
from connectors.rows import (
    MOST_ROWS,
    Built,
    Column,
    Layout,
    Source,
    column,
    decoded,
    nullable,
    observed,
    read,
    rows_of,
)

SPELLING: Final = Spelling(separator="-")  # a market's own name is its symbol
_LONGEST_TEXT: Final = 500
MAX_LEVELS: Final = 100_000  # of a whole book, which has tens of thousands
_NO_NAMES: Final = Names(SPELLING)
_ID, _TIME, _NUMBER, _TEXT, _WIDE = Id(), Time(), Number(), Text(), Wide()
_SIGNED, _SIGNED_WIDE = Number(signed=True), Wide(signed=True)
_TAKER_SIDES: Final = {"buy": "sell", "sell": "buy"}
"""Public trades name the maker's side: a resting purchase was met by a taker who sold."""
_OWN_SIDES: Final = {"buy": "buy", "sell": "sell"}


def _fill_columns(sides: Mapping[str, str], time: str) -> tuple[Column, ...]:
    return (
        column("trade_id", "trade_id", _ID),
        column("timestamp", time, _TIME),
        column("side", "side", Choice(sides)),
        column("price", "price", _NUMBER),
        column("amount", "size", _NUMBER),
    )


_TRADES: Final = Layout(
    "trades",
    _fill_columns(_TAKER_SIDES, "time"),
    key=("trade_id",),
    position="trade_id",
    fields=(b"time", b"trade_id", b"price", b"size", b"side"),
)


def trades(body: bytes, symbol: str) -> Built:
    """``/products/<id>/trades``, which does not name the market."""
    layout = replace(_TRADES, constants={"symbol": symbol})
    return read(layout, rows_of(body, models.PublicTrade))


_CANDLE_COLUMNS: Final = candle_columns("time")


def candles(body: bytes, symbol: str, timeframe: str, clock: int | None) -> Built:
    """``/products/<id>/candles``. ``clock``: the exchange's time in microseconds, if reported.

    A candle is final when its interval has ended by that clock; without one, when a newer candle
    is in the answer.
    """
    return market_data.candles(
        rows_of(body, models.Candle), _CANDLE_COLUMNS, symbol, timeframe, clock
    )


def without_surplus(body: bytes, start: int) -> bytes:
    """The candles in ``body`` that open at ``start`` (seconds since 1970) or later.

    What cannot be read is left to :func:`candles`.
    """
    rows = decoded(list[models.Candle], body) or ()
    early = [type(row.time) is int and row.time < start for row in rows]
    if not any(early) or len(rows) > MOST_ROWS:
        return body
    kept = [bytes(text) for text, out in zip(elements(body), early, strict=True) if not out]
    return b"[%b]" % b",".join(kept)


def ticker(body: bytes, symbol: str, observed_at: int) -> Built:
    """``/products/<id>/ticker``: prices of now, the volume of 24 hours, the time of a trade."""
    layout = observed(
        "tickers",
        (
            column("timestamp", "time", _TIME),
            *nullable(_SIGNED, {"last": "price", "bid": "bid", "ask": "ask"}),
            column("base_volume", "volume", _SIGNED_WIDE, required=False),
        ),
        key="timestamp",
        at=observed_at,
    )
    layout = replace(layout, constants={**layout.constants, "symbol": symbol})
    return read(layout, _only_row(body, models.Ticker, b'"price"'))


def order_book(body: bytes, symbol: str, observed_at: int) -> Built:
    """``/products/<id>/book`` at level 2: the whole book, added up by price."""
    return book_of(body, symbol, observed_at, MAX_LEVELS)


def _only_row(body: bytes, model: Any, key: bytes) -> Source:
    """The object ``body``, which has ``key``, as the one row of a list."""
    if not body.lstrip().startswith(b"{") or key not in body:
        raise ContractError(f"no object with {key.decode()}")
    return rows_of(b"[%b]" % body, model)


def _active(row: Any) -> bool:
    return bool(row.status == "online") and row.trading_disabled in (None, False)


_PRODUCTS: Final = (
    column("native_symbol", "id", _TEXT),
    *nullable(
        Places(), {"price_precision": "quote_increment", "amount_precision": "base_increment"}
    ),
    *nullable(_NUMBER, {"min_amount": "base_min_size", "max_amount": "base_max_size"}),
    column("min_value", "min_market_funds", _NUMBER, required=False),
    Column("active", _active, Flag()),
)


def products(body: bytes, observed_at: int, names: Names = _NO_NAMES) -> Built:
    """``/products``. The symbol is the id: ``BTCAUCTION-USD`` has the base BTC as well."""
    fields = ("id", "base_currency", "quote_currency")
    return market_data.markets(rows_of(body, models.Product), fields, _PRODUCTS, names, observed_at)


def currencies(body: bytes, observed_at: int, codes: Codes) -> Built:
    """``/currencies``: the precision is that of the smallest step."""
    source = rows_of(body, models.Currency)
    layout = observed(
        "currencies",
        (
            column("currency", "id", Code(codes.listed(row.id for row in listed_rows(source)))),
            Column("name", lambda row: row.name or row.id, _TEXT),
            Column("precision", lambda row: row.max_precision or row.min_size, Places()),
            Column("active", lambda row: bool(row.status == "online"), Flag()),
        ),
        key="currency",
        at=observed_at,
    )
    return read(layout, source)


def _fee(row: Any) -> Any:
    """Fees are written in a second step: before it, none is known."""
    return None if row.settled is False else row.fee


def fills(body: bytes, native: str, symbol: str, codes: Codes) -> Built:
    """``/fills`` of one market. Fees are in its quote currency."""
    layout = Layout(
        "account_trades",
        (
            *_fill_columns(_OWN_SIDES, "created_at"),
            column("symbol", "product_id", Only(native, symbol)),
            column("order_id", "order_id", _TEXT, required=False),
            Column("fee_amount", _fee, _SIGNED_WIDE, required=False),
            column(
                "taker_or_maker", "liquidity", Choice({"M": "maker", "T": "taker"}), required=False
            ),
        ),
        key=("trade_id", "symbol", "side"),
        position="trade_id",
        constants={"fee_currency": codes.code_of(native.rpartition("-")[2])},
    )
    return read(layout, rows_of(body, models.Fill))


_OPEN: Final = ("received", "pending", "open", "active")
_ENDED: Final = {"filled": "closed", "canceled": "canceled"}


def _status(row: Any) -> str:
    if row.status in _OPEN:
        return "open"
    if row.status == "rejected":
        return "canceled"
    if row.status not in ("done", "settled"):
        raise InvalidValue(f"is unknown: {exact.shown(row.status)}")
    if str(row.done_reason) in _ENDED:
        return _ENDED[row.done_reason]
    # no reason is given: filled in full or not
    whole = row.size is None or exact.price(row.size) == exact.price(row.filled_size)
    return "closed" if whole else "canceled"


def _amount(row: Any) -> Any:
    """Of a market order that named funds: what it has bought."""
    return row.filled_size if row.size is None else row.size


def _price(row: Any) -> Any:
    """A market order has no limit: 0."""
    return 0 if row.price is None and row.type == "market" else row.price


def _remaining(row: Any) -> Any:
    """What may still be filled: of an order that has ended, nothing, whatever is left of it."""
    if row.status not in _OPEN or row.size is None:
        return "0"
    return format(exact.difference(row.size, row.filled_size), "f")


def _average(row: Any) -> str | None:
    return exact.ratio(row.executed_value, row.filled_size)


def _order_fee(row: Any) -> str | None:
    """Null where it has more than 12 places: its fills have it to the last one."""
    try:
        return format(exact.price(row.fill_fees, signed=True), "f")
    except InvalidValue:
        return None


_ORDERS: Final = (
    column("order_id", "id", _TEXT),
    column("timestamp", "created_at", _TIME),
    column("side", "side", Choice(_OWN_SIDES)),
    column("type", "type", Choice({"limit": "limit", "market": "market"})),
    Column("price", _price, _NUMBER),
    Column("amount", _amount, _NUMBER),
    Column("remaining", _remaining, _NUMBER),
    Column("status", _status, _TEXT),
    column("filled", "filled_size", _NUMBER, required=False),
    column("cost", "executed_value", Cost(), required=False),
    Column("average", _average, _NUMBER, required=False),
    column("closed_at", "done_at", _TIME, required=False),
)


def orders(body: bytes, names: Names = _NO_NAMES) -> Built:
    """``/orders`` of all markets, with all states."""
    layout = Layout(
        "account_orders",
        (
            *_ORDERS,
            column("symbol", "product_id", Canonical(names.symbol_of)),
            Column("fee_amount", _order_fee, _SIGNED, required=False),
        ),
        key=("order_id",),
        position="timestamp",
    )
    return read(layout, rows_of(body, models.Order))


_TYPES: Final = {
    "deposit": "deposit",
    "withdraw": "withdrawal",
    "internal_deposit": "deposit",
    "internal_withdraw": "withdrawal",
}
_WITHDRAWALS: Final = tuple(word for word, type_ in _TYPES.items() if type_ == "withdrawal")


def _transfer_status(row: Any) -> str:
    if row.canceled_at:
        return "failed"
    if row.completed_at:
        return "ok"
    return "failed" if row.processed_at else "pending"


def _detail(row: Any, name: str) -> Any:
    return row.details.get(name) if isinstance(row.details, dict) else None


def _network_fee(row: Any) -> str | None:
    """The fee of a withdrawal; None where none is named."""
    fee = _detail(row, "fee") if row.type in _WITHDRAWALS else None
    return None if fee in (None, "") else format(exact.wide(fee), "f")


def _moved(row: Any) -> Any:
    """What arrives: ``subtotal``; else ``amount``, of which the fee of a withdrawal is a part."""
    fee = _network_fee(row)
    if fee is None or row.amount is None:
        return row.amount
    return _detail(row, "subtotal") or format(exact.wide(row.amount) - exact.wide(fee), "f")


def _utc(value: Any) -> Any:
    """``2022-12-21 00:48:45.477503+00`` as ISO 8601 in UTC, which is read at once."""
    return value[:-3] + "Z" if isinstance(value, str) and value.endswith("+00") else value


_TRANSFERS: Final = (
    column("transaction_id", "id", _TEXT),
    Column("timestamp", lambda row: _utc(row.created_at), _TIME),
    column("type", "type", Choice(_TYPES)),
    Column("amount", _moved, _WIDE),
    Column("fee_amount", _network_fee, _WIDE, required=False),
    Column("status", _transfer_status, _TEXT),
    Column("description", lambda row: _detail(row, "crypto_transaction_hash") or row.type, _TEXT),
)


def transfers(body: bytes, codes: Codes) -> Built:
    """``/transfers``: deposits and withdrawals of the key's profile with their present state."""
    layout = Layout(
        "account_transactions",
        (*_TRANSFERS, column("currency", "currency", Code(codes))),
        key=("transaction_id",),
        position="timestamp",
    )
    return read(layout, rows_of(body, models.Transfer))


_REPEATED: Final = ("match", "fee", "transfer")
"""Types of entries that repeat fills and transfers."""


def _described(row: Any) -> str:
    """The type, and whatever names what it belongs to."""
    details = row.details if isinstance(row.details, dict) else {}
    parts = (f"{name} {value}" for name, value in sorted(details.items()) if value)
    return ", ".join([exact.text(row.type), *parts])[:_LONGEST_TEXT]


def ledger(body: bytes, query: str, currency: str) -> Page:
    """``/accounts/<id>/ledger`` of one currency, without entries that repeat fills and transfers.

    ``others`` names those. Entries of a type that is not known are not left out: the balance
    changed by them.
    """
    layout = Layout(
        "account_transactions",
        (
            Column("transaction_id", lambda row: f"{currency}-{exact.text(row.id)}", _TEXT),
            column("timestamp", "created_at", _TIME),
            Column("type", lambda row: "debit" if _change(row) < 0 else "credit", _TEXT),
            Column("amount", lambda row: f"{_change(row).copy_abs():f}", _WIDE),
            Column("status", lambda row: "ok", _TEXT),
            Column("description", _described, _TEXT),
        ),
        key=("transaction_id",),
        position="timestamp",
        constants={"currency": currency},
    )
    source = rows_of(body, models.Entry)
    page = read(layout, source, lambda row: row.type not in _REPEATED).page()
    rows = [*listed_rows(source)]
    ids = [id_ for row in rows if (id_ := _name(row.id))]
    asked = parse_qs(query).get("after")
    return replace(
        page,
        next_token=ids[-1] if ids and ids != asked else None,
        others=tuple(_name(row.id) or "" for row in rows if row.type in _REPEATED),
    )


def _name(value: Any) -> str | None:
    """An id that a call can name; None for what is none."""
    try:
        return exact.text(value)[:_LONGEST_TEXT]
    except InvalidValue:
        return None


def _change(row: Any) -> Decimal:
    return exact.wide(row.amount, signed=True)


def balances(body: bytes, observed_at: int, codes: Codes) -> Page:
    """``/accounts``: every currency of the key's profile; other calls name them by their ids."""
    source = rows_of(body, models.Account)
    codes = codes.listed(row.currency for row in listed_rows(source))
    layout = observed(
        "balances",
        (
            column("currency", "currency", Code(codes)),
            column("available", "available", _SIGNED_WIDE),
            column("reserved", "hold", _SIGNED_WIDE, required=False),
        ),
        key="currency",
        at=observed_at,
    )
    ids = ((_name(row.id), codes.code_of(row.currency)) for row in listed_rows(source))
    aliases = {id_: code for id_, code in ids if id_ and isinstance(code, str)}
    return replace(read(layout, source).page(), aliases=aliases)


def fees(body: bytes, observed_at: int) -> Built:
    """``/fees``: the rates of all markets, as symbol ``*``."""
    layout = observed(
        "trading_fees",
        (
            Column("symbol", lambda row: "*", _TEXT),
            column("maker_fee_rate", "maker_fee_rate", _SIGNED),
            column("taker_fee_rate", "taker_fee_rate", _SIGNED),
        ),
        key="symbol",
        at=observed_at,
    )
    return read(layout, _only_row(body, models.Fees, b'_fee_rate"'))


def message(body: bytes) -> str | None:
    """The text of an error; None where ``body`` is none."""
    try:
        found = decode_object(models.Refusal, body).message
    except NotJsonError:
        return None
    return found if isinstance(found, str) else None
