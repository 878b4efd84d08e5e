"""Kraken's private results as canonical columns. Ids are opaque text; pages begin at the newest."""

import re
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final
from urllib.parse import parse_qs

from connectors import columns as kinds
from connectors import exact
from connectors.base import Page
from connectors.codes import Code, Codes
from connectors.errors import ContractError
from connectors.exact import InvalidValue
from connectors.jsontext import decode_row
from connectors.kraken.names import code, symbol_of
from connectors.kraken.parse import NO_NAMES
from connectors.members import Row, keyed, of, parts_of, texts_of
from connectors.names import Names, listed_rows
from connectors.rows import Built, Column, Layout, RowText, Source, observed, read, rows_of

_NUMBER, _TEXT, _TIME = kinds.Number(), kinds.Text(), kinds.Time()
_SIGNED, _SIGNED_WIDE = kinds.Number(signed=True), kinds.Wide(signed=True)
_SIDES: Final = kinds.Choice({"buy": "buy", "sell": "sell"})
_RATES: Final = (Decimal("0.00005"), Decimal("0.01"))
"""Between these lies any fee that is not nothing: the public tables have 0.02 to 0.4 per cent."""


def _paged(page: Page, parts: dict[str, bytes], query: str, others: tuple[str, ...] = ()) -> Page:
    """``page`` with its place: the next one begins behind its rows, until one has none."""
    before = exact.natural(parse_qs(query).get("ofs", ["0"])[0].encode()) or 0
    rows = page.received + len(others)
    total, token = exact.natural(parts.get("count", b"")), str(before + rows) if rows else None
    return replace(page, next_token=token, total=total, others=others)


def _listed(page: dict[str, bytes], *names: str) -> bytes:
    """The rows of a page. Raises ``ContractError`` where there are none, not even an empty list."""
    for name in names:
        if name in page:
            return page[name]
    raise ContractError(f"no {names[0]} in the result")


def _market(names: Names) -> kinds.Canonical:
    return kinds.Canonical(lambda pair: symbol_of(names, pair))


def _role(row: Row) -> str | None:
    maker = row.get("maker")
    return None if not isinstance(maker, bool) else "maker" if maker else "taker"


def _fee_currency(row: Row, names: Names) -> str | None:
    """The currency of a fill's fee, which no row names: the quote, as documented.

    An order may ask for fees in base: then the figure is a thinkable part of the volume, and none
    of the cost. Above the cost it is in fee credits, or unknown.
    """
    try:
        fee, cost, volume = (exact.number(row.get(name)) for name in ("fee", "cost", "vol"))
    except InvalidValue:
        return None
    base, _, quote = symbol_of(names, exact.text(row.get("pair"))).partition("-")
    low, high = _RATES
    in_quote = not fee or cost * low <= abs(fee) <= cost * high
    in_base = volume * low <= abs(fee) <= volume * high
    return base if in_base and not in_quote else quote if abs(fee) <= cost else None


def account_trades(body: bytes, query: str, names: Names = NO_NAMES) -> Page:
    """One page of ``TradesHistory``: the account's fills."""
    page = parts_of(body)
    columns = (
        of("trade_id", "id", _TEXT),
        of("timestamp", "time", _TIME),
        of("symbol", "pair", _market(names)),
        of("side", "type", _SIDES),
        of("price", "price", _NUMBER),
        of("amount", "vol", _NUMBER),
        of("order_id", "ordertxid", _TEXT, required=False),
        Column("taker_or_maker", _role, _TEXT, required=False),
        of("fee_amount", "fee", _SIGNED_WIDE, required=False),
        Column("fee_currency", lambda row: _fee_currency(row, names), _TEXT, required=False),
    )
    layout = Layout("account_trades", columns, ("trade_id", "symbol", "side"), "timestamp")
    return _paged(read(layout, keyed(_listed(page, "trades"))).page(), page, query)


def _is_fill(row: Row) -> bool:
    """Whether a ledger entry repeats a fill."""
    return row.get("type") in ("trade", "trades")


def _entry_type(row: Row) -> str:
    """A deposit or withdrawal by its name; what is reversed, or unknown, by the way it went."""
    comes = exact.wide(row.get("amount"), signed=True) >= 0
    if row.get("type") == ("deposit" if comes else "withdrawal"):
        return str(row["type"])
    return "credit" if comes else "debit"


def _described(row: Row) -> str:
    parts = (row.get(name) for name in ("type", "subtype", "refid"))
    return " ".join(part for part in parts if isinstance(part, str) and part)


def account_transactions(body: bytes, query: str, codes: Codes = NO_NAMES.codes) -> Page:
    """One page of ``Ledgers``, without the entries that repeat fills: ``others`` names those."""
    page = parts_of(body)
    columns = (
        of("transaction_id", "id", _TEXT),
        of("timestamp", "time", _TIME),
        Column("type", _entry_type, _TEXT),
        Column("currency", lambda row: code(codes, exact.text(row.get("asset"))), Code(codes)),
        Column("amount", lambda row: exact.total((row.get("amount"),)).lstrip("-"), kinds.Wide()),
        of("fee_amount", "fee", _SIGNED_WIDE, required=False),
        Column("status", lambda row: "ok", _TEXT),
        Column("description", _described, _TEXT),
    )
    layout = Layout("account_transactions", columns, ("transaction_id",), "timestamp")
    source = keyed(_listed(page, "ledger"))
    built = read(layout, source, lambda row: not _is_fill(row))
    others = tuple(row["id"] for row in listed_rows(source) if _is_fill(row))
    return _paged(built.page(), page, query, others)


TRANSFER: Final = "transfer:"
"""How ids of transfers begin, so that none is that of a ledger entry: both are opaque."""
_PROGRESS: Final = {
    **{"Success": "ok", "Settled": "ok", "Pending": "pending", "Failure": "failed"},
    **{"onhold": "pending", "cancel-pending": "pending", "canceled": "failed"},
}
"""By ``status-prop``, which says more, or ``status``; any other is a beginning."""


def _progress(row: Row) -> str:
    sent = (row.get("status-prop"), row.get("status"))
    return next((_PROGRESS[str(s)] for s in sent if str(s) in _PROGRESS), "unconfirmed")


def transfers(body: bytes, kind: str, codes: Codes = NO_NAMES.codes) -> Built:
    """``DepositStatus`` or ``WithdrawStatus``: a list, or an object that holds it.

    By which transaction and address a transfer went, also before the ledger has it.
    """
    if not body.lstrip().startswith(b"["):
        body = next((p for p in parts_of(body).values() if p.startswith(b"[")), b"[]")
    columns = (
        Column("transaction_id", lambda row: TRANSFER + exact.text(row.get("refid")), _TEXT),
        of("timestamp", "time", _TIME),
        Column("type", lambda row: kind, _TEXT),
        Column("currency", lambda row: code(codes, exact.text(row.get("asset"))), Code(codes)),
        of("amount", "amount", kinds.Wide()),
        of("fee_amount", "fee", _SIGNED_WIDE, required=False),
        Column("status", _progress, _TEXT),
        Column("description", _route, _TEXT),
    )
    layout = Layout("account_transactions", columns, ("transaction_id",), "timestamp")
    return read(layout, rows_of(body, Row))


def _route(row: Row) -> str:
    """``Bitcoin, Success, address 9Ptp…, transaction c711…``."""
    named = {"method": "", "status": "", "status-prop": "", "info": "address "}
    named |= {"txid": "transaction "}
    parts = (f"{word}{row[name]}" for name, word in named.items() if row.get(name))
    return ", ".join(parts)


_STATES: Final = {name: name for name in ("open", "closed", "canceled")} | {
    "pending": "open",
    "expired": "canceled",
}
_LIMITS: Final = re.compile(r"limit|iceberg|.*-limit")


def _is_open(row: Row) -> bool:
    return row.get("status") in ("open", "pending")


def _described_as(name: str) -> Callable[[Row], Any]:
    """A getter of one part of an order's description."""
    return lambda row: row["descr"].get(name) if isinstance(row.get("descr"), dict) else None


def _order_type(row: Row) -> str:
    kind = exact.text(_described_as("ordertype")(row))
    return "limit" if _LIMITS.fullmatch(kind) else "market"


def _price(row: Row) -> Any:
    """The limit; of an order whose price is a distance (``+5.0%``), what that comes to."""
    sent = _described_as("price")(row)
    return row.get("limitprice", "0") if isinstance(sent, str) and "%" in sent else sent


def _ordered(row: Row) -> Any:
    """The amount in base currency. An old order may have named it in quote currency."""
    if "viqc" not in str(row.get("oflags")):
        return row.get("vol")
    if _is_open(row):
        raise InvalidValue("is named in quote currency")
    return row.get("vol_exec")


def _remaining(row: Row) -> str:
    return exact.total((row.get("vol"),), (row.get("vol_exec"),)) if _is_open(row) else "0"


def _average(row: Row) -> Any:
    return row.get("price") if exact.number(row.get("vol_exec")) else None


def account_orders(body: bytes, query: str, names: Names = NO_NAMES) -> Page:
    """``OpenOrders``, or one page of ``ClosedOrders``, which alone has a count."""
    page = parts_of(body)
    columns = (
        of("order_id", "id", _TEXT),
        of("timestamp", "opentm", _TIME),
        Column("symbol", _described_as("pair"), _market(names)),
        Column("side", _described_as("type"), _SIDES),
        Column("type", _order_type, _TEXT),
        Column("price", _price, _NUMBER),
        Column("amount", _ordered, _NUMBER),
        Column("remaining", _remaining, _NUMBER),
        of("status", "status", kinds.Choice(_STATES)),
        of("filled", "vol_exec", _NUMBER, required=False),
        of("cost", "cost", kinds.Cost(), required=False),
        Column("average", _average, _NUMBER, required=False),
        of("fee_amount", "fee", _SIGNED, required=False),
        of("closed_at", "closetm", _TIME, required=False),
    )
    layout = Layout("account_orders", columns, ("order_id", "symbol"), "timestamp")
    found = read(layout, keyed(_listed(page, "closed", "open"))).page()
    return _paged(found, page, query) if "closed" in page else replace(found, next_token="0")


def _available(row: Row) -> str:
    exact.wide(row.get("balance"), signed=True)  # which must be there
    owned = (row.get("balance"), row.get("credit"))
    return exact.total(owned, (row.get("hold_trade"), row.get("credit_used")))


def balances(body: bytes, observed_at: int, codes: Codes = NO_NAMES.codes) -> Built:
    """``BalanceEx``: every currency of the account, variants as currencies of their own."""
    columns = (
        Column("currency", lambda row: code(codes, exact.text(row["id"])), Code(codes)),
        Column("available", _available, _SIGNED_WIDE),
        of("reserved", "hold_trade", _SIGNED_WIDE, required=False),
    )
    return read(observed("balances", columns, key="currency", at=observed_at), keyed(body))


def trading_fees(body: bytes, observed_at: int, names: Names = NO_NAMES) -> Built:
    """``TradeVolume`` of the pairs asked for: what a taker and a maker pay, in per cent."""
    found = parts_of(body)
    makers = parts_of(found.get("fees_maker", b"{}"))

    def one(text: RowText) -> Row:
        maker = decode_row(Row, makers.get(text.key or "", b"{}"))
        return {**decode_row(Row, text.value), "id": text.key, "maker": maker.get("fee")}

    columns = (
        of("symbol", "id", _market(names)),
        of("taker_fee_rate", "fee", kinds.Percent(signed=True)),
        of("maker_fee_rate", "maker", kinds.Percent(signed=True), required=False),
    )
    layout = observed("trading_fees", columns, key="symbol", at=observed_at)
    takers = texts_of(found.get("fees", b"{}"))
    return read(layout, Source(body, None, lambda: takers, one))
