"""BitexBit v2, the reading calls of an account, and the check of key, nonce and signature."""

import hashlib
import hmac
from datetime import UTC, datetime

from sandbox.account import Account, Transaction
from sandbox.bitexbit.orders import order_page
from sandbox.bitexbit.params import (
    BadRequest,
    bounds_of,
    choice,
    date,
    limit_of,
    native,
    not_found,
    optional_market,
)
from sandbox.bitexbit.switches import BitexBitSwitches
from sandbox.book import Fill, Order
from sandbox.exchange import Answer, Call, Exchange
from sandbox.jsontext import number
from sandbox.keys import find, make_key
from sandbox.markets import text
from sandbox.windows import Rows

KEYS = (make_key("bitexbit", "main", "alpha"), make_key("bitexbit", "second", "beta"))

_STATUS = {"pending": 10, "unconfirmed": 10, "failed": 20, "ok": 30}
_STATUS_NAME = {10: "pending", 20: "cancelled", 30: "success"}


def authenticate(exchange: Exchange, call: Call) -> Account | Answer:
    """The account whose key signed the call, or the refusal."""
    key, nonce = call.headers.get("x-api-key", ""), call.headers.get("x-nonce", "")
    signature = call.headers.get("x-signature", "")
    if not (key and nonce and signature):
        return _refuse("Authentication credentials were not provided.")
    known = find(KEYS, key)
    if known is None:
        return _refuse("Invalid API key.")
    payload = call.path.encode() + nonce.encode() + call.body
    expected = hmac.new(known.secret.encode(), payload, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected.encode(), signature.encode()):
        return _refuse("Invalid signature.")
    limits = exchange.limits
    if not limits.allow(
        f"bitexbit:{known.owner}", exchange.of(BitexBitSwitches).private_per_second
    ):
        return too_many(exchange)
    if not nonce.isdecimal() or not exchange.nonces.spend(key, int(nonce)):
        highest = exchange.nonces.highest(key)
        return _refuse(f"Invalid nonce: it must be greater than {highest}.")
    return exchange.world.accounts[known.owner]


def _refuse(detail: str) -> Answer:
    return Answer.of({"detail": detail}, 401)


def too_many(exchange: Exchange) -> Answer:
    """The 429 of a client over its limit."""
    wait = exchange.limits.retry_after
    headers = {} if wait is None else {"Retry_After": str(wait)}
    return Answer.of({"detail": "Request was throttled."}, 429, **headers)


def orders(exchange: Exchange, call: Call, account: Account) -> Answer:
    exchange.world.now()  # makes the orders that are due
    return order_page(exchange, call, account.orders, private=True)


def trades(exchange: Exchange, call: Call, account: Account) -> Answer:
    now = exchange.world.now()
    market = optional_market(exchange, call)
    side = choice(exchange, call, "type", ("buy", "sell"))
    rows = [
        (order, fill)
        for order, fill in account.fills(now)
        if (market is None or order.market is market)
        and (side is None or order.buy == (side == "buy"))
    ]
    return _trade_page(exchange, call, rows, now)


def order_trades(exchange: Exchange, call: Call, account: Account, order_id: str) -> Answer:
    now = exchange.world.now()
    found = [o for o in account.orders if str(o.id) == order_id and o.created <= now]
    if not exchange.of(BitexBitSwitches).transfers or not found:
        return not_found()
    return _trade_page(exchange, call, [(found[0], f) for f in found[0].filled(now)], now)


def _trade_page(
    exchange: Exchange, call: Call, fills: list[tuple[Order, Fill]], now: int
) -> Answer:
    paging, rows = exchange.paging, Rows([f.trade_id for _, f in fills], [f.ms for _, f in fills])
    shown = rows.within(range(len(fills)), bounds_of(exchange, call), paging, now)
    at = rows.page(shown, limit_of(exchange, call), paging.limit_keeps, paging.order, paging)
    switches = exchange.of(BitexBitSwitches)
    found = [_trade(*fills[i], switches) for i in at]
    if paging.extra_fields:
        found = [row | {"is_maker": fills[i][1].maker} for row, i in zip(found, at, strict=True)]
    return Answer.of(found)


def _trade(order: Order, fill: Fill, switches: BitexBitSwitches) -> dict[str, object]:
    market = order.market
    return {
        "id": fill.trade_id,
        "date": date(fill.ms, switches.private_dates),
        "type": "buy" if order.buy else "sell",
        "symbol": native(market),
        "price": number(text(fill.price), switches.numbers),
        "amount": number(text(fill.amount), switches.numbers),
        "fee_amount": number(text(fill.fee), switches.numbers),
        "fee_rate": number(text(market.fee_ppm * 100), switches.numbers),
        "fee_symbol": market.base if order.buy else market.quote,
    }


def balance(exchange: Exchange, call: Call, account: Account) -> Answer:
    names = [name for name in call.query.get("symbols", "").split(",") if name]
    if len(names) > 5:
        raise BadRequest("symbols: at most 5")
    style = exchange.of(BitexBitSwitches).numbers
    rows = [
        {
            "symbol": currency,
            "available": number(text(available), style),
            "reserved": number(text(reserved), style),
        }
        for currency, (available, reserved) in account.balances(exchange.world.now()).items()
        if not names or currency in names
    ]
    return Answer.of(rows)


def trading_fees(exchange: Exchange, call: Call, account: Account) -> Answer:
    switches = exchange.of(BitexBitSwitches)
    names = (
        ("sell_fee_rate", "buy_fee_rate")
        if switches.fee_keys == "side"
        else ("maker_fee_rate", "taker_fee_rate")
    )

    def rates(ppm: int) -> dict[str, object]:
        return {name: number(text(ppm * 100), switches.numbers) for name in names}

    special = [m for m in exchange.markets() if m.fee_ppm != 2_000]
    pairs = [{"symbol": native(m)} | rates(m.fee_ppm) for m in special]
    return Answer.of(rates(2_000) | {"pair_fee_rates": pairs})


def transfers(exchange: Exchange, call: Call, account: Account) -> Answer:
    """The later document's deposits and withdrawals, newest first, in numbered pages."""
    switches, now = exchange.of(BitexBitSwitches), exchange.world.now()
    if not switches.transfers:
        return not_found()
    rows = [t for t in account.visible_transactions(now) if t.kind in (1, 2)][::-1]
    size = switches.transfers_page
    if switches.transfers_paging == "offset":
        size = min(_natural(call, "limit", size), size)
        first = _natural(call, "offset", 0)
        link = f"{call.base_url}{call.path}?limit={size}&offset="
        following, previous = first + size, max(0, first - size)
    else:
        page = _natural(call, "page", 1)
        first = (page - 1) * size
        if page < 1 or (first >= len(rows) and page > 1):
            return Answer.of({"detail": "Invalid page."}, 404)
        link = f"{call.base_url}{call.path}?page="
        following, previous = page + 1, page - 1
    return Answer.of(
        {
            "count": len(rows),
            "next": f"{link}{following}" if first + size < len(rows) else None,
            "previous": f"{link}{previous}" if first > 0 else None,
            "results": [_transfer(t, now, switches) for t in rows[first : first + size]],
        }
    )


def _natural(call: Call, name: str, default: int) -> int:
    value = call.query.get(name, "")
    return int(value) if value.isdecimal() else default


def _transfer(t: Transaction, now: int, switches: BitexBitSwitches) -> dict[str, object]:
    status = _STATUS[t.status(now)]
    at = datetime.fromtimestamp(t.ms // 1_000, UTC).replace(microsecond=t.ms % 1_000 * 1_000 + 7)
    row: dict[str, object] = {"id": t.id} if switches.transfers_id else {}
    return row | {
        "txid": hashlib.sha256(f"sandbox transfer {t.id}".encode()).hexdigest(),
        "date": at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "amount": number(text(t.amount), switches.numbers),
        "currency": {"code": t.currency},
        "status": {"key": status, "name": _STATUS_NAME[status]},
        "is_outgoing": t.kind == 2,
    }
