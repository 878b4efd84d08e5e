"""What changes an account's balances besides its trades. It lies in several lists.

Deposits, withdrawals, dividends, conversions, small balances turned into BNB, and fiat payments of
a window of time make one page. Fiat deposits and withdrawals cost half of a minute's allowance a
call: they are lists of their own, read whole.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from operator import attrgetter
from typing import Any, Final
from urllib.parse import parse_qs

from connectors import exact
from connectors.base import Page
from connectors.binance import models
from connectors.codes import Code, Codes
from connectors.columns import Text, Time, Wide
from connectors.dialect import Answered, Asked
from connectors.errors import ContractError
from connectors.exact import InvalidValue
from connectors.http import Request, get
from connectors.jsontext import NotJsonError, decode_row
from connectors.rows import (
    Column,
    Layout,
    RowText,
    Source,
    column,
    list_of,
    object_of,
    read,
    rows_of,
)

_SAPI: Final = "/sapi/v1"
_DAY_US: Final = 86_400_000_000
SPAN_US: Final = 80 * _DAY_US
"""Of a window: 90 days are allowed, and withdrawals are asked for with a margin."""
MAX_DIVIDENDS: Final = 500
MAX_CONVERSIONS: Final = 1000
MAX_DUST: Final = 100
MAX_FIAT: Final = 500
_BEGINNING: Final = 1_498_867_200_000
"""July 2017 in milliseconds: before the exchange began."""
FIAT: Final = {"fiat-deposits": "0", "fiat-withdrawals": "1"}
"""``transactionType`` by the names of the lists."""


@dataclass(frozen=True)
class _List:
    """``most``: rows of an answer, 0 where no number is asked for. ``days``: of the longest window.

    ``pages``: the parameter that goes on within a window. Without one, a full answer has
    ``Page.next_token``, and half of its window is asked for. ``margin``: days by which windows
    overlap. ``kind``: ``transactionType``.
    """

    path: str
    parse: Callable[[bytes, Answered], Page]
    cost: float = 1
    bucket: str = "sapi"
    most: int = 1000
    days: int = 90
    pages: str = ""
    margin: int = 0
    times: tuple[str, str] = ("startTime", "endTime")
    kind: str = ""


def _asked(of: _List, low: int, high: int, **more: str) -> Request:
    """Times in microseconds."""
    query = dict(zip(of.times, (str(low // 1000), str(-(-high // 1000))), strict=True))
    if of.most:
        query["rows" if of.pages == "page" else "limit"] = str(of.most)
    query |= {"transactionType": of.kind} if of.kind else {}
    query |= more
    return get(f"{_SAPI}/{of.path}", query, private=True, cost=of.cost, bucket=of.bucket)


def _span(of: _List, asked: Asked) -> tuple[int, int]:
    """The window of a page, with the margin of a list; without bounds, the newest.

    It ends no later than now: no call is known to take a time to come.
    """
    window = asked.window
    high = asked.now if window.upper is None else window.upper
    low = high - SPAN_US if window.lower is None else window.lower
    margin = of.margin * _DAY_US
    low = max(0, low - margin)
    high = min(high, low + margin + SPAN_US) + margin
    return low, max(min(high, asked.now), low + 1000)


def _opening(of: _List, asked: Asked, start: int | None = None) -> Request:
    """The first call of a list, or the one of its next stretch, which begins at ``start``."""
    low, high = _span(of, asked)
    low = low if start is None else start
    return _asked(of, low, min(high, low + of.days * _DAY_US - 1000))


def first(asked: Asked) -> Request:
    """The first call of a page."""
    return _opening(_LISTS[0], asked)


def following(asked: Asked, request: Request, page: Page, new: int) -> Request | None:
    """The call after ``request``, whose answer is ``page``; ``new``: its rows not known before.

    The end of a list in pages is an answer without new rows. Of the others, an answer that is not
    full ends a stretch.
    """
    at, of = _list_of(request)
    given = {name: values[0] for name, values in parse_qs(request.query).items()}
    low, high = (int(given[name]) * 1000 for name in of.times)
    if of.pages:
        if page.received >= of.most and not new:
            raise ContractError(
                f"binance: {request.label}: the rows that came before came again, so that the "
                "others cannot be asked for"
            )
        if new:
            before = int(given.get(of.pages, "1" if of.pages == "page" else "0"))
            further = before + (1 if of.pages == "page" else page.received)
            return _asked(of, low, high, **{of.pages: str(further)})
    elif page.next_token is not None:
        if high - low <= 1000:
            raise ContractError(
                f"binance: {request.label}: more rows in a millisecond than an answer holds"
            )
        return _asked(of, low, low + (high - low) // 2000 * 1000)
    if high < _span(of, asked)[1]:
        return _opening(of, asked, high)
    return _opening(_LISTS[at + 1], asked) if at + 1 < len(_LISTS) else None


def _list_of(request: Request) -> tuple[int, _List]:
    kind = parse_qs(request.query).get("transactionType", [""])[0]
    return next(
        (at, of)
        for at, of in enumerate(_LISTS)
        if (f"{_SAPI}/{of.path}", of.kind) == (request.path, kind)
    )


def fiat_orders(asked: Asked, kind: str) -> Request:
    """A page of fiat deposits or withdrawals: without times, only the last 30 days come."""
    of = replace(_FIAT_ORDERS, kind=kind)
    return _asked(of, _BEGINNING * 1000, asked.now, page=asked.token or "1")


# -- rows ------------------------------------------------------------------------------------------

_TEXT, _TIME, _WIDE = Text(), Time(), Wide()
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


def _in(states: Mapping[str, str], name: str = "status") -> Callable[[Any], str]:
    """The state of a row; one that is not known is unconfirmed."""
    get_ = attrgetter(name)
    return lambda row: states.get(str(get_(row)).lower(), "unconfirmed")


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


@dataclass(frozen=True)
class _Leg:
    """One side of an exchange of one currency for another."""

    id: str
    time: Any
    type: str
    currency: Any
    amount: Any
    status: str
    text: str


def _layout(
    id_: Callable[[Any], Any],
    time: str,
    type_: Callable[[Any], str],
    status: Callable[[Any], str],
    currency: str,
    text: str,
    fee: str = "",
) -> Callable[[Codes], Layout]:
    about = attrgetter(text)
    columns = [
        Column("transaction_id", id_, _TEXT),
        column("timestamp", time, _TIME),
        column("amount", "amount", _WIDE),
        Column("type", type_, _TEXT),
        Column("status", status, _TEXT),
        Column("description", lambda row: about(row) or "", _TEXT),
    ]
    if fee:
        columns.append(column("fee_amount", fee, _WIDE, required=False))

    def of(codes: Codes) -> Layout:
        named = (*columns, column("currency", currency, Code(codes)))
        return Layout("account_transactions", named, ("transaction_id",), "timestamp")

    return of


def _fixed(word: str) -> Callable[[Any], str]:
    return lambda row: word


_DEPOSITS: Final = _layout(
    _deposit_id, "insertTime", _fixed("deposit"), _in(_DEPOSITED), "coin", "txId"
)
_WITHDRAWALS: Final = _layout(
    _withdrawal_id, "applyTime", _fixed("withdrawal"), _in(_WITHDRAWN), "coin", "txId",
    "transactionFee",
)  # fmt: skip
_DIVIDENDS: Final = _layout(
    _dividend_id, "divTime", _fixed("credit"), _fixed("ok"), "asset", "enInfo"
)
_LEGS: Final = _layout(
    attrgetter("id"), "time", attrgetter("type"), attrgetter("status"), "currency", "text"
)


def _fiat_layout(kind: str) -> Callable[[Codes], Layout]:
    """Of a deposit, what arrived; the fee was taken before."""
    return _layout(
        lambda row: None if row.orderNo is None else f"fiat-{row.orderNo}",
        "createTime",
        _fixed("deposit" if kind == "0" else "withdrawal"),
        _in(_WORDS),
        "fiatCurrency",
        "method",
        "" if kind == "0" else "totalFee",
    )


def _sides(body: bytes, model: Any, of: Callable[[Any], list[_Leg]]) -> Source:
    """The sides of each row of the array ``body``. Of a row that cannot be read none is stored."""
    texts: list[RowText] = []
    for row in list_of(body, "the rows"):
        count = 1
        with suppress(InvalidValue, NotJsonError):
            count = len(of(decode_row(model, row.value)))
        texts += [RowText(row.payload, row.value, str(n)) for n in range(count)]
    return Source(
        body, None, lambda: texts, lambda t: of(decode_row(model, t.value))[int(t.key or 0)]
    )


def _check(*amounts: Any) -> list[Decimal]:
    """Both sides of an exchange are stored, or none."""
    return [exact.wide(amount) for amount in amounts]


def _converted(row: Any) -> list[_Leg]:
    name, status = exact.text(row.orderId), _in(_WORDS, "orderStatus")(row)
    text = f"conversion of {exact.text(row.fromAsset)} to {exact.text(row.toAsset)}"
    _check(row.fromAmount, row.toAmount)

    def leg(way: str, type_: str, currency: Any, amount: Any) -> _Leg:
        return _Leg(f"convert-{name}-{way}", row.createTime, type_, currency, amount, status, text)

    return [
        leg("from", "debit", row.fromAsset, row.fromAmount),
        leg("to", "credit", row.toAsset, row.toAmount),
    ]


def _dusted(row: Any) -> list[_Leg]:
    """Every balance that became BNB. Rows have no ids: operation and currency name them."""
    operation = row.transId if row.transId is not None else row.tran_id
    at = row.operateTime if row.operateTime is not None else row.operate_time
    name = exact.text(operation if operation is not None else at)
    details = row.userAssetDribbletDetails or row.logs
    if not isinstance(details, list):
        raise InvalidValue("the row has no details")
    target = "BNB" if row.targetAsset is None else exact.text(row.targetAsset)
    found: list[_Leg] = []
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
            _Leg(f"{id_}-from", time, "debit", currency, given, "ok", text),
            _Leg(f"{id_}-to", time, "credit", target, taken, "ok", text),
        ]
    return found


def _paid(kind: str) -> Callable[[Any], list[_Leg]]:
    """Of a purchase or sale for fiat money: the coin, and the money where it was in the account.

    The documents have the money in ``sourceAmount``; of a sale, the price decides.
    """

    def sides(row: Any) -> list[_Leg]:
        money, coin = row.sourceAmount, row.obtainAmount
        first, second = _check(money, coin)
        if kind == "1" and row.price is not None:
            price = exact.number(row.price)
            if abs(second - first * price) < abs(first - second * price):
                money, coin = coin, money
        name, status = exact.text(row.orderNo), _in(_WORDS)(row)
        method = "" if row.paymentMethod is None else exact.text(row.paymentMethod)
        text = f"{'purchase' if kind == '0' else 'sale'} {method}".strip()
        types = ("credit", "debit") if kind == "0" else ("debit", "credit")
        found = [(row.cryptoCurrency, coin), (row.fiatCurrency, money)]
        if "balance" not in method.lower() and "wallet" not in method.lower():
            found = found[:1]
        return [
            _Leg(f"payment-{name}-{n}", row.createTime, type_, currency, amount, status, text)
            for n, (type_, (currency, amount)) in enumerate(zip(types, found, strict=False))
        ]

    return sides


def _page(layout: Callable[[Codes], Layout], source: Source, about: Answered) -> Page:
    return read(layout(about.names.codes), source).page()


def _bare(layout: Callable[[Codes], Layout], model: Any) -> Callable[[bytes, Answered], Page]:
    """Reads an array of rows."""
    return lambda body, about: _page(layout, rows_of(body, model), about)


def _dividends(body: bytes, about: Answered) -> Page:
    rows = bytes(object_of(models.Dividends, body, "a list of dividends").rows)
    page = _page(_DIVIDENDS, rows_of(rows, models.Dividend), about)
    return _marked(page, page.received >= MAX_DIVIDENDS)


def _conversions(body: bytes, about: Answered) -> Page:
    found = object_of(models.Conversions, body, "a list of conversions")
    page = _page(_LEGS, _sides(bytes(found.list), models.Conversion, _converted), about)
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
    page = _page(_LEGS, _sides(rows or b"[]", models.Dust, _dusted), about)
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
    return lambda body, about: _page(_LEGS, _sides(_fiat_rows(body), models.Payment, sides), about)


def parsed_orders(body: bytes, about: Answered) -> Page:
    """``fiat/orders``: one page of one of its two lists."""
    query = {name: values[0] for name, values in parse_qs(about.query).items()}
    layout = _fiat_layout(query.get("transactionType", "0"))
    page = _page(layout, rows_of(_fiat_rows(body), models.FiatOrder), about)
    at, total = int(query.get("page", "1")), object_of(models.Fiat, body, "").total
    is_all = at == 1 and type(total) is int and total <= page.received
    is_last = is_all or not page.received
    return page if is_last else replace(page, next_token=str(at + 1))


def parsed(body: bytes, about: Answered) -> Page:
    """One answer of a page's lists."""
    return _list_of(Request("GET", about.path, about.query))[1].parse(body, about)


_FIAT_ORDERS: Final = _List(
    "fiat/orders", parsed_orders, 90_000, "fiat", MAX_FIAT, pages="page",
    times=("beginTime", "endTime"),
)  # fmt: skip
_PAYMENTS: Final = tuple(
    _List(
        "fiat/payments", _payments(kind), most=MAX_FIAT, pages="page",
        times=("beginTime", "endTime"), kind=kind,
    )
    for kind in "01"
)  # fmt: skip
_LISTS: Final = (
    _List("capital/deposit/hisrec", _bare(_DEPOSITS, models.Deposit), pages="offset"),
    # By which of its two times a withdrawal is selected is not documented.
    _List(
        "capital/withdraw/history", _bare(_WITHDRAWALS, models.Withdrawal), 18_000, "uid",
        pages="offset", margin=4,
    ),
    _List("asset/assetDividend", _dividends, 10, most=MAX_DIVIDENDS, days=180),
    _List("convert/tradeFlow", _conversions, 3_000, "uid", MAX_CONVERSIONS, days=30),
    _List("asset/dribblet", _dribblets, most=0),
    *_PAYMENTS,
)  # fmt: skip
"""The lists of a page, in the order in which they are read."""
