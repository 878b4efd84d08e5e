"""Marts against figures worked by hand, over hand-made rows."""

from decimal import Decimal

import duckdb

from tests.warehouse.database import Row, at, fill, insert, rows, trade, worked

D = Decimal


def test_fills_and_fees_by_month(db: duckdb.DuckDBPyConnection) -> None:
    worked(db)
    fill(db, 7, at(60 * 24 * 40), "sell", "10.5", "2", "0.03", "BNB")
    found = rows(
        db,
        "SELECT fill_id, base_change, quote_change, fee_quote FROM marts.fills"
        " ORDER BY fill_id::INT",
    )
    assert [tuple(r.values()) for r in found] == [
        ("1", D("1.9"), D(-200), D(10)),
        ("2", D(1), D(-133), D(3)),
        ("3", D("-2.4"), D("359.64"), D("0.36")),
        ("4", D(-1), D(90), None),
        ("5", D(1), D(-80), None),
        ("6", D("-0.25"), D(25), None),
        ("7", D(-2), D(21), None),
    ]
    months = rows(
        db,
        "SELECT month::VARCHAR, fee_currency, fills, fills_without_fee, fee, turnover, fee_quote"
        " FROM marts.fees_monthly ORDER BY ALL",
    )
    assert [tuple(r.values()) for r in months] == [
        ("2026-01-01", "BTC", 1, 0, D("0.1"), D(200), D(10)),
        ("2026-01-01", "USD", 2, 0, D("3.36"), D(490), D("3.36")),
        ("2026-01-01", None, 3, 3, None, D(195), None),
        ("2026-02-01", "BNB", 1, 0, D("0.03"), D(21), None),
    ]


def test_a_fee_in_a_third_currency_is_converted_at_the_price_of_its_time(
    db: duckdb.DuckDBPyConnection,
) -> None:
    """By the market of the two, either way round; a fee without a price is said to have none."""
    fill(db, 1, at(10), "buy", "100", "1", "0.5", "BNB")  # before any price of BNB
    trade(db, 1, at(11), "10", "1", symbol="BNB-USD")
    trade(db, 2, at(11), "20", "1", symbol="BNB-USD")
    fill(db, 2, at(12), "buy", "100", "1", "0.5", "BNB")
    insert(db, "tickers", symbol="BNB-USD", observed_at=at(13), timestamp=at(13), last=D(30))
    fill(db, 3, at(14), "sell", "150", "1", "-0.25", "BNB")  # a rebate
    trade(db, 3, at(15), "4", "1", symbol="USD-KFEE")
    fill(db, 4, at(16), "sell", "150", "1", "10", "KFEE")
    found = rows(
        db, "SELECT fill_id, fee_quote, quote_change, net_quote FROM marts.fills ORDER BY fill_id"
    )
    assert [tuple(r.values()) for r in found] == [
        ("1", None, D(-100), D(-100)),
        ("2", D(10), D(-100), D(-110)),
        ("3", D("-7.5"), D(150), D("157.5")),
        ("4", D("2.5"), D(150), D("147.5")),
    ]
    profit = rows(db, "SELECT cost, proceeds, profit FROM marts.profit_fifo ORDER BY fill_id")
    assert [tuple(r.values()) for r in profit] == [
        (D(100), D("157.5"), D("57.5")),
        (D(110), D("147.5"), D("37.5")),
    ]
    (month,) = rows(db, "SELECT * FROM marts.fees_monthly WHERE fee_currency = 'BNB'")
    assert (month["fee"], month["fee_quote"]) == (D("0.75"), None)


def test_a_fee_of_sixteen_decimals_is_kept_whole(db: duckdb.DuckDBPyConnection) -> None:
    fill(db, 1, at(1), "sell", "7", "2", "2.6256545174247512", "USD")
    fill(db, 2, at(2), "buy", "7", "2", "0.0000000000000012", "BTC")
    first, second = rows(db, "FROM marts.fills ORDER BY fill_id")
    assert first["fee_quote"] == D("2.6256545174247512")
    assert first["quote_change"] == D("11.3743454825752488")
    assert second["fee_quote"] == D("0.0000000000000084")


def test_rates_of_maker_and_taker_have_their_time(db: duckdb.DuckDBPyConnection) -> None:
    for minute, maker in ((1, "0.001"), (2, "0.001"), (3, "0.0005")):
        given = {"maker_fee_rate": D(maker), "taker_fee_rate": D("0.002"), "symbol": "*"}
        insert(db, "trading_fees", observed_at=at(minute), **given)
    found = rows(db, "SELECT * FROM marts.fee_rates ORDER BY valid_from")
    assert [(r["maker_fee_rate"], r["taker_fee_rate"], r["valid_to"]) for r in found] == [
        (D("0.001"), D("0.002"), at(3)),
        (D("0.0005"), D("0.002"), None),
    ]
    assert {r["buy_fee_rate"] for r in found} == {None}


def test_health_of_an_account_that_is_asked_market_by_market(
    db: duckdb.DuckDBPyConnection,
) -> None:
    fill(db, 1, at(1), "buy", "7", "2")
    fill(db, 2, at(2), "buy", "7", "2", symbol="ETH-USD")
    for stream in ("main/BTC-USD", "main/ETH-USD", "main/XRP-USD"):
        span = {"lower": 0, "upper": 9, "unit": "id", "state": "complete"}
        insert(db, "coverage", dataset="account_trades", stream=stream, **span)
    found = rows(db, "SELECT stream, rows, complete FROM marts.health ORDER BY stream")
    assert [tuple(r.values()) for r in found] == [
        ("main/BTC-USD", 1, 1),
        ("main/ETH-USD", 1, 1),
        ("main/XRP-USD", 0, 1),
    ]


def test_fills_of_more_than_duckdb_multiplies(db: duckdb.DuckDBPyConnection) -> None:
    """10^15 in quote currency fits; 10^21 does not: the fill is there without it."""
    fill(db, 1, at(1), "buy", "10000000", "100000000", "1", "BTC", cost=None)
    fill(db, 2, at(2), "sell", "100000000000", "10000000000", cost=None)
    found = rows(db, "SELECT cost, fee_quote, quote_change FROM marts.fills ORDER BY fill_id")
    assert [tuple(r.values()) for r in found] == [
        (D(10) ** 15, D(10) ** 7, -(D(10) ** 15)),
        (None, None, None),
    ]


def test_book_depth(db: duckdb.DuckDBPyConnection) -> None:
    for side, level, price, amount in (
        ("bid", 0, "99.9", "1"),
        ("bid", 1, "99.0", "2"),
        ("bid", 2, "98.9", "4"),
        ("ask", 0, "100.1", "0.5"),
        ("ask", 1, "101.0", "0.25"),
        ("ask", 2, "101.1", "8"),
    ):
        given = {"price": D(price), "amount": D(amount)}
        insert(db, "order_books", observed_at=at(1), side=side, level=level, **given)
    insert(db, "order_books", observed_at=at(2), side="bid", level=0, price=D(5), amount=D(1))
    first, second = rows(db, "FROM marts.book_depth ORDER BY observed_at")
    assert (first["best_bid"], first["best_ask"]) == (D("99.9"), D("100.1"))
    assert (first["spread"], first["mid"], first["spread_bps"]) == (D("0.2"), D(100), D(20))
    assert (first["bid_levels"], first["ask_levels"]) == (3, 3)
    assert (first["bid_amount"], first["ask_amount"]) == (D(7), D("8.75"))
    assert (first["bid_amount_1pct"], first["ask_amount_1pct"]) == (D(3), D("0.75"))
    assert (first["bid_value_1pct"], first["ask_value_1pct"]) == (D("297.9"), D("75.3"))
    assert (second["best_ask"], second["spread"], second["ask_amount"]) == (None, None, D(0))


def test_balance_history(db: duckdb.DuckDBPyConnection) -> None:
    for minute, currency, available, reserved in (
        (1, "BTC", "1", "0.5"),
        (1, "USD", "9", None),
        (3, "BTC", "2", "0"),
    ):
        given = {"available": D(available), "reserved": reserved and D(reserved)}
        insert(db, "balances", currency=currency, observed_at=at(minute), **given)
    found = rows(db, "SELECT currency, valid_from, valid_to, total FROM marts.balance_history")
    assert sorted(tuple(r.values()) for r in found if r["valid_to"]) == [
        ("BTC", at(1), at(3), D("1.5")),
        ("USD", at(1), at(3), D(9)),
    ]
    assert [tuple(r.values()) for r in found if not r["valid_to"]] == [
        ("BTC", at(3), None, D(2)),
    ]


def test_holdings_are_reckoned_back_from_the_first_observation(
    db: duckdb.DuckDBPyConnection,
) -> None:
    """The account had 5 BTC before its history begins; 1 BTC lies in an open order."""
    deposit = {"type": "deposit", "status": "ok", "description": "", "currency": "BTC"}
    for number, minute in ((1, 10), (2, 20), (3, 40)):
        row = {"transaction_id": str(number), "timestamp": at(minute), "amount": D(number)}
        insert(db, "account_transactions", **deposit, **row)
    for minute, available in ((30, "7"), (50, "10")):
        given = {"available": D(available), "reserved": D(1), "observed_at": at(minute)}
        insert(db, "balances", currency="BTC", **given)
    query = "SELECT valid_from, valid_to, total, source FROM marts.holdings ORDER BY valid_from"
    assert [tuple(r.values()) for r in rows(db, query)] == [
        (at(10), at(20), 6, "history"),
        (at(20), at(30), 8, "history"),
        (at(30), at(50), 8, "reported"),
        (at(50), None, 11, "reported"),
    ]


def test_fee_rates(db: duckdb.DuckDBPyConnection) -> None:
    for minute, symbol, rate in (
        (1, "*", "0.002"),
        (1, "ETH-BTC", "0.001"),
        (2, "*", "0.002"),
        (2, "ETH-BTC", "0.0005"),
        (3, "*", "0.002"),
        (4, "*", "0.003"),
        (5, "*", "0.002"),
    ):
        rates = {"buy_fee_rate": D(rate), "sell_fee_rate": D(rate)}
        insert(db, "trading_fees", symbol=symbol, observed_at=at(minute), **rates)
    query = (
        "SELECT symbol, valid_from, valid_to, buy_fee_rate FROM marts.fee_rates"
        " ORDER BY symbol, valid_from"
    )
    assert [tuple(r.values()) for r in rows(db, query)] == [
        ("*", at(1), at(4), D("0.002")),
        ("*", at(4), at(5), D("0.003")),
        ("*", at(5), None, D("0.002")),
        ("ETH-BTC", at(1), at(2), D("0.001")),
        ("ETH-BTC", at(2), at(3), D("0.0005")),  # no rate of its own any more
    ]


def test_book_depth_of_odd_orders(db: duckdb.DuckDBPyConnection) -> None:
    """An ask for 10^15, and a mid of more decimals than prices have."""
    for level, side, price, amount in (
        (0, "bid", "0.000000000001", "1"),
        (0, "ask", "0.000000000002", "1"),
        (1, "ask", "1000000000", "1000000"),
    ):
        given = {"price": D(price), "amount": D(amount)}
        insert(db, "order_books", observed_at=at(1), side=side, level=level, **given)
    (book,) = rows(db, "FROM marts.book_depth")
    assert book["mid"] == D("0.0000000000015")
    assert book["spread_bps"] == D("6666.666666666667")
    assert (book["ask_amount"], book["ask_value_1pct"]) == (D(1000001), None)


def test_candles_between_trades_of_one_moment(db: duckdb.DuckDBPyConnection) -> None:
    """Two spans that begin at the same time: the candles of the longer one are proved.

    And a candle is compared wherever it is held: the exchange's candles are not complete here.
    """
    for number, minute in enumerate((1, 1, 1, 6, 12)):
        trade(db, 10 + number, at(minute), "100", "1")
    for lower, upper in ((10, 11), (12, 14)):
        given = {"lower": lower, "upper": upper, "unit": "id", "state": "complete"}
        insert(db, "coverage", dataset="trades", stream="BTC-USD", **given)
    prices = dict.fromkeys(("open", "high", "low", "close"), D(100)) | {"volume": D(1)}
    insert(db, "candles", timeframe="5m", timestamp=at(5), is_final=True, **prices)
    assert [r["verdict"] for r in rows(db, "FROM marts.candles_compared")] == ["equal"]


def test_candles_compared(db: duckdb.DuckDBPyConnection) -> None:
    """Trades 10..19, one every 5 minutes from 00:01, of which ids 12..19 are proved."""
    for number in range(10):
        trade(db, 10 + number, at(5 * number + 1), str(100 + number), "1")

    def candle(slot: int, close: str, volume: str, final: bool = True) -> None:
        prices = dict.fromkeys(("open", "high", "low"), D(100 + slot))
        values = prices | {"close": D(close), "volume": D(volume)}
        insert(db, "candles", timeframe="5m", timestamp=at(5 * slot), is_final=final, **values)

    candle(1, "101", "1")
    candle(3, "103", "1")
    candle(4, "104", "2")
    candle(6, "106", "1")
    candle(8, "108", "1")
    candle(9, "108", "1", final=False)
    db.execute("DELETE FROM trades WHERE trade_id IN ('16')")
    start = int(at(0).timestamp()) * 1_000_000
    for dataset, stream, lower, upper, unit in (
        ("trades", "BTC-USD", 12, 19, "id"),
        ("candles", "BTC-USD:5m", start, start + 3600_000_000, "time"),
    ):
        given = {"lower": lower, "upper": upper, "unit": unit, "state": "complete"}
        insert(db, "coverage", dataset=dataset, stream=stream, **given)
    found = rows(
        db, "SELECT timestamp, verdict, trades FROM marts.candles_compared ORDER BY timestamp"
    )
    reported = [((r["timestamp"] - at(0)).seconds // 300, r["verdict"], r["trades"]) for r in found]
    assert reported == [
        (0, "unproved", 1),
        (1, "unproved", 1),
        (2, "unproved", 1),  # a trade before the first one proved may be missing
        (3, "equal", 1),
        (4, "different", 1),
        (5, "missing", 1),
        (6, "unfounded", 0),
        (7, "missing", 1),
        (8, "equal", 1),
    ]


def test_health(db: duckdb.DuckDBPyConnection) -> None:
    trade(db, 1, at(1), "1", "1")
    trade(db, 2, at(2), "1", "1")
    for state, lower in (("complete", 1), ("gap", 5), ("gap", 9), ("lost", 7)):
        given = {"lower": lower, "upper": lower, "unit": "id", "state": state}
        insert(db, "coverage", dataset="trades", stream="BTC-USD", **given)
    given = {"lower": 1, "upper": 2, "unit": "id", "state": "gap"}
    insert(db, "coverage", dataset="account_trades", stream="main", **given)
    rejected = {"row_hash": "h", "reason": "r", "payload": "p", "observed_at": at(1)}
    insert(db, "quarantine", dataset="trades", **rejected)
    reported = rows(db, "SELECT * EXCLUDE (exchange, stored_at) FROM marts.health ORDER BY dataset")
    assert reported[0]["rows"] == 0
    assert reported[0]["newest"] is None
    assert reported[0]["lag_seconds"] is None
    assert reported[0]["gaps"] == 1
    lag = reported[1].pop("lag_seconds")
    assert lag > 0
    assert reported[1] == {
        "dataset": "trades",
        "stream": "BTC-USD",
        "rows": 2,
        "oldest": at(1),
        "newest": at(2),
        "complete": 1,
        "gaps": 2,
        "lost": 1,
        "quarantined": 1,
        "irregular": 0,
    }


def test_irregular_candles_are_counted_by_stream(db: duckdb.DuckDBPyConnection) -> None:
    good: Row = dict.fromkeys(("open", "high", "low", "close", "volume"), D(5))
    odd: list[Row] = [
        {},
        {"low": D(6)},
        {"high": D(4)},
        {"open": D(6)},
        {"close": D(4)},
        {"volume": D(-1)},
        {"timestamp": at(61)},
        {"timestamp": at(-180)},  # 21:00
    ]
    for number, changes in enumerate(odd):
        for timeframe in ("1h", "1d"):
            at_ = {"timeframe": timeframe, "timestamp": at(24 * 60 * number), "is_final": True}
            insert(db, "candles", **(good | at_ | changes))
    query = "SELECT stream, rows, irregular FROM marts.health WHERE dataset = 'candles' ORDER BY 1"
    found = [tuple(row.values()) for row in rows(db, query)]
    assert found == [("BTC-USD:1d", 8, 7), ("BTC-USD:1h", 8, 6)]


LISTED = [  # symbol, base, quote
    ("BTC-USD-PERP", "BTC", "USD-PERP"),
    ("A-B-C", "A-B", "C"),
    ("USDT.E-USD-1A2B3C4D", "USDT.e", "USD"),
]


def test_currencies_of_a_market_are_those_listed(db: duckdb.DuckDBPyConnection) -> None:
    for number, (symbol, base, quote) in enumerate(LISTED, 1):
        listed = {"symbol": symbol, "native_symbol": symbol, "base": base, "quote": quote}
        insert(db, "markets", **listed, active=True)
        fill(db, number, at(number), "buy", "100", "2", "0.5", quote, symbol=symbol)
        trade(db, number, at(number), "100", "2", symbol=symbol)
    fill(db, 4, at(4), "buy", "100", "2", symbol="ETH-USD")  # not listed: by its symbol
    placed = {"side": "buy", "type": "limit", "price": D(1), "amount": D(1), "remaining": D(1)}
    for number, (symbol, *_) in enumerate(LISTED, 1):
        order = {"order_id": str(number), "timestamp": at(9), "symbol": symbol, "status": "open"}
        insert(db, "account_orders", **(placed | order))
    expected = [*LISTED, ("ETH-USD", "ETH", "USD")]
    for view in ("account_fills", "marts.fills"):
        found = rows(db, f"SELECT DISTINCT symbol, base, quote FROM {view} ORDER BY symbol")
        assert sorted(tuple(row.values()) for row in found) == sorted(expected)
    found = rows(db, "SELECT symbol, fee_quote, quote FROM marts.fees_monthly ORDER BY symbol")
    assert {r["symbol"]: (r["fee_quote"], r["quote"]) for r in found} == {
        symbol: (None if symbol == "ETH-USD" else D("0.5"), quote) for symbol, _, quote in expected
    }
    found = rows(db, "SELECT DISTINCT currency FROM ledger ORDER BY 1")
    assert {r["currency"] for r in found} == {c for _, *two in expected for c in two}
    found = rows(db, "SELECT currency FROM holds")
    assert {r["currency"] for r in found} == {quote for *_, quote in LISTED}
    held = {"observed_at": at(5), "available": D(1)}
    for currency in ("A-B", "USDT.e", "BTC"):
        insert(db, "balances", currency=currency, **held)
    for quote, priced in (("C", "A-B"), ("USD", "USDT.e"), ("USD-PERP", "BTC")):
        query = f"FROM account_value('{quote}', '1d') SELECT currency WHERE price IS NOT NULL"
        assert priced in [row["currency"] for row in rows(db, query)]


def test_vwap(db: duckdb.DuckDBPyConnection) -> None:
    db.execute("SET TimeZone = 'Asia/Tokyo'")  # a day is UTC's, wherever one sits
    trade(db, 1, at(0), "100", "1")
    trade(db, 2, at(1), "101", "2", side="sell")
    trade(db, 3, at(24 * 60), "0.00000001", "3", cost=None)
    found = rows(db, "SELECT * EXCLUDE (exchange, symbol, day) FROM marts.vwap_daily ORDER BY day")
    assert [tuple(r.values()) for r in found] == [
        (2, D(3), D(1), D(302), D("100.666666666667")),
        (1, D(3), D(3), None, None),
    ]
