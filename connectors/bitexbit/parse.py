"""BitexBit's answers as canonical columns. Pure functions of the body.

Whatever is not an array of rows raises ``ContractError``; a row that cannot be stored is returned
as rejected.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import chain
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from connectors import exact
from connectors.base import Page
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
from connectors.exact import InvalidValue
from connectors.jsontext import NotJsonError, decode_object, decode_row, elements
from connectors.names import Listed, Names, Spelling, listed_rows
from connectors.rows import (
    Built,
    Column,
    Layout,
    RowText,
    Source,
    check_number,
    column,
    observed,
    read,
    rows_of,
)
from schemas import timeframe_us

SPELLING: Final = Spelling(reserved=",/\\")
"""``BTC_USD``; a comma separates names."""
_NO_NAMES: Final = Names(SPELLING)
_ANY_CODE: Final = Codes()


SIDES: Final = {"buy": "buy", "sell": "sell"}
_TRANSFER_STATES: Final = {"10": "pending", "20": "failed", "30": "ok"}
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
        column("fee_amount", "fee_amount", _SIGNED_WIDE, required=False),
        column("fee_rate", "fee_rate", _SIGNED, required=False),
    ),
    key=("trade_id", "symbol", "side"),
    position="trade_id",
    fields=_FILL_FIELDS,
)

_CANDLE_COLUMNS: Final = (
    column("timestamp", "date", _TIME),
    *(column(name, name, _NUMBER) for name in ("open", "high", "low", "close", "volume")),
)

_TICKER_COLUMNS: Final = (
    column("timestamp", "date", _TIME),
    *(
        column(name, source, kind, required=False)
        for name, source, kind in (
            ("last", "last", _SIGNED),
            ("bid", "buy", _SIGNED),
            ("ask", "sell", _SIGNED),
            ("high", "high", _SIGNED),
            ("low", "low", _SIGNED),
            ("base_volume", "vol1", _SIGNED_WIDE),
            ("quote_volume", "vol2", _SIGNED_WIDE),
            ("change_percent", "change", _SIGNED),
        )
    ),
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
    fee_currency = column("fee_currency", "fee_symbol", Code(names.codes), required=False)
    layout = _with(_of_markets(_ACCOUNT_TRADES, names), fee_currency)
    return read(layout, rows_of(body, models.AccountTrade))


def _of_markets(layout: Layout, names: Names) -> Layout:
    """``layout`` with the market of each row, looked up in ``names``."""
    return _with(layout, column("symbol", "symbol", Canonical(names.symbol_of)))


def _with(layout: Layout, column: Column) -> Layout:
    return replace(layout, columns=(*layout.columns, column))


def candles(body: bytes, symbol: str, timeframe: str, clock: int | None) -> Built:
    """``/public/ohlcv``. ``clock``: the exchange's time in microseconds, where it is reported.

    A candle is final when its interval has ended by that clock. Without one, the newest opening
    time of the answer is all that is known of the exchange's time: it proves that the intervals
    before have ended, and never its own.
    """
    layout = Layout(
        "candles",
        _CANDLE_COLUMNS,
        key=("timestamp",),
        position="timestamp",
        constants={"symbol": symbol, "timeframe": timeframe},
    )
    built = read(layout, rows_of(body, models.Candle))
    opened = built.positions
    if clock is None:
        clock = pc.max(opened).as_py() or 0
    ended = pc.less_equal(pc.add(opened, timeframe_us(timeframe)), clock)
    return built.with_column("is_final", ended)


def tickers(body: bytes, asked: Mapping[str, str], observed_at: int) -> Built:
    """``/public/tickers``; ``asked``: canonical symbol by native one. Others are left out."""
    layout = observed(
        "tickers",
        (*_TICKER_COLUMNS, column("symbol", "symbol", Choice(asked))),
        key="symbol",
        at=observed_at,
        fields=(b"symbol", b"date"),
    )

    def wanted(row: Any) -> bool:
        return not isinstance(row.symbol, str) or row.symbol in asked

    return read(layout, rows_of(body, models.Ticker), wanted)


def transfers(body: bytes, codes: Codes = _ANY_CODE) -> Page:
    """One page of ``/private/transfers``: deposits and withdrawals with their present state.

    ``next_token`` is the query of the ``next`` link, never its host; ``ODD_LINK`` where a page is
    to follow and its link leads nowhere.
    """
    try:
        page = decode_object(_TransfersPage, body)
    except NotJsonError as error:
        raise ContractError(f"not a page of transfers ({error})") from None
    source = rows_of(bytes(page.results), models.Transfer)
    check_number(_TRANSFERS, len(source.rows or ()))
    rows = None if source.rows is None else list(map(_identifying(), source.rows))
    again = _identifying()  # row by row, if it comes to that
    identified = replace(source, rows=rows, one=lambda text: again(source.one(text)))
    layout = _with(_TRANSFERS, Column("currency", _transfer_currency, Code(codes)))
    built = read(layout, identified)
    total = page.count if type(page.count) is int else None
    return replace(built.page(), next_token=_next_query(page.next), total=total)


ODD_LINK: Final = "#"
"""No query: one never holds this."""
_QUERY: Final = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@/?%-]{1,2000}")


def _next_query(link: Any) -> str | None:
    if link is None or link == "":
        return None
    try:
        query = urlsplit(link).query if isinstance(link, str) else ""
    except ValueError:
        return ODD_LINK
    return query if _QUERY.fullmatch(query) and link.isprintable() else ODD_LINK


def _identifying() -> Callable[[models.Transfer], models.Transfer]:
    """Gives the rows of one answer that have no id one of what never changes of a transfer.

    ``txid`` does not identify it: it is shared by the deposits of one transaction, and a withdrawal
    has none before it is sent. Of transfers that agree in all that is left, each has a number.
    """
    alike = Counter[str]()

    def identified(row: models.Transfer) -> models.Transfer:
        if row.id in (None, ""):
            try:
                made = _made_id(row)
            except InvalidValue:
                return row  # of which some column says what is wrong
            alike[made] += 1
            row.id = made if alike[made] == 1 else f"{made}-{alike[made]}"
        return row

    return identified


def _made_id(row: models.Transfer) -> str:
    time, type_ = exact.time_us(row.date), _transfer_type(row)
    return _id_of(time, type_, _transfer_currency(row), row.amount)


def _id_of(time_us: int, type_: str, currency: Any, amount: Any) -> str:
    try:
        value = exact.price(amount)
    except InvalidValue:
        value = exact.wide(amount)
    # The code in upper case, whatever is listed beside it: an id never changes.
    parts = (time_us, type_, _ANY_CODE.code_of(currency), value)
    return f"transfer-{hashlib.sha256(repr(parts).encode()).hexdigest()[:20]}"


_MADE: Final = re.compile(r"(transfer-[0-9a-f]{20})(-[0-9]+)?")


def renamed_transfers(received: pa.Table, stored: pa.Table) -> dict[str, str]:
    """The ids of ``stored`` transfers that were their ``txid`` once, and those that they have now.

    Empty where the server gives ids, as ``received`` shows: they may well be the ``txid``.
    """
    ids = stored["transaction_id"]
    may_be_old = pc.or_(pc.equal(ids, stored["description"]), pc.equal(ids, ""))
    gives_ids = not any(map(_MADE.fullmatch, received["transaction_id"].to_pylist()))
    if gives_ids or not pc.any(may_be_old).as_py():
        return {}
    times = pc.cast(stored["timestamp"], pa.int64()).to_pylist()
    rows = stored.select(["transaction_id", "description", "type", "currency", "amount"])
    held = list(zip(times, *(column.to_pylist() for column in rows.columns), strict=True))
    taken = {id_ for _, id_, *_ in held}
    twins = {(m[1], txid): id_ for _, id_, txid, *_ in held if (m := _MADE.fullmatch(id_))}
    found: dict[str, str] = {}
    for time, id_, txid, type_, currency, amount in held:
        if id_ in ("", txid) and not _MADE.fullmatch(id_):
            made = _id_of(time, type_, currency, str(amount))
            free = (made, *(f"{made}-{number}" for number in range(2, len(held) + 2)))
            found[id_] = twins.get((made, txid)) or next(new for new in free if new not in taken)
            taken.add(found[id_])
    return found


def _transfer_id(row: models.Transfer) -> Any:
    if row.id in (None, ""):
        raise InvalidValue("is missing, and cannot be made of date, type, currency and amount")
    return row.id


def _transfer_currency(row: models.Transfer) -> Any:
    return _inner(row, "currency", "code")


def _transfer_type(row: models.Transfer) -> Any:
    if not isinstance(row.is_outgoing, bool):
        raise InvalidValue(f"is unknown: is_outgoing is {row.is_outgoing!r}")
    return "withdrawal" if row.is_outgoing else "deposit"


def _inner(row: models.Transfer, name: str, key: str) -> Any:
    value = getattr(row, name)
    return value.get(key) if isinstance(value, dict) else value


def _described(row: models.Transfer) -> Any:
    return "" if row.txid is None else row.txid


_TRANSFERS: Final = Layout(
    "account_transactions",
    (
        Column("transaction_id", _transfer_id, _TEXT),
        column("timestamp", "date", _TIME),
        Column("type", _transfer_type, _TEXT),
        column("amount", "amount", Wide()),
        Column("status", lambda row: _inner(row, "status", "key"), Choice(_TRANSFER_STATES)),
        Column("description", _described, _TEXT),
    ),
    key=("transaction_id",),
    position="timestamp",
)


class _TransfersPage(msgspec.Struct):
    results: msgspec.Raw
    count: Any = None
    next: Any = None


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


def _optional(name: str, kind: Any, source: str = "") -> Column:
    return column(name, source or name, kind, required=False)


_MARKET_COLUMNS: Final = (
    column("native_symbol", "symbol", _TEXT),
    _optional("price_precision", Whole()),
    _optional("amount_precision", Whole()),
    _optional("min_amount", _NUMBER),
    _optional("max_amount", _NUMBER),
    _optional("min_value", _NUMBER),
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
    try:
        found = decode_object(models.Depth, body)
    except NotJsonError as error:
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


def account_orders(body: bytes, names: Names = _NO_NAMES) -> Built:
    """``/private/orders`` of all markets."""
    return read(_of_markets(_ACCOUNT_ORDERS, names), rows_of(body, models.Order))


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
    try:
        top = decode_object(_Top, body)
        texts = [RowText(body, body, _ALL)]
        if bytes(top.pair_fee_rates) != b"null":
            pairs = elements(bytes(top.pair_fee_rates))
            texts += [RowText(pair, pair) for pair in pairs]
    except NotJsonError as error:
        raise ContractError(f"not the account's fee rates ({error})") from None
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
    try:
        rows: list[models.Fees] | None = [_one(text) for text in texts]
    except NotJsonError:
        rows = None
    return read(layout, Source(body, rows, lambda: texts, _one))


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
