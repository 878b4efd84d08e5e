"""What the history says you own against what the exchange says: the difference and its cause."""

from datetime import timedelta
from decimal import Decimal

import pytest

from tests.matrix import thinned
from tests.warehouse.accounts import LATER, NOON, Accounts, at, fill, line


def give(accounts: Accounts, *, exchange: str = "x") -> None:
    """100 EUR come in, and 10 LTC are bought for 20 of them at a fee of 0.02 LTC."""
    accounts.add("account_transactions", line(1, at(0), "deposit", "100", "EUR"), exchange=exchange)
    trade = fill(1, at(100), "buy", "2", "10", fee_amount=Decimal("0.02"), fee_currency="LTC")
    accounts.add("account_trades", trade, exchange=exchange)


def test_what_agrees_needs_no_cause(accounts: Accounts) -> None:
    give(accounts)
    accounts.balances(at(50), EUR="100")
    accounts.balances(at(500), EUR="80", LTC="9.98", BTC="0")
    assert {row[1:] for row in accounts.result()} == {(0, None, True)}


def test_what_the_exchange_says_is_reserved_is_owned(accounts: Accounts) -> None:
    give(accounts)
    for currency, free, reserved in (("EUR", "50", "30"), ("LTC", "9.98", "0")):
        row = {"currency": currency, "available": Decimal(free), "reserved": Decimal(reserved)}
        accounts.add("balances", row | {"observed_at": at(500)})
    assert {row[1:] for row in accounts.result()} == {(0, None, True)}


def test_a_difference_that_nothing_explains_is_red(accounts: Accounts) -> None:
    give(accounts)
    accounts.balances(at(500), EUR="79", LTC="9.98")
    order = {"symbol": "LTC-EUR", "order_id": "5", "timestamp": at(200), "side": "sell"}
    order |= {"type": "limit", "price": Decimal(3), "amount": Decimal(1), "remaining": Decimal(0)}
    accounts.add("account_orders", order | {"status": "closed", "closed_at": at(210)})
    assert accounts.result() == [("EUR", 1, None, False), ("LTC", 0, None, True)]


def test_a_currency_that_the_exchange_leaves_out_counts_as_nothing(accounts: Accounts) -> None:
    give(accounts)
    row = {"currency": "EUR", "available": Decimal(80), "reserved": Decimal(0)}
    accounts.add("balances", row | {"observed_at": at(500)})
    assert accounts.result() == [("EUR", 0, None, True), ("LTC", Decimal("9.98"), None, False)]


def test_open_orders_hold_what_funds_leave_out(accounts: Accounts) -> None:
    give(accounts)
    order = {"symbol": "LTC-EUR", "order_id": "5", "timestamp": at(200), "side": "buy"}
    order |= {"type": "limit", "price": Decimal(2), "amount": Decimal(10)}
    accounts.add(
        "account_orders",
        order | {"remaining": Decimal(6), "filled": Decimal(4), "status": "open"},
        order
        | {"order_id": "6", "side": "sell", "amount": Decimal(3), "status": "canceled"}
        | {"remaining": Decimal(0), "filled": Decimal(0), "closed_at": at(300)},
    )
    part = fill(2, at(400), "buy", "2", "4", order_id="5", fee_amount=Decimal(0))
    accounts.add("account_trades", part)
    accounts.balances(at(250), EUR="60", LTC="6.98")
    accounts.balances(at(350), EUR="60", LTC="9.98")
    accounts.balances(at(500), EUR="60", LTC="13.98")
    assert {row[1:] for row in accounts.result()} == {(0, None, True)}
    held = "SELECT held FROM reconciliation WHERE currency = 'EUR' ORDER BY observed_at"
    assert accounts.rows(held) == [(20,), (20,), (12,)]


def test_a_large_order_holds_all_of_it(accounts: Accounts) -> None:
    order = {"symbol": "LTC-EUR", "order_id": "5", "timestamp": at(200), "side": "buy"}
    order |= {"type": "limit", "price": Decimal(10**7), "amount": Decimal(10**8), "status": "open"}
    accounts.add("account_orders", order | {"remaining": Decimal(10**8), "filled": Decimal(0)})
    assert accounts.rows("SELECT amount, held FROM holds") == [(10**15, 10**15)]


def test_without_orders_the_hold_is_a_guess_and_says_so(accounts: Accounts) -> None:
    give(accounts)
    accounts.balances(at(500), EUR="70", LTC="9.98")
    (eur, _) = accounts.result()
    assert eur[1] == 10 and "collect account_orders" in eur[2]


def test_a_cached_answer_is_read_as_what_it_is(accounts: Accounts) -> None:
    give(accounts)
    accounts.balances(at(159), EUR="100", LTC="0")  # of 59 seconds ago, before the purchase
    accounts.balances(at(170), EUR="100", LTC="0")  # too old to be a cached one
    accounts.balances(at(500), EUR="80", LTC="9.98")
    cached, passing = "the answer was up to 60 s old (cached)", "passing: right again at 2024-08-08"
    found = accounts.result()
    assert [row[:3] for row in found[:2]] == [("EUR", 0, cached), ("LTC", 0, cached)]
    assert all(row[2].startswith(passing) for row in found[2:4])


@pytest.mark.parametrize(
    ("kind", "status", "amount", "shown", "cause"),
    thinned(
        [
            ("deposit", "ok", 5, "80", "deposit 9 not yet booked"),
            ("deposit", "unconfirmed", 5, "85", "deposit 9 already booked"),
            ("withdrawal", "failed", 5, "75", "withdrawal 9 not yet back"),
            ("withdrawal", "pending", 5, "80", "withdrawal 9 not yet taken"),
        ],
        2,
    ),
)
def test_a_transfer_under_way(
    kind: str, status: str, amount: int, shown: str, cause: str, accounts: Accounts
) -> None:
    give(accounts)
    row = line(9, at(300), kind, str(amount), "EUR") | {"status": status, "ingested_at": at(5000)}
    accounts.add("account_transactions", row)
    accounts.balances(at(500), EUR=shown, LTC="9.98")
    assert accounts.result() == [("EUR", 0, cause, True), ("LTC", 0, None, True)]


def test_a_transfer_that_was_settled_before_the_observation_explains_nothing(
    accounts: Accounts,
) -> None:
    give(accounts)
    trade = {"reserved": Decimal(0), "observed_at": LATER}
    accounts.add("account_transactions", line(9, at(300), "deposit", "5", "EUR"))
    accounts.add(
        "balances",
        trade | {"currency": "EUR", "available": Decimal(80)},
        trade | {"currency": "LTC", "available": Decimal("9.98")},
    )
    assert accounts.result() == [("EUR", 5, None, False), ("LTC", 0, None, True)]


def test_some_of_several_transfers_under_way(accounts: Accounts) -> None:
    give(accounts)
    late = {"ingested_at": LATER}
    transfers = [line(10 + i, at(200 + i), "deposit", str(2**i), "EUR") | late for i in range(6)]
    accounts.add("account_transactions", *transfers)
    accounts.balances(at(500), EUR=str(80 + 1 + 4 + 16), LTC="9.98")
    (eur, _) = accounts.result()
    assert eur[1] == 0
    assert sorted(eur[2].split(", ")) == [f"deposit {10 + i} not yet booked" for i in (1, 3, 5)]


def span(dataset: str, lower: int, upper: int, state: str) -> dict[str, object]:
    unit = {"unit": "id", "state": state}
    return {"dataset": dataset, "stream": "main", "lower": lower, "upper": upper} | unit


@pytest.mark.parametrize("state", ["lost", "gap"])
def test_an_incomplete_history_explains_what_never_changes(accounts: Accounts, state: str) -> None:
    give(accounts)
    accounts.add(
        "coverage",
        span("account_transactions", 0, 9, "complete"),
        span("account_trades", 0, 0, state),
        span("account_trades", 1, 1, "complete"),
    )
    accounts.balances(at(50), EUR="107")
    accounts.balances(at(500), EUR="87", LTC="9.98")
    accounts.balances(at(900), EUR="86", LTC="9.98")
    first, second, _, third, _ = accounts.result()
    cause = "history incomplete: account_trades incomplete before 2024-08-08 12:01"
    assert first == second == ("EUR", -7, cause, True)
    assert third == ("EUR", -6, None, False)  # the missing part cannot have grown since


def test_no_deposits_at_all_is_named(accounts: Accounts) -> None:
    accounts.add("account_trades", fill(1, at(0), "buy", "2", "10", fee_amount=Decimal(0)))
    row = {"currency": "EUR", "available": Decimal(80), "reserved": Decimal(0)}
    accounts.add("balances", row | {"observed_at": NOON + timedelta(hours=1)})
    eur, ltc = accounts.result()
    cause = "history incomplete: account_transactions: none is held"
    assert eur == ("EUR", -100, cause, True) and ltc == ("LTC", 10, cause, True)


def test_figures_that_the_exchange_rounds(accounts: Accounts) -> None:
    give(accounts)
    accounts.add(
        "account_trades", fill(2, at(200), "sell", "1.234567", "0.0000001", fee_amount=Decimal(0))
    )
    accounts.balances(at(500), EUR="80.00000012", LTC="9.9799999")
    eur, ltc = accounts.result()
    assert eur == ("EUR", Decimal("3.4567E-9"), "rounding of 1 figures to 8 places", True)
    assert ltc == ("LTC", 0, None, True)


def test_lines_that_cannot_be_read_are_named_and_stay_red(accounts: Accounts) -> None:
    give(accounts, exchange="wex")
    odd = line(5, at(300), "debit", "3", "EUR", "Paid something for :order:12:")
    accounts.add("account_transactions", odd, exchange="wex")
    accounts.balances(at(500), exchange="wex", EUR="77", LTC="9.98")
    (eur, _) = accounts.result()
    assert eur == (
        *("EUR", 3),
        *("lines about orders that cannot be read: 1 (see wex_statements)", False),
    )


def test_fees_that_nobody_names(accounts: Accounts) -> None:
    accounts.add("account_transactions", line(1, at(0), "deposit", "100", "EUR"))
    accounts.add("account_trades", fill(1, at(100), "buy", "2", "10"))
    row = {"reserved": Decimal(0), "observed_at": at(500)}
    accounts.add(
        "balances",
        row | {"currency": "EUR", "available": Decimal(80)},
        row | {"currency": "LTC", "available": Decimal("9.98")},
    )
    assert accounts.result() == [
        ("EUR", 0, None, True),
        ("LTC", Decimal("0.02"), "fees of 1 fills are not known", True),
    ]
