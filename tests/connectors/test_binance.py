"""What is peculiar to Binance, and recorded answers to the exact text."""

import hashlib
import hmac
import json
import re
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import parse_qsl

import pytest

import connectors
import sandbox
from connectors import (
    AuthError,
    Connection,
    ContractError,
    Credentials,
    NotOfferedError,
    Page,
    RateLimitedError,
    RequestError,
    StreamId,
    TransientError,
    Window,
)
from connectors.binance import auth, parse, refusals, transactions
from connectors.binance.endpoints import DIALECT
from connectors.dialect import Answered, Asked
from connectors.http import Request, Response, get
from connectors.local import LocalNonces, NoLimits
from connectors.pace import Allowance
from sandbox.binance import BinanceSwitches
from tests.connectors.conftest import CLOCK, Scripted, World
from tests.connectors.conftest import Response as Answer
from tests.connectors.test_wex import bare, spelled
from tests.matrix import crossed

TRADES = StreamId("binance", "trades", "BTC-USDT")
FILLS = StreamId("binance", "account_trades", "BTC-USDT", "main")
MOVES = StreamId("binance", "account_transactions", account="main")
AT = 1_768_000_000_250_000
DAY_US = 86_400_000_000
SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
REST = "side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000"
WIDE_NAME = "symbol=%EF%BC%91%EF%BC%92%EF%BC%93%EF%BC%94%EF%BC%95%EF%BC%96"


@pytest.fixture(scope="module")
def folder(shared_data: Path) -> Path:
    return shared_data / "exchanges" / "binance"


def texts(path: Path) -> Any:
    """The file with every number as the text it is written in."""
    return json.loads(path.read_text("utf-8"), parse_float=str, parse_int=str)


def rows(page: Page) -> list[dict[str, Any]]:
    assert page.rejected == ()
    found: list[dict[str, Any]] = page.table.to_pylist()
    return found


def ms(value: Any) -> str:
    return str(round(value.timestamp() * 1000))


# -- recorded answers ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["trades_ETHBTC_1000", "historicalTrades_BTCUSDT_5", "aggTrades_BTCUSDT_fromId"]
)
def test_recorded_trades(folder: Path, name: str) -> None:
    sent = texts(folder / f"{name}.json")
    body = (folder / f"{name}.json").read_bytes()
    if name.startswith("agg"):  # another shape: never mistaken for trades
        page = parse.trades(body, "BTC-USDT").page()
        assert page.table.num_rows == 0 and len(page.rejected) == len(sent)
        return
    page = parse.trades(body, "ETH-BTC").page()
    assert page.positions.to_pylist() == [int(row["id"]) for row in sent]
    for found, row in zip(rows(page), sent, strict=True):
        assert (found["trade_id"], ms(found["timestamp"])) == (row["id"], row["time"])
        assert spelled(found["price"]) == bare(row["price"])
        assert spelled(found["amount"]) == bare(row["qty"])
        assert found["side"] == ("sell" if row["isBuyerMaker"] else "buy")


@pytest.mark.parametrize(
    ("name", "timeframe"), [("klines_BTCUSDT_1d_2019", "1d"), ("klines_BTCUSDT_5m_limit24", "5m")]
)
def test_recorded_candles(folder: Path, name: str, timeframe: str) -> None:
    sent = texts(folder / f"{name}.json")
    page = parse.candles((folder / f"{name}.json").read_bytes(), "BTC-USDT", timeframe, AT).page()
    names = ("open", "high", "low", "close", "volume")
    for found, row in zip(rows(page), sent, strict=True):
        assert ms(found["timestamp"]) == row[0] and found["is_final"]
        assert [spelled(found[n]) for n in names] == [bare(v) for v in row[1:6]]


def test_recorded_tickers(folder: Path) -> None:
    sent = texts(folder / "ticker24hr_all.json")
    asked = {row["symbol"]: row["symbol"] for row in sent}
    page = parse.tickers((folder / "ticker24hr_all.json").read_bytes(), asked, AT).page()
    names = {
        "last": "lastPrice", "bid": "bidPrice", "ask": "askPrice", "high": "highPrice",
        "low": "lowPrice", "base_volume": "volume", "quote_volume": "quoteVolume",
        "change_percent": "priceChangePercent", "average": "weightedAvgPrice",
    }  # fmt: skip
    for found, row in zip(rows(page), sent, strict=True):
        assert ms(found["timestamp"]) == row["closeTime"]
        for name, source in names.items():
            value = found[name]
            assert Decimal(row[source]) == (0 if value is None else value)
            assert (value is None) == (name not in ("base_volume", "quote_volume", "change_percent")
                                       and not Decimal(row[source]))  # fmt: skip
    single = (folder / "ticker24hr_BTCUSDT.json").read_bytes()
    with pytest.raises(ContractError):
        parse.tickers(single, asked, AT)


def test_recorded_markets(folder: Path) -> None:
    """Dead pairs are listed and not active; base and quote come from the list, never from names."""
    body = (folder / "exchangeInfo_25_symbols.json").read_bytes()
    lean = parse.without_permissions(body)
    assert len(lean) < len(body) / 2 and b'"permissionSets":[]' in lean
    sent = texts(folder / "exchangeInfo_25_symbols.json")["symbols"]
    for found, row in zip(rows(parse.market_rows(lean, AT).page()), sent, strict=True):
        filters = {f["filterType"]: f for f in row["filters"]}
        assert found["native_symbol"] == row["symbol"]
        assert found["symbol"] == f"{row['baseAsset']}-{row['quoteAsset']}"
        assert found["active"] == (row["status"] == "TRADING")
        assert spelled(found["min_amount"]) == bare(filters["LOT_SIZE"]["minQty"])
        assert spelled(found["min_value"]) == bare(filters["NOTIONAL"]["minNotional"])
        step = Decimal(1).scaleb(-found["price_precision"])
        assert Decimal(filters["PRICE_FILTER"]["tickSize"]) % step == 0
    assert [row["status"] for row in sent].count("BREAK") == 13


def test_a_list_as_long_as_the_real_one_is_read(folder: Path) -> None:
    """4,000 markets with all their permissions: 19 MB, of which a third is read."""
    listing = json.loads((folder / "exchangeInfo_25_symbols.json").read_bytes())
    symbols = [
        {**row, "symbol": f"{row['symbol']}{n}", "baseAsset": f"{row['baseAsset']}{n}"}
        for n in range(160)
        for row in listing["symbols"]
    ]
    body = json.dumps({**listing, "symbols": symbols}, separators=(",", ":")).encode()
    page = parse.market_rows(parse.without_permissions(body), AT).page()
    assert page.table.num_rows == 4000 and page.rejected == ()


def test_recorded_account(folder: Path) -> None:
    for name, count in (("account_spot", 3), ("account_zero", 170)):
        sent = texts(folder / f"{name}.json")["balances"]
        page = parse.balances((folder / f"{name}.json").read_bytes(), AT).page()
        assert page.table.num_rows == len(sent) == count
        for found, row in zip(rows(page), sent, strict=True):
            assert found["currency"] == row["asset"].upper()
            assert (found["available"], found["reserved"]) == (
                Decimal(row["free"]),
                Decimal(row["locked"]),
            )
    body = (folder / "myTrades_LTCUSDT.json").read_bytes()
    fills = rows(parse.account_trades(body, "LTCUSDT", "LTC-USDT").page())
    for fill, row in zip(fills, texts(folder / "myTrades_LTCUSDT.json"), strict=True):
        assert (fill["trade_id"], fill["order_id"]) == (row["id"], row["orderId"])
        assert (fill["side"], fill["taker_or_maker"]) == ("sell", "taker")
        assert (spelled(fill["fee_amount"]), fill["fee_currency"]) == (
            bare(row["commission"]),
            row["commissionAsset"],
        )
    body = (folder / "allOrders_LTCUSDT.json").read_bytes()
    (order,) = rows(parse.account_orders(body, "LTCUSDT", "LTC-USDT").page())
    assert (order["status"], order["remaining"], order["filled"]) == ("canceled", 0, 0)
    assert ms(order["closed_at"]) == "1706883268013" and order["average"] is None


RECORDED = {
    "deposit_hisrec": "capital/deposit/hisrec",
    "withdraw_history": "capital/withdraw/history",
    "assetDividend": "asset/assetDividend",
}


def moves(body: bytes, path: str, query: str = "") -> Page:
    """A page of one of the lists."""
    return transactions.LISTS.parsed(body, Answered((MOVES,), AT, None, query, f"/sapi/v1/{path}"))


def test_recorded_transactions(folder: Path) -> None:
    def one(name: str) -> dict[str, Any]:
        (row,) = rows(moves((folder / f"{name}.json").read_bytes(), RECORDED[name]))
        return row

    deposit, withdrawal, dividend = map(
        one, ("deposit_hisrec", "withdraw_history", "assetDividend")
    )
    assert (deposit["transaction_id"], deposit["type"], deposit["status"]) == (
        "4500000001", "deposit", "ok"
    )  # fmt: skip
    assert (deposit["amount"], deposit["fee_amount"]) == (10, None)
    assert ms(deposit["timestamp"]) == "1714923704000"
    assert withdrawal["transaction_id"] == "54c1b700000000000000000000000001"
    assert (withdrawal["amount"], withdrawal["fee_amount"]) == (9, 1)
    assert f"{withdrawal['timestamp']:%Y-%m-%d %H:%M:%S%z}" == "2024-05-05 15:38:56+0000"
    assert (dividend["type"], dividend["currency"], dividend["amount"]) == ("credit", "BHFT", 10)
    assert dividend["description"] == "BHFT distribution"


# -- rows of every kind ----------------------------------------------------------------------------

ORDER: dict[str, Any] = {
    "symbol": "BTCUSDT", "orderId": 7, "price": "60000.00", "origQty": "0.30000000",
    "executedQty": "0.10000000", "cummulativeQuoteQty": "6000.50000000", "status": "NEW",
    "type": "LIMIT", "side": "BUY", "time": 1768000000000, "updateTime": 1768000001000,
}  # fmt: skip


def order(**changes: Any) -> dict[str, Any]:
    body = json.dumps([{**ORDER, **changes}]).encode()
    (row,) = rows(parse.account_orders(body, "BTCUSDT", "BTC-USDT").page())
    return row


@pytest.mark.parametrize(
    ("status", "state"),
    [
        *((word, "open") for word in ("NEW", "PENDING_NEW", "PARTIALLY_FILLED")),
        ("FILLED", "closed"),
        *(
            (word, "canceled")
            for word in ("CANCELED", "PENDING_CANCEL", "REJECTED", "EXPIRED", "EXPIRED_IN_MATCH")
        ),
    ],
)
def test_states_of_orders(status: str, state: str) -> None:
    row = order(status=status)
    assert row["status"] == state
    assert row["remaining"] == (Decimal("0.2") if state == "open" else 0)
    assert (row["closed_at"] is None) == (state == "open")
    assert (row["cost"], row["average"]) == (Decimal("6000.5"), 60005)


def test_odd_orders() -> None:
    assert order(cummulativeQuoteQty="-1.00000000")["cost"] is None
    assert order(cummulativeQuoteQty="-1")["average"] is None
    assert order(executedQty="0.30000000")["average"] is None  # 20001.666…
    assert order(executedQty="0.00000000")["average"] is None
    market = order(type="MARKET", price="0.00000000", status="FILLED")
    assert (market["type"], market["price"], market["average"]) == ("market", 0, 60005)
    for kind, plain in (("LIMIT_MAKER", "limit"), ("STOP_LOSS", "market")):
        assert order(type=kind)["type"] == plain
    page = parse.account_orders(
        json.dumps([ORDER, {**ORDER, "orderId": 8, "status": "ASLEEP"}]).encode(),
        "BTCUSDT",
        "BTC-USDT",
    ).page()
    assert page.positions.to_pylist() == [7] and page.rejected[0].position == 8
    with pytest.raises(ContractError, match="ETHUSDT"):
        parse.account_orders(
            json.dumps([{**ORDER, "symbol": "ETHUSDT"}, {}]).encode(), "BTCUSDT", "BTC-USDT"
        )


def test_a_trade_with_oneself_is_two_fills_and_a_fee_may_be_in_a_third_coin() -> None:
    fill = {
        "symbol": "BTCUSDT", "id": 9, "orderId": 1, "price": "60000", "qty": "0.1",
        "commission": "0.00012300", "commissionAsset": "BNB", "time": 1768000000000,
        "isBuyer": True, "isMaker": True,
    }  # fmt: skip
    body = json.dumps([fill, {**fill, "isBuyer": False, "isMaker": False, "orderId": 2}]).encode()
    found = rows(parse.account_trades(body, "BTCUSDT", "BTC-USDT").page())
    assert [(f["trade_id"], f["side"], f["taker_or_maker"]) for f in found] == [
        ("9", "buy", "maker"),
        ("9", "sell", "taker"),
    ]
    assert {f["fee_currency"] for f in found} == {"BNB"}


def test_states_and_ids_of_transfers_of_every_kind() -> None:
    def deposit(**values: Any) -> dict[str, Any]:
        row = {"id": "1", "coin": "BTC", "amount": "1", "insertTime": 1768000000000, "txId": "0xA"}
        (found,) = rows(moves(json.dumps([{**row, **values}]).encode(), "capital/deposit/hisrec"))
        return found

    def withdrawal(**values: Any) -> dict[str, Any]:
        row = {"id": "b1", "coin": "BTC", "amount": "1", "applyTime": "2026-01-09 23:06:40"}
        (found,) = rows(moves(json.dumps([{**row, **values}]).encode(), "capital/withdraw/history"))
        return found

    states = {0: "pending", 1: "ok", 2: "failed", 6: "ok", 7: "failed", 8: "pending"}
    for code in (*range(10), "1", None, "new"):
        usual = states.get(int(code)) if code not in (None, "new") else None
        assert deposit(status=code)["status"] == (usual or "unconfirmed")
    states = {0: "pending", 2: "pending", 4: "pending", 6: "ok"} | dict.fromkeys(
        (1, 3, 5), "failed"
    )
    for code in (*range(8), "6", None):
        usual = states.get(int(code)) if code is not None else None
        assert withdrawal(status=code)["status"] == (usual or "unconfirmed")
    # The id spaces never meet, and rows of early years have an id too.
    assert deposit(id=17)["transaction_id"] == "17"
    assert withdrawal(id="17")["transaction_id"] == "withdrawal-17"
    assert deposit(id="b1")["transaction_id"] == "deposit-b1"
    assert deposit(id=None)["transaction_id"] == "deposit-0xA-1768000000000"
    assert withdrawal(txId=None)["description"] == ""


def test_a_market_that_never_traded_has_no_price() -> None:
    zeros = {name: "0.00000000" for name in (
        "lastPrice", "bidPrice", "askPrice", "highPrice", "lowPrice", "volume", "quoteVolume",
        "priceChangePercent", "weightedAvgPrice",
    )}  # fmt: skip
    body = json.dumps([{"symbol": "ABCUSDT", "closeTime": 1768000000000, **zeros}]).encode()
    (row,) = rows(parse.tickers(body, {"ABCUSDT": "ABC-USDT"}, AT).page())
    assert {row[n] for n in ("last", "bid", "ask", "high", "low", "average")} == {None}
    assert row["base_volume"] == row["quote_volume"] == 0


def test_rules_of_0_are_none_and_what_is_not_spot_is_not_listed() -> None:
    market = {
        "symbol": "币USDT", "baseAsset": "币", "quoteAsset": "USDT", "status": "TRADING",
        "isSpotTradingAllowed": True,
        "filters": [
            {"filterType": "PRICE_FILTER", "tickSize": "0.00000000", "minPrice": "0"},
            {"filterType": "LOT_SIZE", "stepSize": "10.00000000", "maxQty": "0.00"},
            {"filterType": "MIN_NOTIONAL", "minNotional": "5.0"},
            7,
        ],
    }  # fmt: skip
    other = {**market, "symbol": "XUSDT_PERP", "isSpotTradingAllowed": False}
    halted = {**market, "symbol": "YUSDT", "baseAsset": "Y", "status": "CANCEL_ONLY"}
    del halted["filters"]
    odd = {**halted, "symbol": "ZUSDT", "baseAsset": "Z", "filters": 7, "status": False}
    body = json.dumps({"symbols": [market, other, halted, odd]}, ensure_ascii=False).encode()
    first, second, third = rows(parse.market_rows(body, AT).page())
    assert (third["symbol"], third["active"], third["min_amount"]) == ("Z-USDT", False, None)
    assert (first["symbol"], first["native_symbol"]) == ("币-USDT", "币USDT")
    assert (first["price_precision"], first["amount_precision"]) == (None, 0)
    assert (first["min_price"], first["max_amount"], first["min_value"]) == (None, None, 5)
    assert (second["symbol"], second["active"], second["min_amount"]) == ("Y-USDT", False, None)


# -- signing, and how calls are fresh --------------------------------------------------------------


@pytest.mark.parametrize(
    ("symbol", "expected"),
    [
        ("symbol=LTCBTC", "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"),
        (WIDE_NAME, "e1353ec6b14d888f1164ae9af8228a3dbd508bc82eb867db8ab6046442f33ef3"),
    ],
)
def test_signatures_of_the_documents_examples(symbol: str, expected: str) -> None:
    """They sign an order, which is never sent from here."""
    payload = f"{symbol}&{REST}&timestamp=1499827319559"
    assert auth.signature(SECRET, payload) == expected
    by_hand = hmac.new(SECRET.encode(), payload.encode(), hashlib.sha256).hexdigest()
    assert by_hand == expected


def test_what_is_signed_is_what_is_sent(server: Scripted) -> None:
    server.answers(b"[]")
    server.open("binance").fetch(FILLS, Window(5))
    (request,) = server.requests
    path, _, query = request.target.partition("?")
    payload, _, signature = query.rpartition("&signature=")
    assert path == "/api/v3/myTrades"
    assert dict(parse_qsl(payload)) == {
        "symbol": "BTCUSDT", "limit": "1000", "fromId": "5", "recvWindow": "10000",
        "timestamp": str(int(CLOCK * 1000)),
    }  # fmt: skip
    by_hand = hmac.new(b"my-secret-0815", payload.encode(), hashlib.sha256).hexdigest()
    assert signature == by_hand and request.headers["x-mbx-apikey"] == "my-key-4711"


def test_a_name_with_other_than_ascii_characters_is_encoded_before_it_is_signed(
    server: Scripted,
) -> None:
    server.answers(b"[]")
    connector = server.open("binance", names={"币USDT": "币-USDT"})
    connector.fetch(replace(FILLS, symbol="币-USDT"), Window())
    query = server.requests[0].target.partition("?")[2]
    payload, _, signature = query.rpartition("&signature=")
    assert payload.startswith("symbol=%E5%B8%81USDT&")
    assert signature == auth.signature("my-secret-0815", payload)


def test_no_key_is_sent_with_a_public_call_unless_it_is_asked_for(server: Scripted) -> None:
    """``historicalTrades`` needed a key until 2023; some have reported it since."""
    keyless: Answer = (401, {}, b'{"code":-2014,"msg":"API-key format invalid."}')
    server.answers(b"[]", keyless, b"[]")
    connector = server.open("binance")
    connector.fetch(TRADES, Window(7))
    connector.fetch(TRADES, Window(7))
    sent = ["x-mbx-apikey" in request.headers for request in server.requests]
    assert sent == [False, False, True]
    assert server.requests[2].target == server.requests[1].target  # and no signature
    server.answers(keyless)
    with pytest.raises(AuthError, match="2014"):
        server.open("binance", credentials=None).fetch(TRADES, Window(7))
    server.answers(keyless, keyless)
    with pytest.raises(AuthError):
        connector.fetch(TRADES, Window(7))
    assert len(server.requests) == 2


def test_the_exchanges_clock_is_measured_and_measured_again(world: World) -> None:
    switches = world.server.of(BinanceSwitches)
    switches.clock_ahead_ms = -7_200_000
    connector = world.open("binance")
    for ahead in (-7_200_000, 86_400_000):
        switches.clock_ahead_ms = ahead
        assert connector.snapshot("balances", ()).received > 0
    calls = [e.path.rpartition("/")[2] for e in world.server.log.entries]
    assert calls == ["time", "account", "account", "time", "account"]
    assert world.waits == []


# -- limits and refusals ---------------------------------------------------------------------------

NOW = 1_768_000_000_000


def response(status: int, body: bytes = b"{}", **headers: str) -> Response:
    after = headers.get("retry_after")
    return Response(
        get("/api/v3/trades"),
        status,
        body,
        server_time=NOW * 1000,
        retry_after=None if after is None else float(after),
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )


def until(ms_: int) -> bytes:
    return b'{"code":-1003,"msg":"Way too much request weight used; IP banned until %d."}' % ms_


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        (response(429, retry_after="7"), 7),
        (response(429), None),
        (response(429, retry_after="0"), None),
        (response(429, until(NOW + 30_000), retry_after="0"), 30),
        (response(418, until(NOW + 30_000), retry_after="90"), 90),
        (response(418, until(NOW + 200_000), retry_after="9"), 200),
        (response(418, until(NOW - 5_000)), 120),
        (response(418, retry_after="0"), 120),
        (response(200), None),
        (response(200, x_mbx_used_weight_1m="5990"), None),
    ],
)
def test_how_long_nothing_is_sent(answer: Response, seconds: float | None) -> None:
    assert refusals.rest(answer) == seconds


def info(*limits: dict[str, Any]) -> bytes:
    listing = {"timezone": "UTC", "rateLimits": limits, "symbols": []}
    return json.dumps(listing).encode()


def limit(kind: str, most: Any, interval: Any = "MINUTE", count: Any = 1) -> dict[str, Any]:
    return {"rateLimitType": kind, "interval": interval, "intervalNum": count, "limit": most}


def allowed(*limits: dict[str, Any]) -> Allowance:
    listed = replace(response(200, info(*limits)), request=get("/api/v3/exchangeInfo"))
    declared = DIALECT.limits["public"]
    found = refusals.announced(listed)
    assert {*found} <= {"public"}
    return declared.lowered(found["public"]) if found else declared


def test_a_lower_allowance_is_obeyed_and_a_higher_one_not_used() -> None:
    declared = DIALECT.limits["public"]
    recorded = limit("REQUEST_WEIGHT", 6000), limit("RAW_REQUESTS", 61_000, count=5)
    orders = limit("ORDERS", 1, "SECOND", 10)
    assert replace(allowed(*recorded, orders), least=0) == declared
    assert allowed(*recorded).least < 1
    assert replace(allowed(limit("REQUEST_WEIGHT", 60_000)), least=0) == declared
    for most in (1_200, 300, 20):
        lower = allowed(limit("REQUEST_WEIGHT", most), orders)
        assert lower.most == most
        assert 60 * lower.per_second + lower.burst + min(250, most / 2) <= most
    by_ten_seconds = allowed(limit("REQUEST_WEIGHT", 100, "SECOND", 10))
    assert by_ten_seconds.per_second < 10 and by_ten_seconds.most == 6000
    few = allowed(*recorded, limit("RAW_REQUESTS", 60, count=1))
    assert few.per_second / few.least <= 60 / 60  # calls a second, whatever they weigh
    odd_ones = [("6000",), (0,), (10, "FORTNIGHT"), (10, None)]
    for odd in (limit("REQUEST_WEIGHT", *values) for values in odd_ones):
        assert allowed(odd) == declared
    assert refusals.announced(response(200, info(recorded[0]))) == {}


class Counting(NoLimits):
    """Notes what each call may and does cost."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Allowance, float]] = []
        self.held: list[float] = []

    def wait(self, bucket: str, allowance: Allowance, cost: float = 1.0) -> None:
        self.calls.append((bucket.partition("-")[2].partition("-")[0], allowance, cost))

    def hold(self, bucket: str, seconds: float) -> None:
        self.held.append(seconds)


def test_what_the_list_of_markets_allows_is_kept_from_then_on(server: Scripted) -> None:
    counting = Counting()
    lower = info(limit("REQUEST_WEIGHT", 600), limit("RAW_REQUESTS", 60, count=5))
    spent = {"X-MBX-USED-WEIGHT-1M": "580"}
    server.answers(b"[]", lower, (200, spent, b"[]"), (200, {}, b"[]"))
    connector = server.open("binance", limits=counting)
    connector.fetch(TRADES, Window(5))
    connector.snapshot("markets", ())
    connector.fetch(TRADES, Window(5))
    connector.fetch(replace(TRADES, dataset="candles", timeframe="1h"), Window(unit="ms"))
    rates = [allowance.per_second for _, allowance, _ in counting.calls]
    assert rates[0] == rates[1] == 90 and rates[2] == rates[3] < 600 / 60
    costs = [cost for *_, cost in counting.calls]
    assert costs[:2] == [25, 20] and costs[2] >= 25
    assert costs[3] >= rates[3] * 5  # twelve calls a minute are allowed, whatever they weigh
    (rest,) = counting.held  # 580 of 600 are used: the others' share of this minute
    assert 0 < rest <= 60


def refused(code: int, text: str = "…") -> bytes:
    return json.dumps({"code": code, "msg": text}).encode()


@pytest.mark.parametrize(
    ("status", "body", "error", "tries"),
    [
        (400, refused(-1121, "Invalid symbol."), RequestError, 1),
        (400, refused(-1102), RequestError, 1),
        (400, refused(-1128), RequestError, 1),
        (400, refused(-1127), RequestError, 1),
        (400, refused(-1000), TransientError, 3),
        (503, refused(-1008), TransientError, 3),
        (400, refused(-1007), TransientError, 3),
        (400, refused(-1003), RateLimitedError, 3),
        (429, refused(-1003), RateLimitedError, 3),
        (200, refused(-1003), RateLimitedError, 3),
        (400, refused(-1022), AuthError, 1),
        (401, refused(-2014), AuthError, 1),
        (401, refused(-2015), AuthError, 1),
        (403, b"<html><body>Request blocked</body></html>", AuthError, 1),
        (451, refused(0, "Service unavailable from a restricted location"), RequestError, 1),
        (404, refused(-1000), TransientError, 3),
        (400, b'{"msg":"no code"}', RequestError, 1),
        (200, b'{"code":"-1003"}', ContractError, 1),
    ],
)
def test_what_refusals_mean(
    server: Scripted, status: int, body: bytes, error: type[Exception], tries: int
) -> None:
    server.answers(*[(status, {}, body)] * tries)
    with pytest.raises(error) as caught:
        server.open("binance", retries=2).fetch(FILLS, Window())
    assert type(caught.value) is error and len(server.requests) == tries


def test_messages_end_in_a_fix(server: Scripted) -> None:
    server.answers((451, {}, refused(0, "Service unavailable from a restricted location")))
    with pytest.raises(RequestError, match=r"restricted location.*Fix: .*docs/exchanges"):
        server.open("binance").fetch(TRADES, Window())
    server.answers((404, {}, b'{"code":0,"msg":"Not found"}'))
    with pytest.raises(NotOfferedError, match=r"historicalTrades.*Fix: "):
        server.open("binance").fetch(TRADES, Window(1))
    server.answers((401, {}, refused(-2015, "Invalid API-key, IP, or permissions for action.")))
    with pytest.raises(AuthError, match=r"Fix: check BINANCE_API_KEY and BINANCE_API_SECRET"):
        server.open("binance").fetch(FILLS, Window())


def test_weights_keep_below_what_is_allowed() -> None:
    """In any minute: what comes back in it, what may be outstanding, and one call more."""
    allowed = DIALECT.limits["public"]
    assert 60 * allowed.per_second + allowed.burst + 250 <= 6_000
    uid = DIALECT.limits["uid"]
    assert 60 * uid.per_second + uid.burst <= 180_000 and uid.per_account
    asked = Asked((TRADES,), Window(1))
    request = DIALECT.endpoints["trades"].request
    assert request is not None and request(asked).cost == 25


def test_two_keys_of_one_address_share_its_weight() -> None:
    for name in ("account_trades", "account_orders", "balances"):
        request = DIALECT.endpoints[name].request
        assert request is not None
        made = request(Asked((FILLS,), Window()))
        assert (made.bucket, made.cost, made.private) == ("public", 20, True)


# -- a history in several lists --------------------------------------------------------------------


def deposits(*numbers: int) -> bytes:
    return json.dumps(
        [
            {"id": str(n), "coin": "BTC", "amount": "1", "status": 1, "insertTime": NOW + n}
            for n in numbers
        ]
    ).encode()


def withdrawals(*times: str) -> bytes:
    return json.dumps(
        [
            {"id": f"b{at}", "coin": "BTC", "amount": "1", "status": 6, "applyTime": at}
            for at in times
        ]
    ).encode()


NONE: bytes = b"[]"
NO_DIVIDENDS = b'{"rows":[],"total":0}'
NO_CONVERSIONS = b'{"list":[],"moreData":false}'
NO_DUST = b'{"total":0,"userAssetDribblets":[]}'
NO_FIAT = b'{"code":"000000","message":"success","total":0,"success":true}'
REST_EMPTY = (NO_CONVERSIONS, NO_CONVERSIONS, NO_CONVERSIONS, NO_DUST, NO_FIAT, NO_FIAT)
"""The lists after dividends, of 80 days: conversions 30 days at a time."""


def asked_for(server: Scripted) -> list[tuple[str, dict[str, str]]]:
    found = []
    for request in server.requests:
        path, _, query = request.target.partition("?")
        given = dict(parse_qsl(query))
        for name in ("recvWindow", "timestamp", "signature", "limit", "rows", "page"):
            given.pop(name, None)
        found.append((path.rpartition("/")[2], given))
    return found


def days_of(given: dict[str, str]) -> float:
    low, high = (int(v) for k, v in given.items() if k in ("startTime", "beginTime", "endTime"))
    return (high - low) / 86_400_000


def test_one_page_is_all_lists_to_their_end(server: Scripted) -> None:
    dividends = json.dumps(
        {"rows": [{"id": 5, "asset": "BNB", "amount": "0.1", "divTime": NOW, "enInfo": "Earn"}]}
    ).encode()
    server.answers(
        deposits(3, 2), deposits(1), NONE, withdrawals("2026-01-09 23:06:40"), NONE, dividends,
        *REST_EMPTY,
    )  # fmt: skip
    low, high = NOW * 1000 - 80 * DAY_US + 10_000, NOW * 1000 + 10_000
    page = server.open("binance").fetch(MOVES, Window(low, high, unit="ms"))
    assert page.table["transaction_id"].to_pylist() == [
        "3", "2", "1", "b2026-01-09 23:06:40", "dividend-5",
    ]  # fmt: skip
    asked = asked_for(server)
    assert [name for name, _ in asked] == [
        *["hisrec"] * 3, *["history"] * 2, "assetDividend", *["tradeFlow"] * 3, "dribblet",
        *["payments"] * 2,
    ]  # fmt: skip
    assert [given.get("offset") for _, given in asked[:5]] == [None, "2", "3", None, "1"]
    assert [given.get("transactionType") for _, given in asked[-2:]] == ["0", "1"]
    days = [round(days_of(given)) for name, given in asked]
    assert days == [*[80] * 3, *[84] * 2, 80, 30, 30, 20, *[80] * 3]  # none ends after now
    # every list from the beginning of the window to its end
    spans = [(int(g.get("startTime", g.get("beginTime", 0))), int(g["endTime"])) for _, g in asked]
    assert {spans[0], spans[5], spans[9], spans[10]} == {(low // 1000, high // 1000)}
    assert spans[6][0] == low // 1000 and spans[8][1] == high // 1000
    assert spans[6][1] >= spans[7][0] and spans[7][1] >= spans[8][0]


def test_windows_of_withdrawals_overlap_by_days(server: Scripted) -> None:
    """By which of its times a withdrawal is selected is unknown; rows beside the window are left
    to the pages of their own windows."""
    early, inside = "2025-12-31 23:00:00", "2026-01-02 12:00:00"
    server.answers(
        NONE, withdrawals(early, inside), NONE, NO_DIVIDENDS, NO_CONVERSIONS, NO_DUST, NO_FIAT,
        NO_FIAT,
    )  # fmt: skip
    low, high = 1_767_225_600_000_000, 1_767_484_800_000_000  # 1 to 4 January
    page = server.open("binance").fetch(MOVES, Window(low, high, unit="ms"))
    assert page.table["transaction_id"].to_pylist() == [f"b{inside}"]
    day = 86_400_000
    by_name = dict(asked_for(server)[1:2])
    assert by_name["history"] == {
        "startTime": str(low // 1000 - 4 * day),
        "endTime": str(high // 1000 + 4 * day),
    }
    assert asked_for(server)[0][1] == {"startTime": str(low // 1000), "endTime": str(high // 1000)}


def test_no_window_is_longer_than_documented(server: Scripted) -> None:
    for window, conversions in (
        (Window(), 3),
        (Window(NOW * 1000), 1),
        (Window(NOW * 1000, NOW * 1000 + 80 * DAY_US), 1),
        (Window(NOW * 1000 - 80 * DAY_US, NOW * 1000), 3),
        (Window(0, 80 * DAY_US), 3),
        (Window(None, NOW * 1000), 3),
    ):
        empty = (*[NO_CONVERSIONS] * conversions, NO_DUST, NO_FIAT, NO_FIAT)
        server.answers(NONE, NONE, NO_DIVIDENDS, *empty)
        server.open("binance").fetch(MOVES, window)
        for name, given in asked_for(server):
            assert 0 < days_of(given) <= (30 if name == "tradeFlow" else 90)


def test_a_list_that_repeats_a_full_page_is_not_taken_for_its_end(server: Scripted) -> None:
    full = deposits(*range(1000))
    server.answers(full, full)
    with pytest.raises(ContractError, match="came again"):
        server.open("binance").fetch(MOVES, Window())
    short = deposits(1, 2)
    server.answers(short, short, NONE, NO_DIVIDENDS, *REST_EMPTY)
    window = Window(NOW * 1000 - 80 * DAY_US, NOW * 1000 + 10_000)
    assert server.open("binance").fetch(MOVES, window).received == 2


def test_a_list_that_a_server_lacks_is_left_out_and_said(server: Scripted) -> None:
    lacking: Answer = (404, {"Content-Type": "text/html"}, b"<html>not found</html>")
    window = Window(NOW * 1000 - 80 * DAY_US, NOW * 1000 + 10_000)
    server.answers(deposits(1), NONE, NONE, lacking, *REST_EMPTY)
    page = server.open("binance").fetch(MOVES, window)
    assert page.received == 1
    (said,) = page.notices
    assert "assetDividend" in said and "missing from account_transactions" in said
    server.answers((404, {}, b"{}"))
    with pytest.raises(NotOfferedError, match=r"Fix: leave account_transactions out"):
        server.open("binance").fetch(MOVES, window)


@pytest.mark.parametrize(
    ("name", "keeps"),
    crossed(["asset/assetDividend", "convert/tradeFlow", "asset/dribblet"], ["oldest", "newest"]),
)
def test_of_a_full_answer_half_the_window_is_asked_for(name: str, keeps: str) -> None:
    """Whichever end an answer holds, and whatever its order: every row comes."""
    most = {"asset/assetDividend": 500, "convert/tradeFlow": 1000, "asset/dribblet": 100}[name]
    low, high = NOW - 20 * 86_400_000, NOW
    rng = Random(1)
    times = sorted(rng.randrange(low, high + 1) for _ in range(4 * most))
    asked = Asked((MOVES,), Window(low * 1000, high * 1000, unit="ms"), now=NOW * 1000)
    request: Request | None = next(
        transactions.LISTS.opening(one, asked)
        for one in transactions.LISTS.lists
        if one.path.endswith(name)
    )
    came: set[str] = set()
    calls = 0
    while request is not None and request.path.endswith(name):
        calls += 1
        given = dict(parse_qsl(request.query))
        inside = [t for t in times if int(given["startTime"]) <= t <= int(given["endTime"])]
        shown = inside[:most] if keeps == "oldest" else inside[-most:]
        page = moves(body_of(name, shown, len(shown) < len(inside)), name)
        new = {*page.table["transaction_id"].to_pylist()} - came
        came |= new
        request = transactions.LISTS.following(asked, request, page, len(new))
    sides = 1 if name == "asset/assetDividend" else 2
    assert len(came) == sides * len({*times}) and calls < 40


def body_of(name: str, times: list[int], more: bool) -> bytes:
    if name == "asset/assetDividend":
        rows = [{"id": t, "asset": "A", "amount": "1", "divTime": t} for t in {*times}]
        rows += [rows[0]] * (len(times) - len(rows))  # rows of one moment are one here
        return json.dumps({"rows": rows, "total": len(rows)}).encode()
    if name == "convert/tradeFlow":
        return json.dumps({"list": [conversion(t) for t in times], "moreData": more}).encode()
    groups = [dust(t) for t in times]
    return json.dumps({"total": len(groups), "userAssetDribblets": groups}).encode()


def conversion(at: int, **more: Any) -> dict[str, Any]:
    return {
        "quoteId": "q", "orderId": at, "orderStatus": "SUCCESS", "fromAsset": "USDT",
        "fromAmount": "20.5", "toAsset": "BNB", "toAmount": "0.06154036", "createTime": at, **more,
    }  # fmt: skip


def dust(at: int) -> dict[str, Any]:
    detail = {
        "serviceChargeAmount": "0.000009", "amount": "0.0009", "operateTime": at,
        "transferedAmount": "0.000441", "fromAsset": "USDT",
    }  # fmt: skip
    return {"operateTime": at, "transId": at, "userAssetDribbletDetails": [detail]}


def test_a_conversion_is_two_rows_or_none() -> None:
    good = conversion(NOW)
    states = [conversion(NOW + n, orderStatus=s) for n, s in enumerate(("PROCESS", "FAIL", "?"), 1)]
    odd = conversion(NOW + 9, toAmount="many")
    body = json.dumps({"list": [good, *states, odd], "moreData": False}).encode()
    page = moves(body, "convert/tradeFlow")
    stored = page.table.to_pylist()
    found = [(r["type"], r["currency"], spelled(r["amount"]), r["status"]) for r in stored]
    assert found[:2] == [("debit", "USDT", "20.5", "ok"), ("credit", "BNB", "0.06154036", "ok")]
    assert [f[3] for f in found[2::2]] == ["pending", "failed", "unconfirmed"]
    assert len(found) == 8 and page.rejected and page.next_token is None
    assert stored[0]["transaction_id"] == f"convert-{NOW}-from"


def test_small_balances_in_either_form() -> None:
    """Rows have no ids; what arrived is without the charge."""
    present = json.dumps({"total": 1, "userAssetDribblets": [dust(NOW)]}).encode()
    logs = [{**dust(NOW)["userAssetDribbletDetails"][0], "fromAsset": a} for a in ("A", "B", "A")]
    older = {"total": 1, "rows": [{"tran_id": 7, "operate_time": NOW, "logs": logs}]}
    (first, second) = rows(moves(present, "asset/dribblet"))
    assert (first["type"], first["currency"], spelled(first["amount"])) == (
        "debit", "USDT", "0.0009"
    )  # fmt: skip
    assert (second["type"], second["currency"], spelled(second["amount"])) == (
        "credit", "BNB", "0.000441"
    )  # fmt: skip
    page = moves(json.dumps({"success": True, "results": older}).encode(), "asset/dribblet")
    assert [r["transaction_id"] for r in rows(page)][::2] == [
        "dust-7-A-from", "dust-7-B-from", "dust-7-A-2-from",
    ]  # fmt: skip
    assert moves(b'{"total":0}', "asset/dribblet").received == 0
    with pytest.raises(ContractError):
        moves(b'{"total":1}', "asset/dribblet")


def test_fiat_money() -> None:
    order = {
        "orderNo": "7d76", "fiatCurrency": "BRL", "indicatedAmount": "11.0", "amount": "10.00",
        "totalFee": "1.00", "method": "BankAccount", "status": "Successful", "createTime": NOW,
    }  # fmt: skip
    body = json.dumps({"code": "000000", "data": [order], "total": 1, "success": True}).encode()
    for kind, type_, fee in (("0", "deposit", None), ("1", "withdrawal", 1)):
        about = Answered((MOVES,), AT, None, f"transactionType={kind}&page=1")
        page = transactions.parsed_orders(body, about)
        (row,) = rows(page)
        assert (row["transaction_id"], row["type"], row["fee_amount"]) == ("fiat-7d76", type_, fee)
        assert (row["amount"], row["status"], page.next_token) == (10, "ok", None)
    full = [{**order, "orderNo": str(n)} for n in range(500)]
    for sent, total, token in (
        ([order], 700, "2"), ([order], "1", None), ([order], 0, "2"), (full, 500, "2")
    ):  # fmt: skip
        many = json.dumps({"data": sent, "total": total, "success": True}).encode()
        first = replace(about, query="transactionType=0&page=1")
        assert transactions.parsed_orders(many, first).next_token == token
    assert transactions.parsed_orders(NO_FIAT, about).next_token is None
    with pytest.raises(ContractError):
        transactions.parsed_orders(b'{"code":"100","success":false}', about)


@pytest.mark.parametrize(
    ("kind", "source", "method", "expected"),
    [
        ("0", "money", "Credit Card", [("credit", "LUNA", "4.5")]),
        ("0", "money", "Cash Balance", [("credit", "LUNA", "4.5"), ("debit", "EUR", "20")]),
        ("1", "money", None, [("debit", "LUNA", "4.5")]),
        ("1", "coin", None, [("debit", "LUNA", "4.5")]),
        ("1", "coin", "Cash Balance", [("debit", "LUNA", "4.5"), ("credit", "EUR", "20")]),
    ],
)
def test_purchases_and_sales_for_fiat_money(
    kind: str, source: str, method: str | None, expected: list[Any]
) -> None:
    first, second = ("20.0", "4.5") if source == "money" else ("4.5", "20.0")
    row = {
        "orderNo": "353f", "sourceAmount": first, "fiatCurrency": "EUR", "obtainAmount": second,
        "cryptoCurrency": "LUNA", "totalFee": "0.2", "price": "4.4", "status": "Completed",
        "paymentMethod": method, "createTime": NOW,
    }  # fmt: skip
    body = json.dumps({"code": "000000", "data": [row], "total": 1, "success": True}).encode()
    page = moves(body, "fiat/payments", f"transactionType={kind}")
    assert [(r["type"], r["currency"], spelled(r["amount"])) for r in rows(page)] == expected


def test_signed_calls_that_end_early_name_no_signature(server: Scripted) -> None:
    with closing(
        connectors.open_connector(
            "binance",
            Connection(
                "http://127.0.0.1:9",
                LocalNonces(),
                NoLimits(),
                credentials=Credentials("my-key-4711", "my-secret-0815"),
                retries=0,
            ),
        )
    ) as connector:
        signed = auth.sign(Request("GET", "/api/v3/account", private=True), KEYS, AT)
        assert "signature" in signed.proof and "signature" not in repr(signed) + signed.label
        with pytest.raises(TransientError) as caught:
            connector.snapshot("balances", ())
    assert not re.search("signature|timestamp", str(caught.value))


KEYS = Credentials("my-key-4711", sandbox.KEYS["binance"].secret)
