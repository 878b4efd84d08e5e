"""Answers of the BTC-e dialect as canonical columns: pure functions of the body, or of what a call
returned. WEX and YoBit speak it; where they differ, a parameter says how.

Whatever does not have the documented shape raises ``ContractError``; a row that cannot be stored is
returned as rejected. Rows of most answers are members of an object. Siblings of this dialect write
numbers as text and ``[]`` for an empty object: both are read.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from itertools import repeat
from typing import Any, Final

from connectors import exact
from connectors.base import Page
from connectors.books import book, together
from connectors.codes import Code, Codes
from connectors.columns import (
    Canonical,
    Choice,
    Flag,
    Id,
    Number,
    Percent,
    Text,
    Time,
    Whole,
    Wide,
)
from connectors.errors import ContractError
from connectors.exact import InvalidValue
from connectors.jsontext import NotJsonError, decode_object, decode_row
from connectors.members import is_empty, members_of, parts_of, texts_of
from connectors.names import Listed, Names, Spelling, listed_rows
from connectors.rows import (
    Built,
    Column,
    Layout,
    RowText,
    Source,
    column,
    decoded,
    list_of,
    member_of,
    nullable,
    object_of,
    observed,
    read,
)
from connectors.wex import models

SPELLING: Final = Spelling(lower=True, reserved="-/\\")
"""``btc_usd``; a hyphen separates names."""
_ANY_CODE: Final = Codes(lower=SPELLING.lower)
_NO_NAMES: Final = Names(SPELLING, codes=_ANY_CODE)


def keyed(body: bytes, model: Any, key: str) -> Source:
    """Rows that are members of an object, their key set as the attribute ``key``."""

    def with_key(text: RowText) -> Any:
        row = decode_row(model, text.value)
        setattr(row, key, text.key)
        return row

    decoded_ = _decoded(body, model, key)
    return Source(body, decoded_, lambda: texts_of(body), with_key, keyed=True)


def _decoded(body: bytes, model: Any, key: str) -> list[Any] | None:
    by_key = {} if is_empty(body) else decoded(dict[str, model], body)
    if by_key is None:
        return None
    rows = list(by_key.values())
    deque(map(setattr, rows, repeat(key), by_key), maxlen=0)
    return rows


_ID, _TIME, _NUMBER, _SIGNED, _TEXT = Id(), Time(), Number(), Number(signed=True), Text()
_SIGNED_WIDE: Final = Wide(signed=True)
_TAKER_SIDES: Final = {"bid": "buy", "ask": "sell"}
_OWN_SIDES: Final = {"buy": "buy", "sell": "sell"}
_TYPES: Final = {"1": "deposit", "2": "withdrawal", "4": "credit", "5": "debit"}
_STATES: Final = {"0": "failed", "1": "pending", "2": "ok", "3": "unconfirmed"}


_TRADE_COLUMNS: Final = (
    column("trade_id", "tid", _ID),
    column("timestamp", "timestamp", _TIME),
    column("side", "type", Choice(_TAKER_SIDES)),
    column("price", "price", _NUMBER),
    column("amount", "amount", _NUMBER),
)

WEX_QUOTES: Final = {"bid": "sell", "ask": "buy"}
"""Of a ticker: ``buy`` is what one buys at."""

_TICKER_COLUMNS: Final = (
    column("timestamp", "updated", _TIME),
    *nullable(_SIGNED, {name: name for name in ("last", "high", "low")}),
    *nullable(_SIGNED_WIDE, {"base_volume": "vol_cur", "quote_volume": "vol", "average": "avg"}),
)


_OWN: Final = (1, "1", "True")  # 1 is also true
_FOREIGN: Final = (0, "0", "False")


def _role(row: models.AccountTrade) -> str:
    if row.is_your_order in _OWN:
        return "maker"
    if row.is_your_order in _FOREIGN:
        return "taker"
    raise InvalidValue(f"is unknown: is_your_order is {row.is_your_order!r}")


def _own_order(row: models.AccountTrade) -> Any:
    """The account's own order; a taker's fill names the counterparty's, which is left out."""
    return row.order_id if row.is_your_order in _OWN else None


_ACCOUNT_TRADES: Final = Layout(
    "account_trades",
    (
        column("trade_id", "id", _ID),
        column("timestamp", "timestamp", _TIME),
        column("side", "type", Choice(_OWN_SIDES)),
        column("price", "rate", _NUMBER),
        column("amount", "amount", _NUMBER),
        Column("order_id", _own_order, _TEXT, required=False),
        Column("taker_or_maker", _role, _TEXT),
    ),
    key=("trade_id", "symbol", "side"),
    position="trade_id",
    fields=(b"pair", b"rate", b"amount", b"timestamp"),
    besides=("type", "order_id", "is_your_order"),
)


_TRANSACTIONS: Final = Layout(
    "account_transactions",
    (
        column("transaction_id", "id", _ID),
        column("timestamp", "timestamp", _TIME),
        # The type says which way the money went; a sign besides would say it twice, or otherwise.
        column("type", "type", Choice(_TYPES)),
        column("amount", "amount", Wide()),
        column("status", "status", Choice(_STATES)),
        Column("description", lambda row: "" if row.desc is None else row.desc, _TEXT),
    ),
    key=("transaction_id",),
    position="transaction_id",
    fields=(b"currency", b"amount", b"timestamp"),
)

_MOST_TRADES: Final = 21_000
"""Documented are up to 5,000."""


def envelope(body: bytes) -> models.Envelope:
    """What wraps an answer. Raises ``ContractError`` where it is no object."""
    return object_of(models.Envelope, body, "an answer as documented")


def succeeded(answer: models.Envelope) -> bool:
    """``success`` comes as 1, ``"1"``, true or ``"true"``."""
    return str(answer.success).lower() in ("1", "true")


def trades(body: bytes, native: str, symbol: str) -> Built:
    """``/api/3/trades`` of one pair. Rows of another pair are a ``ContractError``."""
    layout = Layout(
        "trades",
        _TRADE_COLUMNS,
        key=("trade_id",),
        position="trade_id",
        fields=(b"tid", b"type", b"price", b"amount", b"timestamp"),
        constants={"symbol": symbol},
        most_rows=_MOST_TRADES,
    )
    rows: Sequence[models.Trade] | None = None
    if is_empty(body):
        rows = []
    else:
        by_pair = decoded(dict[str, list[models.Trade]], body) or {}
        # The pair twice would mean rows lost in decoding: then its parts are read one by one.
        if list(by_pair) == [native] and body.count(b'"%b"' % native.encode()) == 1:
            rows = by_pair[native]

    def texts() -> list[RowText]:
        found: list[RowText] = []
        for member in members_of(body):
            if member.key != native:
                raise ContractError(f"{member.key[:40]!r} in the answer for {native!r}")
            found += list_of(member.value, "the trades")
        return found

    def one(text: RowText) -> models.Trade:
        row: models.Trade = decode_row(models.Trade, text.value)
        return row

    return read(layout, Source(body, rows, texts, one, ordered=True))


def tickers(
    body: bytes,
    asked: Mapping[str, str],
    observed_at: int,
    quotes: Mapping[str, str] = WEX_QUOTES,
) -> Built:
    """``/api/3/ticker``; ``asked``: canonical symbol by native one.

    ``quotes``: the fields of bid and ask. A pair that was not asked for is a ``ContractError``.
    """
    for member in members_of(body):
        if member.key not in asked:
            raise ContractError(f"{member.key[:40]!r} was not asked for")
    layout = observed(
        "tickers",
        (
            *_TICKER_COLUMNS,
            *nullable(_SIGNED, quotes),
            column("symbol", "symbol", Choice(asked)),
        ),
        key="symbol",
        at=observed_at,
        fields=(b"updated",),
    )
    return read(layout, keyed(body, models.Ticker, "symbol"))


def account_trades(body: bytes, names: Names = _NO_NAMES, native: str | None = None) -> Built:
    """What ``TradeHistory`` returns: the account's fills, keyed by id. It names no fee.

    ``native``: the one market whose fills are wanted; those of others may come along.
    """
    layout = _ACCOUNT_TRADES.with_columns(column("symbol", "pair", Canonical(names.symbol_of)))
    keep = None if native is None else lambda row: row.pair in (native, None)
    return read(layout, keyed(body, models.AccountTrade, "id"), keep)


def account_transactions(body: bytes, codes: Codes = _ANY_CODE) -> Built:
    """What ``TransHistory`` returns, keyed by id. It has every code in upper case."""
    currency = column("currency", "currency", Code(codes, _as_listed))
    return read(_TRANSACTIONS.with_columns(currency), keyed(body, models.Transaction, "id"))


def _as_listed(code: str) -> str:
    return code.lower() if code == code.upper() else code


def _currencies(pair: Any) -> tuple[str, str]:
    base, separator, quote = str(pair).partition("_")
    if not (base and separator and quote):
        raise InvalidValue(f"is unknown: the pair is {pair!r}")
    return base, quote


def _listed_codes(pairs: Iterable[Any]) -> Iterator[str]:
    for pair in pairs:
        with suppress(InvalidValue):
            yield from _currencies(pair)


def _active(row: models.Market) -> bool:
    """Whether a pair is active: one without ``hidden`` is."""
    return row.hidden is None or str(row.hidden).lower() in ("0", "false")


_MARKETS: Final = (
    column("native_symbol", "symbol", _TEXT),
    column("price_precision", "decimal_places", Whole(), required=False),
    *nullable(_NUMBER, {name: name for name in ("min_amount", "min_price", "max_price")}),
    column("min_value", "min_total", _NUMBER, required=False),
    column("fee_rate", "fee", Percent(signed=True), required=False),
    Column("active", _active, Flag()),
)


def market_rows(body: bytes, observed_at: int, names: Names = _NO_NAMES) -> Built:
    """``/api/3/info``: every pair of the list; a disabled one is not in it, a hidden one is."""
    source = keyed(member_of(body, "pairs", "a list of pairs"), models.Market, "symbol")
    listed = {row.symbol: ("", "") for row in listed_rows(source)}
    code = Code(names.codes.listed(_listed_codes(listed)))
    layout = observed(
        "markets",
        (
            column("symbol", "symbol", Listed(names, listed)),
            Column("base", lambda row: _currencies(row.symbol)[0], code),
            Column("quote", lambda row: _currencies(row.symbol)[1], code),
            *_MARKETS,
        ),
        key="symbol",
        at=observed_at,
    )
    return read(layout, source)


def order_books(body: bytes, asked: Mapping[str, str], observed_at: int) -> Page:
    """``/api/3/depth``; ``asked``: canonical symbol by native one.

    A pair that was not asked for, or appears twice, is a ``ContractError``.
    """
    pages: dict[str, Page] = {}
    for member in members_of(body):
        if member.key not in asked or member.key in pages:
            raise ContractError(f"{member.key[:40]!r} was not asked for, or came twice")
        found = object_of(models.Depth, member.value, "an order book")
        built = book(bytes(found.asks), bytes(found.bids), asked[member.key], observed_at)
        pages[member.key] = built.page()
    return together(list(pages.values()))


_OPEN, _DONE, _CANCELED, _PARTLY = "0", "1", "2", "3"
_ORDER_STATES: Final = {_OPEN: "open", _DONE: "closed", _CANCELED: "canceled", _PARTLY: "canceled"}


def _remaining(row: models.Order) -> Any:
    """What may still be filled: of an order that has ended, nothing, whatever is left of it."""
    return "0" if str(row.status) in (_DONE, _CANCELED, _PARTLY) else row.amount


def _filled(row: models.Order) -> str | None:
    """The start amount less what is left; null where that contradicts the status."""
    start = exact.price(row.start_amount)
    if str(row.status) == _DONE:
        return format(start, "f")
    if str(row.status) == _CANCELED:
        return "0"
    filled = exact.difference(row.start_amount, row.amount)
    contradicts = filled < 0 or (str(row.status) == _PARTLY and not 0 < filled < start)
    return None if contradicts else format(filled, "f")


_ORDERS: Final = Layout(
    "account_orders",
    (
        column("order_id", "id", _ID),
        column("timestamp", "timestamp_created", _TIME),
        column("side", "type", Choice(_OWN_SIDES)),
        column("price", "rate", _NUMBER),
        column("amount", "start_amount", _NUMBER),
        Column("remaining", _remaining, _NUMBER),
        column("status", "status", Choice(_ORDER_STATES)),
        Column("filled", _filled, _NUMBER, required=False),
    ),
    key=("order_id",),
    position="order_id",
    # No call distinguishes a market order from a limit order; both have a price.
    constants={"type": "limit"},
)


def order(body: bytes, names: Names = _NO_NAMES) -> Built:
    """What ``OrderInfo`` returns: one order, keyed by its id."""
    layout = _ORDERS.with_columns(column("symbol", "pair", Canonical(names.symbol_of)))
    return read(layout, keyed(body, models.Order, "id"))


def open_orders(body: bytes) -> Mapping[int, Decimal | None]:
    """What ``ActiveOrders`` returns: what remains of each order by id (``None``: unreadable)."""
    found: dict[int, Decimal | None] = {}
    for member in members_of(body):
        try:
            found[exact.identity(member.key)] = _left(member.value)
        except InvalidValue as error:
            raise ContractError(f"an open order whose id {error}") from None
    return found


def _left(text: memoryview) -> Decimal | None:
    try:
        return exact.price(decode_row(dict[str, Any], text).get("amount"))
    except (InvalidValue, NotJsonError):
        return None


def balances(body: bytes, observed_at: int, codes: Codes = _ANY_CODE) -> Page:
    """What ``getInfo`` returns: what is available of every currency, what of it open orders hold
    back, where it says so, and the key's rights.
    """
    account = object_of(models.Account, body, "the account's information")
    funds = bytes(account.funds)
    texts = texts_of(funds)

    held = parts_of(bytes(account.funds_incl_orders))

    def one(text: RowText) -> tuple[str, Any, Any]:
        key = text.key or ""
        return key, decode_row(Any, text.value), decode_row(Any, held.get(key, b"null"))

    layout = observed(
        "balances",
        (
            Column("currency", lambda row: row[0], Code(codes.listed(t.key for t in texts))),
            Column("available", lambda row: row[1], _SIGNED_WIDE),
            Column("reserved", _reserved, _SIGNED_WIDE, required=False),
        ),
        key="currency",
        at=observed_at,
    )
    built = read(layout, Source.of_texts(body, texts, one))
    return replace(built.page(), rights=rights(account.rights))


def _reserved(row: tuple[str, Any, Any]) -> str | None:
    _, available, held = row
    return None if held is None else exact.total((held,), (available,))


def rights(of_key: Any) -> tuple[str, ...] | None:
    """The names of the rights that the key has; ``None`` where they are not reported."""
    if not isinstance(of_key, dict):
        return None
    on = [name for name, value in of_key.items() if value in (1, "1", "true", "True")]
    return tuple(sorted(name for name in on if name.isascii()))


def address(body: bytes) -> str:
    """What ``CoinDepositAddress`` returns."""
    try:
        found = exact.text(decode_object(models.Address, body).address).strip()
    except (NotJsonError, InvalidValue) as error:
        raise ContractError(f"not an address ({error})") from None
    if not found:
        raise ContractError("no address in the answer")
    return found
