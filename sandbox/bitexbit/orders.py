"""BitexBit's orders, public and private: filters, pages and rows are the same."""

from sandbox.bitexbit.params import bounds_of, choice, date, limit_of, native, optional_market
from sandbox.bitexbit.switches import BitexBitSwitches
from sandbox.book import Order
from sandbox.exchange import Answer, Call, Exchange
from sandbox.jsontext import number
from sandbox.markets import text
from sandbox.windows import Rows


def orders(exchange: Exchange, call: Call) -> Answer:
    exchange.world.now()  # lets happen what has come due
    found = [o for book in exchange.world.books.values() for o in book.orders]
    return order_page(exchange, call, found, private=False)


def order_page(exchange: Exchange, call: Call, found: list[Order], private: bool) -> Answer:
    """One page of orders, filtered as the document says."""
    paging, now = exchange.paging, exchange.world.now()
    market = optional_market(exchange, call)
    kind = choice(exchange, call, "type", ("buy-limit", "sell-limit"))
    status = choice(exchange, call, "status", ("active", "canceled", "done"))

    def asked_for(order: Order) -> bool:
        return market is None or order.market is market

    chosen = [
        o
        for o in sorted(found, key=lambda o: o.id)
        if o.created <= now
        and o.id not in paging.hidden_orders
        and (kind is None or o.buy == (kind == "buy-limit"))
        and (status is None or _status(o, now) == status)
        and (paging.filters_after_limit or asked_for(o))
    ]
    rows = Rows([o.id for o in chosen], [o.created for o in chosen])
    shown = rows.within(range(len(chosen)), bounds_of(exchange, call), paging, now)
    at = rows.page(shown, limit_of(exchange, call), paging.limit_keeps, paging.order, paging)
    switches = exchange.of(BitexBitSwitches)
    return Answer.of(
        [order_row(chosen[i], now, switches, private) for i in at if asked_for(chosen[i])]
    )


def _status(order: Order, now: int) -> str:
    if order.is_open(now):
        return "active"
    return "canceled" if order.is_canceled(now) else "done"


def order_row(
    order: Order, now: int, switches: BitexBitSwitches, private: bool
) -> dict[str, object]:
    fills = order.filled(now)
    filled, value = sum(f.amount for f in fills), sum(f.cost for f in fills)
    left, canceled = order.amount - filled, order.is_canceled(now)

    def amount(value: int | None) -> str | None:
        return None if value is None else number(text(value), switches.numbers)

    if canceled:
        state = "partial-canceled" if filled else "canceled"
    elif left == 0:
        state = "filled"
    else:
        state = "partial-filled" if filled else "submitted"
    done = order.canceled if canceled else (fills[-1].ms if left == 0 else None)
    dates = switches.private_dates if private else switches.dates
    row: dict[str, object] = {
        "id": order.id,
        "date": date(order.created, dates),
        "type": "buy-limit" if order.buy else "sell-limit",
        "symbol": native(order.market),
        "price": amount(order.price),
        "amount": amount(order.amount),
        "amount_unfilled": amount(0 if canceled else left),
        "amount_filled": amount(filled or None),
        "amount_cancelled": amount(left if canceled else None),
        "value_filled": amount(value if filled else None),
    }
    if private:
        row["fee_filled"] = amount(sum(f.fee for f in fills) if filled else None)
    row["price_avg"] = amount(value * 10**8 // filled if filled else None)
    row["done_at"] = None if done is None else date(done, dates)
    row["state"] = state
    return row
