"""The account ledger: each economic event once, exactly, and balanced against another book."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from tests.warehouse.accounts import Accounts, at, bitstamp, fill, line


def entries(accounts: Accounts) -> list[tuple[object, ...]]:
    return accounts.rows(
        "SELECT kind, currency, amount, balance, source_dataset, source_id, exact_id FROM ledger"
        " WHERE book = 'account' ORDER BY entry"
    )


def test_a_recorded_account_adds_up_to_nothing(accounts: Accounts, shared_data: Path) -> None:
    """Bitstamp, January 2018: all that came in was spent or taken out, to the last digit."""
    trades, transfers = bitstamp(shared_data)
    assert (len(trades), len(transfers)) == (11, 9)
    accounts.add("account_trades", *trades, exchange="bitstamp")
    accounts.add("account_transactions", *transfers, exchange="bitstamp")
    end = trades[0]["timestamp"] + timedelta(hours=1)
    accounts.balances(end, exchange="bitstamp", USD="0", BTC="0", EUR="0")
    # and within, as the exchange must have shown it: between deposit and purchase, and after it
    between = datetime(2018, 1, 19, 15, tzinfo=UTC)
    accounts.balances(between, exchange="bitstamp", USD="6350.83")
    bought = datetime(2018, 1, 19, 18, 30, tzinfo=UTC)
    accounts.balances(bought, exchange="bitstamp", USD="0", BTC="0.56161419")
    assert accounts.unbalanced() == []
    assert {(d, cause, ok) for _, d, cause, ok in accounts.result()} == {(0, None, True)}
    assert accounts.rows(
        "SELECT currency, sum(amount) FROM ledger WHERE book = 'account' GROUP BY ALL ORDER BY 1"
    ) == [("BTC", 0), ("USD", 0)]
    ((fees,),) = accounts.rows("SELECT sum(amount) FROM ledger WHERE book = 'fees'")
    assert fees == Decimal("67.52")


def test_an_order_of_wex_from_hold_to_release_is_taken_once(accounts: Accounts) -> None:
    order = ":order:927468922:"
    accounts.add(
        "account_transactions",
        line(1, at(0), "deposit", "3", "LTC", "LTC payment"),
        line(2, at(10), "debit", "3", "LTC", f"In payment for a warrant {order}"),
        line(
            3,
            at(20),
            "credit",
            "3.360266",
            "EUR",
            f"Bought 1 LTC from your order {order} by price 3.367 EUR total 3.367 EUR (-0.2%)",
        ),
        line(4, at(30), "credit", "2", "LTC", f"Cancel order {order}"),
        exchange="wex",
    )
    accounts.add(
        "account_trades",
        fill(7, at(20), "sell", "3.367", "1", order_id="927468922", taker_or_maker="maker"),
        exchange="wex",
    )
    trade = ("account_trades", "7", "3")
    assert entries(accounts) == [
        ("deposit", "LTC", 3, 3, "account_transactions", "1", None),
        ("trade", "LTC", -1, 2, *trade),
        ("trade", "EUR", Decimal("3.367"), Decimal("3.367"), *trade),
        ("fee", "EUR", Decimal("-0.006734"), Decimal("3.360266"), *trade),
    ]
    assert accounts.unbalanced() == []
    held = "SELECT currency, amount, held FROM holds ORDER BY timestamp"
    assert accounts.rows(held) == [("LTC", 3, 3), ("LTC", -1, 2), ("LTC", -2, 0)]
    # `funds` leaves out what lies in the open order
    accounts.balances(at(15), exchange="wex", LTC="0")
    accounts.balances(at(25), exchange="wex", LTC="0", EUR="3.360266")
    accounts.balances(at(35), exchange="wex", LTC="2", EUR="3.360266")
    assert {row[1:] for row in accounts.result()} == {(0, None, True)}


@pytest.mark.parametrize(
    ("listed", "worded", "code"),
    [
        ([], "USDT.E", "USDT.E"),
        ([], "USDT.e", "USDT.E"),
        (["USDT.E", "USDT.e"], "USDT.e", "USDT.e"),  # two currencies
        ([], "1INCH-B_2", "1INCH-B_2"),
    ],
)
@pytest.mark.parametrize("quote", [False, True], ids=["base", "quote"])
def test_a_currency_of_any_code_is_read_in_a_statement(
    accounts: Accounts, listed: list[str], worded: str, code: str, quote: bool
) -> None:
    market = {"native_symbol": "n", "quote": "EUR", "active": True}
    for n, base in enumerate(listed):
        accounts.add("markets", market | {"symbol": f"m{n}", "base": base}, exchange="wex")
    base_worded, quote_worded = ("LTC", worded) if quote else (worded, "LTC")
    words = f"Buy 2 {base_worded} (-0.2%) from order :order:9: by price 3 {quote_worded}"
    paid = code if quote else "LTC"
    accounts.add("account_transactions", line(1, at(0), "debit", "6", paid, words), exchange="wex")
    symbol = f"LTC-{code}" if quote else f"{code}-LTC"
    found = accounts.rows("SELECT meaning, symbol, cost, fee_currency FROM statements")
    assert found == [("fill", symbol, 6, "LTC" if quote else code)]


@pytest.mark.parametrize(
    ("text", "kind", "amount", "currency", "expected"),
    [
        (
            "Buy 0.84215773 LTC (-0.2%) from your order :order:9: by price 3.451 EUR",
            "credit",
            "0.84047342",
            "LTC",
            ("buy", "maker", "0.84215773", "2.90628632", "0.00168431", "LTC"),
        ),
        (
            "Buy 0.21734519 LTC (-0.2%) from order :order:9: by price 3.46 EUR",
            "debit",
            "0.75201435",
            "EUR",
            ("buy", "taker", "0.21734519", "0.75201435", "0.00043469", "LTC"),
        ),
        (
            "Sell 0.297143 LTC from order :order:9: by price 3.714285 EUR total 1.10367378 EUR"
            " (-0.2%)",
            "credit",
            "1.10146644",
            "EUR",
            ("sell", "taker", "0.297143", "1.10367378", "0.00220734", "EUR"),
        ),
    ],
    ids=["maker buys", "taker buys", "taker sells"],
)
@pytest.mark.parametrize("held", [True, False], ids=["both histories", "statement only"])
def test_figures_are_the_statements_where_trade_history_is_rounded(
    text: str,
    kind: str,
    amount: str,
    currency: str,
    expected: tuple[str, ...],
    held: bool,
    accounts: Accounts,
) -> None:
    side, role, base, cost, fee, fee_currency = expected
    price = text.partition("price ")[2].split()[0]
    accounts.add(
        "account_transactions", line(1, at(0), kind, amount, currency, text), exchange="wex"
    )
    if held:  # 6 significant digits
        accounts.add(
            "account_trades",
            fill(7, at(0), side, f"{float(price):.6g}", f"{float(base):.6g}")
            | {"taker_or_maker": role, "order_id": "9" if role == "maker" else None},
            exchange="wex",
        )
    (found,) = accounts.rows(
        "SELECT trade_id, side, taker_or_maker, base_amount, cost, fee, fee_currency"
        " FROM account_fills"
    )
    assert found == (
        *("7" if held else None, side, role),
        *(Decimal(base), Decimal(cost), Decimal(fee), fee_currency),
    )
    assert accounts.unbalanced() == []


def test_fills_alike_in_everything_are_paired_one_to_one(accounts: Accounts) -> None:
    text = "Buy 1 LTC (-0.2%) from order :order:{}: by price 2 EUR"
    accounts.add(
        "account_transactions",
        *(line(i, at(0), "debit", "2", "EUR", text.format(i)) for i in range(1, 5)),
        exchange="wex",
    )
    accounts.add(
        "account_trades",
        *(fill(70 + i, at(0), "buy", "2", "1", taker_or_maker="taker") for i in range(1, 5)),
        exchange="wex",
    )
    assert accounts.rows("SELECT trade_id, transaction_id FROM account_fills ORDER BY 1") == [
        (f"7{i}", str(i)) for i in range(1, 5)
    ]


def test_where_one_history_ends_earlier_equal_figures_are_paired(accounts: Accounts) -> None:
    text = "Buy {} LTC (-0.2%) from order :order:5: by price 2 EUR"
    accounts.add(
        "account_transactions",
        *(line(i, at(i), "debit", str(2 * i), "EUR", text.format(i)) for i in (2, 3)),
        exchange="wex",
    )
    accounts.add(
        "account_trades",
        *(fill(70 + i, at(i), "buy", "2", str(i), taker_or_maker="taker") for i in (1, 2)),
        exchange="wex",
    )
    assert accounts.rows(
        "SELECT base_amount, trade_id, transaction_id FROM account_fills ORDER BY 1"
    ) == [(1, "71", None), (2, "72", "2"), (3, None, "3")]


def test_transfers_coupons_and_what_failed(accounts: Accounts) -> None:
    failed = {"status": "failed"}
    accounts.add(
        "account_transactions",
        line(1, at(1), "deposit", "10", "EUR"),
        line(2, at(2), "deposit", "5", "EUR") | {"status": "unconfirmed"},
        line(3, at(3), "withdrawal", "2", "EUR") | {"status": "pending"},
        line(4, at(4), "withdrawal", "3", "EUR") | failed,
        line(5, at(5), "credit", "1", "EUR", "Redeem coupon WEXEUR…"),
        line(6, at(6), "debit", "0.5", "EUR", "Create coupon"),
        line(7, at(7), "deposit", "4", "EUR") | failed,
        exchange="wex",
    )
    assert [(kind, amount, balance) for kind, _, amount, balance, *_ in entries(accounts)] == [
        ("deposit", 10, 10),
        ("withdrawal", -2, 8),
        ("credit", 1, 9),
        ("debit", Decimal("-0.5"), Decimal("8.5")),
    ]
    books = "SELECT book, sum(amount) FROM ledger GROUP BY ALL ORDER BY ALL"
    assert accounts.rows(books) == [("account", Decimal("8.5")), ("external", Decimal("-8.5"))]


def test_the_fee_of_a_transaction_comes_on_top_of_its_amount(accounts: Accounts) -> None:
    """Balance changes by amount less fee, of a withdrawal by both."""
    deposit = line(1, at(0), "deposit", "10", "BTC") | {"fee_amount": Decimal("0.125")}
    withdrawal = line(2, at(1), "withdrawal", "4", "BTC") | {"fee_amount": Decimal("0.5")}
    failed = line(3, at(2), "withdrawal", "1", "BTC") | {
        "fee_amount": Decimal("0.5"),
        "status": "failed",
    }
    accounts.add("account_transactions", deposit, withdrawal, failed)
    assert accounts.rows(
        "SELECT event, kind, amount, balance FROM ledger WHERE book = 'account' ORDER BY entry"
    ) == [
        ("transaction 1", "deposit", Decimal(10), Decimal(10)),
        ("transaction 1", "fee", Decimal("-0.125"), Decimal("9.875")),
        ("transaction 2", "withdrawal", Decimal(-4), Decimal("5.875")),
        ("transaction 2", "fee", Decimal("-0.5"), Decimal("5.375")),
    ]
    assert accounts.unbalanced() == []


def test_a_withdrawal_under_way_is_in_transit_with_its_fee(accounts: Accounts) -> None:
    withdrawal = line(2, at(0), "withdrawal", "4", "BTC") | {
        "fee_amount": Decimal("0.5"),
        "status": "pending",
    }
    accounts.add("account_transactions", line(1, at(-99), "deposit", "10", "BTC"), withdrawal)
    accounts.balances(at(300), BTC="10")
    ((currency, difference, cause, explained),) = accounts.result()
    assert (currency, difference, explained) == ("BTC", 0, True)
    assert cause == "withdrawal 2 not yet taken"


def test_a_trade_with_oneself_is_two_fills(accounts: Accounts) -> None:
    fee = {"fee_amount": Decimal("0.25"), "fee_currency": "EUR"}
    accounts.add(
        "account_trades",
        fill(7, at(0), "buy", "2", "3", **fee),
        fill(7, at(0), "sell", "2", "3", **fee),
        fill(8, at(1), "buy", "2", "1"),
    )
    assert accounts.rows("SELECT fill_id, side FROM account_fills ORDER BY fill_id") == [
        ("7 buy", "buy"),
        ("7 sell", "sell"),
        ("8", "buy"),
    ]
    assert accounts.rows(
        "SELECT currency, last(balance ORDER BY entry) FROM ledger WHERE book = 'account'"
        " GROUP BY currency ORDER BY currency"
    ) == [("EUR", Decimal("-2.5")), ("LTC", Decimal(1))]
    assert accounts.unbalanced() == []


def test_a_fee_in_a_third_currency_is_booked_in_it(accounts: Accounts) -> None:
    fee = {"fee_amount": Decimal("0.001"), "fee_currency": "BNB"}
    accounts.add("account_trades", fill(1, at(0), "sell", "2", "1", **fee))
    assert accounts.rows(
        "SELECT kind, currency, amount FROM ledger WHERE book = 'account' ORDER BY entry"
    ) == [
        ("trade", "LTC", Decimal(-1)),
        ("trade", "EUR", Decimal(2)),
        ("fee", "BNB", Decimal("-0.001")),
    ]
    assert accounts.unbalanced() == []


def test_a_rebate_is_a_fee_that_comes_in(accounts: Accounts) -> None:
    accounts.add("account_trades", fill(1, at(0), "sell", "2", "1", fee_amount=Decimal("-0.001")))
    assert [row[:3] for row in entries(accounts)] == [
        ("trade", "LTC", -1),
        ("trade", "EUR", 2),
        ("fee", "EUR", Decimal("0.001")),
    ]
    assert accounts.unbalanced() == []
