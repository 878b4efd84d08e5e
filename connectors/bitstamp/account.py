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
from connectors.bitstamp import models
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
_NO_CURRENCIES: Final = {
    *("id", "order_id", "datetime", "type", "fee", "tid", "price", "client_order_id", "status"),
    *("self_trade", "self_trade_order_id"),
}
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


# -- one list for trades and everything else -------------------------------------------------------


def _is_trade(row: Any) -> bool:
    return isinstance(row, dict) and str(row.get("type")) == _TRADE


def _amounts(row: Row) -> dict[str, Decimal]:
    """What each currency that is not nothing changes by. Raises ``InvalidValue``."""
    found = {}
    for name, value in row.items():
        if name in _NO_CURRENCIES or "_" in name or value is None:
            continue
        if isinstance(value, list | dict | bool):
            continue
        if amount := exact.wide(value, signed=True):
            found[name] = amount
    return found


def _market(row: Row) -> tuple[str, str]:
    """Base and quote, as the column of the price names them (``btc_usd``)."""
    pairs = [name.split("_") for name in row if name not in _NO_CURRENCIES and name.count("_") == 1]
    priced = [(a, b) for a, b in pairs if a in row and b in row and row[f"{a}_{b}"] is not None]
    moved = _amounts(row)
    both = [pair for pair in priced if pair[0] in moved and pair[1] in moved]
    # of a tiny trade, the sum in quote currency may be rounded to nothing
    one = [(a, b) for a, b in priced if a in moved and exact.number(row[f"{a}_{b}"])]
    for found in (both, one):
        if len(found) == 1:
            return found[0]
    raise InvalidValue("is unknown: no column names the price of the currencies that moved")


def _symbol(row: Row, names: Names) -> str:
    base, quote = _market(row)
    return names.known.get(f"{base}{quote}") or f"{base}-{quote}".upper()


def _quote(row: Row, codes: Codes) -> Any:
    return codes.code_of(_market(row)[1])


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
            Column("symbol", lambda row: _symbol(row, names), _TEXT),
            Column("side", _side, _TEXT),
            Column("price", _price, _NUMBER),
            Column("amount", lambda row: _plain(_base_amount(row)), _NUMBER),
            Column("cost", lambda row: str(row[_market(row)[1]]).lstrip("-"), kinds.Cost(), False),
            of("order_id", "order_id", _TEXT, required=False),
            of("fee_amount", "fee", _SIGNED_WIDE, required=False),
            Column("fee_currency", lambda row: _quote(row, names.codes), _TEXT),
        ),
        ("trade_id", "symbol", "side"),
        "timestamp",
    )
    return _page(layout, body, query, list_of(body, "the rows"), _is_trade)


def account_transactions(body: bytes, query: str, codes: Codes = NO_NAMES.codes) -> Page:
    """Everything else in such a page: what each currency changed by."""
    texts: list[RowText] = []
    for text in list_of(body, "the rows"):
        try:
            moved = sorted(_amounts(_decoded(text)))
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
        return row if text.key is None else {**row, _MOVED: text.key}

    page = read(layout, Source.of_texts(body, texts, one), keep).page()
    rows = list(listed_rows(rows_of(body, Row)))
    others = tuple(str(row.get("id")) for row in rows if not keep(row))
    ids = [found for row in rows if (found := _id(row)) is not None]
    return replace(page, others=others, next_token=_following(ids, query))


def _id(row: Row) -> int | None:
    try:
        return exact.identity(row.get("id"))
    except InvalidValue:
        return None


def _following(ids: Sequence[int], query: str) -> str | None:
    """The token of the next page: rows from the id before the newest one on.

    So each answer has to show the newest row of the one before, whether ``since_id`` is inclusive
    or not: else rows between are missing (``ContractError``). Where an answer does not obey
    ``since_id`` or ``sort``, pages go on by their distance from the beginning, to an empty one.
    """
    asked = parse_qs(query)
    since, offset = (int(asked[name][0]) for name in ("since_id", "offset"))
    newest = since + 1 if since > int(FIRST) else None
    if not ids:
        if newest is not None and not offset:
            raise ContractError(f"row {newest}, which was shown before, is not there")
        return None
    if offset:
        return f"{since}+{offset + len(ids)}"
    if newest is not None and min(ids) < since:
        return f"{FIRST}+{len(ids)}"
    if list(ids) != sorted(ids):
        return f"{since}+{len(ids)}"
    if newest is not None and newest not in ids:
        raise ContractError(f"row {newest}, which was shown before, is not there")
    return None if ids[-1] == newest else str(max(ids[-1] - 1, int(FIRST)))


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
    id_ = str(exact.identity(row.get("id")))
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
    return _MOVES.get(type_, f"type {exact.shown(type_)}")


# -- orders ----------------------------------------------------------------------------------------

_STATES: Final = {
    "Open": "open",
    "Finished": "closed",
    "Expired": "canceled",
    "Canceled": "canceled",
    "Cancel pending": "open",
    "In Queue": "open",
}
_SIDES: Final = kinds.Choice({"0": "buy", "1": "sell"})


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
    layout = Layout(
        "account_orders",
        (
            of("order_id", "id", kinds.Id()),
            of("timestamp", "datetime", _TIME),
            Column("symbol", lambda row: _order_symbol(row, names), _TEXT),
            of("side", "type", _SIDES),
            Column("type", lambda row: "market" if row.get("price") is None else "limit", _TEXT),
            Column("price", lambda row: row.get("price") or "0", _NUMBER),
            Column(
                "amount",
                lambda row: exact.total((row.get("amount_remaining"), _filled(row))),
                _NUMBER,
            ),
            Column(
                "remaining",
                lambda row: row.get("amount_remaining") if _is_open(row) else "0",
                _NUMBER,
            ),
            of("status", "status", kinds.Choice(_STATES)),
            Column("filled", _filled, _NUMBER, required=False),
            Column("cost", _cost, kinds.Cost(), required=False),
            Column("average", lambda row: exact.ratio(_cost(row), _filled(row)), _NUMBER, False),
            Column("fee_amount", lambda row: _sum(row, "fee"), _SIGNED, required=False),
        ),
        key=("order_id",),
        position="order_id",
    )
    return read(layout, rows_of(b"[%b]" % body, Row))


def _order_symbol(row: Row, names: Names) -> str:
    base, quote = _halves(row)
    return names.known.get(f"{base}{quote}") or f"{base}-{quote}".upper()


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


# -- the state now ---------------------------------------------------------------------------------


def balances(body: bytes, observed_at: int, codes: Codes = NO_NAMES.codes) -> Built:
    """``/account_balances/``: every currency of the account."""
    source = rows_of(body, models.Balance)
    layout = observed(
        "balances",
        (
            Column(
                "currency",
                lambda row: row.currency,
                Code(codes.listed(row.currency for row in listed_rows(source))),
            ),
            Column("available", lambda row: row.available, _SIGNED_WIDE),
            Column("reserved", lambda row: row.reserved, _SIGNED_WIDE, required=False),
        ),
        key="currency",
        at=observed_at,
    )
    return read(layout, source)


def _rate(name: str) -> Callable[[Any], Any]:
    return lambda row: row.fees.get(name) if isinstance(row.fees, dict) else None


def trading_fees(body: bytes, observed_at: int, names: Names = NO_NAMES) -> Built:
    """``/fees/trading/``: what a maker and a taker pay in each market."""
    layout = observed(
        "trading_fees",
        (
            Column(
                "symbol",
                lambda row: row.market if row.currency_pair is None else row.currency_pair,
                kinds.Canonical(names.symbol_of),
            ),
            Column("maker_fee_rate", _rate("maker"), kinds.Percent(signed=True)),
            Column("taker_fee_rate", _rate("taker"), kinds.Percent(signed=True)),
        ),
        key="symbol",
        at=observed_at,
    )
    return read(layout, rows_of(body, models.Fees))
