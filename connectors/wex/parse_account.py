"""WEX's orders, balances, rights and addresses. Pure functions of what a call returned."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

import msgspec

from connectors import exact
from connectors.base import Page
from connectors.columns import Choice, Id, Number, Text, Time
from connectors.errors import ContractError
from connectors.exact import InvalidValue
from connectors.jsontext import decoder
from connectors.rows import Built, Column, Layout, RowText, Source, column, read
from connectors.symbols import Canonical
from connectors.wex import models
from connectors.wex.names import symbol_of
from connectors.wex.source import is_empty, keyed, members_of

_OPEN, _DONE, _CANCELED, _PARTLY = "0", "1", "2", "3"
_STATES: Final = {_OPEN: "open", _DONE: "closed", _CANCELED: "canceled", _PARTLY: "canceled"}
_ACCOUNT: Final = decoder(models.Account)
_ADDRESS: Final = decoder(models.Address)
_VALUE: Final = decoder(Any)


def _remaining(row: models.Order) -> Any:
    """What may still be filled: of an order that has ended, nothing, whatever is left of it."""
    return "0" if str(row.status) in (_DONE, _CANCELED, _PARTLY) else row.amount


def _filled(row: models.Order) -> str | None:
    """The start amount less what is left; null where that contradicts the status."""
    start = exact.number(row.start_amount)
    if str(row.status) == _DONE:
        return format(start, "f")
    if str(row.status) == _CANCELED:
        return "0"
    filled = start - exact.number(row.amount)
    contradicts = filled < 0 or (str(row.status) == _PARTLY and not 0 < filled < start)
    return None if contradicts else format(filled, "f")


_ORDERS: Final = Layout(
    "account_orders",
    (
        column("order_id", "id", Id()),
        column("symbol", "pair", Canonical(symbol_of)),
        column("timestamp", "timestamp_created", Time()),
        column("side", "type", Choice({"buy": "buy", "sell": "sell"})),
        column("price", "rate", Number()),
        column("amount", "start_amount", Number()),
        Column("remaining", _remaining, Number()),
        column("status", "status", Choice(_STATES)),
        Column("filled", _filled, Number(), required=False),
    ),
    key=("order_id",),
    position="order_id",
    # No call tells a market order from a limit order; both rest with a price.
    constants={"type": "limit"},
)


def order(body: bytes) -> Built:
    """What ``OrderInfo`` returns: one order, keyed by its id."""
    return read(_ORDERS, keyed(body, models.Order, "id"))


def open_orders(body: bytes) -> Mapping[int, Decimal | None]:
    """What ``ActiveOrders`` returns: what remains of each order by id (``None``: unreadable)."""
    found: dict[int, Decimal | None] = {}
    for member in () if is_empty(body) else members_of(body):
        try:
            found[exact.identity(member.key)] = _left(member.value)
        except InvalidValue as error:
            raise ContractError(f"an open order whose id {error}") from None
    return found


def _left(text: str) -> Decimal | None:
    try:
        row = msgspec.convert(_VALUE.decode(text), dict[str, Any])
        return exact.price(row.get("amount"))
    except (InvalidValue, msgspec.DecodeError):
        return None


def balances(body: bytes, observed_at: int) -> Page:
    """What ``getInfo`` returns: what is available of every currency, and the key's rights."""
    try:
        account = _ACCOUNT.decode(body)
    except msgspec.DecodeError as error:
        raise ContractError(f"not the account's information ({error})") from None
    funds = bytes(account.funds)
    texts = [
        RowText(m.whole, m.value, m.key) for m in (() if is_empty(funds) else members_of(funds))
    ]

    def one(text: RowText) -> tuple[str, Any]:
        return (text.key or "").upper(), _VALUE.decode(text.value)

    layout = Layout(
        "balances",
        (
            Column("currency", lambda row: row[0], Text()),
            Column("available", lambda row: row[1], Number(signed=True)),
        ),
        key=("currency",),
        position="observed_at",
        constants={"observed_at": observed_at},
    )
    rows = [one(text) for text in texts]
    built = read(layout, Source(body, rows, lambda: texts, one))
    return replace(built.page(), rights=rights(account.rights))


def rights(of_key: Any) -> tuple[str, ...] | None:
    """The names of the rights that the key has; ``None`` where they are not reported."""
    if not isinstance(of_key, dict):
        return None
    return tuple(
        sorted(str(name) for name, on in of_key.items() if str(on).lower() in ("1", "true"))
    )


def address(body: bytes) -> str:
    """What ``CoinDepositAddress`` returns."""
    try:
        found = _ADDRESS.decode(body).address
    except msgspec.DecodeError as error:
        raise ContractError(f"not an address ({error})") from None
    if not isinstance(found, str) or not found.strip():
        raise ContractError("no address in the answer")
    return found.strip()
