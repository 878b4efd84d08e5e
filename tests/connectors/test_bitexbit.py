"""What is peculiar to BitexBit."""

import json
from decimal import Decimal

import pytest

from connectors import ContractError, Market, NotOfferedError, RequestError, StreamId, Window
from connectors.bitexbit import parse
from connectors.bitexbit.transfers import read_transfers
from tests.connectors.conftest import Scripted

CANDLES = [
    (1477958400, "715.00000000", "720.20000000", "715.00000000", "717.00000000", "0.01924864"),
    (1478044800, "717.00000000", "717.50000000", "712.00000000", "716.50000000", "0.08771271"),
]
DAY = 86_400_000_000


def body(rows: object) -> bytes:
    return json.dumps(rows).encode()


def test_markets_and_disabled_ones(server: Scripted) -> None:
    pair = {"symbol": "BTC_USD", "base": "btc", "quote": "USD", "label": "x"}
    server.answers(body([pair]), body([{**pair, "is_enabled": False}]), b"{}")
    (found,) = server.open("bitexbit").markets()
    assert found == Market("BTC-USD", "BTC_USD", "BTC", "USD", active=True)
    (found,) = server.open("bitexbit").markets()
    assert not found.active
    with pytest.raises(ContractError):
        server.open("bitexbit").markets()


@pytest.mark.parametrize("factor", [1, 1000])
@pytest.mark.parametrize(
    ("clock", "final"),
    [
        (None, [True, False]),
        (1478044800 * 10**6 + DAY, [True, True]),
        (1478044800 * 10**6 + DAY - 1, [True, False]),
        (1477958400 * 10**6, [False, False]),
    ],
)
def test_a_candle_is_final_when_its_interval_has_ended(
    factor: int, clock: int | None, final: list[bool]
) -> None:
    for rows in (CANDLES, CANDLES[::-1]):
        rows = [(row[0] * factor, *row[1:]) for row in rows]
        page = parse.candles(body(rows), "BTC-USD", "1d", clock).page()
        table = page.table.sort_by("timestamp")
        assert table["is_final"].to_pylist() == final
        assert sorted(page.positions.to_pylist()) == [1477958400 * 10**6, 1478044800 * 10**6]
        assert table["high"].to_pylist() == [Decimal("720.2"), Decimal("717.5")]
        assert table["low"].to_pylist() == [Decimal("715"), Decimal("712")]
        assert table["timeframe"].to_pylist() == ["1d", "1d"]


def test_a_candle_may_be_longer_but_not_shorter() -> None:
    rows = [[*CANDLES[0], "more"], CANDLES[1][:5]]
    page = parse.candles(body(rows), "BTC-USD", "1d", None).page()
    assert page.table.num_rows == 1
    assert page.rejected[0].reason == "volume is missing"
    assert page.rejected[0].position == 1478044800 * 10**6
    assert parse.candles(b"[]", "BTC-USD", "1d", None).page().table.num_rows == 0


def test_candles_are_asked_for_in_the_exchanges_words(server: Scripted) -> None:
    window = Window(1478044800_999_999, 1478044801_999_999, limit=5000, unit="s")
    names = {"5m": "5", "15m": "15", "30m": "30", "1h": "60", "4h": "240", "1d": "D"}
    connector = server.open("bitexbit")
    for timeframe, native in names.items():
        server.answers(b"[]", b"[]")
        stream = StreamId("bitexbit", "candles", "BTC-USD", timeframe=timeframe)
        connector.fetch(stream, window)
        connector.fetch(stream, Window(1478044800_999_999, unit="ms"))
        first, second = (r.target for r in server.requests)
        assert first == (
            f"/api/v2/public/ohlcv?symbol=BTC_USD&timeframe={native}"
            "&limit=1000&since=1478044800&until=1478044802"
        )
        assert second.endswith("&limit=1000&since=1478044800999")
    with pytest.raises(RequestError, match="it has 5m, 15m"):
        connector.fetch(StreamId("bitexbit", "candles", "BTC-USD", timeframe="2h"), Window())


def test_tickers(server: Scripted) -> None:
    row = {
        "date": 1547535929556,
        "symbol": "BTC_USD",
        "last": "3781.33900000",
        "buy": "3781.33900000",
        "sell": "3781.94500000",
        "change": "-1.5",
        "vol1": None,
        "vol2": "0.00000000",
        "high": "0.00000000",
    }
    other = {**row, "symbol": "XRP_USD"}
    spoilt = {**row, "symbol": "ETH_USD", "last": "1e-13"}
    server.answers(body([row, other, spoilt]))
    page = server.open("bitexbit").snapshot("tickers", ["BTC-USD", "ETH-USD"])
    assert server.requests[0].target == "/api/v2/public/tickers?symbols=BTC_USD,ETH_USD"
    (found,) = page.table.to_pylist()
    assert (found["symbol"], found["bid"], found["ask"]) == (
        "BTC-USD",
        Decimal("3781.339"),
        Decimal("3781.945"),
    )
    assert found["change_percent"] == Decimal("-1.5") and found["quote_volume"] == 0
    assert [found[n] for n in ("base_volume", "low", "average")] == [None] * 3
    # Our own clock, the same for all rows of a call.
    assert page.positions.to_pylist() == [1_768_000_000_250_000]
    assert page.rejected[0].position == 1_768_000_000_250_000


def test_the_documents_fill() -> None:
    row = {
        "id": 17802902,
        "date": 1544617013258,
        "type": "buy",
        "symbol": "BTC_USD",
        "price": "6585.00000000",
        "amount": "1",
        "fee_amount": "0.01316842",
        "fee_rate": "0.00200000",
        "fee_symbol": "USD",
    }
    # A trade with oneself is two fills with one id.
    page = parse.account_trades(body([row, {**row, "type": "sell"}])).page()
    found, other = page.table.to_pylist()
    assert (found["side"], other["side"]) == ("buy", "sell") and page.rejected == ()
    page = parse.account_trades(body([row, {**row, "amount": "2"}])).page()
    assert page.table.num_rows == 1
    assert found["fee_rate"] == Decimal("0.002") and found["fee_currency"] == "USD"
    assert found["order_id"] is None and found["taker_or_maker"] is None
    assert len(page.rejected) == 1
    bare = {k: v for k, v in row.items() if not k.startswith("fee")}
    page = parse.account_trades(body([{**bare, "date": "1544617013.258001"}])).page()
    assert page.table["fee_amount"].to_pylist() == [None]
    assert page.table["timestamp"].cast("int64").to_pylist() == [1544617013258001]


def transfer(**changes: object) -> dict[str, object]:
    return {
        "txid": "ab12",
        "date": "2018-10-02T10:01:28.284112Z",
        "amount": "1.50000000",
        "currency": {"code": "BTC"},
        "status": {"key": 30, "value": "success"},
        "is_outgoing": True,
        **changes,
    }


def test_transfers_are_deposits_and_withdrawals_with_their_state(server: Scripted) -> None:
    rows = [
        transfer(id="ab12"),
        transfer(id=7, is_outgoing=False, status={"key": 10}),
        transfer(id=8, txid=None, status={"key": "20"}),
        transfer(amount=None),
        transfer(id=9, status={"key": 40}),
        transfer(id=10, amount="-1"),
        transfer(id=11, currency=None),
        transfer(id=12, is_outgoing=None),
        "transfer",
    ]
    link = "https://thief.example/steal?page=2&page_size=9"
    server.answers(
        body({"count": 17, "next": link, "previous": None, "results": rows}),
        body({"count": 17, "next": None, "previous": link, "results": []}),
    )
    connector = server.open("bitexbit")
    stream = StreamId("bitexbit", "account_transactions", account="main")
    page = connector.page(stream, None)
    assert [
        (r["transaction_id"], r["type"], r["status"], r["currency"], r["description"])
        for r in page.table.to_pylist()
    ] == [
        ("ab12", "withdrawal", "ok", "BTC", "ab12"),
        ("7", "deposit", "pending", "BTC", "ab12"),
        ("8", "withdrawal", "failed", "BTC", ""),
    ]
    assert page.positions.to_pylist() == [1538474488284112] * 3
    assert [r.reason.split(" ")[0] for r in page.rejected] == [
        "transaction_id",
        "status",
        "amount",
        "currency",
        "type",
        "the",
    ]
    assert page.total == 17
    # Only the query of the link is used, never its host.
    last = connector.page(stream, page.next_token)
    assert [r.target for r in server.requests] == [
        "/api/v2/private/transfers",
        "/api/v2/private/transfers?page=2&page_size=9",
    ]
    assert last.next_token is None and last.received == 0


SEVEN = [  # newest first, of the later document: no id, and txid identifies nothing
    transfer(txid="ab12", amount="1.5", is_outgoing=False),
    transfer(txid="ab12", amount="2.5", is_outgoing=False),
    transfer(txid=None),
    transfer(txid=None, currency={"code": "LTC"}),
    transfer(txid="", date="2018-10-02T10:01:28.284111Z"),
    transfer(txid="", date="2018-10-02T10:01:28.284110Z"),
    transfer(txid="", date="2018-10-02T10:01:28.284110Z"),
]


def transfer_ids(rows: list[dict[str, object]]) -> list[str]:
    page = read_transfers(body({"count": len(rows), "next": None, "results": rows}))
    found: list[str] = page.table["transaction_id"].to_pylist()
    assert page.rejected == ()
    return found


def test_transfers_without_an_id_are_each_another_and_stay_the_same() -> None:
    found = transfer_ids(SEVEN)
    assert len(set(found)) == 7
    # The same on any other page, whatever number its text is, and once it is sent and settled.
    assert [transfer_ids([row])[0] for row in SEVEN[:6]] == found[:6]
    later = {"txid": "cd34", "status": {"key": 30}, "amount": "1.50000000"}
    pending = transfer(txid=None, status={"key": 10}, amount="1.5")
    assert transfer_ids([pending]) == transfer_ids([{**pending, **later}])
    # Read row by row, where one of the answer cannot be stored.
    rows = [transfer(amount="x"), *SEVEN]
    page = read_transfers(body({"count": 8, "next": None, "results": rows}))
    assert page.table["transaction_id"].to_pylist() == found
    assert [r.reason for r in page.rejected] == [
        "transaction_id is missing, and cannot be made of date, type, currency and amount; "
        "amount is not a number: x"
    ]


def test_a_server_without_transfers_does_not_offer_them(server: Scripted) -> None:
    stream = StreamId("bitexbit", "account_transactions", account="main")
    server.answers((404, {}, b'{"detail":"Not found."}'))
    with pytest.raises(NotOfferedError) as refused:
        server.open("bitexbit").page(stream, None)
    assert "this server has no /api/v2/private/transfers" in str(refused.value)
    offered = str(refused.value).partition("it offers: ")[2]
    assert offered == (
        "trades, candles, tickers, order_books, public_orders, markets, currencies, "
        "account_trades, account_orders, balances, trading_fees. "
        "Fix: leave account_transactions out of the feed"
    )
    # A page that is gone is something else.
    server.answers((404, {}, b'{"detail":"Invalid page."}'))
    with pytest.raises(RequestError, match="Invalid page") as caught:
        server.open("bitexbit").page(stream, "page=9")
    assert not isinstance(caught.value, NotOfferedError)
