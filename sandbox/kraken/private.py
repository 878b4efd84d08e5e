"""Kraken's private calls that read: key, signature, counter and nonce, then the account.

Calls that trade or move money do not exist here: they are ``EGeneral:Unknown method``.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import parse_qsl

from sandbox.account import Account, Status
from sandbox.book import Fill, Order
from sandbox.clock import DAY
from sandbox.exchange import Answer, Call, Exchange
from sandbox.keys import Key, find, make_key
from sandbox.kraken.ledger import MarginFill, fill_id, ledger, margin_fills, own, transfer_id
from sandbox.kraken.names import (
    asset,
    fail,
    figure,
    find_market,
    ok,
    pair_id,
    pair_name,
    txid,
)
from sandbox.kraken.public import public_id, shuffled
from sandbox.kraken.switches import Counters, KrakenSwitches
from sandbox.markets import UNIT, text

Params = dict[str, str]


def _key(account: str, owner: str) -> Key:
    made = make_key("kraken", account, owner)
    return replace(made, secret=base64.b64encode(made.secret.encode()).decode())


KEYS: Final = (_key("main", "beta"), _key("second", "alpha"))
_PAGE: Final = 50


def handle(exchange: Exchange, call: Call, name: str) -> Answer:
    """Answer one POST to ``/0/private/``."""
    params = dict(parse_qsl(call.body.decode("latin-1"), keep_blank_values=True))
    if exchange.of(KrakenSwitches).kraken_maintenance:
        return fail("EService:Unavailable")
    method = _METHODS.get(name)
    if method is None:
        return fail("EGeneral:Unknown method")
    known = _authenticate(exchange, call, params, method.cost)
    if isinstance(known, Answer):
        return known
    return method.answer(exchange, exchange.world.accounts[known.owner], params)


def _authenticate(exchange: Exchange, call: Call, params: Params, cost: float) -> Key | Answer:
    known = find(KEYS, call.headers.get("api-key", ""))
    if known is None:
        return fail("EAPI:Invalid key")
    nonce = params.get("nonce", "")
    digest = hashlib.sha256(nonce.encode() + call.body).digest()
    secret = base64.b64decode(known.secret)
    expected = hmac.new(secret, call.path.encode() + digest, hashlib.sha512).digest()
    sent = call.headers.get("api-sign", "").encode()
    if not hmac.compare_digest(base64.b64encode(expected), sent):
        return fail("EAPI:Invalid signature")
    limits, switches = exchange.limits, exchange.of(KrakenSwitches)
    if limits.enabled and not exchange.of(Counters).add(known.key, cost, limits.clock(), switches):
        return fail("EAPI:Rate limit exceeded")
    if not nonce.isdecimal() or not exchange.nonces.spend(known.key, int(nonce)):
        return fail("EAPI:Invalid nonce")
    return known


def _balance_ex(exchange: Exchange, account: Account, params: Params) -> Answer:
    now, switches = exchange.world.now(), exchange.of(KrakenSwitches)
    held = {asset(c): (free + held, held) for c, (free, held) in account.balances(now).items()}
    for entry in own(account, now, switches):
        total, reserved = held.get(entry.asset, (0, 0))
        held[entry.asset] = total + entry.amount - entry.fee, reserved
    rows = {
        name: {
            "balance": figure(total, switches.kraken_numbers),
            "hold_trade": figure(reserved, switches.kraken_numbers),
        }
        for name, (total, reserved) in held.items()
    }
    return ok(rows)


def _trade_volume(exchange: Exchange, account: Account, params: Params) -> Answer:
    names = [name for name in params.get("pair", "").split(",") if name]
    found = [find_market(exchange, name) for name in names]
    if None in found:
        return fail("EQuery:Unknown asset pair")
    result: dict[str, Any] = {"currency": "ZUSD", "volume": "1000.0000"}
    if found:
        rates = {pair_id(exchange, m): {"fee": text(m.fee_ppm * 10_000)} for m in found if m}
        result |= {"fees": rates, "fees_maker": rates}
    return ok(result)


@dataclass(frozen=True)
class _Row:
    """A row of a history: its id, its time in milliseconds, and what is sent."""

    id: str
    ms: int
    sent: dict[str, Any]


def _page(exchange: Exchange, params: Params, rows: list[_Row], name: str) -> Answer:
    """The newest of ``rows`` that the parameters choose, or those behind ``ofs`` newer ones."""
    switches = exchange.of(KrakenSwitches)
    start, end = _bound(params, "start", rows), _bound(params, "end", rows)
    chosen = [r for r in rows if (start is None or r.ms > start) and (end is None or r.ms <= end)]
    chosen.sort(key=lambda r: r.ms, reverse=True)
    skip = int(params["ofs"]) if params.get("ofs", "").isdecimal() else 0
    size = min(_PAGE, exchange.paging.page_cap or _PAGE)
    shown = {r.id: r.sent for r in chosen[skip : skip + size]}
    count: int | str = len(chosen) + switches.kraken_count_extra
    if switches.kraken_count == "text":
        count = str(count)
    counted = {} if switches.kraken_count == "missing" else {"count": count}
    return ok({name: shuffled(exchange, shown), **counted})


def _bound(params: Params, name: str, rows: list[_Row]) -> float | None:
    """Milliseconds of a bound: a time in seconds, or the id of a row."""
    sent = params.get(name, "")
    if not sent:
        return None
    if sent.replace(".", "", 1).isdecimal():
        return float(sent) * 1000
    return next((r.ms for r in rows if r.id == sent), None)


def _seconds(ms: int) -> Any:
    return ms / 1000


def _fills(exchange: Exchange, account: Account) -> list[tuple[Order, Fill]]:
    return account.fills(exchange.world.now())


def _trades_history(exchange: Exchange, account: Account, params: Params) -> Answer:
    style = exchange.of(KrakenSwitches).kraken_numbers
    rows: dict[str, _Row] = {}
    merged = params.get("consolidate_taker", "true") != "false"
    for order, fill in _fills(exchange, account):
        sent = {
            "ordertxid": txid("O", order.id),
            "postxid": txid("P", order.id),
            "pair": pair_id(exchange, order.market),
            "time": _seconds(fill.ms),
            "type": "buy" if order.buy else "sell",
            "ordertype": "limit" if fill.maker else "market",
            "price": figure(fill.price, style),
            "cost": figure(fill.cost, style),
            "fee": figure(fill.fee, style),
            "vol": figure(fill.amount, style),
            "margin": "0.00000",
            "misc": "",
            "trade_id": public_id(exchange, fill.at),
            "maker": fill.maker,
        }
        name = fill_id(fill, order)
        if merged and not fill.maker:
            name = txid("T", "taker", order.id)
        rows[name] = _Row(name, fill.ms, sent)
    if exchange.of(KrakenSwitches).kraken_margin:
        for made in margin_fills(account, exchange.world.now()):
            rows[made.id] = _Row(made.id, made.ms, _on_margin(exchange, made))
    return _page(exchange, params, list(rows.values()), "trades")


def _on_margin(exchange: Exchange, fill: MarginFill) -> dict[str, Any]:
    style = exchange.of(KrakenSwitches).kraken_numbers
    return {
        "ordertxid": fill.order_id,
        "pair": pair_id(exchange, fill.market),
        "time": _seconds(fill.ms),
        "type": "buy" if fill.buy else "sell",
        "ordertype": fill.kind,
        "price": figure(fill.price, style),
        "cost": figure(fill.cost, style),
        "fee": figure(fill.fee, style),
        "vol": figure(fill.amount, style),
        "margin": figure(fill.margin, style),
        "misc": "closing" if fill.kind != "market" else "",
    }


def _ledgers(exchange: Exchange, account: Account, params: Params) -> Answer:
    switches = exchange.of(KrakenSwitches)
    style = switches.kraken_numbers
    held: dict[str, int] = {}
    rows = []
    for entry in ledger(account, exchange.world.now(), switches):
        held[entry.asset] = held.get(entry.asset, 0) + entry.amount - entry.fee
        sent = {
            "refid": entry.refid,
            "time": _seconds(entry.ms),
            "type": entry.type,
            "subtype": entry.subtype,
            "aclass": "currency",
            "asset": entry.asset,
            "amount": figure(entry.amount, style),
            "fee": figure(entry.fee, style),
            "balance": figure(held[entry.asset], style),
        }
        rows.append(_Row(entry.id, entry.ms, sent))
    return _page(exchange, params, rows, "ledger")


def _transfers(kind: int) -> Callable[[Exchange, Account, Params], Answer]:
    """The transfers of the last 90 days, newest first: deposits (1) or withdrawals (2)."""
    name, most = {1: ("deposit", 25), 2: ("withdrawal", 500)}[kind]

    def answer(exchange: Exchange, account: Account, params: Params) -> Answer:
        now, switches = exchange.world.now(), exchange.of(KrakenSwitches)
        refusals = {
            "denied": ("EGeneral:Permission denied", 200),
            "unknown": ("EGeneral:Unknown method", 200),
            "down": ("EService:Unavailable", 503),
        }
        if switches.kraken_transfers in refusals:
            return fail(*refusals[switches.kraken_transfers])
        found = [t for t in account.visible_transactions(now) if t.kind == kind]
        found = sorted(found, key=lambda t: t.ms, reverse=True)[:most]
        rows = [
            {
                "method": t.currency,
                "aclass": "currency",
                "asset": asset(t.currency),
                "refid": transfer_id(t),
                "txid": txid("X", t.id) if t.status(now) == "ok" else None,
                "info": txid("N", t.id),
                "amount": figure(t.amount, switches.kraken_numbers),
                "time": t.ms // 1000,
                "status": _PROGRESS[t.status(now)],
            }
            for t in found
            if t.ms > now - 90 * DAY
        ]
        is_object = switches.kraken_transfers == "cursor"
        return ok({name: rows, "next_cursor": None} if is_object else rows)

    return answer


_PROGRESS: Final[dict[Status, str]] = {
    "ok": "Success",
    "pending": "Pending",
    "unconfirmed": "Initial",
    "failed": "Failure",
}


def _order(exchange: Exchange, order: Order, now: int) -> dict[str, Any]:
    style = exchange.of(KrakenSwitches).kraken_numbers
    fills = order.filled(now)
    done, cost = sum(f.amount for f in fills), sum(f.cost for f in fills)
    taker = bool(fills) and not fills[0].maker
    closed = order.canceled if order.is_canceled(now) else (fills[-1].ms if fills else None)
    row: dict[str, Any] = {
        "refid": None,
        "userref": 0,
        "status": "open",
        "opentm": _seconds(order.created),
        "descr": {
            "pair": pair_name(order.market),
            "type": "buy" if order.buy else "sell",
            "ordertype": "market" if taker else "limit",
            "price": "0" if taker else figure(order.price, style),
            "price2": "0",
            "leverage": "none",
        },
        "vol": figure(order.amount, style),
        "vol_exec": figure(done, style),
        "cost": figure(cost, style),
        "fee": figure(sum(f.fee for f in fills), style),
        "price": figure(cost * UNIT // done if done else 0, style),
        "oflags": "fcib" if order.buy else "fciq",
    }
    if not order.is_open(now):
        state = "canceled" if order.is_canceled(now) else "closed"
        row |= {"status": state, "closetm": _seconds(closed or order.created), "reason": None}
    return row


def _open_orders(exchange: Exchange, account: Account, params: Params) -> Answer:
    now, hidden = exchange.world.now(), exchange.paging.hidden_orders
    found = [o for o in account.orders if o.is_open(now) and o.id not in hidden]
    rows = {txid("O", o.id): _order(exchange, o, now) for o in found}
    return ok({"open": shuffled(exchange, rows)})


def _closed_orders(exchange: Exchange, account: Account, params: Params) -> Answer:
    now = exchange.world.now()
    rows = []
    for order in account.orders:
        if order.created <= now and not order.is_open(now):
            sent = _order(exchange, order, now)
            rows.append(_Row(txid("O", order.id), round(sent["closetm"] * 1000), sent))
    return _page(exchange, params, rows, "closed")


@dataclass(frozen=True)
class _Method:
    cost: float
    answer: Callable[[Exchange, Account, Params], Answer]


_METHODS: Final = {
    "BalanceEx": _Method(1, _balance_ex),
    "TradeVolume": _Method(1, _trade_volume),
    "TradesHistory": _Method(2, _trades_history),
    "Ledgers": _Method(2, _ledgers),
    "DepositStatus": _Method(1, _transfers(1)),
    "WithdrawStatus": _Method(1, _transfers(2)),
    "OpenOrders": _Method(1, _open_orders),
    "ClosedOrders": _Method(2, _closed_orders),
}
