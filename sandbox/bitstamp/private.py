"""Bitstamp, the reading calls of an account, and the check of key, time, nonce and signature."""

import hashlib
import hmac
from collections import defaultdict
from typing import Any, Final
from urllib.parse import parse_qsl

from sandbox.account import Account
from sandbox.bitstamp.ledger import Entry, fee_of, ledger, paid
from sandbox.bitstamp.shape import Refused, amount, id_of, integer, moment, native
from sandbox.bitstamp.switches import BitstampSwitches
from sandbox.exchange import Answer, Call, Exchange
from sandbox.jsontext import Raw, plain
from sandbox.keys import find, make_key
from sandbox.markets import text

KEYS: Final = (make_key("bitstamp", "main", "beta"), make_key("bitstamp", "second", "alpha"))
_FORM: Final = "application/x-www-form-urlencoded"
_PADDING: Final = ("usd", "btc", "eur")


def authenticate(exchange: Exchange, call: Call) -> Account:
    """The account whose key signed the call. Raises :class:`Refused`."""
    headers, switches = call.headers, exchange.of(BitstampSwitches)
    sent = {name: headers.get(f"x-auth-{name}", "") for name in ("signature", "nonce", "timestamp")}
    known = find(KEYS, headers.get("x-auth", "").removeprefix("BITSTAMP "))
    if known is None or headers.get("x-auth-version") != "v2":
        raise Refused("API0008", "API key not found", 403)
    content_type = headers.get("content-type", "")
    if content_type and not call.body:
        raise Refused("API0020", "Content type without a body", 400)
    if len(sent["nonce"]) != 36 or sent["nonce"] != sent["nonce"].lower():
        raise Refused("API0004", "Invalid nonce", 403)
    if call.body and content_type != _FORM:
        raise Refused("API0020", "Missing content type", 400)
    message = f"BITSTAMP {known.key}POST{headers.get('host', '')}{call.target}{content_type}"
    message += f"{sent['nonce']}{sent['timestamp']}v2{call.body.decode('latin-1')}"
    made = hmac.new(known.secret.encode(), message.encode("latin-1"), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(made.encode(), sent["signature"].lower().encode("latin-1")):
        raise Refused("API0005", "Invalid signature", 403)
    now = exchange.world.now() + switches.bs_clock_ahead_ms
    window = switches.bs_clock_window_ms
    if not sent["timestamp"].isdecimal() or (
        window is not None and abs(int(sent["timestamp"]) - now) > window
    ):
        raise Refused("API0017", "Timestamp is not near the server's", 403)
    if sent["nonce"] in switches.bs_nonces:
        raise Refused("API0004", "Nonce was used before", 403)
    switches.bs_nonces.add(sent["nonce"])
    return exchange.world.accounts[known.owner]


def form_of(call: Call) -> dict[str, str]:
    return dict(parse_qsl(call.body.decode("latin-1"), keep_blank_values=True))


# The history.


def user_transactions(exchange: Exchange, call: Call, account: Account) -> Answer:
    given, ignored = form_of(call), exchange.paging.ignored
    given = {name: value for name, value in given.items() if name not in ignored}
    limit, offset = integer(given, "limit", 100) or 0, integer(given, "offset", 0) or 0
    if limit > 1000 or offset > 200_000:
        raise Refused("API0000", "limit, offset: Ensure this value is less than or equal to it.")
    entries = ledger(exchange, account, exchange.world.now())
    since = integer(given, "since_id")
    if since is not None:
        first = since + (0 if exchange.of(BitstampSwitches).bs_since_inclusive else 1)
        entries = [e for e in entries if e.id >= first]
        limit = 1000
    if given.get("sort", "desc") == "desc":
        entries.reverse()
    most = min(limit, exchange.paging.page_cap or limit)
    return Answer.of([_row(exchange, e) for e in entries[offset : offset + most]])


def _row(exchange: Exchange, entry: Entry) -> dict[str, Any]:
    """Values are mixed: text, and numbers; columns of other currencies are nothing."""
    style = exchange.of(BitstampSwitches).bs_numbers
    row: dict[str, Any] = {"id": entry.id, "datetime": moment(exchange, entry.ms)}
    row["type"] = str(entry.type) if exchange.of(BitstampSwitches).bs_type_text else entry.type
    row["fee"] = amount(exchange, text(entry.fee))
    if entry.type != 27:
        row |= {name: Raw("0.0") for name in _PADDING} | {"btc_usd": "0.00"}
    for number, (code, value) in enumerate(entry.amounts.items()):
        mixed = style == "text" and number
        row[code.lower()] = Raw(plain(text(value))) if mixed else amount(exchange, text(value))
    if entry.order is not None and entry.fill is not None:
        market = entry.order.market
        del row["btc_usd"]
        price = amount(exchange, text(entry.fill.price))
        row[f"{market.base}_{market.quote}".lower()] = price
        row |= {"order_id": entry.order.id, "self_trade": False}
    if exchange.paging.extra_fields:
        row["note"] = None
    return row


# Orders.


def open_orders(exchange: Exchange, call: Call, account: Account) -> Answer:
    now = exchange.world.now()
    found = [
        o for o in account.orders if o.is_open(now) and o.id not in exchange.paging.hidden_orders
    ]
    return Answer.of(
        [
            {
                "id": str(o.id),
                "datetime": moment(exchange, o.created),
                "type": "0" if o.buy else "1",
                "price": amount(exchange, text(o.price)),
                "amount": amount(exchange, text(o.unfilled(now))),
                "amount_at_create": amount(exchange, text(o.amount)),
                "currency_pair": f"{o.market.base}/{o.market.quote}",
                "market": f"{o.market.base}/{o.market.quote}",
            }
            for o in found
        ]
    )


def order_status(exchange: Exchange, call: Call, account: Account) -> Answer:
    now, kept = exchange.world.now(), exchange.of(BitstampSwitches).bs_orders_ms
    wanted = form_of(call).get("id", "")
    order = next((o for o in account.orders if str(o.id) == wanted and o.created <= now), None)
    if order is None or (kept is not None and now - order.created > kept):
        raise Refused("API0000", "Order not found.", 404)
    market, left = order.market, order.unfilled(now)
    status = "Canceled" if order.is_canceled(now) else "Open" if left else "Finished"
    return Answer.of(
        {
            "id": str(order.id),
            "datetime": moment(exchange, order.created),
            "type": 0 if order.buy else 1,
            "status": status,
            "market": f"{market.base}/{market.quote}",
            "price": amount(exchange, text(order.price)),
            "amount_remaining": amount(exchange, text(left)),
            "transactions": [
                {
                    "tid": id_of(exchange, fill.trade_id),
                    "price": amount(exchange, text(fill.price)),
                    market.base.lower(): amount(exchange, text(fill.amount)),
                    market.quote.lower(): amount(exchange, text(paid(order, fill))),
                    "fee": amount(exchange, text(fee_of(order, fill))),
                    "datetime": moment(exchange, fill.ms),
                    "type": 2,
                }
                for fill in order.filled(now)
            ],
        }
    )


# What is held.


def balances(exchange: Exchange, account: Account, now: int) -> tuple[dict[str, int], ...]:
    """What is held and what of it open orders hold back, by currency."""
    held: dict[str, int] = defaultdict(int)
    hold: dict[str, int] = defaultdict(int)
    for entry in ledger(exchange, account, now):
        for code, value in entry.amounts.items():
            held[code] += value
        if entry.fee:
            held[entry.paid_in] -= entry.fee
    for order in (o for o in account.orders if o.is_open(now)):
        hold[order.held_currency] += order.hold(order.unfilled(now))
    return held, hold


def account_balances(exchange: Exchange, call: Call, account: Account) -> Answer:
    held, hold = balances(exchange, account, exchange.world.now())
    return Answer.of(
        [
            {
                "currency": c.code.lower(),
                "total": amount(exchange, text(held[c.code])),
                "available": amount(exchange, text(held[c.code] - hold[c.code])),
                "reserved": amount(exchange, text(hold[c.code])),
            }
            for c in exchange.world.currencies
        ]
    )


def fees(exchange: Exchange, call: Call, account: Account) -> Answer:
    return Answer.of(
        [
            {
                "currency_pair": native(m),
                "market": native(m),
                "fees": {
                    "maker": amount(exchange, text(m.fee_ppm * 10_000)),
                    "taker": amount(exchange, text(m.fee_ppm * 10_000)),
                },
            }
            for m in exchange.markets()
        ]
    )
