"""Kraken's results as canonical columns. Pure functions of what stands under ``result``.

Whatever does not have the documented shape raises ``ContractError``; a row that cannot be stored is
returned as rejected. Public results are keyed by the market's id, whatever name was asked for.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Context, Decimal
from typing import Any, Final, TypeVar
from urllib.parse import parse_qs

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from connectors import exact
from connectors.base import Page
from connectors.books import book
from connectors.codes import Code, Codes
from connectors.columns import (
    Canonical,
    Choice,
    Cost,
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
from connectors.jsontext import NotJsonError, decode_object, decode_row, elements, members
from connectors.kraken import models
from connectors.kraken.names import SPELLING, code, common, symbol_of
from connectors.names import Listed, Names, listed_rows
from connectors.rows import (
    Built,
    Column,
    Layout,
    RowText,
    Source,
    column,
    decoded,
    observed,
    read,
)
from schemas import timeframe_us

NO_NAMES: Final = Names(SPELLING)
_LAST: Final = "last"
T = TypeVar("T", bound=msgspec.Struct)


class _TradeId(Id):
    """The id of a public trade. For years some rows came with id 0, which is none."""

    def many(self, values: Sequence[Any], required: bool) -> pa.Array:
        array = super().many(values, required)
        if len(array) and pc.min(array).as_py() == 0:
            raise InvalidValue("is no id")
        return array

    def one(self, value: Any) -> int:
        found: int = super().one(value)
        if not found:
            raise InvalidValue("is 0, which is no id")
        return found


_NUMBER, _TIME, _TEXT, _WIDE = Number(), Time(), Text(), Wide()
_SIGNED, _SIGNED_WIDE = Number(signed=True), Wide(signed=True)
_SIDES: Final = {"buy": "buy", "sell": "sell"}


# -- the shapes of results -------------------------------------------------------------------------


def _object(type_: type[T], body: bytes, what: str) -> T:
    try:
        return decode_object(type_, body)
    except NotJsonError as error:
        raise ContractError(f"not {what} ({error})") from None


def _members(body: bytes) -> list[RowText]:
    try:
        return [RowText(m.whole, m.value, m.key) for m in members(body)]
    except NotJsonError as error:
        raise ContractError(f"the result is not an object ({error})") from None


def keyed(body: bytes, model: Any, name: str = "id") -> Source:
    """Rows that are members of an object, their key set as the attribute ``name``."""

    def with_key(text: RowText) -> Any:
        row = decode_row(model, text.value)
        setattr(row, name, text.key)
        return row

    by_key = decoded(dict[str, model], body)
    if by_key is not None:
        for key, row in by_key.items():
            setattr(row, name, key)
        if body.count(b'":') < len(by_key):
            by_key = None
    rows = None if by_key is None else list(by_key.values())
    return Source(body, rows, lambda: _members(body), with_key)


def _of_one_market(body: bytes, native: str, names: Names) -> tuple[bytes, bytes]:
    """What stands under the one market of a result, and its ``last``.

    Asked for by its name, it answers under its id: only the id of another known market is wrong.
    """
    parts = _members(body)
    found = [part for part in parts if part.key != _LAST]
    if len(found) != 1:
        raise ContractError(f"{len(found)} markets in the answer for {native!r}")
    key = found[0].key or ""
    if key != native and native in names.known and key in names.known:
        raise ContractError(f"{key[:40]!r} in the answer for {native!r}")
    last = next((part.value for part in parts if part.key == _LAST), b"")
    return bytes(found[0].value), bytes(last)


def _array(body: bytes, model: Any) -> Source:
    def texts() -> list[RowText]:
        try:
            return [RowText(text, text) for text in elements(body)]
        except NotJsonError as error:
            raise ContractError(f"the rows are not a list ({error})") from None

    rows = decoded(list[model], body)
    return Source(body, rows, texts, lambda text: decode_row(model, text.value), ordered=True)


def _integer(text: bytes) -> int | None:
    """A number that may stand in quotes; None for anything else."""
    digits = text.strip(b'"')
    return int(digits) if digits.isdigit() and len(digits) < 20 else None


# -- public ----------------------------------------------------------------------------------------

_TRADE_COLUMNS: Final = (
    column("trade_id", "id", _TradeId()),
    column("timestamp", "time", _TIME),
    column("side", "side", Choice({"b": "buy", "s": "sell"})),
    column("price", "price", _NUMBER),
    column("amount", "amount", _NUMBER),
)


def trades(body: bytes, native: str, symbol: str, names: Names = NO_NAMES) -> Page:
    """``Trades`` of one market, oldest first. A row's time is no place to go on from: it is printed
    up to 119 ns off; ``last`` is.
    """
    rows, last = _of_one_market(body, native, names)
    layout = Layout(
        "trades",
        _TRADE_COLUMNS,
        key=("trade_id",),
        position="trade_id",
        constants={"symbol": symbol},
    )
    page = read(layout, _array(rows, models.Trade)).page()
    return replace(page, resume=_integer(last) if page.received else None)


_CANDLE_COLUMNS: Final = (
    column("timestamp", "time", _TIME),
    *(column(name, name, _NUMBER) for name in ("open", "high", "low", "close", "volume")),
)


def candles(
    body: bytes, native: str, symbol: str, timeframe: str, clock: int, names: Names = NO_NAMES
) -> Built:
    """``OHLC`` of one market. ``clock``: the exchange's, in microseconds.

    ``last`` names the newest candle that is final. Where it is missing, the newest row is taken to
    be open, and of the others those whose interval has ended by the clock are final.
    """
    rows, last = _of_one_market(body, native, names)
    layout = Layout(
        "candles",
        _CANDLE_COLUMNS,
        key=("timestamp",),
        position="timestamp",
        constants={"symbol": symbol, "timeframe": timeframe},
    )
    built = read(layout, _array(rows, models.Candle))
    opened = built.positions
    step = timeframe_us(timeframe)
    final = pc.less_equal(pc.add(opened, step), clock)
    last_final = _integer(last)
    limit = pc.max(opened).as_py() or 0 if last_final is None else last_final * 1_000_000 + 1
    return built.with_column("is_final", pc.and_(final, pc.less(opened, limit)))


def _at(name: str, index: int) -> Any:
    """A getter of one element of a list."""

    def get(row: Any) -> Any:
        values = getattr(row, name)
        if values is None:
            return None
        if not isinstance(values, list) or len(values) <= index:
            raise InvalidValue(f"is not among {str(values)[:40]!r}")
        return values[index]

    return get


_TICKER_COLUMNS: Final = tuple(
    Column(name, _at(source, index), kind, required=False)
    for name, source, index, kind in (
        ("last", "c", 0, _SIGNED),
        ("bid", "b", 0, _SIGNED),
        ("ask", "a", 0, _SIGNED),
        ("high", "high", 1, _SIGNED),
        ("low", "low", 1, _SIGNED),
        ("base_volume", "v", 1, _SIGNED_WIDE),
        ("average", "p", 1, _SIGNED_WIDE),
    )
)


def tickers(
    body: bytes, asked: Mapping[str, str], at: int, clock: int | None, names: Names = NO_NAMES
) -> Built:
    """``Ticker``; ``asked``: symbols by the names asked for. A row names no time: ``clock``, else
    ``at``.

    ``o`` is the opening of the day, not of 24 hours ago: there is no change in per cent.
    """
    alone = next(iter(asked.values())) if len(asked) == 1 else None

    def symbol(key: str) -> str:
        if key in asked or alone is None or key in names.known:
            return asked.get(key) or symbol_of(names, key)
        return alone  # asked for by its name, it answers under its id

    wanted = set(asked.values())
    layout = observed(
        "tickers",
        (*_TICKER_COLUMNS, column("symbol", "id", Canonical(symbol))),
        key="symbol",
        at=at,
    )
    layout = replace(layout, constants={**layout.constants, "timestamp": clock or at})
    return read(layout, keyed(body, models.Ticker), lambda row: symbol(row.id) in wanted)


def order_books(
    body: bytes, native: str, symbol: str, observed_at: int, names: Names = NO_NAMES
) -> Built:
    """``Depth`` of one market."""
    found = _object(models.Depth, _of_one_market(body, native, names)[0], "an order book")
    return book(bytes(found.asks), bytes(found.bids), symbol, observed_at)


_OPEN: Final = (None, "online", "limit_only", "post_only", "reduce_only")
"""States in which a market has orders that may trade; an old list names none."""


def _fee(row: models.Market) -> Any:
    try:
        return None if not row.fees else row.fees[0][1]
    except (TypeError, LookupError):
        raise InvalidValue(f"is not a table of fees: {str(row.fees)[:40]!r}") from None


_MARKETS: Final = (
    column("native_symbol", "id", _TEXT),
    column("price_precision", "pair_decimals", Whole(), required=False),
    column("amount_precision", "lot_decimals", Whole(), required=False),
    column("min_amount", "ordermin", _NUMBER, required=False),
    column("min_value", "costmin", _NUMBER, required=False),
    Column("fee_rate", _fee, Percent(signed=True), required=False),
    Column("active", lambda row: row.status in _OPEN, Flag()),
)


def market_rows(body: bytes, observed_at: int, names: Names = NO_NAMES) -> Page:
    """``AssetPairs``: every market of the list, dark pools (``.d``) too."""
    source = keyed(body, models.Market)
    rows = [row for row in listed_rows(source) if isinstance(row.id, str)]
    codes = _codes_of_markets(rows)

    def currencies(row: models.Market) -> tuple[str, str]:
        spelled = _halves(row.wsname)
        if spelled is not None:
            return common(spelled[0]), common(spelled[1])
        found = [codes.get(c) or code(names.codes, c) for c in (row.base, row.quote) if c]
        if len(found) != 2:
            raise InvalidValue(f"is unknown: base {row.base!r}, quote {row.quote!r}")
        return found[0], found[1]

    listed = {}
    for row in rows:
        try:
            listed[row.id] = currencies(row)
        except (InvalidValue, TypeError, AttributeError):
            listed[row.id] = ("", "")
    kind = Code(names.codes.listed(c for pair in listed.values() for c in pair if c))
    symbols = Listed(names, listed)
    layout = observed(
        "markets",
        (
            column("symbol", "id", symbols),
            Column("base", lambda row: currencies(row)[0], kind),
            Column("quote", lambda row: currencies(row)[1], kind),
            *_MARKETS,
        ),
        key="symbol",
        at=observed_at,
    )
    built = read(layout, source)
    columns = (built.columns[name].to_pylist() for name in ("native_symbol", "symbol"))
    known = dict(zip(*columns, strict=True))
    aliases = {
        name: known[row.id]
        for row in rows
        for name in (row.altname, row.wsname)
        if isinstance(name, str) and row.id in known and name not in known
    }
    return replace(built.page(), aliases=aliases)


def _halves(spelled: Any) -> tuple[str, str] | None:
    base, slash, quote = spelled.partition("/") if isinstance(spelled, str) else ("", "", "")
    return (base, quote) if base and slash and quote else None


def _codes_of_markets(rows: Sequence[models.Market]) -> dict[Any, str]:
    """Codes by currency id, as the third spelling of the markets tells them."""
    found: dict[Any, str] = {}
    for row in rows:
        spelled = _halves(row.wsname)
        if spelled is not None and isinstance(row.base, str) and isinstance(row.quote, str):
            found[row.base], found[row.quote] = common(spelled[0]), common(spelled[1])
    return found


_ENABLED: Final = (None, "enabled", "deposit_only", "withdrawal_only")


def currency_rows(body: bytes, observed_at: int, codes: Codes = NO_NAMES.codes) -> Page:
    """``Assets``: every currency, variants (``.S``, ``.F``, ``.HOLD``) too; ``name`` is its id."""
    source = keyed(body, models.Currency)
    known: dict[str, str] = {}
    taken: set[str] = set()
    for row in listed_rows(source):
        if isinstance(row.id, str):
            name = row.altname if isinstance(row.altname, str) and row.altname else row.id
            known[row.id] = row.id if common(name) in taken else common(name)
            taken.add(known[row.id])
    kind = Code(codes.listed(known.values()))
    layout = observed(
        "currencies",
        (
            Column("currency", lambda row: known.get(row.id, row.id), kind),
            column("name", "id", _TEXT),
            column("precision", "decimals", Whole()),
            Column("active", lambda row: row.status in _ENABLED, Flag()),
        ),
        key="currency",
        at=observed_at,
    )
    built = read(layout, source)
    columns = built.columns["name"].to_pylist(), built.columns["currency"].to_pylist()
    by_id = dict(zip(*columns, strict=True))
    by_name = {
        row.altname: by_id[row.id]
        for row in listed_rows(source)
        if isinstance(row.altname, str) and row.id in by_id
    }
    return replace(built.page(), aliases={**by_name, **by_id})


# -- account ---------------------------------------------------------------------------------------


def _fee_currency(row: models.Fill, names: Names) -> str | None:
    """The currency of a fill's fee, which no row names: the quote, or the base on wish.

    Documented is the quote. An order may ask for fees in base; the figure then is no thinkable part
    of the cost, but is one of the volume. Neither: some other currency (fee credits), unknown.
    """
    try:
        fee, cost, volume = map(exact.number, (row.fee, row.cost, row.vol))
    except InvalidValue:
        return None
    if not isinstance(row.pair, str):
        return None
    base, _, quote = symbol_of(names, row.pair).partition("-")
    if abs(fee) > cost * _DEAREST and abs(fee) <= volume * _DEAREST:
        return base
    return quote if abs(fee) <= cost else None


_DEAREST: Final = Decimal("0.01")
"""A rate that no fee reaches: the dearest of the public table is 0.4 per cent."""
_ROLES: Final = {True: "maker", False: "taker"}


def account_trades(body: bytes, query: str, names: Names = NO_NAMES) -> Page:
    """One page of ``TradesHistory``: the account's fills by their text ids."""
    page = _object(_TradesHistory, body, "a page of fills")
    layout = Layout(
        "account_trades",
        (
            column("trade_id", "id", _TEXT),
            column("timestamp", "time", _TIME),
            column("symbol", "pair", Canonical(lambda pair: symbol_of(names, pair))),
            column("side", "type", Choice(_SIDES)),
            column("price", "price", _NUMBER),
            column("amount", "vol", _NUMBER),
            column("order_id", "ordertxid", _TEXT, required=False),
            Column("taker_or_maker", lambda row: _ROLES.get(row.maker), _TEXT, required=False),
            column("fee_amount", "fee", _SIGNED_WIDE, required=False),
            Column("fee_currency", lambda row: _fee_currency(row, names), _TEXT, required=False),
        ),
        key=("trade_id", "symbol", "side"),
        position="timestamp",
    )
    built = read(layout, keyed(bytes(page.trades), models.Fill))
    return _paged(built.page(), page.count, query)


class _TradesHistory(msgspec.Struct):
    trades: msgspec.Raw
    count: Any = None


def _paged(page: Page, count: Any, query: str, others: int = 0) -> Page:
    """``page`` with its place: the next one begins behind its rows, until one has none."""
    received = page.received + others
    following = str(offset_of(query) + received) if received else None
    total = count if type(count) is int else _integer(str(count).encode())
    return replace(page, next_token=following, total=total)


def offset_of(query: str) -> int:
    """How many rows stand before the first one that a request asks for."""
    found = parse_qs(query).get("ofs", ["0"])[0]
    return int(found) if found.isdigit() else 0


_TRADE: Final = "trade"
"""The type of ledger entries that repeat fills."""
_TYPES: Final = {"deposit": "deposit", "withdrawal": "withdrawal"}


def _amount(row: models.Entry) -> Decimal:
    return exact.wide(row.amount, signed=True)


def _entry_type(row: models.Entry) -> str:
    """Deposit and withdrawal by name, a reversal of one and all else by the way the money went.

    An unknown type is none to leave out: the balance changed by it.
    """
    amount = _amount(row)
    known = _TYPES.get(str(row.type))
    if known is not None and (amount >= 0) == (known == "deposit"):
        return known
    return "credit" if amount >= 0 else "debit"


def _described(row: models.Entry) -> str:
    parts = (row.type, row.subtype, row.refid)
    return " ".join(part for part in parts if isinstance(part, str) and part)


def account_transactions(body: bytes, query: str, codes: Codes = NO_NAMES.codes) -> Page:
    """One page of ``Ledgers``, without the entries that repeat fills: ``others`` names those."""
    page = _object(_Ledgers, body, "a page of the ledger")
    layout = Layout(
        "account_transactions",
        (
            column("transaction_id", "id", _TEXT),
            column("timestamp", "time", _TIME),
            Column("type", _entry_type, _TEXT),
            Column("currency", lambda row: code(codes, exact.text(row.asset)), Code(codes)),
            Column("amount", lambda row: f"{abs(_amount(row)):f}", _WIDE),
            column("fee_amount", "fee", _SIGNED_WIDE, required=False),
            Column("status", lambda row: "ok", _TEXT),
            Column("description", _described, _TEXT),
        ),
        key=("transaction_id",),
        position="timestamp",
    )
    source = keyed(bytes(page.ledger), models.Entry)
    built = read(layout, source, lambda row: row.type != _TRADE)
    others = tuple(row.id for row in listed_rows(source) if row.type == _TRADE)
    found = _paged(built.page(), page.count, query, len(others))
    return replace(found, others=others)


class _Ledgers(msgspec.Struct):
    ledger: msgspec.Raw
    count: Any = None


_STATES: Final = {
    "pending": "open",
    "open": "open",
    "closed": "closed",
    "canceled": "canceled",
    "expired": "canceled",
}
_LIMITS: Final = re.compile(r"limit|.*-limit|iceberg")


def _described_as(name: str) -> Any:
    """A getter of one part of an order's description."""
    return lambda row: row.descr.get(name) if isinstance(row.descr, dict) else None


def _order_type(row: models.Order) -> str:
    kind = exact.text(_described_as("ordertype")(row))
    return "limit" if _LIMITS.fullmatch(kind) else "market"


def _ordered(row: models.Order) -> Any:
    """The amount in base currency. An old order may have named it in quote currency."""
    if "viqc" in str(row.oflags).split(","):
        if _STATES.get(row.status) == "open":
            raise InvalidValue("is named in quote currency")
        return row.vol_exec
    return row.vol


def _remaining(row: models.Order) -> str:
    if _STATES.get(row.status) != "open":
        return "0"
    return f"{exact.difference(row.vol, row.vol_exec):f}"


def _average(row: models.Order) -> Any:
    return row.price if exact.number(row.vol_exec) else None


def account_orders(body: bytes, query: str, names: Names = NO_NAMES) -> Page:
    """``OpenOrders``, or one page of ``ClosedOrders``, which alone has a count."""
    page = _object(_Orders, body, "a page of orders")
    layout = Layout(
        "account_orders",
        (
            column("order_id", "id", _TEXT),
            column("timestamp", "opentm", _TIME),
            Column("symbol", _described_as("pair"), Canonical(lambda pair: symbol_of(names, pair))),
            Column("side", _described_as("type"), Choice(_SIDES)),
            Column("type", _order_type, _TEXT),
            Column("price", _described_as("price"), _NUMBER),
            Column("amount", _ordered, _NUMBER),
            Column("remaining", _remaining, _NUMBER),
            column("status", "status", Choice(_STATES)),
            column("filled", "vol_exec", _NUMBER, required=False),
            column("cost", "cost", Cost(), required=False),
            Column("average", _average, _NUMBER, required=False),
            column("fee_amount", "fee", _SIGNED, required=False),
            column("closed_at", "closetm", _TIME, required=False),
        ),
        key=("order_id", "symbol"),
        position="timestamp",
    )
    closed = bool(bytes(page.closed))
    rows = bytes(page.closed) or bytes(page.open)
    if not rows:
        raise ContractError("neither open nor closed orders")
    found = read(layout, keyed(rows, models.Order)).page()
    return _paged(found, page.count, query) if closed else replace(found, next_token="0")


class _Orders(msgspec.Struct):
    open: msgspec.Raw = msgspec.Raw(b"")
    closed: msgspec.Raw = msgspec.Raw(b"")
    count: Any = None


_EXACT: Final = Context(prec=100)


def _sum(*parts: Any) -> str:
    """The exact sum of numbers, each with its sign; those that are missing are nothing."""
    total = Decimal(0)
    for sign, value in parts:
        if value is not None:
            found = exact.wide(value, signed=True)
            total = (_EXACT.add if sign == "+" else _EXACT.subtract)(total, found)
    return f"{total:f}"


def _available(row: models.Balance) -> str:
    if row.balance is None:
        raise InvalidValue("is missing")
    credit = (("+", row.credit), ("-", row.credit_used))
    return _sum(("+", row.balance), ("-", row.hold_trade), *credit)


def balances(body: bytes, observed_at: int, codes: Codes = NO_NAMES.codes) -> Built:
    """``BalanceEx``: every currency of the account, variants as currencies of their own."""
    source = keyed(body, models.Balance)
    layout = observed(
        "balances",
        (
            Column("currency", lambda row: code(codes, exact.text(row.id)), Code(codes)),
            Column("available", _available, _SIGNED_WIDE),
            column("reserved", "hold_trade", _SIGNED_WIDE, required=False),
        ),
        key="currency",
        at=observed_at,
    )
    return read(layout, source)


class _TradeVolume(msgspec.Struct):
    fees: msgspec.Raw = msgspec.Raw(b"{}")
    fees_maker: msgspec.Raw = msgspec.Raw(b"{}")


def trading_fees(body: bytes, observed_at: int, names: Names = NO_NAMES) -> Built:
    """``TradeVolume`` of the pairs asked for: what a taker and a maker pay."""
    found = _object(_TradeVolume, body, "the account's fee rates")
    makers = {text.key: text for text in _rates(found.fees_maker)}
    texts = _rates(found.fees)

    def one(text: RowText) -> models.Fees:
        maker = makers.get(text.key)
        return models.Fees(text.key, _rate(text), None if maker is None else _rate(maker))

    layout = observed(
        "trading_fees",
        (
            column("symbol", "id", Canonical(lambda pair: symbol_of(names, pair))),
            column("taker_fee_rate", "taker", Percent(signed=True)),
            column("maker_fee_rate", "maker", Percent(signed=True), required=False),
        ),
        key="symbol",
        at=observed_at,
    )
    return read(layout, Source(body, None, lambda: texts, one))


def _rates(body: msgspec.Raw) -> list[RowText]:
    return [] if bytes(body) in (b"null", b"[]") else _members(bytes(body))


def _rate(text: RowText) -> Any:
    row = decode_row(Any, text.value)
    if not isinstance(row, dict):
        raise InvalidValue(f"is not a rate: {exact.shown(row)}")
    return row.get("fee")
