"""BitexBit's markets, currencies, order books and orders as canonical columns. Pure functions."""

from typing import Any, Final

import msgspec

from connectors.bitexbit import models
from connectors.bitexbit.names import symbol_of
from connectors.bitexbit.source import rows_of
from connectors.books import book
from connectors.columns import Choice, Id, Number, Text, Time
from connectors.errors import ContractError
from connectors.jsontext import decoder
from connectors.kinds import Cost, Flag, Whole
from connectors.rows import Built, Column, Layout, column, read
from connectors.symbols import Canonical, Only, code_of

_ID, _TIME, _NUMBER, _SIGNED, _TEXT = Id(), Time(), Number(), Number(signed=True), Text()
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
_DEPTH: Final = decoder(models.Depth)


def _optional(name: str, kind: Any, source: str = "") -> Column:
    return column(name, source or name, kind, required=False)


_MARKET_COLUMNS: Final = (
    column("native_symbol", "symbol", _TEXT),
    Column("base", lambda row: code_of(row.base), _TEXT),
    Column("quote", lambda row: code_of(row.quote), _TEXT),
    _optional("price_precision", Whole()),
    _optional("amount_precision", Whole()),
    _optional("min_amount", _NUMBER),
    _optional("max_amount", _NUMBER),
    _optional("min_value", _NUMBER),
    column("active", "is_enabled", Flag()),
)


def market_rows(body: bytes, observed_at: int, asked: tuple[str, str] | None = None) -> Built:
    """``/public/pairs``; ``asked`` (native and canonical name): of the one pair that it is."""
    kind = Only(*asked) if asked else Canonical(symbol_of)
    layout = Layout(
        "markets",
        (column("symbol", "symbol", kind), *_MARKET_COLUMNS),
        key=("symbol",),
        position="observed_at",
        constants={"observed_at": observed_at},
    )
    return read(layout, rows_of(b"[%b]" % body if asked else body, models.Market))


def currency_rows(body: bytes, observed_at: int, asked: str | None = None) -> Built:
    """``/public/currencies``, or of the one currency that was ``asked`` for."""
    kind = Only(asked, asked) if asked else _TEXT
    layout = Layout(
        "currencies",
        (
            Column("currency", lambda row: code_of(row.code), kind),
            column("name", "name", _TEXT),
            column("precision", "precision", Whole()),
            column("active", "is_enabled", Flag()),
        ),
        key=("currency",),
        position="observed_at",
        constants={"observed_at": observed_at},
    )
    return read(layout, rows_of(b"[%b]" % body if asked else body, models.Currency))


def order_books(body: bytes, native: str, symbol: str, observed_at: int) -> Built:
    """``/public/depth`` of one market, which it may name or not."""
    try:
        found: models.Depth = _DEPTH.decode(body)
    except msgspec.DecodeError as error:
        raise ContractError(f"not an order book ({error})") from None
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
    _optional("cost", Cost(), "value_filled"),
    _optional("average", _NUMBER, "price_avg"),
    _optional("closed_at", _TIME, "done_at"),
)
_ORDER_FIELDS: Final = (b"id", b"date", b"type", b"symbol", b"price", b"amount", b"state")

_ACCOUNT_ORDERS: Final = Layout(
    "account_orders",
    (
        *_ORDER_COLUMNS,
        column("symbol", "symbol", Canonical(symbol_of)),
        _optional("fee_amount", _SIGNED, "fee_filled"),
    ),
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


def account_orders(body: bytes) -> Built:
    """``/private/orders`` of all markets."""
    return read(_ACCOUNT_ORDERS, rows_of(body, models.Order))
