"""Bitstamp's answers about an account as canonical columns, like :mod:`connectors.bitstamp.parse`.

``/user_transactions/`` is the whole account in one list. Its columns name the currencies
(``{"btc": "-0.5", "usd": 5100, "btc_usd": "10200"}``), with columns of others that are nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final
from urllib.parse import parse_qs

from connectors import columns as kinds
from connectors import exact
from connectors.base import Page
from connectors.bitstamp.parse import NO_NAMES
from connectors.codes import Code, Codes
from connectors.errors import ContractError
from connectors.exact import InvalidValue
from connectors.jsontext import NotJsonError, decode_row
from connectors.members import Row, of
from connectors.names import Names, listed_rows
from connectors.rows import Built, Column, Layout, RowText, Source, list_of, observed, read, rows_of

FIRST: Final = "1"
"""The token of the first page: there is no lower id."""
_TEXT, _TIME, _NUMBER = kinds.Text(), kinds.Time(), kinds.Number()
_SIGNED, _SIGNED_WIDE = kinds.Number(signed=True), kinds.Wide(signed=True)
_NO_CURRENCIES: Final = {"id", "datetime", "type", "fee"}
_TRADE: Final = "2"
_MOVES: Final = {
    "0": "deposit",
    "1": "withdrawal",
    "14": "sub-account transfer",
    "25": "credited with staked assets",
    "26": "sent to staking",
    "27": "staking reward",
    "32": "referral reward",
    "33": "settlement transfer",
    "35": "inter-account transfer",
}
"""Documented types; one that is not known is kept as well, since the balance changed by it."""


def _is_trade(row: Any) -> bool:
    return isinstance(row, dict) and str(row.get("type")) == _TRADE


def _amounts(row: Row) -> dict[str, Decimal]:
    """What each currency that is not nothing changes by. Raises ``InvalidValue``."""
    found = {}
    for name, value in row.items():
        is_currency = name not in _NO_CURRENCIES and "_" not in name and value is not None
        if is_currency and (amount := exact.wide(value, signed=True)):
            found[name] = amount
    return found


def _market(row: Row) -> tuple[str, str]:
    """Base and quote, as the column of the price names them (``btc_usd``)."""
    pairs = [name.split("_") for name in row if name.count("_") == 1]
    priced = [(a, b) for a, b in pairs if a in row and b in row and row[f"{a}_{b}"] is not None]
    moved = _amounts(row)
    both = [pair for pair in priced if pair[0] in moved and pair[1] in moved]
    # of a tiny trade, the sum in quote currency may be rounded to nothing
    one = [(a, b) for a, b in priced if a in moved and exact.number(row[f"{a}_{b}"])]
    for found in (both, one):
        if len(found) == 1:
            return found[0]
    raise InvalidValue("is unknown: no column names the price of the currencies that moved")


def _symbol_of(names: Names, base: str, quote: str) -> str:
    return names.known.get(f"{base}{quote}") or f"{base}-{quote}".upper()


def _base_amount(row: Row) -> Decimal:
    return exact.wide(row[_market(row)[0]], signed=True)


def _side(row: Row) -> str:
    """Of what the account did: it bought where it got base currency."""
    return "buy" if _base_amount(row) > 0 else "sell"


def _price(row: Row) -> Any:
    return row["_".join(_market(row))]


def _plain(value: Decimal) -> str:
    return f"{value.copy_abs():f}"


def _decoded(text: RowText) -> Row:
    row: Row = decode_row(Row, text.value)
    return row


def account_trades(body: bytes, query: str, names: Names = NO_NAMES) -> Page:
    """The trades in a page of ``/user_transactions/``. The fee is in the quote currency, and no
    part of what was paid. Of a trade with itself, an account has two rows, perhaps with one id.
    """
    layout = Layout(
        "account_trades",
        (
            of("trade_id", "id", kinds.Id()),
            of("timestamp", "datetime", _TIME),
            Column("symbol", lambda row: _symbol_of(names, *_market(row)), _TEXT),
            Column("side", _side, _TEXT),
            Column("price", _price, _NUMBER),
            Column("amount", lambda row: _plain(_base_amount(row)), _NUMBER),
            of("order_id", "order_id", _TEXT, required=False),
            of("fee_amount", "fee", _SIGNED_WIDE, required=False),
            Column("fee_currency", lambda row: names.codes.code_of(_market(row)[1]), _TEXT),
        ),
        ("trade_id", "symbol", "side"),
        "timestamp",
    )
    return _page(layout, body, query, list_of(body, "the rows"), _is_trade)


def account_transactions(body: bytes, query: str, codes: Codes = NO_NAMES.codes) -> Page:
    """Everything else in such a page: what each currency changed by, and what was paid or received
    for a trade besides price times amount, which Bitstamp rounds.
    """
    texts: list[RowText] = []
    for text in list_of(body, "the rows"):
        try:
            row = _decoded(text)
            moved = [_ROUNDING] if _is_trade(row) and _rounding(row) else sorted(_amounts(row))
        except (InvalidValue, NotJsonError):
            moved = []
        texts += [text._replace(key=name) for name in moved] or [text]
    layout = Layout(
        "account_transactions",
        (
            Column("transaction_id", _transaction_id, _TEXT),
            of("timestamp", "datetime", _TIME),
            Column("type", _kind, _TEXT),
            Column("currency", lambda row: _moved(row)[0], Code(codes)),
            Column("amount", lambda row: _plain(_moved(row)[1]), kinds.Wide()),
            Column("fee_amount", _transfer_fee, _SIGNED_WIDE, required=False),
            Column("status", lambda row: "ok", _TEXT),
            Column("description", _description, _TEXT),
        ),
        ("transaction_id",),
        "timestamp",
    )
    return _page(layout, body, query, texts, lambda row: not _is_trade(row))


def _page(
    layout: Layout,
    body: bytes,
    query: str,
    texts: Sequence[RowText],
    keep: Callable[[Any], bool],
) -> Page:
    """The rows that are kept; ``others`` names those that another dataset holds."""

    def one(text: RowText) -> Row:
        row = _decoded(text)
        if text.key == _ROUNDING:
            return _rounding_row(row)
        return row if text.key is None else {**row, _MOVED: text.key}

    page = read(layout, Source.of_texts(body, texts, one), keep).page()
    rows = list(listed_rows(rows_of(body, Row)))
    others = tuple(str(row.get("id")) for row in rows if not keep(row))
    ids = [found for row in rows if (found := _id(row)) is not None]
    next_token, place = _following(ids, query)
    return replace(page, others=others, next_token=next_token, place=place)


def _id(row: Row) -> int | None:
    try:
        return exact.identity(row.get("id"))
    except InvalidValue:
        return None


def _following(ids: Sequence[int], query: str) -> tuple[str | None, str | None]:
    """The token of the next page (rows from the id before the newest one on), and of this one.

    So each answer has to show the newest row of the one before, whether ``since_id`` is inclusive
    or not: else rows between are missing (``ContractError``). Where an answer does not obey
    ``since_id`` or ``sort``, pages go on by their distance from the beginning, to an empty one.
    """
    asked = parse_qs(query)
    since, offset = (int(asked[name][0]) for name in ("since_id", "offset"))
    newest = since + 1 if since > int(FIRST) else None
    missing = ContractError(f"row {newest}, which was shown before, is not there")
    if not ids:
        if newest is not None and not offset:
            raise missing
        return None, None
    if offset:
        return f"{since}+{offset + len(ids)}", None
    if newest is not None and min(ids) < since:
        return f"{FIRST}+{len(ids)}", None
    if list(ids) != sorted(ids):
        return f"{since}+{len(ids)}", None
    if newest is not None and newest not in ids:
        raise missing
    return None if ids[-1] == newest else str(max(ids[-1] - 1, int(FIRST))), str(since)


_ROUNDING: Final = "rounding"


def _rounding(row: Row) -> Decimal:
    """What a trade changed the quote currency by besides price times amount."""
    _, quote = _market(row)
    cost = exact.wide(f"{_base_amount(row) * exact.price(_price(row)):f}", signed=True)
    return exact.wide(row[quote], signed=True) + cost


def _rounding_row(row: Row) -> Row:
    """It as a row of its own. Of a trade with itself both sides have one."""
    _, quote = _market(row)
    id_ = f"{exact.identity(row.get('id'))}-{_ROUNDING}-{_side(row)}"
    kept = {"id": id_, "datetime": row.get("datetime"), "type": _ROUNDING}
    return {**kept, quote: f"{_rounding(row):f}", _MOVED: quote}


_MOVED: Final = "_moved"
"""Of a row of several currencies, the one that it stands for."""


def _moved(row: Row) -> tuple[str, Decimal]:
    """The currency of a row, and what it changes by."""
    currency = row.get(_MOVED)
    if currency is None:
        raise InvalidValue("is unknown: no column has an amount")
    return currency, exact.wide(row[currency], signed=True)


def _transaction_id(row: Row) -> str:
    """The row's id; where several currencies moved, with the code."""
    id_ = exact.text(row.get("id"))
    return id_ if len(_amounts(row)) < 2 else f"{id_}-{_moved(row)[0].upper()}"


def _kind(row: Row) -> str:
    """A deposit or withdrawal by its name; everything else by the way it went."""
    comes = _moved(row)[1] > 0
    name = _MOVES.get(exact.text(row.get("type")))
    if name == ("deposit" if comes else "withdrawal"):
        return name
    return "credit" if comes else "debit"


def _transfer_fee(row: Row) -> Any:
    """The fee, which is in the currency that moved; of several, the first has it."""
    return row.get("fee") if _moved(row)[0] == min(_amounts(row)) else None


def _description(row: Row) -> str:
    type_ = exact.text(row.get("type"))
    if type_ == _ROUNDING:
        return f"rounding of trade {exact.text(row.get('id')).partition('-')[0]}"
    return _MOVES.get(type_, f"type {exact.shown(type_)}")


_STATES: Final = dict.fromkeys(("Open", "Cancel pending", "In Queue"), "open") | {
    "Finished": "closed",
    "Expired": "canceled",
    "Canceled": "canceled",
}
_SIDES: Final = kinds.Choice({"0": "buy", "1": "sell"})
_LEFT: Final = "amount_remaining"


def _halves(row: Row) -> tuple[str, str]:
    base, slash, quote = exact.text(row.get("market")).partition("/")
    if not (base and slash and quote):
        raise InvalidValue(f"is unknown: {exact.shown(row.get('market'))}")
    return base.lower(), quote.lower()


def _fills(row: Row) -> Sequence[Mapping[str, Any]]:
    found = row.get("transactions")
    if not isinstance(found, list) or not all(isinstance(fill, dict) for fill in found):
        raise InvalidValue("is unknown: there is no list of its fills")
    return found


def _sum(row: Row, column: str) -> str:
    return exact.total([str(fill.get(column, "0")).lstrip("-") for fill in _fills(row)])


def _filled(row: Row) -> str:
    return _sum(row, _halves(row)[0])


def _cost(row: Row) -> str:
    return _sum(row, _halves(row)[1])


def _is_open(row: Row) -> bool:
    return _STATES.get(str(row.get("status"))) == "open"


def order(body: bytes, names: Names = NO_NAMES) -> Built:
    """``/order_status/``: one order with its fills. An order without a price is a market order."""
    if not body.lstrip().startswith(b"{") or b'"status"' not in body:
        raise ContractError("no order")
    columns = (
        of("order_id", "id", kinds.Id()),
        of("timestamp", "datetime", _TIME),
        Column("symbol", lambda row: _symbol_of(names, *_halves(row)), _TEXT),
        of("side", "type", _SIDES),
        Column("type", lambda row: "market" if row.get("price") is None else "limit", _TEXT),
        Column("price", lambda row: row.get("price") or "0", _NUMBER),
        Column("amount", lambda row: exact.total((row.get(_LEFT), _filled(row))), _NUMBER),
        Column("remaining", lambda row: row.get(_LEFT) if _is_open(row) else "0", _NUMBER),
        of("status", "status", kinds.Choice(_STATES)),
        Column("filled", _filled, _NUMBER, required=False),
        Column("cost", _cost, kinds.Cost(), required=False),
        Column("average", lambda row: exact.ratio(_cost(row), _filled(row)), _NUMBER, False),
        Column("fee_amount", lambda row: _sum(row, "fee"), _SIGNED, required=False),
    )
    layout = Layout("account_orders", columns, key=("order_id",), position="order_id")
    return read(layout, rows_of(b"[%b]" % body, Row))


def open_orders(body: bytes) -> Mapping[int, Decimal | None]:
    """``/open_orders/all/``: what remains of each order by id (``None``: unreadable)."""
    found: dict[int, Decimal | None] = {}
    for text in list_of(body, "the open orders"):
        try:
            row = _decoded(text)
            id_ = exact.identity(row.get("id"))
        except (InvalidValue, NotJsonError) as error:
            raise ContractError(f"an open order whose id {error}") from None
        try:
            found[id_] = exact.price(row.get("amount"))
        except InvalidValue:
            found[id_] = None
    return found


def balances(body: bytes, observed_at: int, codes: Codes = NO_NAMES.codes) -> Built:
    """``/account_balances/``: every currency of the account."""
    source = rows_of(body, Row)
    columns = (
        of(
            "currency",
            "currency",
            Code(codes.listed(r.get("currency") for r in listed_rows(source))),
        ),
        of("available", "available", _SIGNED_WIDE),
        of("reserved", "reserved", _SIGNED_WIDE, required=False),
    )
    return read(observed("balances", columns, key="currency", at=observed_at), source)


def _rate(name: str) -> Callable[[Row], Any]:
    return lambda row: row["fees"].get(name) if isinstance(row.get("fees"), dict) else None


def trading_fees(body: bytes, observed_at: int, names: Names = NO_NAMES) -> Built:
    """``/fees/trading/``: what a maker and a taker pay in each market, in percent.

    Rows were seen with the ``market`` of another one; their ``currency_pair`` is their own.
    """
    market, rate = kinds.Canonical(names.symbol_of), kinds.Percent(signed=True)
    columns = (
        Column("symbol", lambda row: row.get("currency_pair") or row.get("market"), market),
        Column("maker_fee_rate", _rate("maker"), rate),
        Column("taker_fee_rate", _rate("taker"), rate),
    )
    layout = observed("trading_fees", columns, key="symbol", at=observed_at)
    return read(layout, rows_of(body, Row))
