"""The simulated schedule: the same every time, without a network, ending with what suffices."""

import socket
from dataclasses import replace

import numpy as np
import pytest

import connectors
from bench import schedule
from bench.schedule import Setup, extended, living, saturated, simulate


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a simulation calls nobody")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def test_it_is_the_same_every_time() -> None:
    five = living(5)
    first = simulate(five, 20, Setup(), hours=2)
    assert simulate(five, 20, Setup(), hours=2) == first
    assert simulate(five, 20, Setup(), hours=2, seed=2) != first


def test_limits_are_those_of_the_connectors() -> None:
    exchanges = living()
    assert len({one.name for one in exchanges}) == schedule.EXCHANGES
    for one in exchanges:
        dialect = connectors.dialect_of(one.name)
        assert one.per_second == dialect.limits["public"].per_second
        assert set(one.units) <= set(schedule.PAUSES) & set(dialect.offers)
    (yobit,) = (one for one in exchanges if one.name == "yobit")
    assert "candles" not in yobit.units, "they are built from trades"


def test_calls_are_counted_by_hand() -> None:
    """One exchange of 60 quiet markets, 1 call a second: 30 tickers a call, and 60 lists of trades
    in each of 12 rounds."""
    one = replace(living(1)[0], per_second=1.0, units={"tickers": 1, "trades": 1})
    one = replace(one, batch={"tickers": 30})
    quiet = replace(one, only_newest=True)
    found = simulate([quiet], 60, Setup(), hours=1)
    assert found.requests * 3600 == 60 * 2 + 12 * 60
    assert found.limits == {one.name: (60 * 2 + 12 * 60) / 3600}
    assert found.late == 0


def test_the_first_to_be_full_is_named_and_what_is_added_suffices() -> None:
    exchanges, setup = living(12), Setup()
    outcome = simulate(exchanges, 200, setup, hours=1)
    assert saturated(outcome) == "limit" and outcome.late > 0
    added: list[str] = []
    while (what := saturated(outcome)) is not None:
        added.append(what)
        setup, text = extended(setup, outcome, what)
        assert text and len(added) < 8
        later = simulate(exchanges, 200, setup, hours=1)
        assert later.used[what] < outcome.used[what]
        outcome = later
    assert added[0] == "limit" and max(outcome.used.values()) < 1
    slower = simulate(exchanges, 200, Setup(), hours=12, slower=12)
    assert slower.used["limit"] < simulate(exchanges, 200, Setup(), hours=1).used["limit"] / 6


def test_few_cores_slow_everything_down() -> None:
    roomy = [replace(one, per_second=10_000.0) for one in living(20)]
    few = simulate(roomy, 600, Setup(cores=1), hours=1)
    many = simulate(roomy, 600, Setup(cores=16), hours=1)
    assert few.workers > 1 > many.workers and few.late > many.late == 0
    on_postgres = simulate(roomy, 600, Setup(cores=16, metastore="postgresql"), hours=1)
    assert on_postgres.metastore > many.metastore


def test_ten_years_add_up() -> None:
    daily = schedule.rates(schedule.EXCHANGES, 1000)
    assert np.isclose(daily.sum() * schedule.DAYS, schedule.TRADES)
    binance = next(one for one in living() if one.name == "binance")
    whole = schedule.history_days(binance, 1000, daily[0])
    assert whole == pytest.approx(daily[0].sum() * 3650 / 1000 * 25 / 90 / 86400, rel=0.01)


def test_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert schedule.main(["--exchanges", "3", "--markets", "5", "50", "--hours", "1"]) == 0
    text = capsys.readouterr().out
    assert "| 3 x 50 |" in text and "Days for the trades of ten years" in text
