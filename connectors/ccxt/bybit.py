"""Bybit v5: of spot trades the newest 60, and an account's lists by windows of seven days.

Source: Bybit's API documentation. Within a window, a cursor goes on; it may be there on the last
page, and a page may have fewer rows than were asked for, with others behind it. An account is the
unified one: its fills, its ledger, its balances. What is moved from or to another wallet of the
same owner (funding) is an entry of the ledger like any other.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from functools import partial
from operator import attrgetter
from typing import Any, Final
from urllib.parse import parse_qs

from connectors import columns as kinds
from connectors import exact
from connectors.base import Cursor, Key, Page, Paging, ReadOnlyKey
from connectors.ccxt import generic, library
from connectors.ccxt.table import Entry, Read
from connectors.ccxt.walks import DAY_US, Walk, Walks
from connectors.codes import Code
from connectors.dialect import Answered, Dialect, Endpoint, public_clock
from connectors.errors import ContractError
from connectors.http import get
from connectors.jsontext import NotJsonError, elements, row_type
from connectors.names import listed_rows
from connectors.pace import Allowance
from connectors.rows import (
    Built,
    Column,
    Layout,
    Source,
    column,
    member_of,
    observed,
    read,
    rows_of,
)

SPAN_US: Final = 7 * DAY_US - 1_000_000
"""A second less than the seven days that are allowed: bounds are rounded outwards."""
_MOST: Final = {"execution/list": 100, "account/transaction-log": 50}
_TEXT, _TIME, _NUMBER = kinds.Text(), kinds.Time(), kinds.Number()
_SIGNED, _SIGNED_WIDE, _WIDE = kinds.Number(signed=True), kinds.Wide(signed=True), kinds.Wide()


def _blank(source: str) -> Callable[[Any], Any]:
    get_ = attrgetter(source)
    return lambda row: None if get_(row) == "" else get_(row)


def _list(body: bytes) -> bytes:
    """``result.list`` of an answer. Raises ``ContractError``."""
    return member_of(member_of(body, "result", "an answer"), "list", "an answer with rows")


_CURSOR: Final = row_type("BybitCursor", "nextPageCursor")


def _paged(page: Page, body: bytes, source: Source, about: Answered) -> Page:
    """With the cursor of the next page, however few rows this one has.

    A list ends at an answer without a cursor, or without rows. The first one may have none and
    go on all the same.
    """
    found = rows_of(b"[%b]" % member_of(body, "result", "an answer"), _CURSOR).rows
    cursor = found[0].nextPageCursor if found else None
    goes_on = cursor and (source.texts() or "cursor" not in parse_qs(about.query))
    return replace(page, next_token=str(cursor)) if goes_on else page


_FILL: Final = row_type(
    "BybitFill",
    "execId symbol side execPrice execQty execFee feeCurrency isMaker execTime execType orderId",
)
_FILLS: Final = (
    column("trade_id", "execId", _TEXT),
    column("timestamp", "execTime", _TIME),
    column("side", "side", kinds.Choice({"Buy": "buy", "Sell": "sell"})),
    column("price", "execPrice", _NUMBER),
    column("amount", "execQty", _NUMBER),
    Column("order_id", _blank("orderId"), _TEXT, False),
    Column("fee_amount", _blank("execFee"), _SIGNED_WIDE, False),
    Column(
        "taker_or_maker",
        lambda row: {True: "maker", False: "taker"}.get(row.isMaker),
        kinds.Choice({"maker": "maker", "taker": "taker"}),
        False,
    ),
)
_OTHERS: Final = ("Funding", "AdlTrade", "BustTrade", "Delivery", "Settle", "MovePosition")


def fills(body: bytes, about: Answered) -> Page:
    """``v5/execution/list``, spot. A fee is what was paid; a rebate is negative."""
    columns = (
        *_FILLS,
        column("symbol", "symbol", kinds.Canonical(about.names.symbol_of)),
        Column("fee_currency", _blank("feeCurrency"), Code(about.names.codes), False),
    )
    layout = Layout("account_trades", columns, ("trade_id", "symbol", "side"), "timestamp")
    source = rows_of(_list(body), _FILL)
    page = read(layout, source, lambda row: row.execType not in _OTHERS).page()
    return _paged(page, body, source, about)


_ENTRY: Final = row_type("BybitEntry", "id type currency change tradeId transactionTime symbol")


def _change(row: Any) -> Decimal:
    return exact.wide(row.change, signed=True)


def _entry_id(row: Any) -> str:
    """The id alone is shared: by the sides of a trade, and by entries of several types."""
    parts = (row.id, row.type, row.currency, row.tradeId, row.transactionTime)
    return "-".join(exact.text(part) for part in parts if part not in (None, ""))


def entries(body: bytes, about: Answered) -> Page:
    """``v5/account/transaction-log`` without trades, which are fills; also types not known."""
    layout = Layout(
        "account_transactions",
        (
            Column("transaction_id", _entry_id, _TEXT),
            column("timestamp", "transactionTime", _TIME),
            Column("type", lambda row: "debit" if _change(row) < 0 else "credit", _TEXT),
            Column("amount", lambda row: f"{_change(row).copy_abs():f}", _WIDE),
            Column("status", lambda row: "ok", _TEXT),
            Column("description", lambda row: f"{row.type} {row.symbol or ''}".strip(), _TEXT),
            column("currency", "currency", Code(about.names.codes)),
        ),
        ("transaction_id",),
        "timestamp",
    )
    source = rows_of(_list(body), _ENTRY)
    page = read(layout, source, lambda row: row.type != "TRADE").page()
    return _paged(page, body, source, about)


_COIN: Final = row_type("BybitCoin", "coin walletBalance locked")


def _free(row: Any) -> str:
    return exact.total((row.walletBalance,), (_blank("locked")(row),))


def balances(body: bytes, about: Answered) -> Built:
    """``v5/account/wallet-balance`` of the unified account; currencies with nothing are left out.

    Open orders hold ``locked``.
    """
    try:
        accounts = elements(_list(body))
    except NotJsonError as error:
        raise ContractError(f"not a list of accounts ({error})") from None
    coins = member_of(accounts[0], "coin", "an account") if accounts else b"[]"
    source = rows_of(coins, _COIN)
    codes = about.names.codes.listed(row.coin for row in listed_rows(source))
    columns = (
        column("currency", "coin", Code(codes)),
        Column("available", _free, _SIGNED_WIDE),
        Column("reserved", _blank("locked"), _SIGNED_WIDE, False),
    )
    return read(observed("balances", columns, key="currency", at=about.at), source)


_RATES: Final = row_type("BybitRates", "symbol takerFeeRate makerFeeRate")


def fees(body: bytes, about: Answered) -> Built:
    """``v5/account/fee-rate`` of every spot market."""
    columns = (
        column("symbol", "symbol", kinds.Canonical(about.names.symbol_of)),
        column("maker_fee_rate", "makerFeeRate", _SIGNED),
        column("taker_fee_rate", "takerFeeRate", _SIGNED),
    )
    return read(observed("trading_fees", columns, "symbol", about.at), rows_of(_list(body), _RATES))


def _walks(name: str, parse: Callable[[bytes, Answered], Page], **query: str) -> Walks:
    limit = {"limit": str(_MOST[name])}
    times = ("startTime", "endTime")
    walk = Walk(f"/v5/{name}", parse, times, cursor="cursor", query={**query, **limit})
    return Walks((walk,), SPAN_US)


FILLS: Final = _walks("execution/list", fills, category="spot")
ENTRIES: Final = _walks("account/transaction-log", entries, accountType="UNIFIED")


def _walked(walks: Walks) -> Endpoint:
    paging = Paging(Cursor.TIME, key=Key.TEXT, units=("ms",), max_span_us=SPAN_US)
    return Endpoint(paging, walks.first, walks.parsed, following=walks.following)


_NOW: Final = Paging(Cursor.SNAPSHOT, batch=0)
ENDPOINTS: Final[Mapping[str, Endpoint]] = {
    "account_trades": _walked(FILLS),
    "account_transactions": _walked(ENTRIES),
    "balances": Endpoint(
        _NOW,
        lambda asked: get("/v5/account/wallet-balance", {"accountType": "UNIFIED"}, private=True),
        balances,
    ),
    "trading_fees": Endpoint(
        _NOW,
        lambda asked: get("/v5/account/fee-rate", {"category": "spot"}, private=True),
        fees,
    ),
}


def dialect(entry: Entry) -> Dialect:
    """Bybit's dialect, also of its regional hosts."""
    usual = generic.dialect(entry)
    triples: Mapping[str, Read] = {read.at: read for read in entry.every}
    return replace(
        usual,
        endpoints={**usual.endpoints, **ENDPOINTS},
        limits={
            **usual.limits,  # of an address: 120 a second
            "private": Allowance(5, per_account=True),  # of each call, the slowest but two
        },
        # ccxt signs values as they are: they are encoded before
        sign=lambda request, key, at: library.signed(
            entry, triples[request.path], request, key, at, is_encoded=True
        ),
        markets_of=lambda request: parse_qs(request.query).get("symbol", []),
        freshness=public_clock(
            entry.name, "/v5/market/time", "time", partial(library.is_not_fresh, entry)
        ),
        key=ReadOnlyKey(
            "read", "at Bybit under API, as read-only, with Unified Trading and Wallet ticked"
        ),
    )
