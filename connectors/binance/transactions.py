"""What changes an account's balances besides its trades. It lies in several lists.

Deposits, withdrawals, dividends, conversions, small balances turned into BNB, and fiat payments of
a window of time make one page. Fiat deposits and withdrawals cost half of a minute's allowance a
call: they are lists of their own, read whole.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Any, Final
from urllib.parse import parse_qs

from connectors import exact
from connectors.base import Page
from connectors.codes import Codes
from connectors.dialect import Answered, Asked
from connectors.errors import ContractError
from connectors.exact import InvalidValue
from connectors.http import Request
from connectors.jsontext import row_type
from connectors.ledger_rows import SIDES, Side, fixed, sides_of, state, transactions
from connectors.lists import DAY_US, Listing, Lists
from connectors.members import parts_of
from connectors.rows import Layout, member_of, read, rows_of

Reader = Callable[[bytes, Answered], Page]
SPAN_US: Final = 80 * DAY_US
"""Of a window: 90 days are allowed, and withdrawals are asked for with a margin."""
MAX_FIAT: Final = 500
_BEGINNING_US: Final = 1_498_867_200_000_000
"""July 2017: before the exchange began."""


def _rows(layout: Callable[[Codes], Layout], model: Any, within: str = "") -> Reader:
    """Reads an array of rows, or the one that is the member ``within`` of an object."""

    def page(body: bytes, about: Answered) -> Page:
        rows = member_of(body, within, "a list") if within else body
        return read(layout(about.names.codes), rows_of(rows, model)).page()

    return page


def _first(*values: Any) -> Any:
    """The first that is there."""
    return next((value for value in values if value is not None), None)


def _deposit_id(row: Any) -> Any:
    """Digits; rows of early years have none. No id of a withdrawal is the same."""
    if row.id in (None, "") and row.txId:
        return f"deposit-{row.txId}-{row.insertTime}"
    return row.id if row.id is None or str(row.id).isdecimal() else f"deposit-{row.id}"


def _withdrawal_id(row: Any) -> Any:
    return f"withdrawal-{row.id}" if str(row.id).isdecimal() else row.id


def _dividend_id(row: Any) -> Any:
    number = _first(row.id, row.tranId)
    return None if number is None else f"dividend-{number}"


_ARRIVED: Final = state({"pending": "08", "ok": "16", "failed": "27"})
_deposits: Final = _rows(
    transactions(_deposit_id, "insertTime", fixed("deposit"), _ARRIVED, "coin", "txId"),
    row_type("Deposit", "id coin amount status txId insertTime"),
)
_SENT: Final = state({"pending": "024", "ok": "6", "failed": "135"})
_withdrawals: Final = _rows(
    transactions(
        _withdrawal_id, "applyTime", fixed("withdrawal"), _SENT, "coin", "txId", "transactionFee"
    ),
    row_type("Withdrawal", "id coin amount transactionFee status txId applyTime"),
)
_dividends: Final = _rows(
    transactions(_dividend_id, "divTime", fixed("credit"), fixed("ok"), "asset", "enInfo"),
    row_type("Dividend", "id tranId asset amount divTime enInfo"),
    "rows",
)


_STATES: Final = {
    "ok": ("success", "successful", "finished", "completed"),
    "pending": ("process", "processing", "accept_success", "pending", "refunding"),
    "failed": ("fail", "failed", "expired", "rejected", "refunded", "canceled"),
}
_status: Final = state(_STATES)
_CONVERSION: Final = row_type(
    "Conversion", "orderId orderStatus fromAsset fromAmount toAsset toAmount createTime"
)
_DUST: Final = row_type(
    "Dust", "transId tran_id operateTime operate_time targetAsset userAssetDribbletDetails logs"
)
_PAYMENT: Final = row_type(
    "Payment",
    "orderNo sourceAmount fiatCurrency obtainAmount cryptoCurrency price paymentMethod status "
    "createTime",
)


def _check(*amounts: Any) -> list[Decimal]:
    """Both sides of an exchange are stored, or none."""
    return [exact.wide(amount) for amount in amounts]


def _exchanged(
    id_: str, time: Any, given: tuple[Any, Any], taken: tuple[Any, Any], status: str, text: str
) -> list[Side]:
    """An amount of one currency that became one of another: (currency, amount) of each."""
    _check(given[1], taken[1])
    return [
        Side(f"{id_}-from", time, "debit", *given, status, text),
        Side(f"{id_}-to", time, "credit", *taken, status, text),
    ]


def _converted(row: Any) -> list[Side]:
    id_ = f"convert-{exact.text(row.orderId)}"
    text = f"conversion of {exact.text(row.fromAsset)} to {exact.text(row.toAsset)}"
    given, taken = (row.fromAsset, row.fromAmount), (row.toAsset, row.toAmount)
    return _exchanged(id_, row.createTime, given, taken, state(_STATES, "orderStatus")(row), text)


def _dusted(row: Any) -> list[Side]:
    """Every balance that became BNB. Rows have no ids: operation and currency name them."""
    at = _first(row.operateTime, row.operate_time)
    name = exact.text(_first(row.transId, row.tran_id, at))
    details = row.userAssetDribbletDetails or row.logs
    if not isinstance(details, list):
        raise InvalidValue("the row has no details")
    target = "BNB" if row.targetAsset is None else exact.text(row.targetAsset)
    found: list[Side] = []
    seen: Counter[str] = Counter()
    for detail in details:
        if not isinstance(detail, dict):
            raise InvalidValue("a detail is no object")
        currency = exact.text(detail.get("fromAsset"))
        seen[currency] += 1
        id_ = f"dust-{name}-{currency}" + (f"-{seen[currency]}" if seen[currency] > 1 else "")
        given, taken = (currency, detail.get("amount")), (target, detail.get("transferedAmount"))
        time, text = detail.get("operateTime", at), f"{currency} turned into {target}"
        found += _exchanged(id_, time, given, taken, "ok", text)
    return found


def _paid(kind: str, row: Any) -> list[Side]:
    """Of a purchase or sale for fiat money: the coin, and the money where it was in the account.

    The documents have the money in ``sourceAmount``; of a sale, the price decides.
    """
    is_sale = kind == "1"
    money, coin = row.sourceAmount, row.obtainAmount
    first, second = _check(money, coin)
    if is_sale and row.price is not None:
        price = exact.number(row.price)
        if abs(second - first * price) < abs(first - second * price):
            money, coin = coin, money
    id_, method = exact.text(row.orderNo), exact.text(_first(row.paymentMethod, ""))
    text = f"{'sale' if is_sale else 'purchase'} {method}".strip()
    types = ("debit", "credit") if is_sale else ("credit", "debit")
    moved = [(row.cryptoCurrency, coin)]
    if "balance" in method.lower() or "wallet" in method.lower():
        moved.append((row.fiatCurrency, money))
    return [
        Side(f"payment-{id_}-{n}", row.createTime, type_, *part, _status(row), text)
        for n, (type_, part) in enumerate(zip(types, moved, strict=False))
    ]


def _sides(body: bytes, model: Any, of: Callable[[Any], list[Side]], about: Answered) -> Page:
    return read(SIDES(about.names.codes), sides_of(body, model, of)).page()


def _conversions(body: bytes, about: Answered) -> Page:
    found = parts_of(body)
    page = _sides(found.get("list", b""), _CONVERSION, _converted, about)
    return replace(page, next_token="more") if found.get("moreData") == b"true" else page


def _dribblets(body: bytes, about: Answered) -> Page:
    """One of two forms; the older one lies in ``results``."""
    found = parts_of(body)
    if found.get("results", b"").startswith(b"{"):
        found = parts_of(found["results"])
    names = ("userAssetDribblets", "dribblets", "rows", "results")
    lists = (part for name in names if (part := found.get(name, b"")).startswith(b"["))
    rows = next(lists, b"[]" if found.get("total") == b"0" else None)
    if rows is None:
        raise ContractError("not a list of dribblets")
    return _sides(rows, _DUST, _dusted, about)


def _fiat_rows(found: Mapping[str, bytes]) -> bytes:
    """Of nothing, ``data`` may be missing."""
    rows = found.get("data", b"")
    if rows.startswith(b"["):
        return rows
    is_good = found.get("success") == b"true" or found.get("code") in (b'"000000"', b"000000")
    if rows in (b"", b"null") and is_good:
        return b"[]"
    raise ContractError("not a list of fiat transactions")


def _payments(kind: str) -> Reader:
    sides = partial(_paid, kind)
    return lambda body, about: _sides(_fiat_rows(parts_of(body)), _PAYMENT, sides, about)


_FIAT_ORDER: Final = row_type(
    "FiatOrder", "orderNo fiatCurrency amount totalFee method status createTime"
)


def _fiat_id(row: Any) -> Any:
    return None if row.orderNo is None else f"fiat-{row.orderNo}"


def parsed_orders(body: bytes, about: Answered) -> Page:
    """``fiat/orders``: one page of one of its two lists.

    Of a deposit, what arrived; the fee was taken before.
    """
    query = {name: values[0] for name, values in parse_qs(about.query).items()}
    is_deposit = query.get("transactionType", "0") == "0"
    type_, fee = ("deposit", "") if is_deposit else ("withdrawal", "totalFee")
    layout = transactions(
        _fiat_id, "createTime", fixed(type_), _status, "fiatCurrency", "method", fee
    )
    found = parts_of(body)
    rows = rows_of(_fiat_rows(found), _FIAT_ORDER)
    page = read(layout(about.names.codes), rows).page()
    at, total = int(query.get("page", "1")), exact.natural(found.get("total", b""))
    # A full page may be all that ``total`` counts.
    is_all = at == 1 and total == page.received < MAX_FIAT
    is_last = is_all or not page.received
    return page if is_last else replace(page, next_token=str(at + 1))


# -- the lists -------------------------------------------------------------------------------------


def _list(name: str, parse: Reader, bucket: str = "sapi", cost: float = 1, **more: Any) -> Listing:
    return Listing(f"/sapi/v1/{name}", parse, cost, bucket, **more)


def _fiat(name: str, parse: Reader, kind: str) -> Listing:
    """A list of payments into the account (kind 0) or out of it (1)."""
    return _list(
        name,
        parse,
        most=MAX_FIAT,
        size="rows",
        pages="page",
        by_rows=False,
        times=("beginTime", "endTime"),
        query={"transactionType": kind},
    )


FIAT_ORDERS: Final = {
    name: replace(_fiat("fiat/orders", parsed_orders, kind), bucket="fiat", cost=90_000)
    for name, kind in (("fiat-deposits", "0"), ("fiat-withdrawals", "1"))
}
"""By account, at the dearer of two documented weights: UID 90,000 (fiat API, change log of
2022-05-31); Binance's Python connector of 2026-08 (``binance_sdk_fiat``) names UID 45,000."""


def fiat_orders(of: Listing, asked: Asked) -> Request:
    """A page of fiat deposits or withdrawals: without times, only the last 30 days come."""
    return of.asked(_BEGINNING_US, asked.now, page=asked.token or "1")


LISTS: Final = Lists(
    (
        _list("capital/deposit/hisrec", _deposits, pages="offset"),
        # By which of its two times a withdrawal is selected is not documented.
        _list("capital/withdraw/history", _withdrawals, "uid", 18_000, margin=4, pages="offset"),
        _list("asset/assetDividend", _dividends, cost=10, most=500, days=180),
        _list("convert/tradeFlow", _conversions, "uid", 3_000, days=30, sides=2),
        _list("asset/dribblet", _dribblets, most=100, size="", sides=2),
        *(_fiat("fiat/payments", _payments(kind), kind) for kind in "01"),
    ),
    SPAN_US,
)
