"""Binance's lists of what changes an account besides trades and transfers."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sandbox.account import Account
from sandbox.binance.private import span_of
from sandbox.binance.rows import integer, known, refuse, required
from sandbox.binance.switches import BinanceSwitches
from sandbox.binance.wallet import DUST_CHARGE, Change, Kind, changes
from sandbox.clock import DAY
from sandbox.exchange import Answer, Call, Exchange
from sandbox.jsontext import number
from sandbox.markets import text

_WINDOW: Final = ("startTime", "endTime")
_FIAT: Final = ("beginTime", "endTime")
_DUST: Final = 100
_ANY: Final = 10**6 * DAY


def _figure(exchange: Exchange, value: int) -> str:
    return number(text(value), exchange.of(BinanceSwitches).binance_numbers)


def _of(exchange: Exchange, owner: Account, *kinds: Kind) -> list[Change]:
    if exchange.of(BinanceSwitches).lists_missing and "dividend" not in kinds:
        raise refuse(-1000, "Not found.", 404)
    return [c for c in changes(owner, exchange.world.now()) if c.kind in kinds]


def _in_window(
    exchange: Exchange,
    given: Mapping[str, str],
    found: Sequence[Change],
    longest: int,
    names: tuple[str, str] = _WINDOW,
) -> list[Change]:
    low, high = span_of(exchange, given, longest, names)
    return [c for c in found if low <= c.ms <= high]


def _cut(exchange: Exchange, rows: list[Any], most: int) -> tuple[list[Any], bool]:
    """Newest first; whether there are more."""
    keeps = exchange.of(BinanceSwitches).lists_keep
    kept = rows[:most] if keeps == "oldest" else rows[max(0, len(rows) - most) :]
    return kept[::-1], len(kept) < len(rows)


def dividends(exchange: Exchange, call: Call, owner: Account) -> Answer:
    given = known(call, *_WINDOW, "limit")
    found = _in_window(exchange, given, _of(exchange, owner, "dividend"), 180 * DAY)
    rows, _ = _cut(exchange, found, min(integer(given, "limit") or 20, 500))
    made = [
        {
            "id": c.id,
            "amount": _figure(exchange, c.given[1]),
            "asset": c.given[0],
            "divTime": c.ms,
            "enInfo": "BNB Vault",
            "tranId": c.id + 7,
        }
        for c in rows
    ]
    return Answer.of({"rows": made, "total": len(found)})


def conversions(exchange: Exchange, call: Call, owner: Account) -> Answer:
    """Both times must be named."""
    given = known(call, *_WINDOW, "limit")
    for name in _WINDOW:
        required(given, name)
    found = _in_window(exchange, given, _of(exchange, owner, "convert"), 30 * DAY)
    most = exchange.of(BinanceSwitches).conversions_most
    rows, more = _cut(exchange, found, min(integer(given, "limit") or 100, most))
    made = [
        {
            "quoteId": f"q{c.id}",
            "orderId": c.id,
            "orderStatus": "SUCCESS",
            "fromAsset": c.taken[0],
            "fromAmount": _figure(exchange, c.taken[1]),
            "toAsset": c.given[0],
            "toAmount": _figure(exchange, c.given[1]),
            "createTime": c.ms,
        }
        for c in rows
    ]
    return Answer.of({"list": made, "moreData": more})


def dribblets(exchange: Exchange, call: Call, owner: Account) -> Answer:
    """The last 100 of a window."""
    given = known(call, *_WINDOW)
    found = _in_window(exchange, given, _of(exchange, owner, "dust"), _ANY)
    operations: dict[int, list[Change]] = {}
    for change in found:
        operations.setdefault(change.id, []).append(change)
    rows, _ = _cut(exchange, [*operations.values()], _DUST)
    older = exchange.of(BinanceSwitches).dust_form == "older"
    groups = [_operation(exchange, made, older) for made in rows]
    if older:
        return Answer.of({"success": True, "results": {"total": len(rows), "rows": groups}})
    return Answer.of({"total": len(rows), "userAssetDribblets": groups})


def _operation(exchange: Exchange, made: list[Change], older: bool) -> dict[str, Any]:
    details = [
        {
            "serviceChargeAmount": _figure(exchange, DUST_CHARGE),
            "amount": _figure(exchange, c.taken[1]),
            "operateTime": c.ms,
            "transferedAmount": _figure(exchange, c.given[1]),
            "fromAsset": c.taken[0],
        }
        for c in made
    ]
    names = ("tran_id", "operate_time", "logs", "transfered_total")
    if not older:
        names = ("transId", "operateTime", "userAssetDribbletDetails", "totalTransferedAmount")
    total = _figure(exchange, sum(c.given[1] for c in made))
    return dict(zip(names, (made[0].id, made[0].ms, details, total), strict=True))


def payments(exchange: Exchange, call: Call, owner: Account) -> Answer:
    given = known(call, *_FIAT, "transactionType", "page", "rows")
    kind = _of_type(given, "buy", "sell")
    made = []
    for c in _in_window(exchange, given, _of(exchange, owner, kind), _longest(given), _FIAT):
        money, coin = (c.taken, c.given) if kind == "buy" else (c.given, c.taken)
        if kind == "sell" and exchange.of(BinanceSwitches).sale_source == "coin":
            source, obtained = coin, money
        else:
            source, obtained = money, coin
        made.append(
            {
                "orderNo": f"p{c.id}",
                "sourceAmount": _figure(exchange, source[1]),
                "fiatCurrency": money[0],
                "obtainAmount": _figure(exchange, obtained[1]),
                "cryptoCurrency": coin[0],
                "totalFee": "0.0",
                "price": _figure(exchange, money[1] * 10**8 // coin[1]),
                "status": "Completed",
                "paymentMethod": "Cash Balance" if c.in_wallet else "Credit Card",
                "createTime": c.ms,
                "updateTime": c.ms,
            }
        )
    return _fiat_page(exchange, given, made)


def fiat_orders(exchange: Exchange, call: Call, owner: Account) -> Answer:
    given = known(call, *_FIAT, "transactionType", "page", "rows")
    kind = _of_type(given, "deposit", "withdrawal")
    made = []
    for c in _in_window(exchange, given, _of(exchange, owner, kind), _longest(given), _FIAT):
        currency, value = c.given if kind == "deposit" else c.taken
        made.append(
            {
                "orderNo": f"f{c.id}",
                "fiatCurrency": currency,
                "indicatedAmount": _figure(exchange, value + c.fee),
                "amount": _figure(exchange, value),
                "totalFee": _figure(exchange, c.fee),
                "method": "BankAccount",
                "status": "Successful",
                "createTime": c.ms,
                "updateTime": c.ms,
            }
        )
    return _fiat_page(exchange, given, made)


def _of_type(given: Mapping[str, str], first: Kind, second: Kind) -> Kind:
    kind = required(given, "transactionType")
    if kind not in ("0", "1"):
        raise refuse(-1102, "Mandatory parameter 'transactionType' was malformed.")
    return first if kind == "0" else second


def _longest(given: Mapping[str, str]) -> int:
    """Of a window that is named; of none, the last 30 days come."""
    return 30 * DAY if "beginTime" not in given else _ANY


def _fiat_page(exchange: Exchange, given: Mapping[str, str], rows: list[Any]) -> Answer:
    """Pages count from 1, newest first."""
    switches = exchange.of(BinanceSwitches)
    page = integer(given, "page") or 1
    size = min(integer(given, "rows") or 100, switches.fiat_most)
    shown = rows[::-1][(page - 1) * size : page * size]
    body: dict[str, Any] = {"code": "000000", "message": "success", "success": True}
    body |= {"total": len(rows)}
    return Answer.of(body | ({"data": shown} if shown or switches.fiat_data_always else {}))
