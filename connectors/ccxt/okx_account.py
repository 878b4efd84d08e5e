"""OKX's answers about an account: fills, orders, balances.

Balances are those of both accounts together, of trading and of funding.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from connectors import columns as kinds
from connectors import exact
from connectors.base import Cursor, Key, Page, Paging
from connectors.ccxt.okx_shape import API, MAX_ROWS, SPAN_US, blank, by_id, turned
from connectors.ccxt.okx_transactions import TRANSACTIONS
from connectors.ccxt.walks import Walk, Walks
from connectors.codes import Code
from connectors.columns import by_word
from connectors.dialect import Answered, Asked, Endpoint
from connectors.errors import ContractError
from connectors.http import Request, get
from connectors.jsontext import NotJsonError, elements, row_type
from connectors.names import Names, listed_rows
from connectors.rows import (
    Built,
    Column,
    Layout,
    column,
    member_of,
    nothing,
    observed,
    read,
    rows_of,
)

_TEXT, _TIME, _NUMBER, _WIDE = kinds.Text(), kinds.Time(), kinds.Number(), kinds.Wide()
_SIGNED, _SIGNED_WIDE = kinds.Number(signed=True), kinds.Wide(signed=True)
_SIDES: Final = kinds.Choice({"buy": "buy", "sell": "sell"})


# -- fills -----------------------------------------------------------------------------------------

_FILL: Final = row_type(
    "OkxFill", "instId tradeId billId ordId side fillPx fillSz fee feeCcy execType ts"
)


def _trade_id(row: Any) -> Any:
    """Some fills are no trade of the market (blocks, conversions): their entry's number."""
    return row.tradeId if row.tradeId not in (None, "") else f"bill-{exact.text(row.billId)}"


_FILLS: Final = (
    Column("trade_id", _trade_id, _TEXT),
    column("timestamp", "ts", _TIME),
    column("side", "side", _SIDES),
    column("price", "fillPx", _NUMBER),
    column("amount", "fillSz", _NUMBER),
    Column("order_id", blank("ordId"), _TEXT, False),
    Column("fee_amount", turned("fee"), _SIGNED_WIDE, False),
    Column("taker_or_maker", blank("execType"), kinds.Choice({"T": "taker", "M": "maker"}), False),
)


def fills(body: bytes, names: Names) -> Built:
    """``trade/fills-history``. What a fee is not known of has none."""
    columns = (
        *_FILLS,
        column("symbol", "instId", kinds.Canonical(names.symbol_of)),
        Column("fee_currency", blank("feeCcy"), Code(names.codes), False),
    )
    layout = Layout("account_trades", columns, ("trade_id", "symbol", "side"), "timestamp")
    return read(layout, rows_of(body, _FILL))


def _fills(asked: Asked) -> Request:
    window = asked.window
    query = {"instType": "SPOT", "limit": str(min(window.limit, MAX_ROWS))}
    for name, us in (("begin", window.lower), ("end", window.upper)):
        if us is not None:
            ms = us // 1000 if name == "begin" else -(-us // 1000)
            query[name] = str(max(ms, 0))
    return get(f"{API}/trade/fills-history", query, private=True)


# -- orders ----------------------------------------------------------------------------------------

_ORDER: Final = row_type(
    "OkxOrder",
    "instId ordId cTime uTime side ordType px sz tgtCcy accFillSz avgPx fee state fillTime",
)
_STATES: Final = by_word(
    {
        "open": ("live", "partially_filled"),
        "closed": ("filled",),
        "canceled": ("canceled", "mmp_canceled"),
    }
)


def _is_in_quote(row: Any) -> bool:
    """Whether the size of an order is a sum of money: of market orders to buy."""
    return bool(row.tgtCcy == "quote_ccy")


def _amount(row: Any) -> Any:
    return row.accFillSz if _is_in_quote(row) else row.sz


def _remaining(row: Any) -> Any:
    if _STATES.get(str(row.state)) != "open" or _is_in_quote(row):
        return "0"
    return format(exact.difference(row.sz, row.accFillSz or "0"), "f")


def _ended(row: Any) -> Any:
    return row.uTime if _STATES.get(str(row.state)) in ("closed", "canceled") else None


def _cost(row: Any) -> str | None:
    """What was filled, at its average price."""
    if row.avgPx in (None, "") or row.accFillSz in (None, ""):
        return None
    return format(exact.number(row.avgPx) * exact.number(row.accFillSz), "f")


def _positive(source: str) -> Callable[[Any], Any]:
    """A price; where there is none, ``""`` or 0 is sent."""
    get_ = blank(source)

    def value(row: Any) -> Any:
        found = get_(row)
        return None if found is None or not exact.number(found) else found

    return value


_ORDERS: Final = (
    column("order_id", "ordId", _TEXT),
    column("timestamp", "cTime", _TIME),
    column("side", "side", _SIDES),
    Column("type", lambda row: "market" if row.ordType == "market" else "limit", _TEXT),
    Column("price", lambda row: row.px or "0", _NUMBER),
    Column("amount", _amount, _NUMBER),
    Column("remaining", _remaining, _NUMBER),
    Column("status", lambda row: row.state, kinds.Choice(_STATES)),
    Column("filled", blank("accFillSz"), _NUMBER, False),
    Column("cost", _cost, kinds.Cost(), False),
    Column("average", _positive("avgPx"), _NUMBER, False),
    Column("fee_amount", turned("fee"), _SIGNED, False),
    Column("closed_at", _ended, _TIME, False),
)


def _orders(body: bytes, about: Answered) -> Page:
    columns = (*_ORDERS, column("symbol", "instId", kinds.Canonical(about.names.symbol_of)))
    layout = Layout("account_orders", columns, ("order_id",), "timestamp")
    source = rows_of(body, _ORDER)
    return by_id(read(layout, source).page(), source, "ordId", about)


_SPOT: Final = {"instType": "SPOT", "limit": str(MAX_ROWS)}
ORDERS: Final = Walks(
    (
        Walk(f"{API}/trade/orders-history-archive", _orders, cursor="", query=_SPOT),
        Walk(f"{API}/trade/orders-pending", _orders, times=(), cursor="", query=_SPOT),
    ),
    SPAN_US,
)


# -- what is held, and what trading costs ----------------------------------------------------------


_DETAIL: Final = row_type("OkxDetail", "ccy availBal cashBal frozenBal bal")


def balances(body: bytes, about: Answered) -> Page:
    """``account/balance``, ``asset/balances`` and ``account/config``: of one of them."""
    if about.path.endswith("/config"):
        rows = rows_of(body, row_type("OkxConfig", "perm")).rows or ()
        rights = tuple(str(rows[0].perm).split(",")) if rows and rows[0].perm else None
        return replace(nothing("balances"), rights=rights)
    source = rows_of(_details(body) if about.path.endswith("/balance") else body, _DETAIL)
    codes = about.names.codes.listed(row.ccy for row in listed_rows(source))
    columns = (
        column("currency", "ccy", Code(codes)),
        column("available", "availBal", _SIGNED_WIDE),
        Column("reserved", _reserved, _SIGNED_WIDE, False),
    )
    return read(observed("balances", columns, key="currency", at=about.at), source).page()


def _details(body: bytes) -> bytes:
    """The currencies of the trading account."""
    try:
        accounts = elements(body)
    except NotJsonError as error:
        raise ContractError(f"not a list of accounts ({error})") from None
    return member_of(accounts[0], "details", "an account") if accounts else b"[]"


def _reserved(row: Any) -> str | None:
    """What is there and not free. ``frozenBal`` may leave something out."""
    whole = row.cashBal if row.cashBal not in (None, "") else row.bal
    if whole in (None, ""):
        return None if row.frozenBal == "" else row.frozenBal
    return exact.total((whole,), (row.availBal,))


_HELD: Final = ("account/balance", "asset/balances", "account/config")


def _held(asked: Asked, name: str = _HELD[0]) -> Request:
    return get(f"{API}/{name}", private=True)


def _held_after(asked: Asked, request: Request, page: Page, new: int) -> Request | None:
    at = _HELD.index(request.path.removeprefix(f"{API}/")) + 1
    return _held(asked, _HELD[at]) if at < len(_HELD) else None


_FEES: Final = row_type("OkxFees", "maker taker")


def fees(body: bytes, observed_at: int) -> Built:
    """``account/trade-fee``: the rates of all markets but a few, as symbol ``*``."""
    columns = (
        Column("symbol", lambda row: "*", _TEXT),
        Column("maker_fee_rate", turned("maker"), _SIGNED, False),
        Column("taker_fee_rate", turned("taker"), _SIGNED, False),
    )
    return read(
        observed("trading_fees", columns, key="symbol", at=observed_at), rows_of(body, _FEES)
    )


_LISTS: Final = Paging(Cursor.TIME, key=Key.TEXT, units=("ms",), max_span_us=SPAN_US)

ENDPOINTS: Final[Mapping[str, Endpoint]] = {
    "account_trades": Endpoint(
        Paging(Cursor.TIME, key=Key.TEXT, units=("ms",), max_rows=MAX_ROWS),
        _fills,
        lambda body, about: fills(body, about.names),
    ),
    "account_orders": Endpoint(
        replace(_LISTS, drops_canceled=True),
        ORDERS.first,
        ORDERS.parsed,
        following=ORDERS.following,
    ),
    "account_transactions": Endpoint(
        _LISTS,
        TRANSACTIONS.first,
        TRANSACTIONS.parsed,
        following=TRANSACTIONS.following,
    ),
    "balances": Endpoint(
        Paging(Cursor.SNAPSHOT, batch=0),
        _held,
        balances,
        following=_held_after,
        extras=(f"{API}/{_HELD[-1]}",),
        adds_up=True,
    ),
    "trading_fees": Endpoint(
        Paging(Cursor.SNAPSHOT, batch=0),
        lambda asked: get(f"{API}/account/trade-fee", {"instType": "SPOT"}, private=True),
        lambda body, about: fees(body, about.at),
    ),
}
