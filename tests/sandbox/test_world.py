"""The world agrees with itself: fills with the tape, balances with history, candles with trades."""

from collections import defaultdict
from decimal import Decimal

import pytest

from sandbox import ManualClock, PagingProfile, World
from sandbox.clock import HOUR, MINUTE

EPOCH = "2026-01-01T00:00:00"


def a_world(hours: float = 0, seed: int = 3) -> World:
    clock = ManualClock(EPOCH)
    clock.advance(hours * 3600)
    world = World(seed, EPOCH, clock)
    world.now()
    return world


@pytest.fixture(scope="module")
def world() -> World:
    return a_world(2)


def test_the_same_seed_and_epoch_give_the_same_world() -> None:
    one, two = a_world(), a_world()
    for symbol, tape in one.tapes.items():
        assert list(tape.trades()) == list(two.tapes[symbol].trades())
    now = one.now()
    for name, account in one.accounts.items():
        assert account.balances(now) == two.accounts[name].balances(now)
        assert account.transactions == two.accounts[name].transactions


def test_another_seed_gives_another_world() -> None:
    one, two = a_world(), a_world(seed=4)
    assert list(one.tapes["BTC-USD"].prices) != list(two.tapes["BTC-USD"].prices)


def test_a_later_clock_only_adds() -> None:
    early, late = a_world(), a_world(30)
    now = early.now()
    for symbol, tape in early.tapes.items():
        longer = late.tapes[symbol]
        assert [longer.trade(i) for i in range(len(tape))] == list(tape.trades())
        past = [
            c
            for c in late.candles(symbol, late.now(), HOUR, PagingProfile())
            if c.time + HOUR <= now
        ]
        assert past == early.candles(symbol, now, HOUR, PagingProfile())
    for name, account in early.accounts.items():
        assert late.accounts[name].balances(now) == account.balances(now)
        again = [(order.id, fill) for order, fill in late.accounts[name].fills(now)]
        assert again == [(order.id, fill) for order, fill in account.fills(now)]
        states = [(t.id, t.status(now)) for t in account.visible_transactions(now)]
        lines = late.accounts[name].visible_transactions(now)
        assert [(t.id, t.status(now)) for t in lines] == states


def test_moving_the_clock_step_by_step_equals_one_jump() -> None:
    clock = ManualClock(EPOCH)
    steps, jump = World(3, EPOCH, clock), a_world(5)
    paging = PagingProfile()
    while clock() < jump.now():
        clock.advance(400)
        steps.candles("BTC-USD", steps.now(), 5 * MINUTE, paging)
    clock.set(jump.now())
    assert list(steps.tapes["ETH-BTC"].trades()) == list(jump.tapes["ETH-BTC"].trades())
    for length in (5 * MINUTE, HOUR):
        assert steps.candles("BTC-USD", steps.now(), length, paging) == jump.candles(
            "BTC-USD", jump.now(), length, paging
        )


def test_the_tape_is_like_a_real_one(world: World) -> None:
    ids: list[int] = []
    for market in world.markets:
        tape = world.tapes[market.symbol]
        if not market.enabled:
            assert len(tape) == 0
            continue
        history = sum(ms < world.epoch for ms in tape.times)
        assert 3_000 <= history <= 8_000
        assert list(tape.ids) == sorted(set(tape.ids))
        assert list(tape.times) == sorted(tape.times)
        assert len(set(tape.times)) < len(tape) / 2  # most rows share a millisecond
        middle = market.start * market.tick
        assert all(middle / 2 < price < middle * 2 for price in tape.prices)
        assert all(a % market.lot == 0 and a > 0 for a in tape.amounts)
        ids += tape.ids
    assert len(set(ids)) == len(ids)  # one counter for all markets …
    assert max(ids) - min(ids) > len(ids) * 1.2  # … with holes
    assert min(ids) < 10**9 < max(ids)


@pytest.mark.parametrize("name", ["alpha", "beta"])
def test_every_fill_is_a_row_of_the_tape(world: World, name: str) -> None:
    now = world.now()
    fills = world.accounts[name].fills(now)
    assert len(fills) > 500
    assert {fill.maker for _, fill in fills} == {True, False}
    for order, fill in fills:
        tape = world.tapes[order.market.symbol]
        row = (tape.ids, tape.times, tape.prices, tape.amounts)
        assert tuple(column[fill.at] for column in row) == (
            fill.trade_id,
            fill.ms,
            fill.price,
            fill.amount,
        )
        # The tape names the taker's side; a maker stands on the other.
        assert bool(tape.buys[fill.at]) == (order.buy != fill.maker)
        assert fill.price * fill.amount % 10**8 == 0
        if fill.maker:
            assert fill.price == order.price
    for order in world.accounts[name].orders:
        assert order.created <= min((f.ms for f in order.fills), default=order.created)
        assert sum(f.amount for f in order.fills) <= order.amount


@pytest.mark.parametrize("name", ["alpha", "beta"])
@pytest.mark.parametrize("before", [0, 1_234_567, 7 * HOUR, 40 * HOUR, 71 * HOUR])
def test_balances_add_up_at_any_moment(world: World, name: str, before: int) -> None:
    now, account = world.now() - before, world.accounts[name]
    total: dict[str, Decimal] = defaultdict(Decimal)
    held: dict[str, Decimal] = defaultdict(Decimal)
    unit = Decimal(10) ** -8
    for line in account.visible_transactions(now):
        status = line.status(now)
        if line.kind == 1 and status == "ok":
            total[line.currency] += line.amount * unit
        elif line.kind == 2 and status != "failed":
            total[line.currency] -= line.amount * unit
    for order, fill in account.fills(now):
        base, quote = order.market.base, order.market.quote
        amount, cost, fee = fill.amount * unit, fill.amount * unit * fill.price * unit, fill.fee
        total[base] += amount if order.buy else -amount
        total[quote] += -cost if order.buy else cost
        total[base if order.buy else quote] -= fee * unit
    for order in account.orders:
        if order.is_open(now):
            held[order.held_currency] += order.hold(order.unfilled(now)) * unit
    for currency, (available, reserved) in account.balances(now).items():
        assert reserved * unit == held[currency]
        assert (available + reserved) * unit == total[currency]
        assert available >= 0


def test_a_statement_of_credits_and_debits_agrees_with_the_fills(world: World) -> None:
    now, account = world.now(), world.accounts["beta"]
    wordings = ("In payment", "Cancel order", "Bought ", "Buy ", "Sell ")
    lines = [t for t in account.visible_transactions(now) if t.kind in (4, 5)]
    assert all(line.desc.startswith(wordings) for line in lines)
    fills = [t for t in lines if t.desc.startswith(("Bought ", "Buy ", "Sell "))]
    assert len(fills) == len(account.fills(now))
    # Holds, releases and received amounts, with the legs that the statement leaves out, give the
    # balance again.
    total: dict[str, int] = defaultdict(int)
    for line in account.visible_transactions(now):
        status = line.status(now)
        if line.kind in (1, 4) and status == "ok":
            total[line.currency] += line.amount
        elif line.kind == 5 or (line.kind == 2 and status != "failed"):
            total[line.currency] -= line.amount
    for order, fill in account.fills(now):
        if not fill.maker:  # the taker's base leg is not on the statement
            total[order.market.base] += fill.amount - fill.fee if order.buy else -fill.amount
    assert total == {c: available for c, (available, _) in account.balances(now).items()}


def test_the_book_is_the_open_orders_and_never_crossed(world: World) -> None:
    for before in range(0, 60 * HOUR, 3 * HOUR + 77_000):
        now = world.now() - before
        for market in (m for m in world.markets if m.enabled):
            asks, bids = world.depth(market.symbol, now)
            assert asks == sorted(asks) and bids == sorted(bids, reverse=True)
            assert len(asks) >= 5 and len(bids) >= 5
            assert bids[0][0] < asks[0][0]


def test_candles_and_ticker_come_from_the_tape(world: World) -> None:
    now = world.now() - 12_345
    for symbol in ("BTC-USD", "LTC-BTC"):
        tape = world.tapes[symbol]
        rows = [t for t in zip(tape.times, tape.prices, tape.amounts, strict=True) if t[0] <= now]
        for length in (5 * MINUTE, 4 * HOUR):
            expected: dict[int, list[int]] = {}
            for ms, price, amount in rows:
                c = expected.setdefault(ms - ms % length, [price, price, price, price, 0])
                c[1], c[2], c[3] = max(c[1], price), min(c[2], price), price
                c[4] += amount
            found = world.candles(symbol, now, length, PagingProfile())
            assert {c.time: [c.open, c.high, c.low, c.close, c.volume] for c in found} == expected
        day = [row for row in rows if row[0] > now - 24 * HOUR]
        ticker = world.ticker(symbol, now)
        assert ticker.last == rows[-1][1] and ticker.updated == rows[-1][0]
        assert ticker.high == max(row[1] for row in day)
        assert ticker.low == min(row[1] for row in day)
        assert ticker.base_volume == sum(row[2] for row in day)


def test_something_is_pending_at_the_epoch_and_settles_later() -> None:
    clock = ManualClock(EPOCH)
    world = World(3, EPOCH, clock)
    account = world.accounts["beta"]
    start = world.now()
    pending = [t for t in account.visible_transactions(start) if t.status(start) != "ok"]
    waiting = {t.id for t in pending if t.status(start) in ("pending", "unconfirmed")}
    assert waiting
    later = start + HOUR
    clock.advance(3600)
    world.now()
    states = {t.id: t.status(later) for t in account.visible_transactions(later)}
    assert {states[i] for i in waiting} == {"ok", "failed"}
