"""What changes an account's balances besides its trades. It lies in several lists.

Deposits, withdrawals, dividends, conversions, small balances turned into BNB, and fiat payments of
a window of time make one page. Fiat deposits and withdrawals cost half of a minute's allowance a
call: they are lists of their own, read whole.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final
from urllib.parse import parse_qs

from connectors import exact
from connectors.base import Page
from connectors.binance import models
from connectors.codes import Codes
from connectors.dialect import Answered, Asked
from connectors.errors import ContractError
from connectors.exact import InvalidValue
from connectors.http import Request
from connectors.ledger_rows import SIDES, Side, fixed, sides_of, state, transactions
from connectors.lists import DAY_US, Listing, Lists
from connectors.rows import Layout, Source, object_of, read, rows_of

Reader = Callable[[bytes, Answered], Page]
_SAPI: Final = "/sapi/v1"
SPAN_US: Final = 80 * DAY_US
"""Of a window: 90 days are allowed, and withdrawals are asked for with a margin."""
MAX_DIVIDENDS: Final = 500
MAX_CONVERSIONS: Final = 1000
MAX_DUST: Final = 100
MAX_FIAT: Final = 500
_BEGINNING: Final = 1_498_867_200_000
"""July 2017 in milliseconds: before the exchange began."""
FIAT: Final = {"fiat-deposits": "0", "fiat-withdrawals": "1"}
"""``transactionType`` by the names of the lists."""
_FIAT_TIMES: Final = ("beginTime", "endTime")


def fiat_orders(asked: Asked, kind: str) -> Request:
    """A page of fiat deposits or withdrawals: without times, only the last 30 days come."""
    of = Listing(
        f"{_SAPI}/fiat/orders", parsed_orders, 90_000, "fiat", MAX_FIAT, "rows",
        times=_FIAT_TIMES, query={"transactionType": kind},
    )  # fmt: skip
    return of.asked(_BEGINNING * 1000, asked.now, page=asked.token or "1")


# -- rows ------------------------------------------------------------------------------------------

_DEPOSITED: Final = {
    **dict.fromkeys("08", "pending"),
    **dict.fromkeys("16", "ok"),
    **dict.fromkeys("27", "failed"),
}
_WITHDRAWN: Final = {
    **dict.fromkeys("024", "pending"),
    "6": "ok",
    **dict.fromkeys("135", "failed"),
}
_WORDS: Final = {
    **dict.fromkeys(("success", "successful", "finished", "completed"), "ok"),
    **dict.fromkeys(("process", "processing", "accept_success", "pending", "refunding"), "pending"),
    **dict.fromkeys(("fail", "failed", "expired", "rejected", "refunded", "canceled"), "failed"),
}


def _deposit_id(row: Any) -> Any:
    """Digits; rows of early years have none. No id of a withdrawal is the same."""
    if row.id in (None, "") and row.txId:
        return f"deposit-{row.txId}-{row.insertTime}"
    return row.id if row.id is None or str(row.id).isdecimal() else f"deposit-{row.id}"


def _withdrawal_id(row: Any) -> Any:
    return f"withdrawal-{row.id}" if str(row.id).isdecimal() else row.id


def _dividend_id(row: Any) -> Any:
    number = row.id if row.id is not None else row.tranId
    return None if number is None else f"dividend-{number}"


_DEPOSITS: Final = transactions(
    _deposit_id, "insertTime", fixed("deposit"), state(_DEPOSITED), "coin", "txId"
)
_WITHDRAWALS: Final = transactions(
    _withdrawal_id, "applyTime", fixed("withdrawal"), state(_WITHDRAWN), "coin", "txId",
    "transactionFee",
)  # fmt: skip
_DIVIDENDS: Final = transactions(
    _dividend_id, "divTime", fixed("credit"), fixed("ok"), "asset", "enInfo"
)


def _fiat_layout(kind: str) -> Callable[[Codes], Layout]:
    """Of a deposit, what arrived; the fee was taken before."""
    return transactions(
        lambda row: None if row.orderNo is None else f"fiat-{row.orderNo}",
        "createTime",
        fixed("deposit" if kind == "0" else "withdrawal"),
        state(_WORDS),
        "fiatCurrency",
        "method",
        "" if kind == "0" else "totalFee",
    )


def _check(*amounts: Any) -> list[Decimal]:
    """Both sides of an exchange are stored, or none."""
    return [exact.wide(amount) for amount in amounts]


def _converted(row: Any) -> list[Side]:
    name, status = exact.text(row.orderId), state(_WORDS, "orderStatus")(row)
    text = f"conversion of {exact.text(row.fromAsset)} to {exact.text(row.toAsset)}"
    _check(row.fromAmount, row.toAmount)

    def leg(way: str, type_: str, currency: Any, amount: Any) -> Side:
        return Side(f"convert-{name}-{way}", row.createTime, type_, currency, amount, status, text)

    return [
        leg("from", "debit", row.fromAsset, row.fromAmount),
        leg("to", "credit", row.toAsset, row.toAmount),
    ]


def _dusted(row: Any) -> list[Side]:
    """Every balance that became BNB. Rows have no ids: operation and currency name them."""
    operation = row.transId if row.transId is not None else row.tran_id
    at = row.operateTime if row.operateTime is not None else row.operate_time
    name = exact.text(operation if operation is not None else at)
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
        time = detail.get("operateTime", at)
        text = f"{currency} turned into {target}"
        given, taken = detail.get("amount"), detail.get("transferedAmount")
        _check(given, taken)
        found += [
            Side(f"{id_}-from", time, "debit", currency, given, "ok", text),
            Side(f"{id_}-to", time, "credit", target, taken, "ok", text),
        ]
    return found


def _paid(kind: str) -> Callable[[Any], list[Side]]:
    """Of a purchase or sale for fiat money: the coin, and the money where it was in the account.

    The documents have the money in ``sourceAmount``; of a sale, the price decides.
    """

    def sides(row: Any) -> list[Side]:
        money, coin = row.sourceAmount, row.obtainAmount
        first, second = _check(money, coin)
        if kind == "1" and row.price is not None:
            price = exact.number(row.price)
            if abs(second - first * price) < abs(first - second * price):
                money, coin = coin, money
        name, status = exact.text(row.orderNo), state(_WORDS)(row)
        method = "" if row.paymentMethod is None else exact.text(row.paymentMethod)
        text = f"{'purchase' if kind == '0' else 'sale'} {method}".strip()
        types = ("credit", "debit") if kind == "0" else ("debit", "credit")
        found = [(row.cryptoCurrency, coin), (row.fiatCurrency, money)]
        if "balance" not in method.lower() and "wallet" not in method.lower():
            found = found[:1]
        return [
            Side(f"payment-{name}-{n}", row.createTime, type_, currency, amount, status, text)
            for n, (type_, (currency, amount)) in enumerate(zip(types, found, strict=False))
        ]

    return sides


def _page(layout: Callable[[Codes], Layout], source: Source, about: Answered) -> Page:
    return read(layout(about.names.codes), source).page()


def _bare(layout: Callable[[Codes], Layout], model: Any) -> Reader:
    """Reads an array of rows."""
    return lambda body, about: _page(layout, rows_of(body, model), about)


def _dividends(body: bytes, about: Answered) -> Page:
    rows = bytes(object_of(models.Dividends, body, "a list of dividends").rows)
    page = _page(_DIVIDENDS, rows_of(rows, models.Dividend), about)
    return _marked(page, page.received >= MAX_DIVIDENDS)


def _conversions(body: bytes, about: Answered) -> Page:
    found = object_of(models.Conversions, body, "a list of conversions")
    page = _page(SIDES, sides_of(bytes(found.list), models.Conversion, _converted), about)
    return _marked(page, found.moreData is True or page.received >= 2 * MAX_CONVERSIONS)


def _dribblets(body: bytes, about: Answered) -> Page:
    """One of two forms; the older one lies in ``results``."""
    found = object_of(models.Dribblets, body, "a list of dribblets")
    if bytes(found.results)[:1] == b"{":
        found = object_of(models.Dribblets, bytes(found.results), "a list of dribblets")
    lists = (found.userAssetDribblets, found.dribblets, found.rows, found.results)
    rows = next((bytes(part) for part in lists if bytes(part)[:1] == b"["), None)
    if rows is None and found.total != 0:
        raise ContractError("not a list of dribblets")
    page = _page(SIDES, sides_of(rows or b"[]", models.Dust, _dusted), about)
    return _marked(page, page.received >= 2 * MAX_DUST)


def _marked(page: Page, is_full: bool) -> Page:
    return replace(page, next_token="more") if is_full else page


def _fiat_rows(body: bytes) -> bytes:
    found = object_of(models.Fiat, body, "a list of fiat transactions")
    rows = bytes(found.data)
    if rows[:1] == b"[":
        return rows
    if rows in (b"", b"null") and (found.success is True or str(found.code) == "000000"):
        return b"[]"
    raise ContractError("not a list of fiat transactions")


def _payments(kind: str) -> Callable[[bytes, Answered], Page]:
    sides = _paid(kind)
    return lambda body, about: _page(
        SIDES, sides_of(_fiat_rows(body), models.Payment, sides), about
    )


def parsed_orders(body: bytes, about: Answered) -> Page:
    """``fiat/orders``: one page of one of its two lists."""
    query = {name: values[0] for name, values in parse_qs(about.query).items()}
    layout = _fiat_layout(query.get("transactionType", "0"))
    page = _page(layout, rows_of(_fiat_rows(body), models.FiatOrder), about)
    at, total = int(query.get("page", "1")), object_of(models.Fiat, body, "").total
    is_all = at == 1 and type(total) is int and total <= page.received
    is_last = is_all or not page.received
    return page if is_last else replace(page, next_token=str(at + 1))


def _list(name: str, parse: Reader, cost: float = 1, bucket: str = "sapi", **more: Any) -> Listing:
    return Listing(f"{_SAPI}/{name}", parse, cost, bucket, **more)


_BY_ROWS: Final[dict[str, Any]] = {"pages": "offset"}
_BY_PAGES: Final[dict[str, Any]] = {
    "pages": "page",
    "by_rows": False,
    "most": MAX_FIAT,
    "size": "rows",
}
LISTS: Final = Lists(
    (
        _list("capital/deposit/hisrec", _bare(_DEPOSITS, models.Deposit), **_BY_ROWS),
        # By which of its two times a withdrawal is selected is not documented.
        _list(
            "capital/withdraw/history",
            _bare(_WITHDRAWALS, models.Withdrawal),
            18_000,
            "uid",
            margin=4,
            **_BY_ROWS,
        ),
        _list("asset/assetDividend", _dividends, 10, most=MAX_DIVIDENDS, days=180),
        _list("convert/tradeFlow", _conversions, 3_000, "uid", most=MAX_CONVERSIONS, days=30),
        _list("asset/dribblet", _dribblets, size=""),
        *(
            _list(
                "fiat/payments",
                _payments(kind),
                times=_FIAT_TIMES,
                query={"transactionType": kind},
                **_BY_PAGES,
            )
            for kind in "01"
        ),
    ),
    SPAN_US,
)
