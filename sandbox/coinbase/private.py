"""Coinbase Exchange, the reading calls of an account, and the check of key, time and signature.

What an account holds is the sum of its ledger (:mod:`sandbox.coinbase.ledger`).
"""

import base64
import hashlib
import hmac
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

from sandbox.account import Account, Transaction
from sandbox.book import Fill, Order
from sandbox.clock import DAY
from sandbox.coinbase.ledger import MAKER_PPM, TAKER_PPM, WIDE, Entry, fee_of, ledger
from sandbox.coinbase.shape import (
    Refused,
    amount,
    between,
    fail,
    integer,
    iso,
    limit_of,
    long,
    microseconds,
    native,
    page,
    product,
    spaced,
    uuid,
)
from sandbox.coinbase.switches import CoinbaseSwitches
from sandbox.exchange import Answer, Call, Exchange
from sandbox.keys import Key, find
from sandbox.markets import UNIT, text

_LATE_MS: Final = 30_000
_FIRST_ENTRY: Final = 11_700_000_000
_FEE_SHARE: Final = 1_000
"""The fee of a withdrawal is that part of its amount."""
_ORDER, _ACCOUNT, _TRANSFER = range(3)


def _key(account: str, owner: str) -> Key:
    name = "COINBASE" if account == "main" else f"COINBASE_{account}".upper()
    secret = base64.b64encode(f"SANDBOX0 {name} FAKE, not a real one".encode()).decode()
    tag = f"SANDBOX0-{name.replace('_', '-')}-FAKE"
    return Key("coinbase", account, owner, f"{tag}-KEY", secret, name, passphrase=f"{tag}-PHRASE")


KEYS: Final = (_key("main", "alpha"), _key("second", "beta"))


def authenticate(exchange: Exchange, call: Call) -> Account | Answer:
    """The account whose key signed the call, or the refusal."""
    sent = {name: call.headers.get(f"cb-access-{name}", "") for name in ("key", "sign")}
    stamp = call.headers.get("cb-access-timestamp", "")
    known = find(KEYS, sent["key"])
    if known is None:
        return fail("Invalid API Key", 401)
    message = f"{stamp}GET{call.target}{call.body.decode('latin-1')}".encode("latin-1")
    made = hmac.new(base64.b64decode(known.secret), message, hashlib.sha256).digest()
    if not hmac.compare_digest(base64.b64encode(made), sent["sign"].encode("latin-1")):
        return fail("invalid signature", 401)
    if call.headers.get("cb-access-passphrase") != known.passphrase:
        return fail("Invalid Passphrase", 401)
    now = exchange.world.now() + exchange.of(CoinbaseSwitches).cb_clock_ahead_ms
    try:
        late = abs(float(stamp) * 1000 - now) > _LATE_MS
    except ValueError:
        return fail("invalid timestamp", 400)
    if late:
        return fail("request timestamp expired", 400)
    fills = call.path == "/fills"
    if not exchange.limits.allow(f"coinbase:{known.owner}", 30) or (
        fills and not exchange.limits.allow(f"coinbase:{known.owner}:fills", 20)
    ):
        return fail("Private rate limit exceeded", 429)
    return exchange.world.accounts[known.owner]


# Fills.


def _number(fill: Fill) -> int:
    """The id of the public trade."""
    return fill.at + 1


def fills(exchange: Exchange, call: Call, account: Account) -> Answer:
    now, wanted = exchange.world.now(), call.query.get("order_id", "")
    name = call.query.get("product_id", "")
    if not (name or wanted):
        raise Refused("Either product_id or order_id must be provided")
    market = product(exchange, name) if name else None
    if market is not None and not market.enabled:
        raise Refused("NotFound", 404)
    found = [
        (order, fill)
        for order, fill in account.fills(now)
        if (market is None or order.market is market) and wanted in ("", uuid(_ORDER, order.id))
    ]
    found.sort(key=lambda pair: _number(pair[1]))
    numbers = [_number(fill) for _, fill in found]
    most = exchange.of(CoinbaseSwitches).cb_most
    cursors = integer(call, "before"), integer(call, "after")
    limit = limit_of(exchange, call, 100, most)
    at = between(exchange, range(len(found)), numbers, cursors, limit)
    return page([_fill(exchange, *found[i], now) for i in at], [numbers[i] for i in at])


def _fill(exchange: Exchange, order: Order, fill: Fill, now: int) -> dict[str, Any]:
    settled = now - fill.ms >= exchange.of(CoinbaseSwitches).cb_settles_ms
    return {
        "created_at": iso(fill.ms, 7),
        "trade_id": _number(fill),
        "product_id": native(order.market),
        "order_id": uuid(_ORDER, order.id),
        "user_id": "78fa00000000000000000001",
        "profile_id": uuid(_ACCOUNT, 0),
        "liquidity": "M" if fill.maker else "T",
        "price": amount(exchange, text(fill.price)),
        "size": amount(exchange, text(fill.amount)),
        "fee": amount(exchange, long(fee_of(fill) if settled else 0)),
        "side": "buy" if order.buy else "sell",
        "settled": settled,
        "usd_volume": amount(exchange, text(fill.cost)),
    }


# Orders.


def orders(exchange: Exchange, call: Call, account: Account) -> Answer:
    """Newest first; only open ones, unless ``status`` says otherwise."""
    now, switches, query = exchange.world.now(), exchange.of(CoinbaseSwitches), call.query
    if query.get("sortedBy", "created_at") != "created_at":
        raise Refused("invalid sortedBy")
    wanted = query.get("status", "open")

    def shown(order: Order) -> bool:
        purged = switches.cb_purges and order.is_canceled(now) and not order.filled(now)
        return (
            order.created <= now
            and order.id not in exchange.paging.hidden_orders
            and not purged
            and (wanted == "all" or order.is_open(now))
            and query.get("product_id", native(order.market)) == native(order.market)
        )

    found = sorted(filter(shown, account.orders), key=lambda o: (o.created, o.id))
    created = [_created(o) for o in found]
    low = microseconds(query["start_date"], "start_date") if "start_date" in query else 0
    high = microseconds(query["end_date"], "end_date") if "end_date" in query else 2**62
    gap = 1 if switches.cb_dates_open else 0
    inside = [i for i, at in enumerate(created) if low + gap <= at <= high - gap]
    before, after = (
        microseconds(query[name], name) if name in query else None for name in ("before", "after")
    )
    limit = limit_of(exchange, call, 100, switches.cb_most)
    at = between(exchange, inside, created, (before, after), limit)
    if query.get("sorting") == "asc":
        at = at[::-1]
    rows = [_order(exchange, found[i], now) for i in at]
    return page(rows, [row["created_at"] for row in rows])


def _created(order: Order) -> int:
    return order.created * 1000 + 7


def _order(exchange: Exchange, order: Order, now: int) -> dict[str, Any]:
    done, canceled = order.filled(now), order.is_canceled(now)
    left, value = order.unfilled(now), sum(f.cost for f in done)
    row: dict[str, Any] = {
        "id": uuid(_ORDER, order.id),
        "price": amount(exchange, text(order.price)),
        "size": amount(exchange, text(order.amount)),
        "product_id": native(order.market),
        "side": "buy" if order.buy else "sell",
        "type": "limit",
        "time_in_force": "GTC",
        "post_only": False,
        "created_at": iso(order.created, 7),
        "fill_fees": amount(exchange, long(sum(map(fee_of, done)))),
        "filled_size": amount(exchange, text(order.amount - left)),
        "executed_value": amount(exchange, long(value * WIDE)),
        "status": "open" if order.is_open(now) else "done",
        "settled": not order.is_open(now),
    }
    if not order.is_open(now):
        ended = order.canceled if canceled else done[-1].ms
        assert ended is not None
        row |= {"done_at": iso(ended), "done_reason": "canceled" if canceled else "filled"}
    return row


# Transfers, and what is held.


def _parts(exchange: Exchange, t: Transaction) -> tuple[int, int]:
    """What arrives, and the fee of a withdrawal besides, in 1e-8."""
    fee = t.amount // _FEE_SHARE if t.kind == 2 else 0
    return t.amount - fee, fee


def transfers(exchange: Exchange, call: Call, account: Account) -> Answer:
    now = exchange.world.now()
    found = [t for t in account.visible_transactions(now) if t.kind in (1, 2)]
    wanted = call.query.get("type", "")
    found = [t for t in found if wanted in ("", "deposit" if t.kind == 1 else "withdraw")]
    created = [t.ms * 1000 + 7 for t in found]
    before, after = (
        microseconds(call.query[name], name) if name in call.query else None
        for name in ("before", "after")
    )
    limit = limit_of(exchange, call, 30, 100)
    at = between(exchange, range(len(found)), created, (before, after), limit)
    rows = [_transfer(exchange, found[i], now) for i in at]
    return page(rows, [row["created_at"] for row in rows])


def _transfer(exchange: Exchange, t: Transaction, now: int) -> dict[str, Any]:
    status, ended = t.status(now), spaced(t.states[-1][0])
    arrives, fee = _parts(exchange, t)
    details: dict[str, object] = {"crypto_transaction_hash": uuid(_TRANSFER, -t.id)}
    if t.kind == 2:
        details["fee"] = amount(exchange, text(fee))
        if not exchange.of(CoinbaseSwitches).cb_fee_included:
            details["subtotal"] = amount(exchange, text(arrives))
    return {
        "id": uuid(_TRANSFER, t.id),
        "type": "deposit" if t.kind == 1 else "withdraw",
        "created_at": spaced(t.ms, 7),
        "completed_at": ended if status == "ok" else None,
        "canceled_at": ended if status == "failed" else None,
        "processed_at": ended if status == "ok" else None,
        "account_id": uuid(_ACCOUNT, 1),
        "amount": amount(exchange, text(t.amount)),
        "currency": t.currency,
        "details": details,
        "user_nonce": None,
    }


def accounts(exchange: Exchange, call: Call, account: Account) -> Answer:
    now = exchange.world.now()
    held, hold = balances(account, now)
    return Answer.of(
        [
            {
                "id": uuid(_ACCOUNT, number),
                "currency": c.code,
                "balance": amount(exchange, long(held[c.code])),
                "hold": amount(exchange, long(hold[c.code])),
                "available": amount(exchange, long(held[c.code] - hold[c.code])),
                "profile_id": uuid(_ACCOUNT, 0),
                "trading_enabled": True,
            }
            for number, c in enumerate(exchange.world.currencies, 2)
        ]
    )


def balances(account: Account, now: int) -> tuple[dict[str, int], dict[str, int]]:
    """What is held and what of it open orders hold back, in 1e-16, by currency."""
    held: dict[str, int] = defaultdict(int)
    hold: dict[str, int] = defaultdict(int)
    for entry in ledger(account, now):
        held[entry.currency] += entry.amount
    for order in account.orders:
        if order.is_open(now):
            hold[order.held_currency] += order.hold(order.unfilled(now)) * WIDE
    return held, hold


def account_ledger(exchange: Exchange, call: Call, account: Account, name: str) -> Answer:
    """Of one currency, newest first; without dates, of the last day."""
    now, switches, query = exchange.world.now(), exchange.of(CoinbaseSwitches), call.query
    numbers = enumerate(exchange.world.currencies, 2)
    currency = next((c.code for at, c in numbers if uuid(_ACCOUNT, at) == name), None)
    if currency is None:
        raise Refused("NotFound", 404)
    both = "start_date" in query and "end_date" in query
    given = both or (switches.cb_one_date == "applied" and {"start_date", "end_date"} & {*query})
    low = high = None
    if given:
        low, high = (
            microseconds(query[date], date) if date in query else None
            for date in ("start_date", "end_date")
        )
    low = (now - DAY) * 1000 if not given else low
    entries = [(n, e) for n, e in enumerate(ledger(account, now), 1) if e.currency == currency]
    shown: Sequence[int] = [
        i
        for i, (_, e) in enumerate(entries)
        if (low is None or low <= e.ms * 1000 + 7) and (high is None or e.ms * 1000 + 7 <= high)
    ]
    ids = [_FIRST_ENTRY + n for n, _ in entries]
    cursors = integer(call, "before"), integer(call, "after")
    limit = limit_of(exchange, call, 100, switches.cb_most)
    at = between(exchange, [*shown], ids, cursors, limit)
    balance, balances_after = 0, []
    for _, entry in entries:
        balance += entry.amount
        balances_after.append(balance)
    rows = [_entry(exchange, ids[i], entries[i][1], balances_after[i]) for i in at]
    return page(rows, [row["id"] for row in rows])


def _entry(exchange: Exchange, number: int, entry: Entry, balance: int) -> dict[str, Any]:
    return {
        "id": str(number),
        "amount": amount(exchange, long(entry.amount)),
        "balance": amount(exchange, long(balance)),
        "created_at": iso(entry.ms, 7),
        "type": entry.type,
        "details": dict(entry.details),
    }


def fees(exchange: Exchange, call: Call, account: Account) -> Answer:
    rates = {"maker_fee_rate": MAKER_PPM, "taker_fee_rate": TAKER_PPM}
    row = {name: amount(exchange, text(ppm * UNIT // 1_000_000)) for name, ppm in rates.items()}
    return Answer.of(row | {"usd_volume": amount(exchange, "43806.92")})
