"""Signed calls of the BTC-e dialect: key, sign and nonce in the order of a real server, and the
reading methods.

Methods that trade or move money do not exist here: they are ``Invalid method`` like any other
unknown name.
"""

import hashlib
import hmac
from collections.abc import Callable
from decimal import Context, Decimal
from random import Random
from typing import Any, Final
from urllib.parse import parse_qsl

from sandbox.account import Account
from sandbox.clock import DAY
from sandbox.exchange import Answer, Call, Exchange
from sandbox.jsontext import encode, number
from sandbox.keys import Key, find, make_key
from sandbox.markets import text
from sandbox.wex.public import Refusal, fail, native
from sandbox.wex.switches import Flavor, WexSwitches
from sandbox.windows import Bounds, Rows


def keys_of(exchange: str) -> tuple[Key, ...]:
    """The second one may trade, which is more than reading needs."""
    return (
        make_key(exchange, "main", "beta"),
        make_key(exchange, "second", "alpha", ("info", "trade")),
        make_key(exchange, "norights", "beta", ()),
    )


_STATUS: Final = {"failed": 0, "pending": 1, "ok": 2, "unconfirmed": 3}

Params = dict[str, str]


def handle(exchange: Exchange, call: Call, flavor: Flavor) -> Answer:
    """Answer one POST."""
    params = dict(parse_qsl(call.body.decode("latin-1"), keep_blank_values=True))
    try:
        known = _authenticate(exchange, call, flavor, params)
        name = params.get("method", "")
        if name not in flavor.methods:
            raise Refusal("Invalid method")
        if "info" not in known.rights:
            raise Refusal("api key dont have info permission")
        if name in flavor.of_pair and not params.get("pair"):
            raise Refusal("invalid parameter: pair")
        if name == "getInfo" and flavor.has_totals:
            return _with_totals(exchange, exchange.world.accounts[known.owner], known, params)
        return METHODS[name](exchange, exchange.world.accounts[known.owner], known, params)
    except Refusal as error:
        return fail(str(error))


def _authenticate(exchange: Exchange, call: Call, flavor: Flavor, params: Params) -> Key:
    key = call.headers.get("key", "")
    if not key:
        raise Refusal("api key not specified")
    known = find(flavor.keys, key)
    if known is None:
        raise Refusal("invalid api key")
    expected = hmac.new(known.secret.encode(), call.body, hashlib.sha512).hexdigest()
    if not hmac.compare_digest(expected.encode(), call.headers.get("sign", "").encode()):
        raise Refusal("invalid sign")
    switches = exchange.of(WexSwitches)
    if not exchange.limits.allow(f"{flavor.name}:{known.owner}", switches.wex_private_per_second):
        raise Refusal("Requests too often")
    sent = params.get("nonce", "")
    valid = sent.isdecimal() and 1 <= int(sent) <= flavor.max_nonce
    if not valid or not exchange.nonces.spend(key, int(sent)):
        highest = exchange.nonces.highest(key)
        hint = f", you should send:{highest + 1}" if switches.wex_nonce_hint else ""
        raise Refusal(f"invalid nonce parameter; on key:{highest}, you sent:'{sent}'{hint}")
    return known


def _ok(exchange: Exchange, value: dict[str, Any]) -> Answer:
    return Answer.of({"success": exchange.of(WexSwitches).wex_success, "return": value})


def _rows(exchange: Exchange, rows: dict[str, Any], empty: str) -> Answer:
    """An object keyed by id; nothing at all is an error in this dialect."""
    switches = exchange.of(WexSwitches)
    if rows:
        if switches.wex_shuffled_keys:
            keys = list(rows)
            Random(len(keys)).shuffle(keys)
            rows = {key: rows[key] for key in keys}
        return _ok(exchange, rows)
    if switches.wex_empty == "error":
        raise Refusal(empty)
    body = "{}" if switches.wex_empty == "object" else "[]"
    return Answer(f'{{"success":{encode(switches.wex_success)},"return":{body}}}'.encode())


def _get_info(exchange: Exchange, account: Account, key: Key, params: Params) -> Answer:
    return _ok(exchange, _info(exchange, account, key))


def _with_totals(exchange: Exchange, account: Account, key: Key, params: Params) -> Answer:
    """Besides what is free, all that is held; coins that were never held are absent."""
    balances, style = account.balances(exchange.world.now()), exchange.of(WexSwitches).wex_numbers
    row = _info(exchange, account, key)
    row["funds"] = {c: v for c, v in row["funds"].items() if c.upper() in balances}
    row["funds_incl_orders"] = {
        code.lower(): number(text(free + held), style) for code, (free, held) in balances.items()
    }
    return _ok(exchange, row)


def _info(exchange: Exchange, account: Account, key: Key) -> dict[str, Any]:
    now = exchange.world.now()
    balances, style = account.balances(now), exchange.of(WexSwitches).wex_numbers
    funds = {
        c.code.lower(): number(text(balances.get(c.code, (0, 0))[0]), style)
        for c in exchange.world.currencies
    }
    return {
        "funds": funds,
        "rights": {name: int(name in key.rights) for name in ("info", "trade", "withdraw")},
        "transaction_count": 0,
        "open_orders": sum(order.is_open(now) for order in account.orders),
        "server_time": now // 1_000,
    }


def _active_orders(exchange: Exchange, account: Account, key: Key, params: Params) -> Answer:
    now, style = exchange.world.now(), exchange.of(WexSwitches).wex_numbers
    pair = _pair(exchange, params)
    rows = {
        str(o.id): {
            "pair": native(o.market),
            "type": "buy" if o.buy else "sell",
            "amount": number(text(o.unfilled(now)), style),
            "rate": number(text(o.price), style),
            "timestamp_created": o.created // 1_000,
            "status": 0,
        }
        for o in reversed(account.orders)
        if o.is_open(now)
        and o.id not in exchange.paging.hidden_orders
        and pair in ("", native(o.market))
    }
    return _rows(exchange, rows, "no orders")


def _order_info(exchange: Exchange, account: Account, key: Key, params: Params) -> Answer:
    now, style = exchange.world.now(), exchange.of(WexSwitches).wex_numbers
    wanted = params.get("order_id", "")
    order = next((o for o in account.orders if str(o.id) == wanted and o.created <= now), None)
    if order is None:
        raise Refusal("invalid order")
    left = order.unfilled(now)
    # 0 active, 1 filled, 2 cancelled, 3 cancelled after a part was filled
    states = (3 if left < order.amount else 2, 0 if left else 1)
    status = states[0] if order.is_canceled(now) else states[1]
    row = {
        "pair": native(order.market),
        "type": "buy" if order.buy else "sell",
        "start_amount": number(text(order.amount), style),
        "amount": number(text(left), style),
        "rate": number(text(order.price), style),
        "timestamp_created": order.created // 1_000,
        "status": status,
    }
    return _ok(exchange, {wanted: row})


def _trade_history(exchange: Exchange, account: Account, key: Key, params: Params) -> Answer:
    switches, ignored = exchange.of(WexSwitches), exchange.paging.ignored
    now = exchange.world.now()
    pair = "" if "pair" in ignored else _pair(exchange, params)
    fills = [(o, f) for o, f in account.fills(now) if pair in ("", native(o.market))]
    if "since" in params and "since" not in ignored:
        fills = [(o, f) for o, f in fills if f.ms > now - 7 * DAY]
    at = _history(exchange, params, Rows([f.trade_id for _, f in fills], [f.ms for _, f in fills]))
    digits, style = switches.wex_trade_digits, switches.wex_numbers
    rows = {}
    for order, fill in (fills[i] for i in at):
        rows[str(fill.trade_id)] = {
            "pair": native(order.market),
            "type": "buy" if order.buy else "sell",
            "amount": number(_rounded(text(fill.amount), digits), style),
            "rate": number(_rounded(text(fill.price), digits), style),
            "order_id": order.id if fill.maker else fill.maker_order,
            "is_your_order": int(fill.maker),
            "timestamp": fill.ms // 1_000,
        }
    return _rows(exchange, rows, "no trades")


def _pair(exchange: Exchange, params: Params) -> str:
    pair = params.get("pair", "")
    if pair and not any(native(m) == pair for m in exchange.markets()):
        raise Refusal(f"Invalid pair name: {pair}")
    return pair


def _rounded(number: str, digits: int | None) -> str:
    return number if digits is None else f"{Context(prec=digits).plus(Decimal(number)):f}"


def _trans_history(exchange: Exchange, account: Account, key: Key, params: Params) -> Answer:
    switches, now = exchange.of(WexSwitches), exchange.world.now()
    lines = account.visible_transactions(now)
    at = _history(exchange, params, Rows([t.id for t in lines], [t.ms for t in lines]))
    rows = {
        str(t.id): {
            "type": t.kind,
            "amount": number(text(t.amount), switches.wex_numbers),
            "currency": t.currency,
            "desc": t.desc,
            "status": _STATUS[t.status(now)],
            "timestamp": t.ms // 1_000,
        }
        for t in (lines[i] for i in at)
    }
    return _rows(exchange, rows, "no transactions")


def _history(exchange: Exchange, params: Params, rows: Rows) -> range | list[int]:
    """The positions that the history parameters choose, in the order of the answer."""
    paging, switches = exchange.paging, exchange.of(WexSwitches)

    def read(name: str) -> int | None:
        value = params.get(name, "")
        if not value or name in paging.ignored:
            return None
        if not value.isdecimal():
            raise Refusal(f"invalid parameter: {name}")
        return int(value)

    since, end, skip, count = read("since"), read("end"), read("from"), read("count")
    lower, upper = read("from_id"), read("end_id")
    order = params.get("order", "DESC").upper()
    if order not in ("ASC", "DESC"):
        raise Refusal("invalid parameter: order")
    ascending = order == "ASC" and "order" not in paging.ignored
    ascending = ascending or since is not None or end is not None
    bounds = Bounds(
        None if since is None else since * 1_000,
        None if end is None else end * 1_000 + 999,
        lower,
        upper,
        not switches.from_id_inclusive,
        not switches.end_id_inclusive,
    )
    shown = rows.within(range(len(rows.ids)), bounds, paging, exchange.world.now())
    every = len(rows.ids)
    shown = rows.page(shown, every, "newest", "oldest" if ascending else "newest", paging)
    count = min(1000 if count is None else count, 1000, paging.page_cap or 1000)
    return shown[skip or 0 :][:count]


def _coin_deposit_address(exchange: Exchange, account: Account, key: Key, params: Params) -> Answer:
    coin = params.get("coinName", "")
    known = next((c for c in exchange.world.currencies if c.code == coin and c.enabled), None)
    if known is None or coin == "USD":
        raise Refusal("invalid coin name")
    digest = hashlib.sha256(f"sandbox {account.name} {coin}".encode()).hexdigest()
    return _ok(exchange, {"address": f"1SANDBOX{digest[:26]}"})


METHODS: Final[dict[str, Callable[[Exchange, Account, Key, Params], Answer]]] = {
    "getInfo": _get_info,
    "ActiveOrders": _active_orders,
    "OrderInfo": _order_info,
    "TradeHistory": _trade_history,
    "TransHistory": _trans_history,
    "CoinDepositAddress": _coin_deposit_address,
}
