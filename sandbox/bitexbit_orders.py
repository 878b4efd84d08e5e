"""BitexBit's orders, public and private: filters, pages and rows are the same."""

from sandbox import windows
from sandbox.bitexbit_params import bounds_of, choice, date, limit_of, optional_market
from sandbox.book import Order
from sandbox.exchange import Answer, Call, Exchange, number
from sandbox.laws import Laws
from sandbox.markets import text


def orders(exchange: Exchange, call: Call) -> Answer:
    world = exchange.world
    now = world.now()
    market = optional_market(world, call)
    chosen = [market] if market else [m for m in world.markets]
    found = [o for m in chosen for o in world.books[m.symbol].orders]
    return order_page(exchange, call, now, found, private=False)


def order_page(
    exchange: Exchange, call: Call, now: int, found: list[Order], private: bool
) -> Answer:
    """One page of orders, filtered as the document says."""
    laws = exchange.laws
    kind = choice(call, "type", ("buy-limit", "sell-limit"), laws)
    status = choice(call, "status", ("active", "canceled", "done"), laws)
    rows = sorted((o for o in found if o.created <= now), key=lambda o: o.id)
    if kind:
        rows = [o for o in rows if o.buy == (kind == "buy-limit")]
    if status:
        rows = [o for o in rows if _status(o, now) == status]
    shown = windows.within(
        range(len(rows)), [o.id for o in rows], [o.created for o in rows], bounds_of(call, laws)
    )
    at = windows.page(shown, limit_of(call, laws), laws.limit_keeps, laws.order)
    return Answer.of([order_row(rows[i], now, laws, private) for i in at])


def _status(order: Order, now: int) -> str:
    if order.is_open(now):
        return "active"
    return "canceled" if order.is_canceled(now) else "done"


def order_row(order: Order, now: int, laws: Laws, private: bool) -> dict[str, object]:
    fills = order.filled(now)
    filled, value = sum(f.amount for f in fills), sum(f.cost for f in fills)
    left, canceled = order.amount - filled, order.is_canceled(now)

    def amount(value: int | None) -> str | None:
        return None if value is None else number(text(value), laws.numbers)

    if canceled:
        state = "partial-canceled" if filled else "canceled"
    elif left == 0:
        state = "filled"
    else:
        state = "partial-filled" if filled else "submitted"
    done = order.canceled if canceled else (fills[-1].ms if left == 0 else None)
    dates = laws.private_dates if private else laws.dates
    row: dict[str, object] = {
        "id": order.id,
        "date": date(order.created, dates),
        "type": "buy-limit" if order.buy else "sell-limit",
        "symbol": order.market.bitexbit,
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
