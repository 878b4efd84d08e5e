"""OKX, the reading calls of an account, and the check of key, time, signature and passphrase."""

import base64
import hashlib
import hmac
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from sandbox.account import Account, Transaction
from sandbox.book import Fill, Order
from sandbox.exchange import Answer, Call, Exchange
from sandbox.keys import Key, find
from sandbox.markets import text
from sandbox.okx.ledger import Entry, fee_of, ledger
from sandbox.okx.shape import (
    Refused,
    amount,
    between,
    cursors_of,
    extended,
    integer,
    limit_of,
    native,
    needed,
    rows,
)
from sandbox.okx.switches import OkxSwitches

_LATE_MS: Final = 30_000
_IDS: Final = 600_000_000_000_000_000
"""Ids of orders and entries have 18 digits."""


def _key(account: str, owner: str) -> Key:
    name = "CCXT_OKX" if account == "main" else f"CCXT_OKX_{account}".upper()
    tag = f"SANDBOX0-{name.replace('_', '-')}-FAKE"
    secret = f"{tag}-SECRET-not-a-real-one"
    return Key("ccxt:okx", account, owner, f"{tag}-KEY", secret, name, passphrase=f"{tag}-PHRASE")


KEYS: Final = (_key("main", "alpha"), _key("second", "beta"))


def authenticate(exchange: Exchange, call: Call) -> Account:
    """The account whose key signed the call. Raises :class:`Refused`."""
    names = ("key", "sign", "timestamp", "passphrase")
    sent = {name: call.headers.get(f"ok-access-{name}", "") for name in names}
    for name, value in sent.items():
        if not value:
            raise Refused("50103", f"Request header OK-ACCESS-{name.upper()} can't be empty.", 401)
    known = find(KEYS, sent["key"])
    if known is None:
        raise Refused("50111", "Invalid OK-ACCESS-KEY", 401)
    try:
        moment = datetime.fromisoformat(sent["timestamp"]).astimezone(UTC).timestamp() * 1000
    except ValueError:
        raise Refused("50112", "Invalid OK-ACCESS-TIMESTAMP", 401) from None
    now = exchange.world.now() + exchange.of(OkxSwitches).okx_clock_ahead_ms
    if abs(moment - now) > _LATE_MS:
        raise Refused("50102", "Timestamp request expired", 401)
    message = f"{sent['timestamp']}GET{call.target}{call.body.decode('latin-1')}"
    made = hmac.new(known.secret.encode(), message.encode("latin-1"), hashlib.sha256).digest()
    if not hmac.compare_digest(base64.b64encode(made), sent["sign"].encode("latin-1")):
        raise Refused("50113", "Invalid Sign", 401)
    if sent["passphrase"] != known.passphrase:
        raise Refused("50105", "Request header OK-ACCESS-PASSPHRASE incorrect.", 401)
    return exchange.world.accounts[known.owner]


def _page(
    exchange: Exchange,
    call: Call,
    times: Sequence[int],
    keys: Sequence[int],
    row: Callable[[int], Any],
) -> Answer:
    """Rows of a window, newest first; ``keys``: what ``after`` and ``before`` name."""
    switches, ignored = exchange.of(OkxSwitches), exchange.paging.ignored
    low = integer(call, "begin") if "begin" not in ignored else None
    high = integer(call, "end") if "end" not in ignored else None
    gap = 1 if switches.okx_ends_open else 0
    shown = [
        i
        for i, ms in enumerate(times)
        if (low is None or ms >= low + gap) and (high is None or ms <= high - gap)
    ]
    paging, now = exchange.paging, exchange.world.now()
    if paging.hidden_ms and (paging.hidden_until is None or now < paging.hidden_until):
        first, last = paging.hidden_ms
        shown = [i for i in shown if not first <= times[i] <= last]
    limit = limit_of(exchange, call, switches.okx_most)
    return rows([row(i) for i in between(keys, shown, cursors_of(call), limit)])


# Fills and orders.


def fills_history(exchange: Exchange, call: Call, account: Account) -> Answer:
    needed(call, "instType")
    found = account.fills(exchange.world.now())
    found.sort(key=lambda pair: (pair[1].ms, pair[1].trade_id))
    ids = [_IDS + n for n in range(1, len(found) + 1)]
    times = [fill.ms for _, fill in found]
    return _page(exchange, call, times, ids, lambda i: _fill(exchange, ids[i], *found[i]))


def _fill(exchange: Exchange, bill: int, order: Order, fill: Fill) -> dict[str, Any]:
    row = {
        "instType": "SPOT",
        "instId": native(order.market),
        "tradeId": str(fill.at + 1),
        "ordId": str(_IDS + order.id),
        "billId": str(bill),
        "side": "buy" if order.buy else "sell",
        "fillPx": amount(exchange, text(fill.price)),
        "fillSz": amount(exchange, text(fill.amount)),
        "execType": "M" if fill.maker else "T",
        "fee": amount(exchange, text(-fill.fee)),
        "feeCcy": order.market.base if order.buy else order.market.quote,
        "fillTime": str(fill.ms),
        "ts": str(fill.ms),
    }
    return extended(exchange, row)


def _orders(
    exchange: Exchange, call: Call, account: Account, is_shown: Callable[[Order, int], bool]
) -> Answer:
    now, hidden = exchange.world.now(), exchange.paging.hidden_orders
    found = sorted(
        (o for o in account.orders if o.created <= now and is_shown(o, now)), key=lambda o: o.id
    )
    found = [o for o in found if not (o.is_open(now) and o.id in hidden)]
    ids = [_IDS + o.id for o in found]
    times = [o.created for o in found]
    return _page(exchange, call, times, ids, lambda i: _order(exchange, found[i], now))


def orders_pending(exchange: Exchange, call: Call, account: Account) -> Answer:
    return _orders(exchange, call, account, lambda o, now: o.is_open(now))


def orders_archive(exchange: Exchange, call: Call, account: Account) -> Answer:
    """What was filled, in whole or in part, and has ended."""
    needed(call, "instType")
    return _orders(
        exchange, call, account, lambda o, now: not o.is_open(now) and bool(o.filled(now))
    )


def _order(exchange: Exchange, order: Order, now: int) -> dict[str, Any]:
    done, canceled = order.filled(now), order.is_canceled(now)
    filled = sum(fill.amount for fill in done)
    cost = sum(fill.cost for fill in done)
    ended = order.canceled if canceled else done[-1].ms if done else order.created
    state = "canceled" if canceled else "live" if not done else "partially_filled"
    state = "filled" if not canceled and not order.is_open(now) else state
    row = {
        "instType": "SPOT",
        "instId": native(order.market),
        "ordId": str(_IDS + order.id),
        "cTime": str(order.created),
        "uTime": str(ended),
        "side": "buy" if order.buy else "sell",
        "ordType": "limit",
        "tgtCcy": "",
        "px": amount(exchange, text(order.price)),
        "sz": amount(exchange, text(order.amount)),
        "accFillSz": amount(exchange, text(filled)),
        "avgPx": amount(exchange, text(cost * 10**8 // filled)) if filled else "",
        "fee": amount(exchange, text(-sum(fill.fee for fill in done))),
        "feeCcy": order.market.base if order.buy else order.market.quote,
        "fillTime": str(done[-1].ms) if done else "",
        "state": state,
    }
    return extended(exchange, row)


# Deposits, withdrawals and the two ledgers.


def _moves(exchange: Exchange, account: Account, kind: int) -> list[Transaction]:
    found = account.visible_transactions(exchange.world.now())
    return sorted((t for t in found if t.kind == kind), key=lambda t: t.ms)


_DEPOSITED: Final = {"ok": "2", "pending": "0", "failed": "12", "unconfirmed": "0"}
_WITHDRAWN: Final = {"ok": "2", "pending": "0", "failed": "-1", "unconfirmed": "0"}


def deposit_history(exchange: Exchange, call: Call, account: Account) -> Answer:
    found, now = _moves(exchange, account, 1), exchange.world.now()
    times = [t.ms for t in found]

    def row(i: int) -> dict[str, Any]:
        t = found[i]
        return extended(
            exchange,
            {
                "depId": str(t.id),
                "ccy": t.currency,
                "amt": amount(exchange, text(t.amount)),
                "ts": str(t.ms),
                "state": _DEPOSITED[t.status(now)],
                "txId": f"0x{t.id:064x}",
                "chain": f"{t.currency}-Sandbox",
            },
        )

    return _page(exchange, call, times, times, row)


def withdrawal_history(exchange: Exchange, call: Call, account: Account) -> Answer:
    found, now = _moves(exchange, account, 2), exchange.world.now()
    times = [t.ms for t in found]

    def row(i: int) -> dict[str, Any]:
        t = found[i]
        fee = fee_of(t.amount)
        return extended(
            exchange,
            {
                "wdId": str(t.id),
                "ccy": t.currency,
                "amt": amount(exchange, text(t.amount - fee)),
                "fee": amount(exchange, text(fee)),
                "ts": str(t.ms),
                "state": _WITHDRAWN[t.status(now)],
                "txId": f"0x{t.id:064x}" if t.status(now) == "ok" else "",
                "chain": f"{t.currency}-Sandbox",
            },
        )

    return _page(exchange, call, times, times, row)


def funding_bills(exchange: Exchange, call: Call, account: Account) -> Answer:
    """By time, as long as nothing else is asked for."""
    entries = [(n, e) for n, e in _numbered(exchange, account) if e.funding]
    times = [e.ms for _, e in entries]
    return _page(exchange, call, times, times, lambda i: _bill(exchange, *entries[i]))


def trading_bills(exchange: Exchange, call: Call, account: Account) -> Answer:
    """By the number of the entry."""
    entries = [(n, e) for n, e in _numbered(exchange, account) if not e.funding]
    times = [e.ms for _, e in entries]
    ids = [n for n, _ in entries]
    return _page(exchange, call, times, ids, lambda i: _bill(exchange, *entries[i]))


def _numbered(exchange: Exchange, account: Account) -> list[tuple[int, Entry]]:
    found = ledger(account, exchange.world.now())
    return [(2 * _IDS + n, entry) for n, entry in enumerate(found, 1)]


def _bill(exchange: Exchange, number: int, entry: Entry) -> dict[str, Any]:
    row = {
        "billId": str(number),
        "ccy": entry.currency,
        "balChg": amount(exchange, text(entry.amount)),
        "type": entry.type,
        "subType": "" if entry.funding else "1",
        "ts": str(entry.ms),
        "notes": "",
    }
    return extended(exchange, row)


# What is held.


def held(account: Account, now: int, *, funding: bool) -> dict[str, int]:
    """What one of the two accounts holds, by currency."""
    found: dict[str, int] = defaultdict(int)
    for entry in ledger(account, now):
        if entry.funding == funding:
            found[entry.currency] += entry.amount
    return found


def balance(exchange: Exchange, call: Call, account: Account) -> Answer:
    """Of the trading account."""
    now = exchange.world.now()
    hold: dict[str, int] = defaultdict(int)
    for order in (o for o in account.orders if o.is_open(now)):
        hold[order.held_currency] += order.hold(order.unfilled(now))
    details = [
        {
            "ccy": code,
            "cashBal": amount(exchange, text(value)),
            "availBal": amount(exchange, text(value - hold[code])),
            "frozenBal": amount(exchange, text(hold[code])),
            "eq": amount(exchange, text(value)),
        }
        for code, value in sorted(held(account, now, funding=False).items())
    ]
    return rows([{"totalEq": "1", "uTime": str(now), "details": details}])


def funding_balances(exchange: Exchange, call: Call, account: Account) -> Answer:
    found = held(account, exchange.world.now(), funding=True)
    return rows(
        [
            {
                "ccy": code,
                "bal": amount(exchange, text(value)),
                "availBal": amount(exchange, text(value)),
                "frozenBal": amount(exchange, "0"),
            }
            for code, value in sorted(found.items())
        ]
    )


def config(exchange: Exchange, call: Call, account: Account) -> Answer:
    return rows([{"uid": "1", "perm": exchange.of(OkxSwitches).okx_rights, "acctLv": "1"}])


def trade_fee(exchange: Exchange, call: Call, account: Account) -> Answer:
    needed(call, "instType")
    rates = {"maker": "-0.0008", "taker": "-0.001"}
    row = {name: amount(exchange, rate) for name, rate in rates.items()}
    return rows([row | {"instType": "SPOT", "level": "lv1", "makerUSDC": "", "takerUSDC": ""}])
