"""What changes an account at OKX besides its trades: deposits, withdrawals, and two ledgers.

One ledger is of trading, the other of funding, where deposits arrive. What moves from one to the
other is no transaction of the whole.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial
from operator import attrgetter
from typing import Any, Final

from connectors import columns as kinds
from connectors import exact
from connectors.base import Page
from connectors.ccxt.okx_shape import API, MAX_ROWS, SPAN_US, blank, by_id, by_time
from connectors.ccxt.walks import Walk, Walks
from connectors.codes import Code
from connectors.columns import by_word
from connectors.dialect import Answered
from connectors.jsontext import row_type
from connectors.rows import Column, Layout, column, read, rows_of

_TEXT, _TIME, _WIDE = kinds.Text(), kinds.Time(), kinds.Wide()
_BY_TIME: Final = ("before", "after")

_DEPOSITED: Final = by_word({"ok": ("1", "2"), "pending": ("0", "8", "11", "12", "13", "14", "17")})
_DEPOSIT: Final = row_type("OkxDeposit", "depId ccy amt ts state txId")
_WITHDRAWN: Final = by_word(
    {
        "ok": ("2",),
        "failed": ("-1", "-2"),
        "pending": ("-3", "0", "1", *map(str, (4, 5, 6, 7, 8, 9, 10, 12, 15, 16, 17, 19))),
    }
)
_WITHDRAWAL: Final = row_type("OkxWithdrawal", "wdId ccy amt fee ts state txId")


def _transfer_columns(kind: str, id_: str, states: Mapping[str, str]) -> tuple[Column, ...]:
    name = attrgetter(id_)
    return (
        Column("transaction_id", lambda row: f"{kind}-{exact.text(name(row))}", _TEXT),
        column("timestamp", "ts", _TIME),
        Column("type", lambda row: kind, _TEXT),
        column("amount", "amt", _WIDE),
        Column("status", lambda row: states.get(str(row.state), "unconfirmed"), _TEXT),
        Column("description", lambda row: row.txId or "", _TEXT),
    )


def _transfers(columns: tuple[Column, ...], model: Any, body: bytes, about: Answered) -> Page:
    layout = Layout(
        "account_transactions",
        (*columns, column("currency", "ccy", Code(about.names.codes))),
        ("transaction_id",),
        "timestamp",
    )
    source = rows_of(body, model)
    return by_time(read(layout, source).page(), source, about)


_deposits: Final = partial(_transfers, _transfer_columns("deposit", "depId", _DEPOSITED), _DEPOSIT)
_withdrawals: Final = partial(
    _transfers,
    (
        *_transfer_columns("withdrawal", "wdId", _WITHDRAWN),
        Column("fee_amount", blank("fee"), _WIDE, False),
    ),
    _WITHDRAWAL,
)

_BILL: Final = row_type("OkxBill", "billId ccy balChg ts type subType notes")
_ELSEWHERE: Final = ("1", "2", "13", "130", "131")
"""Types of the funding ledger: deposits and withdrawals, and transfers from and to trading."""
_TRANSFER, _TRADE = "1", "2"
"""Types of the trading ledger. Transfers between accounts of others have a type there, too."""


def _change(row: Any) -> Decimal:
    return exact.wide(row.balChg, signed=True)


def _described(prefix: str) -> Callable[[Any], str]:
    def text(row: Any) -> str:
        sub = f", subtype {row.subType}" if row.subType else ""
        notes = f", {row.notes}" if row.notes else ""
        return f"{prefix}, type {exact.text(row.type)}{sub}{notes}"[:500]

    return text


def _bills(prefix: str, left_out: tuple[str, ...], body: bytes, about: Answered) -> Page:
    """Entries that no other list repeats, also of types that are not known."""
    layout = Layout(
        "account_transactions",
        (
            Column("transaction_id", lambda row: f"{prefix}-{exact.text(row.billId)}", _TEXT),
            column("timestamp", "ts", _TIME),
            Column("type", lambda row: "debit" if _change(row) < 0 else "credit", _TEXT),
            Column("amount", lambda row: f"{_change(row).copy_abs():f}", _WIDE),
            Column("status", lambda row: "ok", _TEXT),
            Column("description", _described(prefix), _TEXT),
            column("currency", "ccy", Code(about.names.codes)),
        ),
        ("transaction_id",),
        "timestamp",
    )
    source = rows_of(body, _BILL)
    page = read(layout, source, lambda row: str(row.type) not in left_out).page()
    if prefix == "funding":
        return by_time(page, source, about)
    return by_id(page, source, "billId", about)


_LIMIT: Final = {"limit": str(MAX_ROWS)}
TRANSACTIONS: Final = Walks(
    (
        Walk(
            f"{API}/asset/deposit-history", _deposits, _BY_TIME, open=True, cursor="", query=_LIMIT
        ),
        Walk(
            f"{API}/asset/withdrawal-history",
            _withdrawals,
            _BY_TIME,
            open=True,
            cursor="",
            query=_LIMIT,
        ),
        Walk(
            f"{API}/asset/bills-history",
            partial(_bills, "funding", _ELSEWHERE),
            _BY_TIME,
            open=True,
            cursor="",
            cost=5,
            query=_LIMIT,
        ),
        Walk(
            f"{API}/account/bills-archive",
            partial(_bills, "trading", (_TRANSFER, _TRADE)),
            cursor="",
            cost=2,
            query=_LIMIT,
        ),
    ),
    SPAN_US,
)
