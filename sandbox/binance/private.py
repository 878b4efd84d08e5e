"""Binance's signed reading calls, and the check of key, signature and time."""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from sandbox.account import Account, Transaction
from sandbox.binance import wallet
from sandbox.binance.rows import (
    first_id,
    integer,
    known,
    limit_of,
    market_of,
    native,
    page_from_id,
    refuse,
    required,
)
from sandbox.binance.switches import BinanceSwitches
from sandbox.book import Order
from sandbox.clock import DAY, SECOND
from sandbox.exchange import Answer, Call, Exchange
from sandbox.jsontext import number
from sandbox.keys import Key, find, make_key
from sandbox.markets import UNIT, text
from sandbox.windows import Rows

KEYS: Final = (make_key("binance", "main", "alpha"), make_key("binance", "second", "beta"))
_LONGEST: Final = 90 * DAY
_DEPOSIT: Final = {"pending": 0, "unconfirmed": 0, "ok": 1, "failed": 2}
_WITHDRAWAL: Final = {"pending": 4, "unconfirmed": 2, "ok": 6, "failed": 5}


def authenticate(exchange: Exchange, call: Call) -> Key:
    """The key that signed the call. Raises ``Refused``."""
    sent = call.headers.get("x-mbx-apikey", "")
    if not sent:
        raise refuse(-2014, "API-key format invalid.", 401)
    found = find(KEYS, sent)
    if found is None:
        raise refuse(-2015, "Invalid API-key, IP, or permissions for action.", 401)
    time = required(call.query, "timestamp")
    payload, _, signature = call.target.partition("?")[2].rpartition("&signature=")
    expected = hmac.new(found.secret.encode(), payload.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected.encode(), signature.encode()):
        raise refuse(-1022, "Signature for this request is not valid.")
    now = exchange.world.clock() + exchange.of(BinanceSwitches).clock_ahead_ms
    within = int(call.query.get("recvWindow", "5000"))
    late = not time.isdecimal() or not now - min(within, 60_000) <= int(time) < now + SECOND
    if late:
        raise refuse(-1021, "Timestamp for this request is outside of the recvWindow.")
    return found


def account(exchange: Exchange, call: Call, owner: Account) -> Answer:
    omits = known(call, "omitZeroBalances").get("omitZeroBalances") == "true"
    switches, now = exchange.of(BinanceSwitches), exchange.world.now()
    style = switches.binance_numbers
    rows = [
        {
            "asset": currency,
            "free": number(text(free), style),
            "locked": number(text(locked), style),
        }
        for currency, (free, locked) in balances(owner, now, switches).items()
        if free or locked or not omits
    ]
    return Answer.of({"accountType": "SPOT", "canTrade": True, "balances": rows})


def balances(owner: Account, now: int, switches: BinanceSwitches) -> dict[str, tuple[int, int]]:
    """Free and locked, in 1e-8: those of the world, and what is of this exchange alone."""
    held = owner.balances(now)
    more = (*wallet.of_wallet(owner, now), *wallet.of_fills(owner, now, switches))
    for currency, amount in more:
        free, locked = held.get(currency, (0, 0))
        held[currency] = free + amount, locked
    return dict(sorted(held.items()))


def my_trades(exchange: Exchange, call: Call, owner: Account) -> Answer:
    given = known(call, "symbol", "fromId", "limit")
    market = market_of(exchange, required(given, "symbol"))
    now, switches = exchange.world.now(), exchange.of(BinanceSwitches)
    first = first_id(exchange.world.tapes[market.symbol])
    fills = [
        side
        for order, fill in owner.fills(now)
        if order.market is market
        for side in wallet.sides(order, fill, switches)
    ]
    rows = Rows([first + s.fill.at for s in fills], [s.fill.ms for s in fills])
    limit = _shortened(limit_of(exchange, given), switches)
    at = page_from_id(exchange, rows, range(len(fills)), integer(given, "fromId"), limit)
    style = switches.binance_numbers
    found = []
    for side in (fills[i] for i in at):
        fill = side.fill
        row: dict[str, Any] = {
            "symbol": native(market),
            "id": first + fill.at,
            "orderId": side.order,
            "orderListId": -1,
            "price": number(text(fill.price), style),
            "qty": number(text(fill.amount), style),
            "quoteQty": number(text(fill.cost), style),
            "commission": number(text(side.fee[1]), style),
            "commissionAsset": side.fee[0],
            "time": fill.ms,
            "isBuyer": side.buy,
            "isMaker": side.maker,
            "isBestMatch": True,
        }
        found.append(row | ({"note": None} if exchange.paging.extra_fields else {}))
    return Answer.of(found)


def _shortened(limit: int, switches: BinanceSwitches) -> int:
    return max(1, limit // 7) if switches.short_pages else limit


def all_orders(exchange: Exchange, call: Call, owner: Account) -> Answer:
    given = known(call, "symbol", "orderId", "limit")
    market = market_of(exchange, required(given, "symbol"))
    now, switches = exchange.world.now(), exchange.of(BinanceSwitches)
    orders = sorted(
        (
            o
            for o in owner.orders
            if o.market is market and o.created <= now and o.id not in exchange.paging.hidden_orders
        ),
        key=lambda o: o.id,
    )
    rows = Rows([o.id for o in orders], [o.created for o in orders])
    limit = _shortened(limit_of(exchange, given), switches)
    at = page_from_id(exchange, rows, range(len(orders)), integer(given, "orderId"), limit)
    return Answer.of([_order(orders[i], now, switches) for i in at])


def _order(order: Order, now: int, switches: BinanceSwitches) -> dict[str, Any]:
    style, fills = switches.binance_numbers, order.filled(now)
    filled, value = sum(f.amount for f in fills), sum(f.price * f.amount for f in fills) // UNIT
    last = fills[-1].ms if fills else order.created
    if order.is_canceled(now):
        status, last = "CANCELED", order.canceled or last
    elif filled == order.amount:
        status = "FILLED"
    else:
        status = "PARTIALLY_FILLED" if filled else "NEW"
    return {
        "symbol": native(order.market),
        "orderId": order.id,
        "orderListId": -1,
        "clientOrderId": f"sandbox-{order.id:x}x",
        "price": number(text(order.price), style),
        "origQty": number(text(order.amount), style),
        "executedQty": number(text(filled), style),
        "cummulativeQuoteQty": number(text(value), style),
        "status": status,
        "timeInForce": "GTC",
        "type": "LIMIT",
        "side": "BUY" if order.buy else "SELL",
        "time": order.created,
        "updateTime": last,
        "isWorking": True,
    }


def trade_fee(exchange: Exchange, call: Call, owner: Account) -> Answer:
    wanted = known(call, "symbol").get("symbol")
    style = exchange.of(BinanceSwitches).binance_numbers

    def row(name: str, ppm: int) -> dict[str, str]:
        rate = number(text(ppm * 100), style)
        return {"symbol": name, "makerCommission": rate, "takerCommission": rate}

    return Answer.of(
        [row(native(m), m.fee_ppm) for m in exchange.markets() if wanted in (None, native(m))]
    )


def deposits(exchange: Exchange, call: Call, owner: Account) -> Answer:
    switches, now = exchange.of(BinanceSwitches), exchange.world.now()
    rows = [(t.ms, _deposit(t, now, switches)) for t in _moves(exchange, owner, 1)]
    return _window(exchange, call, rows)


def withdrawals(exchange: Exchange, call: Call, owner: Account) -> Answer:
    switches, now = exchange.of(BinanceSwitches), exchange.world.now()
    by_end = switches.windows_by == "completeTime"
    rows = [
        (_done(t, now) if by_end else t.ms // SECOND * SECOND, _withdrawal(t, now, switches))
        for t in _moves(exchange, owner, 2)
    ]
    return _window(exchange, call, rows)


def _moves(exchange: Exchange, owner: Account, kind: int) -> list[Transaction]:
    now = exchange.world.now()
    return [t for t in owner.visible_transactions(now)[::-1] if t.kind == kind]


def span_of(
    exchange: Exchange,
    given: Mapping[str, str],
    longest: int,
    names: tuple[str, str] = ("startTime", "endTime"),
) -> tuple[int, int]:
    since, until = (integer(given, name) for name in names)
    high = exchange.world.now() if until is None else until
    low = high - longest if since is None else since
    if high - low > longest:
        raise refuse(-4047, f"Time interval must be within 0-{longest // DAY} days")
    return low, high


def _window(exchange: Exchange, call: Call, rows: list[tuple[int, Any]]) -> Answer:
    given = known(call, "startTime", "endTime", "limit", "offset")
    low, high = span_of(exchange, given, _LONGEST)
    offset, limit = integer(given, "offset") or 0, limit_of(exchange, given)
    shown = [row for at, row in rows if low <= at <= high]
    return Answer.of(shown[offset : offset + limit])


def _done(t: Transaction, now: int) -> int:
    ended = [since for since, status in t.states if since <= now and status in ("ok", "failed")]
    return ended[0] if ended else t.ms


def _deposit(t: Transaction, now: int, switches: BinanceSwitches) -> dict[str, Any]:
    row: dict[str, Any] = {"id": str(t.id)} if switches.deposit_ids else {}
    return row | {
        "amount": number(text(t.amount), switches.binance_numbers),
        "coin": t.currency,
        "network": "TRX",
        "status": _DEPOSIT[t.status(now)],
        "txId": hashlib.sha256(f"sandbox {t.id}".encode()).hexdigest(),
        "insertTime": t.ms,
    }


def _withdrawal(t: Transaction, now: int, switches: BinanceSwitches) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": "b" + hashlib.md5(f"sandbox {t.id}".encode()).hexdigest()[1:],
        "amount": number(text(t.amount), switches.binance_numbers),
        "transactionFee": number(text(0), switches.binance_numbers),
        "coin": t.currency,
        "status": _WITHDRAWAL[t.status(now)],
        "txId": hashlib.sha256(f"sandbox {t.id}".encode()).hexdigest(),
        "applyTime": _utc(t.ms),
    }
    over = t.status(now) in ("ok", "failed")
    return row | ({"completeTime": _utc(_done(t, now))} if over else {})


def _utc(ms: int) -> str:
    return datetime.fromtimestamp(ms // SECOND, UTC).strftime("%Y-%m-%d %H:%M:%S")
