"""What is peculiar to Kraken, and recorded answers to the exact text."""

import gzip
import json
import re
from collections.abc import Callable
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

from connectors import (
    AuthError,
    ContractError,
    NotOfferedError,
    Page,
    RateLimitedError,
    RefusedError,
    RequestError,
    StreamId,
    TransientError,
    Window,
)
from connectors.base import Credentials
from connectors.codes import Codes
from connectors.http import Request
from connectors.jsontext import members
from connectors.kraken import account, auth, parse
from connectors.kraken.names import SPELLING, common, halves, symbol_of
from connectors.names import Names
from tests.connectors.conftest import Scripted

AT = 1_762_820_230_000_000
TRADES = StreamId("kraken", "trades", "BTC-USD")
FILLS = StreamId("kraken", "account_trades", account="main")
LEDGER = StreamId("kraken", "account_transactions", account="main")
ORDERS = StreamId("kraken", "account_orders", account="main")


@pytest.fixture(scope="module")
def recorded(shared_data: Path) -> Callable[[str], bytes]:
    """The ``result`` of a recorded answer."""

    def of(name: str) -> bytes:
        path = shared_data / "exchanges" / "kraken" / name
        body = gzip.decompress(path.read_bytes()) if name.endswith(".gz") else path.read_bytes()
        result = next(m.value for m in members(body) if m.key == "result")
        return bytes(result)

    return of


def texts(body: bytes) -> Any:
    """A result with every number as the text it is written in."""
    return json.loads(body, parse_float=str, parse_int=str)


def rows(page: Page) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = page.table.to_pylist()
    return found


def same(found: Decimal | None, sent: str) -> bool:
    return found is not None and found == Decimal(sent)


# -- recorded answers ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "ids"),
    [
        ("Trades_XXBTZUSD_2021-03-25_since_fractional_seconds.json", range(33185849, 33185854)),
        ("Trades_XXBTZUSD_2021-03-25_since_nanoseconds.json", range(33185856, 33185861)),
    ],
)
def test_recorded_trades(recorded: Callable[[str], bytes], name: str, ids: range) -> None:
    body = recorded(name)
    result = texts(body)
    page = parse.trades(body, "XXBTZUSD", "BTC-USD")
    assert page.positions.to_pylist() == [*ids] and page.rejected == ()
    assert page.resume == int(result["last"])
    for found, (price, amount, at, side, *_) in zip(rows(page), result["XXBTZUSD"], strict=True):
        assert same(found["price"], price) and same(found["amount"], amount)
        assert found["side"] == {"b": "buy", "s": "sell"}[side]
        moment = Decimal(at) * 1_000_000
        stamp = found["timestamp"]
        assert int(stamp.timestamp()) * 1_000_000 + stamp.microsecond == int(moment)


def test_recorded_trades_without_ids_have_no_key(recorded: Callable[[str], bytes]) -> None:
    page = parse.trades(recorded("Trades_XXBTZUSD_2013-11-27_without_ids.json"), "XXBTZUSD", "B-U")
    assert page.table.num_rows == 0 and len(page.rejected) == 14
    assert {row.reason for row in page.rejected} == {"trade_id is missing"}


def test_recorded_candles(recorded: Callable[[str], bytes]) -> None:
    body = recorded("OHLC_XXBTZUSD_1m_2017-08-10_11.json.gz")
    result = texts(body)
    page = parse.candles(body, "XXBTZUSD", "BTC-USD", "1m", AT).page()
    found = rows(page)
    assert len(found) == 720 and page.rejected == ()
    assert [row["is_final"] for row in found] == [True] * 719 + [False]  # though AT is years later
    for row, sent in zip(found, result["XXBTZUSD"], strict=True):
        assert int(row["timestamp"].timestamp()) == int(sent[0])
        names = ("open", "high", "low", "close")
        assert all(same(row[n], s) for n, s in zip(names, sent[1:5], strict=True))
        assert same(row["volume"], sent[6])


def test_recorded_lists(recorded: Callable[[str], bytes]) -> None:
    body = recorded("AssetPairs_all_2021-04-17.json.gz")
    page = parse.market_rows(body, AT)
    assert page.table.num_rows == 304 and page.rejected == ()
    by_id = {row["native_symbol"]: row for row in rows(page)}
    assert len({row["symbol"] for row in rows(page)}) == 304
    for native, symbol in (
        ("XXBTZUSD", "BTC-USD"),
        ("XXDGXXBT", "DOGE-BTC"),
        ("XTZUSD", "XTZ-USD"),
        ("USDTZUSD", "USDT-USD"),
        ("XZECXXBT", "ZEC-BTC"),
        ("AAVEAUD", "AAVE-AUD"),
    ):
        assert by_id[native]["symbol"] == symbol
        assert page.aliases[texts(body)[native]["altname"]] == symbol
    dark = by_id["XETHXXBT.d"]
    assert (dark["base"], dark["quote"]) == ("ETH", "BTC")
    assert re.fullmatch("ETH-BTC-[0-9A-F]{8}", dark["symbol"])
    assert same(by_id["XXBTZUSD"]["fee_rate"], "0.0026")
    assert same(by_id["XXBTZUSD"]["min_amount"], texts(body)["XXBTZUSD"]["ordermin"])
    new = parse.market_rows(recorded("AssetPairs_XBTUSDT_ETHUSDT_2025.json"), AT)
    assert {r["native_symbol"]: r["symbol"] for r in rows(new)} == {
        "XBTUSDT": "BTC-USDT",
    }
    assert all(row["active"] and row["min_value"] for row in rows(new))


def test_recorded_currencies(recorded: Callable[[str], bytes]) -> None:
    body = recorded("Assets_all.json")
    page = parse.currency_rows(body, AT)
    assert page.table.num_rows == 201 and page.rejected == ()
    codes = {row["name"]: row["currency"] for row in rows(page)}
    for native, code in (
        ("XXBT", "BTC"),
        ("XXDG", "DOGE"),
        ("ZUSD", "USD"),
        ("XTZ", "XTZ"),
        ("XZEC", "ZEC"),
        ("XBT.M", "BTC.M"),
        ("USD.HOLD", "USD.HOLD"),
        ("KFEE", "FEE"),
    ):
        assert codes[native] == code == page.aliases[native]
    assert page.aliases["XBT"] == "BTC"
    assert {row["precision"] for row in rows(page)} >= {8, 10}


def test_recorded_snapshots(recorded: Callable[[str], bytes]) -> None:
    body = recorded("Ticker_XBTUSDT_2025-11-11.json")
    (sent,) = texts(body).values()
    (found,) = rows(parse.tickers(body, {"XBTUSDT": "BTC-USDT"}, AT, AT - 5).page())
    wanted = {
        "last": sent["c"][0], "bid": sent["b"][0], "ask": sent["a"][0], "high": sent["h"][1],
        "low": sent["l"][1], "base_volume": sent["v"][1], "average": sent["p"][1],
    }  # fmt: skip
    assert all(same(found[name], value) for name, value in wanted.items())
    assert found["change_percent"] is found["quote_volume"] is None
    assert found["observed_at"].timestamp() > found["timestamp"].timestamp()
    depth = parse.order_books(recorded("Depth_XBTUSDT_2025-11-11.json"), "XBTUSDT", "BTC-USDT", AT)
    levels = rows(depth.page())
    asks = [level for level in levels if level["side"] == "ask"]
    assert same(asks[0]["price"], "105944.30000") and same(asks[0]["amount"], "0.136")
    assert [level["level"] for level in asks] == [*range(len(asks))]


def test_recorded_ledger_chains_to_the_last_digit(recorded: Callable[[str], bytes]) -> None:
    """Balance after an entry = balance before it + amount - fee, of entries as they are read."""
    sent = texts(recorded("private_Ledgers_2021-01.json"))
    entries = {name: {**row, "type": f"x{row['type']}"} for name, row in sent["ledger"].items()}
    body = json.dumps({"ledger": entries, "count": 15}).encode()
    page = account.account_transactions(body, "")
    assert page.total == 15 and page.next_token == "15" and page.rejected == ()
    found = {row["transaction_id"]: row for row in rows(page)}
    moved: dict[str, list[tuple[Any, Decimal, Decimal]]] = {}
    for name, row in sent["ledger"].items():
        stored = found[name]
        signed = stored["amount"] * (1 if stored["type"] == "credit" else -1)
        assert signed == Decimal(row["amount"]) and stored["fee_amount"] == Decimal(row["fee"])
        change = signed - stored["fee_amount"]
        moved.setdefault(stored["currency"], []).append(
            (stored["timestamp"], Decimal(row["balance"]), change)
        )
    assert {*moved} <= {"GBP", "BTC", "USD", "EUR"}
    checked = 0
    for entries_of in moved.values():
        entries_of.sort(key=lambda entry: entry[0])
        for (_, before, _), (_, after, change) in pairwise(entries_of):
            assert after == before + change
            checked += 1
    assert checked >= 10


def test_recorded_ledger_entries_that_repeat_fills_are_others(
    recorded: Callable[[str], bytes],
) -> None:
    page = account.account_transactions(recorded("private_Ledgers_2021-01.json"), "ofs=50")
    assert page.table.num_rows + len(page.others) == 15 and page.next_token == "65"


def test_recorded_fills(recorded: Callable[[str], bytes]) -> None:
    body = recorded("private_TradesHistory_example.json")
    sent = texts(body)
    page = account.account_trades(body, "consolidate_taker=false")
    assert (page.total, page.next_token, page.table.num_rows) == (2346, "50", 50)
    for row in rows(page):
        was = sent["trades"][row["trade_id"]]
        assert same(row["price"], was["price"]) and same(row["amount"], was["vol"])
        assert same(row["fee_amount"], was["fee"]) and row["order_id"] == was["ordertxid"]
        assert row["side"] == was["type"] and row["taker_or_maker"] is None
        assert row["symbol"] == "-".join(halves(was["pair"]) or ())
        assert row["fee_currency"] == row["symbol"].partition("-")[2]
    page = account.account_trades(recorded("private_TradesHistory_with_ledgers_example.json"), "")
    found = {row["symbol"]: row for row in rows(page)}
    assert found["BTC-USDT"]["taker_or_maker"] == "maker"
    assert found["ETH-USDT"]["fee_currency"] == "USDT"


def test_recorded_orders_balances_and_fees(recorded: Callable[[str], bytes]) -> None:
    closed = account.account_orders(recorded("private_ClosedOrders_example.json"), "ofs=100")
    assert closed.next_token == "102" and closed.rejected == ()
    (stop, *_) = [r for r in rows(closed) if r["order_id"] == "O43811-ZWVCV-ZCD65N"]
    assert (stop["symbol"], stop["side"], stop["type"]) == ("BTC-GBP", "buy", "limit")
    assert (stop["status"], stop["remaining"], stop["average"]) == ("canceled", 0, None)
    opened = account.account_orders(recorded("private_OpenOrders_example.json"), "")
    assert (opened.total, opened.next_token, opened.rejected) == (None, "0", ())
    first = next(r for r in rows(opened) if r["order_id"] == "OJRCAR-MS3H6-RFEWNN")
    assert (first["remaining"], first["filled"]) == (Decimal("0.875"), Decimal("0.375"))
    assert same(first["cost"], "11253.7") and first["status"] == "open"
    found = rows(account.balances(recorded("private_BalanceEx_example.json"), AT).page())
    assert {r["currency"]: (r["available"], r["reserved"]) for r in found} == {
        "USD": (Decimal("17185.45"), Decimal("8249.76")),
        "BTC": (Decimal("0.4012"), Decimal("0.8423")),
    }
    (rate,) = rows(account.trading_fees(recorded("private_TradeVolume_example.json"), AT).page())
    assert (rate["symbol"], rate["taker_fee_rate"]) == ("BTC-USD", Decimal("0.001"))
    assert rate["maker_fee_rate"] == 0 and rate["buy_fee_rate"] is None


# -- signing ---------------------------------------------------------------------------------------

SECRET = "kQH5HW/8p1uGOVjbgWA7FunAmGO8lsSUXNsu3eow76sz84Q18fWxnyRzBHCd3pd5nE9qa99HAZtuZuj6F1huXg=="


@pytest.mark.parametrize(
    ("path", "form", "wanted"),
    [
        (
            "/0/private/AddOrder",  # the documentation's example; no such call can be sent
            "ordertype=limit&pair=XBTUSD&price=37500&type=buy&volume=1.25",
            "4/dpxb3iT4tp/ZCVEwSnEsLxx0bqyhLpdfOpc6fn7OR8+UClSV5n9E6aSS8MPtnRfp32bAb0nmbRn6H8ndwLUQ==",
        ),
        (
            "/0/private/Ledgers",
            "ofs=50",
            "KMSs7xzf765ofoiNFDlOFT8fd3O9c5aK9vKjH1zzalTDhpLU0rL08TdvbHfuKMpkylLq0OzbWjumfDuJzjliOA==",
        ),
    ],
)
def test_signatures(path: str, form: str, wanted: str) -> None:
    request = Request("POST", path, form=form, private=True)
    signed = auth.sign(request, Credentials("key", SECRET), 1616492376594)
    assert signed.content == f"nonce=1616492376594&{form}".encode()
    assert signed.headers is not None and signed.headers["API-Sign"] == wanted
    assert signed.headers["API-Key"] == "key"


@pytest.mark.parametrize("secret", ["", "a", "not base64!", "====", "abcd" * 30])
def test_a_secret_that_is_no_base64_signs_something_and_shows_nothing(secret: str) -> None:
    assert len(auth.signature(secret, "/0/private/Ledgers", 1, "nonce=1")) == 88


# -- names -----------------------------------------------------------------------------------------


def test_names_without_a_list() -> None:
    assert SPELLING.native("BTC-USD") == "XBTUSD" and SPELLING.native("DOGE-BTC") == "XDGXBT"
    for pair, parts in (
        ("XXBTZUSD", ("BTC", "USD")),
        ("XTZUSD", ("XTZ", "USD")),
        ("XTZETH", ("XTZ", "ETH")),
        ("USDTZUSD", ("USDT", "USD")),
        ("XICNXXBT", ("ICN", "BTC")),
        ("PYUSDUSD", ("PYUSD", "USD")),
        ("XBT/EUR", ("BTC", "EUR")),
        ("TUSDT", ("T", "USDT")),
    ):
        assert halves(pair) == parts, pair
    assert halves("FOOBAR") is None and common("XBT.F") == "BTC.F"


def test_names_go_through_the_lists(server: Scripted) -> None:
    """A currency whose id no rule explains: its letters are those of another one."""
    pairs = {
        "XQQQZUSD": {"altname": "QQQUSD", "wsname": "QQQ/USD", "base": "XQQQ", "quote": "ZUSD"},
        "XQQQZUSD.d": {"altname": "QQQUSD.d", "base": "XQQQ", "quote": "ZUSD"},
        "AAPLxUSD": {"altname": "AAPLxUSD", "wsname": "AAPLx/USD", "base": "AAPLx", "quote": "ZUSD",
                     "aclass_base": "tokenized_asset"},
    }  # fmt: skip
    assets = {"XQQQ": {"altname": "QQQ", "decimals": 8}, "ZUSD": {"altname": "USD", "decimals": 4}}
    fill = {"pair": "QQQUSD", "time": 1616667796.8802, "type": "buy", "price": "1", "vol": "1",
            "cost": "1", "fee": "0.002"}  # fmt: skip
    entry = {"asset": "XQQQ", "time": 1616667796, "type": "earn", "amount": "1", "fee": "0"}
    trades = b'{"AAPLxUSD":[["1","2",1616666442.5,"b","m","",7]],"last":"1616666442500000000"}'
    bodies = [pairs, assets, {"trades": {"TA": fill}}, {"ledger": {"LA": entry}}, [], []]
    answers = [b'{"error":[],"result":%b}' % json.dumps(body).encode() for body in bodies]
    server.answers(*answers, b'{"error":[],"result":%b}' % trades)
    connector = server.open("kraken")
    symbols = {m.native_symbol: m.symbol for m in connector.markets()}
    assert symbols["XQQQZUSD"] == "QQQ-USD" and symbols["AAPLxUSD"] == "AAPLX-USD"
    assert symbols["XQQQZUSD.d"].startswith("QQQ-USD-")
    assert connector.symbol_of("QQQUSD") == "QQQ-USD" == connector.symbol_of("QQQ/USD")
    connector.learn_codes()
    assert connector.page(FILLS, None).table["symbol"].to_pylist() == ["QQQ-USD"]
    assert connector.page(LEDGER, None).table["currency"].to_pylist() == ["QQQ"]
    page = connector.fetch(StreamId("kraken", "trades", "AAPLX-USD"), Window())
    assert page.received == 1
    query = dict(parse_qsl(server.requests[-1].target.partition("?")[2]))
    assert query == {"pair": "AAPLxUSD", "count": "1000", "asset_class": "tokenized_asset"}


def test_an_answer_for_another_market_is_none() -> None:
    names = Names(SPELLING, {"XXBTZUSD": "BTC-USD", "XETHZUSD": "ETH-USD"})
    body = b'{"XETHZUSD":[],"last":"0"}'
    with pytest.raises(ContractError, match="XETHZUSD"):
        parse.trades(body, "XXBTZUSD", "BTC-USD", names)
    assert parse.trades(body, "ETHUSD", "ETH-USD").received == 0  # its name, and no list
    with pytest.raises(ContractError, match="2 markets"):
        parse.trades(b'{"A":[],"B":[]}', "A", "A-B")
    assert symbol_of(names, "XETHZUSD") == "ETH-USD"


# -- rows ------------------------------------------------------------------------------------------


def test_a_row_with_id_0_has_none() -> None:
    row = '["1","2",1616666442.5,"b","m","",%d]'
    body = f'{{"X":[{row % 0},{row % 5}]}}'.encode()
    page = parse.trades(body, "X", "X-Y")
    assert page.positions.to_pylist() == [5] and page.resume is None
    (rejected,) = page.rejected
    assert (rejected.position, rejected.reason) == (None, "trade_id is 0, which is no id")


def test_which_candle_is_final() -> None:
    def final(last: str, clock: int) -> list[bool]:
        rows_ = ",".join(f'[{n * 60},"1","1","1","1","1","0",0]' for n in range(30000000, 30000003))
        body = f'{{"X":[{rows_}]{last}}}'.encode()
        found = parse.candles(body, "X", "X-Y", "1m", clock * 1_000_000).page()
        finals: list[bool] = found.table["is_final"].to_pylist()
        return finals

    late, now = 30000100 * 60, 30000002 * 60 + 5
    assert final(f',"last":{30000001 * 60}', late) == [True, True, False]
    assert final(f',"last":"{30000001 * 60}"', now) == [True, True, False]
    assert final("", now) == [True, True, False]
    assert final("", late) == [True, True, False]  # the open interval is always sent
    assert final("", now - 60) == [True, False, False]


@pytest.mark.parametrize(
    ("fee", "cost", "volume", "currency"),
    [
        ("15.6", "6000", "0.1", "USD"),
        ("20", "300", "2500", "BTC"),
        ("0.00026", "6000", "0.1", "BTC"),
        ("0.00001", "0.0003", "0.000001", "USD"),  # rounded up from a fraction of it
        ("0", "6000", "0.1", "USD"),
        ("-0.1", "6000", "0.1", "USD"),
        ("2500", "600", "0.1", None),
    ],
)
def test_the_currency_of_a_fee(fee: str, cost: str, volume: str, currency: str | None) -> None:
    row = {"pair": "XXBTZUSD", "time": 1616667796.8802, "type": "buy", "price": "1",
           "vol": volume, "cost": cost, "fee": fee}  # fmt: skip
    page = account.account_trades(json.dumps({"trades": {"TA": row}}).encode(), "")
    assert page.table["fee_currency"].to_pylist() == [currency]


@pytest.mark.parametrize(("name", "kind"), [("Deposit", "deposit"), ("Withdraw", "withdrawal")])
def test_recorded_transfers(recorded: Callable[[str], bytes], name: str, kind: str) -> None:
    body = recorded(f"private_{name}Status_example.json")
    sent = texts(body)
    page = account.transfers(body, kind).page()
    assert page.rejected == () and page.table.num_rows == len(sent) == 2
    for found, was in zip(rows(page), sent, strict=True):
        assert found["transaction_id"] == f"transfer:{was['refid']}" and found["type"] == kind
        assert same(found["amount"], was["amount"]) and found["currency"] in ("BTC", "ETH")
        assert was["txid"] in found["description"] and was["info"] in found["description"]
        assert ("fee" in was) == (found["fee_amount"] is not None)
    states = {"deposit": ["ok", "pending"], "withdrawal": ["pending", "failed"]}
    assert [row["status"] for row in rows(page)] == states[kind]
    as_object = b'{"next_cursor":null,"%b":%b}' % (kind.encode(), body)
    assert account.transfers(as_object, kind).page().table == page.table
    for empty in (b"[]", b"{}", b'{"next_cursor":"x"}'):
        assert account.transfers(empty, kind).page().received == 0


def test_a_transfer_in_a_state_that_is_not_documented_is_stored() -> None:
    row = {"asset": "XXBT", "refid": "FT", "amount": "1", "time": 1688014586, "status": "Odd"}
    (found,) = rows(account.transfers(json.dumps([row]).encode(), "deposit").page())
    assert (found["status"], found["description"], found["fee_amount"]) == (
        "unconfirmed",
        "Odd",
        None,
    )


@pytest.mark.parametrize(
    ("kind", "amount", "stored"),
    [
        ("margin", "-3.2", ("debit", "3.2")),  # a position's loss; its fee is the entry's
        ("rollover", "0", ("credit", "0")),  # a fee alone
        ("settled", "2", ("credit", "2")),
        ("dividend", "0.3", ("credit", "0.3")),
        ("deposit", "1.5", ("deposit", "1.5")),
        ("deposit", "-1.5", ("debit", "1.5")),  # taken back
        ("withdrawal", "-1.5", ("withdrawal", "1.5")),
        ("withdrawal", "1.5", ("credit", "1.5")),  # came back
        ("staking", "0.1", ("credit", "0.1")),
        ("spend", "-20", ("debit", "20")),
        ("something new", "-0", ("credit", "0")),
        ("trade", "1", None),
    ],
)
def test_types_of_ledger_entries(kind: str, amount: str, stored: tuple[str, str] | None) -> None:
    row = {"refid": "R1", "time": 1616667796.8802, "type": kind, "subtype": "s", "asset": "XXBT",
           "amount": amount, "fee": "0.0000000001", "balance": "9"}  # fmt: skip
    page = account.account_transactions(json.dumps({"ledger": {"LA": row}}).encode(), "ofs=7")
    if stored is None:
        assert page.table.num_rows == 0 and page.others == ("LA",) and page.next_token == "8"
        return
    (found,) = rows(page)
    assert (found["type"], found["amount"]) == (stored[0], Decimal(stored[1]))
    assert (found["currency"], found["status"]) == ("BTC", "ok")
    assert found["description"] == f"{kind} s R1" and page.rejected == ()


def test_orders_of_every_state() -> None:
    descr = {"pair": "XBTUSD", "type": "sell", "ordertype": "market", "price": "0"}
    order = {"status": "open", "opentm": 1688148493.7708, "descr": descr, "vol": "2",
             "vol_exec": "0.5", "cost": "10", "fee": "0.1", "price": "20"}  # fmt: skip

    def found(**changes: Any) -> dict[str, Any]:
        body = json.dumps({"closed": {"OA": {**order, **changes}}, "count": "1"}).encode()
        page = account.account_orders(body, "")
        assert page.total == 1
        return rows(page)[0] if page.table.num_rows else {"reason": page.rejected[0].reason}

    assert found()["remaining"] == Decimal("1.5") and found()["type"] == "market"
    assert found(status="pending")["status"] == "open"
    assert found(status="expired", closetm=1688148593.5)["status"] == "canceled"
    assert found(status="closed")["remaining"] == 0
    assert found(oflags="fciq,viqc", status="closed")["amount"] == Decimal("0.5")
    assert "quote currency" in found(oflags="viqc")["reason"]
    assert found(vol_exec="0", price="0")["average"] is None
    trailing = {**descr, "ordertype": "trailing-stop-limit", "price": "+5.0%"}
    assert found(descr=trailing, limitprice="31.5")["price"] == Decimal("31.5")
    assert found(descr=trailing)["price"] == 0
    assert "status is none of" in found(status="lost")["reason"]


def test_balances_with_credit_and_variants() -> None:
    body = {
        "XXBT": {"balance": "1.0000000001", "hold_trade": "0.2"},
        "XBT.F": {"balance": "3"},
        "ZUSD": {"balance": 5, "hold_trade": 1, "credit": "10", "credit_used": "2.5"},
        "KFEE": {"hold_trade": "1"},
    }
    page = account.balances(json.dumps(body).encode(), AT, Codes()).page()
    found = {row["currency"]: (row["available"], row["reserved"]) for row in rows(page)}
    assert found == {
        "BTC": (Decimal("0.8000000001"), Decimal("0.2")),
        "BTC.F": (Decimal(3), None),
        "USD": (Decimal("11.5"), Decimal(1)),
    }
    assert len(page.rejected) == 1


# -- on the wire -----------------------------------------------------------------------------------


def test_what_is_sent(server: Scripted) -> None:
    answers = {
        "trades": b'{"error":[],"result":{"XXBTZUSD":[],"last":"1"}}',
        "fills": b'{"error":["WGeneral:Deprecated"],"result":{"trades":{},"count":0}}',
    }
    server.answers(*[answers["trades"]] * 3, *[answers["fills"]] * 2)
    connector = server.open("kraken")
    connector.fetch(TRADES, Window())
    connector.fetch(TRADES, Window(1616666442304882, None, 5))
    connector.fetch(TRADES, Window(1616666442304882, resume=1616666442304882029))
    connector.page(FILLS, None)
    connector.page(FILLS, "50")
    targets = [r.target for r in server.requests[:3]]
    assert targets == [
        "/0/public/Trades?pair=XBTUSD&count=1000",
        "/0/public/Trades?pair=XBTUSD&count=5&since=1616666442304882000",
        "/0/public/Trades?pair=XBTUSD&count=1000&since=1616666442304882029",
    ]
    bodies = [r.body for r in server.requests[3:]]
    assert bodies == [
        "nonce=1768000000250&consolidate_taker=false",
        "nonce=1768000000251&consolidate_taker=false&ofs=50",
    ]


@pytest.mark.parametrize(
    ("text", "error", "tries"),
    [
        ("EAPI:Invalid key", AuthError, 1),
        ("EAPI:Invalid signature", AuthError, 1),
        ("EGeneral:Permission denied", AuthError, 1),
        ("EAPI:Invalid nonce", AuthError, 3),
        ("EGeneral:Invalid arguments:ofs", RequestError, 1),
        ("EQuery:Unknown asset pair", RequestError, 1),
        ("EFunding:No funding method", RequestError, 1),
        ("EGeneral:Unknown method", NotOfferedError, 1),
        ("EAPI:Rate limit exceeded", RateLimitedError, 3),
        ("EGeneral:Too many requests", RateLimitedError, 3),
        ("EService: Throttled: 1768075230", RateLimitedError, 3),
        ("EGeneral:Temporary lockout", RateLimitedError, 1),
        ("EService:Unavailable", TransientError, 3),
        ("EService:Deadline elapsed", TransientError, 3),
        ("EGeneral:Internal error:17", TransientError, 3),
        ("EDatabase:Internal error", TransientError, 3),
        ("ESomething:New", RefusedError, 2),
    ],
)
def test_error_texts(server: Scripted, text: str, error: type[Exception], tries: int) -> None:
    body = json.dumps({"error": ["WAPI:beta", text]}).encode()
    date = {"Date": "Sat, 10 Jan 2026 20:00:00 GMT"}
    server.answers(*[(200, date, body)] * tries)
    with pytest.raises(error, match=re.escape(text[:14])) as caught:
        server.open("kraken", retries=2).page(FILLS, None)
    assert type(caught.value) is error and len(server.requests) == tries
    if "Throttled" in text:
        assert all(30 <= wait < 31 for wait in server.waits)
    if "Rate limit" in text:
        assert all(15 <= wait < 16 for wait in server.waits)


def test_a_refused_nonce_is_followed_by_a_higher_one(server: Scripted) -> None:
    refused = b'{"error":["EAPI:Invalid nonce"]}'
    server.answers(refused, b'{"error":[],"result":{"trades":{},"count":0}}')
    assert server.open("kraken").page(FILLS, None).received == 0
    sent = [int(dict(parse_qsl(r.body))["nonce"]) for r in server.requests]
    assert sent == [1768000000250, 1768000005250]


def test_open_orders_come_first_and_have_no_count(server: Scripted) -> None:
    server.answers(
        b'{"error":[],"result":{"open":{}}}', b'{"error":[],"result":{"closed":{},"count":0}}'
    )
    connector = server.open("kraken")
    first = connector.page(ORDERS, None)
    last = connector.page(ORDERS, first.next_token)
    assert (first.total, first.next_token, last.total, last.next_token) == (None, "0", 0, None)
    assert [r.target for r in server.requests] == [
        "/0/private/OpenOrders",
        "/0/private/ClosedOrders",
    ]
    assert "ofs=0" in server.requests[1].body


def test_a_result_that_is_missing_breaks_the_contract(server: Scripted) -> None:
    for body in (b'{"error":[]}', b'{"error":[],"result":null}', b'{"error":[],"result":[1]}'):
        server.answers(body)
        with pytest.raises(ContractError):
            server.open("kraken").fetch(TRADES, Window())


@pytest.mark.parametrize(
    "parse",
    [account.account_trades, account.account_transactions, account.account_orders],
)
def test_a_result_without_its_list_is_no_empty_history(parse: Callable[[bytes, str], Any]) -> None:
    with pytest.raises(ContractError, match="in the result"):
        parse(b"{}", "")
