"""BitexBit v2, the reading calls of an account, and the check of key, nonce and signature."""

import hashlib
import hmac
from datetime import UTC, datetime

from sandbox import windows
from sandbox.account import Account, Transaction
from sandbox.bitexbit_orders import order_page
from sandbox.bitexbit_params import (
    BadRequest,
    bounds_of,
    choice,
    date,
    limit_of,
    not_found,
    optional_market,
)
from sandbox.book import Fill, Order
from sandbox.exchange import Answer, Call, Exchange, number
from sandbox.keys import by_key
from sandbox.laws import Laws
from sandbox.markets import text

_STATUS = {"pending": 10, "unconfirmed": 10, "failed": 20, "ok": 30}
_STATUS_NAME = {10: "pending", 20: "cancelled", 30: "success"}


def authenticate(exchange: Exchange, call: Call) -> Account | Answer:
    """The account whose key signed the call, or the refusal."""
    key, nonce = call.headers.get("x-api-key", ""), call.headers.get("x-nonce", "")
    signature = call.headers.get("x-signature", "")
    if not (key and nonce and signature):
        return _refuse("Authentication credentials were not provided.")
    known = by_key("bitexbit", key)
    if known is None:
        return _refuse("Invalid API key.")
    payload = call.path.encode() + nonce.encode() + call.body
    expected = hmac.new(known.secret.encode(), payload, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected.encode(), signature.encode()):
        return _refuse("Invalid signature.")
    limits = exchange.limits
    if not limits.allow(f"bitexbit:{known.account}", limits.private):
        return too_many(exchange)
    if not nonce.isdecimal() or not exchange.nonces.spend(key, int(nonce)):
        highest = exchange.nonces.highest(key)
        return _refuse(f"Invalid nonce: it must be greater than {highest}.")
    return exchange.world.accounts[known.account]


def _refuse(detail: str) -> Answer:
    return Answer.of({"detail": detail}, 401)


def too_many(exchange: Exchange) -> Answer:
    """The 429 of a client over its limit."""
    wait = exchange.limits.retry_after
    told = {} if wait is None else {"Retry_After": str(wait)}
    return Answer.of({"detail": "Request was throttled."}, 429, **told)


def orders(exchange: Exchange, call: Call, account: Account) -> Answer:
    now = exchange.world.now()
    market = optional_market(exchange.world, call)
    found = [o for o in account.orders if market is None or o.market is market]
    return order_page(exchange, call, now, found, private=True)


def trades(exchange: Exchange, call: Call, account: Account) -> Answer:
    laws, now = exchange.laws, exchange.world.now()
    market = optional_market(exchange.world, call)
    side = choice(call, "type", ("buy", "sell"), laws)
    rows = [
        (order, fill)
        for order, fill in account.fills(now)
        if (market is None or order.market is market)
        and (side is None or order.buy == (side == "buy"))
    ]
    return _trade_page(rows, call, laws)


def order_trades(exchange: Exchange, call: Call, account: Account, order_id: str) -> Answer:
    now = exchange.world.now()
    found = [o for o in account.orders if str(o.id) == order_id and o.created <= now]
    if not exchange.laws.transfers or not found:
        return not_found()
    return _trade_page([(found[0], f) for f in found[0].filled(now)], call, exchange.laws)


def _trade_page(rows: list[tuple[Order, Fill]], call: Call, laws: Laws) -> Answer:
    ids, times = [f.trade_id for _, f in rows], [f.ms for _, f in rows]
    shown = windows.within(range(len(rows)), ids, times, bounds_of(call, laws))
    at = windows.page(shown, limit_of(call, laws), laws.limit_keeps, laws.order)
    return Answer.of([_trade(*rows[i], laws) for i in at])


def _trade(order: Order, fill: Fill, laws: Laws) -> dict[str, object]:
    market = order.market
    row: dict[str, object] = {
        "id": fill.trade_id,
        "date": date(fill.ms, laws.private_dates),
        "type": "buy" if order.buy else "sell",
        "symbol": market.bitexbit,
        "price": number(text(fill.price), laws.numbers),
        "amount": number(text(fill.amount), laws.numbers),
        "fee_amount": number(text(fill.fee), laws.numbers),
        "fee_rate": number(text(market.fee_ppm * 100), laws.numbers),
        "fee_symbol": market.base if order.buy else market.quote,
    }
    return row | {"is_maker": fill.maker} if laws.extra_fields else row


def balance(exchange: Exchange, call: Call, account: Account) -> Answer:
    names = [name for name in call.query.get("symbols", "").split(",") if name]
    if len(names) > 5:
        raise BadRequest("symbols: at most 5")
    style = exchange.laws.numbers
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
    laws = exchange.laws
    names = (
        ("sell_fee_rate", "buy_fee_rate")
        if laws.fee_keys == "side"
        else ("maker_fee_rate", "taker_fee_rate")
    )

    def rates(ppm: int) -> dict[str, object]:
        return {name: number(text(ppm * 100), laws.numbers) for name in names}

    special = [m for m in exchange.world.markets if m.fee_ppm != 2_000]
    pairs = [{"symbol": m.bitexbit} | rates(m.fee_ppm) for m in special]
    return Answer.of(rates(2_000) | {"pair_fee_rates": pairs})


def transfers(exchange: Exchange, call: Call, account: Account) -> Answer:
    """The later document's deposits and withdrawals, newest first, in numbered pages."""
    laws, now = exchange.laws, exchange.world.now()
    if not laws.transfers:
        return not_found()
    rows = [t for t in account.visible_transactions(now) if t.kind in (1, 2)][::-1]
    size = laws.transfers_page
    if laws.transfers_paging == "offset":
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
            "results": [_transfer(t, now, laws) for t in rows[first : first + size]],
        }
    )


def _natural(call: Call, name: str, default: int) -> int:
    value = call.query.get(name, "")
    return int(value) if value.isdecimal() else default


def _transfer(t: Transaction, now: int, laws: Laws) -> dict[str, object]:
    status = _STATUS[t.status(now)]
    at = datetime.fromtimestamp(t.ms // 1_000, UTC).replace(microsecond=t.ms % 1_000 * 1_000 + 7)
    return {
        "id": t.id,
        "txid": hashlib.sha256(f"sandbox transfer {t.id}".encode()).hexdigest(),
        "date": at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "amount": number(text(t.amount), laws.numbers),
        "currency": {"code": t.currency},
        "status": {"key": status, "name": _STATUS_NAME[status]},
        "is_outgoing": t.kind == 2,
    }
