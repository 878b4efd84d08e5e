"""Exchanges through ccxt: what may leave, what is read, and when the library is loaded.

Answers of Upbit, Bitvavo and KuCoin are excerpts of ccxt's static tests (MIT licence,
ts/src/test/static/response); those of OKX and Bybit are in the form of their documentation.
"""

import base64
import hashlib
import hmac
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from functools import cache
from inspect import getattr_static
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pyarrow as pa
import pytest

import connectors
from connectors import (
    ConfigError,
    ContractError,
    Credentials,
    ForbiddenCallError,
    RequestError,
    StreamId,
    TransientError,
    Window,
)
from connectors.ccxt import bybit, generic, library, okx, okx_account, okx_shape
from connectors.ccxt.okx_transactions import TRANSACTIONS
from connectors.ccxt.propose import proposed
from connectors.ccxt.table import Entry, Read, entries
from connectors.dialect import Answered, Asked
from connectors.http import Request, get
from connectors.names import Names
from connectors.rows import Built
from tests.connectors.conftest import Scripted

NOW = 1_700_000_000_000_000
NATIVE, SYMBOL = "BTCUSDT", "BTC-USDT"
FORBIDDEN = frozenset(
    {
        *("create", "cancel", "amend", "edit", "place", "close", "buy", "sell", "submit", "batch"),
        *("transfer", "withdraw", "borrow", "repay", "loan", "redeem", "purchase", "subscribe"),
        *("convert", "address", "apikey", "key", "subaccount", "leverage", "listen"),
    }
)
"""Words of calls that trade, move money, borrow, make addresses or manage keys."""
ONLY_BEFORE = {
    "order": ("book", "history", "pending"),
    "orders": ("history", "pending"),
    "withdrawal": ("history",),
}
"""Words that only these may follow."""
WALKED = (
    *("binanceus", "bitfinex", "bitget", "bitso", "bitvavo", "bybit", "coinbase", "cryptocom"),
    *("gate", "gemini", "hitbtc", "htx", "kucoin", "mexc", "myokx", "okx", "poloniex", "upbit"),
    *("whitebit", "xt"),
)


def is_harmful(path: str) -> bool:
    words = re.findall("[a-z]+", path.lower())
    following = zip(words, [*words[1:], ""], strict=True)
    return bool(FORBIDDEN & {*words}) or any(
        after not in ONLY_BEFORE[word] for word, after in following if word in ONLY_BEFORE
    )


def entry(id_: str) -> Entry:
    """What is declared of an exchange; of one that is not, nothing."""
    return entries().get(id_) or Entry(id_, f"https://{id_}.example", 1, {})


@cache
def implicit(id_: str) -> dict[str, Any]:
    """ccxt's raw calls of an exchange, by the names of their methods."""
    kind = type(library.opened(entry(id_), lambda leaving: {}, NOW))
    found = {name: getattr_static(kind, name) for name in dir(kind)}
    return {name: one for name, one in found.items() if type(one).__name__ == "Entry"}


def triples(id_: str) -> set[tuple[str, str, str]]:
    return {
        (one.method, ".".join(one.api) if isinstance(one.api, list) else one.api, one.path)
        for one in implicit(id_).values()
    }


# -- what may leave --------------------------------------------------------------------------------


@pytest.mark.parametrize("id_", sorted(entries()))
def test_every_call_of_the_list_exists_and_only_reads(id_: str) -> None:
    declared = entries()[id_]
    assert declared.host.startswith("https://")
    known = triples(id_)
    for read in declared.every:
        assert read.triple in known, read
        assert read.method == "GET"
        assert not is_harmful(read.path) and not is_harmful(read.at), read
        public = re.sub("[^a-z]+", " ", read.api.lower())
        assert read in declared.account or "private" not in public


def test_the_words_would_find_what_must_not_be_there() -> None:
    for path in ("trade/order", "asset/withdrawal", "spot/orders/batch", "account/transfer", "buy"):
        assert is_harmful(path), path
    assert not is_harmful("/api/v5/trade/orders-pending")


@pytest.mark.parametrize("id_", WALKED)
def test_nothing_leaves_but_the_list(id_: str) -> None:
    """Every raw call that ccxt has of the exchange, with a key, through the way out."""
    declared = entry(id_)
    made = library.opened(declared, library.way_out(declared), NOW)
    made.apiKey = made.password = made.uid = made.walletAddress = "key"
    made.secret = base64.b64encode(b"secret" * 8).decode()
    left: set[tuple[str, str, str]] = set()
    refused = 0
    for name, one in implicit(id_).items():
        places = dict.fromkeys(re.findall(r"\{(\w+)\}", one.path), NATIVE)
        try:
            getattr(made, name)({**places, "symbol": NATIVE})
        except library.Left as found:
            assert declared.read_of(found.leaving.method, found.leaving.url) is not None
            api = ".".join(one.api) if isinstance(one.api, list) else one.api
            left.add((one.method, api, one.path))
        except ForbiddenCallError:
            refused += 1
        except Exception:  # ccxt itself has no use for such a call
            continue
    never = {read.at for read in declared.every if read.triple not in left}
    assert all("{" not in at and ":" in at for at in never)  # one value alone is allowed
    assert refused > 20


def test_unified_methods_that_trade_are_refused() -> None:
    declared = entry("okx")

    def buy(made: Any) -> Any:
        made.apiKey = made.secret = made.password = "x"
        return made.private_post_trade_order({"instId": "BTC-USDT", "side": "buy", "sz": "1"})

    with pytest.raises(
        ForbiddenCallError,
        match=r"POST https://www\.okx\.com/api/v5/trade/order is not on the list",
    ):
        library.composed(declared, buy, NOW)


@pytest.mark.parametrize(
    "url",
    [
        "http://www.okx.com/api/v5/market/books",
        "https://www.okx.com.thief.example/api/v5/market/books",
        "https://www.okx.com@thief.example/api/v5/market/books",
        "https://www.okx.com:8443/api/v5/market/books",
        "https://www.okx.com/api/v5/market/books/../../asset/withdrawal",
        "https://www.okx.com/api/v5/market/books#x",
        "https://www.okx.com/api/v5/asset/withdrawal",
    ],
)
def test_another_host_or_path_is_not_sent(url: str) -> None:
    with pytest.raises(ForbiddenCallError, match="not sent"):
        library.check(entry("okx"), library.Leaving("GET", url))
    with pytest.raises(ForbiddenCallError, match="not sent"):
        library.check(
            entry("okx"), library.Leaving("POST", "https://www.okx.com/api/v5/market/books")
        )


@pytest.mark.parametrize("native", ["../x", "a/b", "a?b=1", "a#b", "..", "a%2Fb"])
def test_a_name_is_one_segment_of_a_path(native: str) -> None:
    """``/v2/{market}/trades`` of Bitvavo."""
    dialect = connectors.dialect_of("ccxt:bitvavo")
    names = Names(dialect.spelling, {native: SYMBOL})
    stream = StreamId("ccxt:bitvavo", "trades", SYMBOL)
    with pytest.raises((RequestError, ForbiddenCallError), match="not sent"):
        dialect.endpoints["trades"].request(Asked((stream,), names=names, now=NOW))


@pytest.mark.parametrize("id_", sorted(entries()))
def test_what_is_composed_is_on_the_list_and_names_the_market(id_: str) -> None:
    dialect = connectors.dialect_of(f"ccxt:{id_}")
    for dataset, endpoint in dialect.endpoints.items():
        if dataset not in ("markets", "trades", "candles", "tickers", "order_books"):
            continue
        symbol = None if dataset == "markets" else SYMBOL
        names = Names(dialect.spelling, {"Qq9ZZ": SYMBOL})
        for frame in endpoint.paging.timeframes or (None,):
            stream = StreamId(dialect.name, dataset, symbol, timeframe=frame)
            request = endpoint.request(Asked((stream,), names=names, now=NOW))
            assert any(re.fullmatch(read, request.call) for read in dialect.reads)
            assert not request.private
            is_whole = dataset == "markets" or endpoint.paging.batch > 1
            assert is_whole or "Qq9ZZ" in request.path + request.query


def test_a_market_list_asks_for_spot_alone_and_without_a_key() -> None:
    made = library.opened(entry("bybit"), lambda leaving: {}, NOW)
    assert made.apiKey in (None, "") and made.options["fetchMarkets"]["types"] == ["spot"]


def test_a_proposal_is_what_is_declared() -> None:
    text = proposed("bitvavo")
    for read in entries()["bitvavo"].reads.values():
        assert " ".join((*read.triple, read.at)) in text


# -- signing ---------------------------------------------------------------------------------------


def test_okx_signs_as_documented() -> None:
    """The documentation's own text and secret; it gives no result, which is worked out here."""
    secret = "22582BD0CFF14C41EDBF1AB98506286D"
    request = Request("GET", "/api/v5/account/balance", "ccy=BTC", private=True)
    key = Credentials("my-key", secret, "my phrase")
    sent = connectors.dialect_of("ccxt:okx").sign(request, key, 1_607_418_537_715_000)
    message = b"2020-12-08T09:08:57.715ZGET/api/v5/account/balance?ccy=BTC"
    made = base64.b64encode(hmac.new(secret.encode(), message, hashlib.sha256).digest()).decode()
    assert made == "HiZhvSfMtWJA3uUIVXV3a/bSXNPCWvYFXoGCVS8V4zY="
    headers = sent.headers or {}
    assert headers["OK-ACCESS-SIGN"] == made and headers["OK-ACCESS-PASSPHRASE"] == "my phrase"
    assert (sent.query, sent.proof, sent.content) == ("ccy=BTC", "", None)
    assert made in sent.secrets and made not in repr(sent)


def test_what_ccxt_adds_to_a_query_is_no_part_of_what_is_recorded() -> None:
    """HTX signs in the URL."""
    read = Read("GET", "spot.private", "v1/account/accounts", "/v1/account/accounts")
    declared = replace(entry("htx"), account=(read,))
    request = Request("GET", read.at, "a=1", private=True)
    sent = library.signed(declared, read, request, Credentials("my-key", "my-secret"), NOW)
    assert sent.query == "a=1"
    assert "AccessKeyId=my-key" in sent.proof and "Signature=" in sent.proof
    assert "a=1" not in sent.proof


# -- what is read ----------------------------------------------------------------------------------


def parsed(
    id_: str, dataset: str, body: bytes, symbol: str = SYMBOL, native: str = NATIVE, frame: str = ""
) -> Built:
    dialect = connectors.dialect_of(f"ccxt:{id_}")
    of = None if dataset == "markets" else symbol
    stream = StreamId(dialect.name, dataset, of, timeframe=frame or None)
    names = Names(dialect.spelling, {native: symbol})
    about = Answered((stream,), NOW, NOW, names=names, markets={native: symbol})
    found = dialect.endpoints[dataset].parse(body, about)
    assert isinstance(found, Built)
    return found


def rows(built: Built) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = built.page().table.to_pylist()
    return found


UPBIT = b"""[{"market": "USDT-BTC", "timestamp": 1710327571922, "trade_price": 73249.66500000,
"trade_volume": 0.00840925, "ask_bid": "ASK", "sequential_id": 17103275719220001}]"""


def test_a_number_keeps_every_digit() -> None:
    (row,) = rows(parsed("upbit", "trades", UPBIT, native="USDT-BTC"))
    assert row["trade_id"] == "17103275719220001" and row["side"] == "sell"
    assert (row["price"], row["amount"]) == (Decimal("73249.665"), Decimal("0.00840925"))
    # 17 digits, of which a binary float has 16
    long = UPBIT.replace(b"73249.66500000", b"73249.665000123451")
    (row,) = rows(parsed("upbit", "trades", long, native="USDT-BTC"))
    assert row["price"] == Decimal("73249.665000123451")
    tiny = UPBIT.replace(b"0.00840925", b"1e-9")
    (row,) = rows(parsed("upbit", "trades", tiny, native="USDT-BTC"))
    assert row["amount"] == Decimal("1e-9")


def test_candles_as_recorded() -> None:
    body = b"""[[1702354080000, "38766", "38766.5", "38766", "38766", "0.00012865"],
        [1702354020000, "38761", "38764", "38761", "38761", "0.27526588"]]"""
    newest, older = rows(parsed("bitvavo", "candles", body, native="BTC-EUR", frame="1m"))
    assert newest["high"] == Decimal("38766.5") and older["volume"] == Decimal("0.27526588")
    # KuCoin: open, close, high, low
    body = b"""{"code": "200000", "data": [["1706637600", "43396.4", "43369.4", "43491.9",
        "43285.2", "135.02905655", "5859577.939581874"]]}"""
    (row,) = rows(parsed("kucoin", "candles", body, native="BTC-USDT", frame="1h"))
    assert [row[n] for n in ("open", "high", "low", "close", "volume")] == [
        Decimal(n) for n in ("43396.4", "43491.9", "43285.2", "43369.4", "135.02905655")
    ]


def test_only_the_row_that_is_wrong_is_rejected() -> None:
    other = UPBIT.replace(b"17103275719220001", b"17103275719220002").replace(
        b"0.00840925", b'"n/a"'
    )
    body = b"%b,%b" % (UPBIT.rstrip(b"]"), other.lstrip(b"["))
    built = parsed("upbit", "trades", body, native="USDT-BTC")
    assert len(rows(built)) == 1
    (rejected,) = built.rejected
    assert "n/a" in rejected.payload and '"sequential_id": 17103275719220002' in rejected.payload


def test_an_id_that_ccxt_made_up_is_none() -> None:
    body = b"""{"code":200,"data":[{"T":1,"symbol":"BTCUSDT"}]}"""
    with pytest.raises(ContractError):
        parsed("bitvavo", "trades", body)
    trade = b'[{"timestamp": 1700000000000, "amount": "1", "price": "2", "side": "buy"}]'
    with pytest.raises(ContractError, match="leave trades out of the feed"):
        parsed("bitvavo", "trades", trade)
    other = trade.replace(b'"side"', b'"id": "57b1159b", "side"')
    built = parsed("bitvavo", "trades", b"%b,%b" % (trade.rstrip(b"]"), other.lstrip(b"[")))
    assert len(rows(built)) == 1 and "no id" in built.rejected[0].reason
    assert "trades" not in connectors.offers("ccxt:mexc")  # its trades have none


BYBIT = b'{"retCode":0,"retMsg":"OK","result":{"category":"spot","list":[%b]}}'
TRADE = (
    b'{"execId":"2100000000007764263","symbol":"BTCUSDT","price":"16618.49","size":"0.00012",'
    b'"side":"Buy","time":"1672052955758","isBlockTrade":false}'
)


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"[]",
        b'{"retCode":0,"result":{}}',
        b'{"retCode":0,"result":{"list":{}}}',
        b'{"retCode":0,"result":null}',
        b"[[]]",
        b'"text"',
        b"17",
        b"null",
        b'{"retCode":0,"result":{"list":[NaN]}}',
    ],
)
def test_an_answer_without_its_list_is_not_an_empty_one(body: bytes) -> None:
    with pytest.raises(ContractError):
        parsed("bybit", "trades", body)


def test_an_empty_list_is_an_empty_page() -> None:
    assert rows(parsed("bybit", "trades", BYBIT % b"")) == []
    assert len(rows(parsed("bybit", "trades", BYBIT % TRADE))) == 1


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((200, {"Content-Type": "text/html"}, b"<html>maintenance</html>"), TransientError),
        (BYBIT[:40], TransientError),
        (b"", TransientError),
        (b"<html>maintenance</html>", TransientError),
        (b'{"retCode":10001,"retMsg":"params error"}', RequestError),
        (b'{"retCode":10006,"retMsg":"Too many visits!"}', connectors.RateLimitedError),
        (b'{"retCode":10016,"retMsg":"Server error."}', TransientError),
        ((403, {}, b"{}"), connectors.AuthError),
    ],
)
def test_an_answer_is_judged_before_ccxt_reads_it(
    server: Scripted, answer: Any, error: type[Exception]
) -> None:
    connector = server.open("ccxt:bybit", credentials=None, retries=0)
    stream = StreamId("ccxt:bybit", "trades", SYMBOL)
    server.answers(answer)
    with pytest.raises(error):
        connector.fetch(stream, Window())
    server.answers(BYBIT % TRADE)
    assert connector.fetch(stream, Window()).received == 1
    (asked,) = server.requests
    assert asked.target == "/v5/market/recent-trade?symbol=BTCUSDT&limit=60&category=spot"


def test_spot_markets_by_the_names_of_all_exchanges() -> None:
    body = b"""{"retCode":0,"retMsg":"OK","result":{"category":"spot","list":[{"symbol":"BTCUSDT",
        "baseCoin":"BTC","quoteCoin":"USDT","status":"Trading","lotSizeFilter":{"basePrecision":
        "0.000001","quotePrecision":"0.00000001","minOrderQty":"0.000048","maxOrderQty":"71.7",
        "minOrderAmt":"1"},"priceFilter":{"tickSize":"0.01"}}]}}"""
    (row,) = rows(parsed("bybit", "markets", body))
    assert (row["symbol"], row["native_symbol"]) == ("BTC-USDT", "BTCUSDT")
    assert (row["price_precision"], row["amount_precision"]) == (2, 6)
    assert row["min_amount"] == Decimal("0.000048") and row["active"] is True
    with pytest.raises(ContractError):
        parsed("bybit", "markets", BYBIT % b"")


# -- OKX's documented answers ----------------------------------------------------------------------


def test_okx_answers_as_documented() -> None:
    def names() -> Names:
        return Names(okx_shape.SPELLING)

    trade = b"""[{"instId":"BTC-USDT","side":"sell","sz":"0.00001","px":"29963.2",
        "tradeId":"242720720","ts":"1654161646974"}]"""
    (row,) = rows(okx.trades(trade, "BTC-USDT", "BTC-USDT"))
    assert (row["trade_id"], row["side"], row["price"]) == ("242720720", "sell", Decimal("29963.2"))
    fill = b"""[{"side":"buy","fillSz":"0.00192834","fillPx":"51858","fee":"-0.00000192834",
        "ordId":"680800019749904384","instType":"SPOT","instId":"BTC-USDT","billId":
        "680800019754098688","tradeId":"744876980","execType":"T","feeCcy":"BTC",
        "ts":"1708587373362"}]"""
    (row,) = rows(okx_account.fills(fill, names()))
    assert (row["fee_amount"], row["fee_currency"]) == (Decimal("0.00000192834"), "BTC")
    assert row["taker_or_maker"] == "taker"
    # of a conversion there is no trade, and perhaps no fee
    odd = fill.replace(b'"744876980"', b'""').replace(b'"-0.00000192834"', b'""')
    (row,) = rows(okx_account.fills(odd, names()))
    assert (row["trade_id"], row["fee_amount"]) == ("bill-680800019754098688", None)
    fees = b'[{"instType":"SPOT","maker":"-0.0008","taker":"-0.001"}]'
    (row,) = rows(okx_account.fees(fees, NOW))
    assert (row["maker_fee_rate"], row["taker_fee_rate"]) == (Decimal("0.0008"), Decimal("0.001"))


def test_a_trade_of_okx_that_a_bound_names_lies_outside() -> None:
    row = '{"instId":"BTC-USDT","side":"buy","sz":"1","px":"2","tradeId":"%d","ts":"1700000000000"}'
    body = f"[{','.join(row % id_ for id_ in (3, 2, 1))}]".encode()
    for query, ids in (
        ("", [3, 2, 1]),
        ("after=3&limit=100", [2, 1]),
        ("before=1&after=4", [3, 2]),
    ):
        built = okx.trades(body, "BTC-USDT", "BTC-USDT", query)
        assert built.positions.to_pylist() == ids


def test_days_that_begin_at_another_hour_are_refused() -> None:
    """Of Bybit, a day from 16:00 UTC on, as others have it."""
    body = b'{"retCode":0,"result":{"list":[["1699977600000","1","2","1","2","5","9"]]}}'
    with pytest.raises(ContractError, match="leave 1d out"):
        parsed("bybit", "candles", body, frame="1d")
    built = parsed("bybit", "candles", body.replace(b"1699977600000", b"1700006400000"), frame="1d")
    assert len(rows(built)) == 1


def test_an_unfinished_okx_candle_is_not_final() -> None:
    about = Answered((StreamId("ccxt:okx", "candles", SYMBOL, timeframe="1m"),), NOW, 2 * NOW)
    row = b'["1699999980000","1","2","0.5","1.5","10","15","15","%b"]'
    built = okx.candles(b"[%b,%b]" % (row % b"0", row.replace(b"99980", b"99920") % b"1"), about)
    assert [r["is_final"] for r in rows(built)] == [False, True]


# -- profiles of others ---------------------------------------------------------------------------


def asked(id_: str, dataset: str, window: Window, native: str = NATIVE) -> Request:
    dialect = connectors.dialect_of(f"ccxt:{id_}")
    account = "main" if dataset.startswith("account") else None
    stream = StreamId(dialect.name, dataset, None if account else SYMBOL, account)
    names = Names(dialect.spelling, {native: SYMBOL})
    wanted = Asked((stream,), window, names=names, now=NOW + 60_000_000)
    return dialect.endpoints[dataset].request(wanted)


def test_trades_by_windows_of_time() -> None:
    window = Window(NOW - 1, NOW + 1, 1000)
    request = asked("gate", "trades", window, "BTC_USDT")
    assert request.path == "/api/v4/spot/trades"
    assert request.query == "currency_pair=BTC_USDT&limit=1000&from=1699999998&to=1700000001"
    request = asked("bitfinex", "trades", window, "tDUSK:USD")
    assert request.path == "/v2/trades/tDUSK%3AUSD/hist"
    assert request.query == "sort=-1&limit=1000&start=1699999999999&end=1700000000001"
    # a bound may leave out the second that it names: the one before is named, and its rows go
    row = b'{"id":"%d","create_time":"%d","create_time_ms":"%d999.5","side":"buy","amount":"1",'
    row += b'"price":"2","currency_pair":"BTC_USDT"}'
    answer = b"[%b,%b]" % (row % (2, 1699999999, 1699999999), row % (1, 1699999998, 1699999998))
    native = {"BTC_USDT": SYMBOL}
    stream = StreamId("ccxt:gate", "trades", SYMBOL)
    endpoint = connectors.dialect_of("ccxt:gate").endpoints["trades"]
    names = Names(connectors.dialect_of("ccxt:gate").spelling, native)
    for query, ids in (("from=1699999998&to=1700000001", ["2"]), ("limit=1000", ["2", "1"])):
        given = Answered((stream,), NOW, NOW, query, markets=native, names=names)
        built = endpoint.parse(answer, given)
        assert isinstance(built, Built)
        assert [r["trade_id"] for r in rows(built)] == ids
    for id_ in ("gate", "bitfinex"):
        offer = connectors.offers(f"ccxt:{id_}")["trades"]
        assert (offer.cursor, offer.key) == (connectors.Cursor.TIME, connectors.Key.TEXT)
        request = asked(id_, "trades", Window(limit=10))
        patterns = connectors.dialect_of(f"ccxt:{id_}").reads
        assert any(re.fullmatch(read, request.call) for read in patterns)


def test_bitfinex_rows_are_lists_whose_sign_is_the_side() -> None:
    body = (
        b"[[1560452105, 1710327665123, -0.00205645, 73217], [1560452104, 1710327665123, 1.5, 2e-7]]"
    )
    sold, bought = rows(parsed("bitfinex", "trades", body, native="tBTCUST"))
    assert (sold["side"], sold["amount"]) == ("sell", Decimal("0.00205645"))
    assert (bought["trade_id"], bought["side"]) == ("1560452104", "buy")
    assert (bought["amount"], bought["price"]) == (Decimal("1.5"), Decimal("2e-7"))


def test_htx_sends_trades_in_batches() -> None:
    body = b"""{"ch":"market.btcusdt.trade.detail","status":"ok","ts":1629792192037,"data":[{"id":
        136107843051,"ts":1629792191928,"data":[{"id":136107843051348400221001656,"ts":
        1629792191928,"trade-id":102517374388,"amount":0.028416,"price":49806.0,"direction":"buy"},
        {"id":136107843051348400229813302,"ts":1629792191928,"trade-id":102517374387,"amount":
        0.025794,"price":49806.0,"direction":"sell"}]}]}"""
    first, second = rows(parsed("htx", "trades", body, native="btcusdt"))
    assert (first["trade_id"], second["trade_id"]) == ("102517374388", "102517374387")
    assert (first["amount"], second["side"]) == (Decimal("0.028416"), "sell")
    with pytest.raises(ContractError):
        parsed("htx", "trades", b'{"status":"ok"}', native="btcusdt")


def test_an_answer_that_is_an_empty_list_is_an_empty_page() -> None:
    for id_ in ("gate", "bitfinex", "upbit", "bitvavo"):
        endpoint = connectors.dialect_of(f"ccxt:{id_}").endpoints["trades"]
        stream = StreamId(f"ccxt:{id_}", "trades", SYMBOL)
        found = endpoint.parse(
            b"[]", Answered((stream,), NOW, NOW, names=Names(known={"X": SYMBOL}))
        )
        page = found.page() if isinstance(found, Built) else found
        assert page.received == 0


LOG = b"""{"retCode":0,"result":{"nextPageCursor":"21963%3A1%2C14954%3A1","list":[
    {"id":"592324_XRPUSDT_161440249321","symbol":"XRPUSDT","change":"-0.003676","type":"SETTLEMENT",
     "transactionTime":"1672128000000","currency":"USDT","tradeId":"534c0003"},
    {"id":"592324_XRPUSDT_161440249321","symbol":"XRPUSDT","change":"-26.5","type":"TRADE",
     "transactionTime":"1672121182224","currency":"USDT","tradeId":"5a8b0000"},
    {"id":"592324_XRPUSDT_161440249321","symbol":"","change":"26.5","type":"TRANSFER_IN",
     "transactionTime":"1672121182224","currency":"USDT","tradeId":""}]}}"""


def about(id_: str, dataset: str, path: str, query: str = "") -> Answered:
    stream = StreamId(f"ccxt:{id_}", dataset, account="main")
    return Answered((stream,), NOW, NOW, query, path)


def test_entries_of_bybit_that_share_an_id_are_several() -> None:
    page = bybit.entries(LOG, about("bybit", "account_transactions", "/x"))
    settled, moved = page.table.to_pylist()
    assert settled["transaction_id"] != moved["transaction_id"]
    assert (settled["type"], settled["amount"]) == ("debit", Decimal("0.003676"))
    assert (moved["type"], moved["description"]) == ("credit", "TRANSFER_IN")
    assert (
        page.next_token == "21963%3A1%2C14954%3A1"
    )  # a page that is not full need not be the last


def test_where_a_list_of_bybit_ends() -> None:
    """At an answer without a cursor, or without rows; the first may have none and go on."""
    empty = b'{"retCode":0,"result":{"nextPageCursor":"%b","list":[]}}'
    first = about("bybit", "account_trades", "/x", "category=spot&limit=100")
    later = about("bybit", "account_trades", "/x", "category=spot&limit=100&cursor=a%3A1")
    assert bybit.fills(empty % b"b", first).next_token == "b"
    assert bybit.fills(empty % b"b", later).next_token is None
    assert bybit.fills(empty % b"", first).next_token is None
    assert bybit.entries(LOG, later).next_token == "21963%3A1%2C14954%3A1"
    assert bybit.entries(LOG.replace(b"21963%3A1%2C14954%3A1", b""), later).next_token is None


def test_a_window_of_bybit_goes_on_by_its_cursor() -> None:
    window = Window(NOW - 8 * 86_400_000_000, NOW)
    request = asked("bybit", "account_trades", window)
    assert request.path == "/v5/execution/list" and request.private
    assert "startTime=1699308800000&endTime=1699913599000" in request.query
    # less than seven days, also where the bounds are rounded
    for low in (0, 1, 999):
        query = dict(parse_qsl(asked("bybit", "account_trades", Window(low, NOW)).query))
        assert int(query["endTime"]) - int(query["startTime"]) < 7 * 86_400_000
    page = replace(
        bybit.entries(LOG, about("bybit", "account_transactions", "/x")), next_token="a%3A1"
    )
    wanted = Asked((StreamId("ccxt:bybit", "account_trades", account="main"),), window, now=NOW)
    further = bybit.FILLS.following(wanted, request, page, 1)
    assert further is not None and further.query.endswith("&cursor=a%253A1")
    full = pa.concat_tables([page.table] * 50)
    with pytest.raises(ContractError, match="came again"):
        bybit.FILLS.following(wanted, further, replace(page, table=full), 0)
    assert bybit.FILLS.following(wanted, further, page, 0) is None  # the last page, once more
    assert bybit.FILLS.following(wanted, further, replace(page, next_token=None), 0) is None
    # what is signed is what is sent, the cursor's percent signs encoded once more
    sent = connectors.dialect_of("ccxt:bybit").sign(
        further, Credentials("key", "SECRETSECRET"), NOW
    )
    assert sent.query == further.query and sent.proof == ""
    text = f"1700000000000key{(sent.headers or {})['X-BAPI-RECV-WINDOW']}{sent.query}"
    made = hmac.new(b"SECRETSECRET", text.encode(), hashlib.sha256).hexdigest()
    assert (sent.headers or {})["X-BAPI-SIGN"] == made


def test_what_a_bybit_account_holds_and_pays() -> None:
    body = b"""{"retCode":0,"result":{"list":[{"accountType":"UNIFIED","coin":[{"coin":"BTC",
        "walletBalance":"1.5","locked":"0.5"},{"coin":"ETH","walletBalance":"2","locked":""}]}]}}"""
    built = bybit.balances(body, about("bybit", "balances", "/x"))
    assert [(r["currency"], r["available"], r["reserved"]) for r in rows(built)] == [
        ("BTC", Decimal(1), Decimal("0.5")),
        ("ETH", Decimal(2), None),
    ]
    fill = b"""{"retCode":0,"result":{"nextPageCursor":"132766%3A2","list":[{"symbol":"BTCUSDT",
        "side":"Buy","orderId":"8c06","execTime":"1672282722429","feeCurrency":"BTC","isMaker":false,
        "execFee":"0.0001","execId":"e0cbe81d","execPrice":"16618.49","execType":"Trade",
        "execQty":"0.1"}]}}"""
    page = bybit.fills(fill, about("bybit", "account_trades", "/x"))
    (row,) = page.table.to_pylist()
    assert (row["taker_or_maker"], row["fee_currency"]) == ("taker", "BTC")
    assert page.next_token == "132766%3A2"


def bills(*times: str | None) -> bytes:
    """Entries of a ledger, newest first; without a time, one that is no entry at all."""
    row = '{"billId":"%d","ccy":"BTC","balChg":"1","ts":"%s","type":"74","subType":"","notes":""}'
    found = [row % (100 - n, t) if t is not None else "null" for n, t in enumerate(times)]
    return f"[{','.join(found)}]".encode()


FUNDING, TRADING = "/api/v5/asset/bills-history", "/api/v5/account/bills-archive"


@pytest.mark.parametrize(
    ("path", "query", "times", "token"),
    [
        (FUNDING, "after=100&limit=100", (), None),
        (FUNDING, "after=100&limit=100", ("50", None, "40"), "after=41"),
        (FUNDING, "after=100&limit=100", ("50", "40", ""), "after=41"),
        (FUNDING, "after=100&limit=100", ("", None), ""),
        (FUNDING, "after=41&limit=100", ("40", "40"), "after=40&limit=99"),  # only the overlap
        (FUNDING, "after=40&limit=99", (), None),
        (FUNDING, "after=40&limit=99", ("40",), None),  # a server that shows the row itself
        (TRADING, "limit=100", ("50", None, "40"), "after=98"),
        (TRADING, "limit=100&after=98", (), None),
        (TRADING, "limit=100&after=100", ("50",), None),
        (TRADING, "limit=100&after=101", ("50",), "after=100"),
        (TRADING, "limit=100&after=98", (None,), ""),
    ],
)
def test_a_list_of_okx_ends_where_nothing_older_is_shown(
    path: str, query: str, times: tuple[str | None, ...], token: str | None
) -> None:
    given = about("okx", "account_transactions", path, query)
    assert TRANSACTIONS.parsed(bills(*times), given).next_token == token


@pytest.mark.parametrize(
    ("path", "query", "said"),
    [
        (FUNDING, "after=41&limit=99", "the rows at 41 ms fill an answer"),
        (FUNDING, "after=30&limit=100", "rows came again"),
        (TRADING, "after=30&limit=100", "rows came again"),
    ],
)
def test_a_list_of_okx_that_cannot_go_on_is_refused(path: str, query: str, said: str) -> None:
    with pytest.raises(ContractError, match=said):
        TRANSACTIONS.parsed(bills("40"), about("okx", "account_transactions", path, query))


def test_rows_of_okx_that_do_not_say_where_they_are_are_no_end() -> None:
    wanted = Asked(
        (StreamId("ccxt:okx", "account_transactions", account="main"),), Window(), now=NOW
    )
    given = about("okx", "account_transactions", FUNDING, "after=100&limit=100")
    request, page = get(FUNDING, {"limit": "100"}), TRANSACTIONS.parsed(bills(None), given)
    with pytest.raises(ContractError, match="no row says where it is"):
        TRANSACTIONS.following(wanted, request, page, 1)
    # where they came before, with others, nothing older is there
    further = TRANSACTIONS.following(wanted, request, page, 0)
    assert further is not None and further.path == TRADING


# -- when the library is needed, and what is said without it ---------------------------------------


def test_the_library_is_loaded_when_an_exchange_of_its_is_asked() -> None:
    code = """
import sys
import connectors
from connectors.base import Connection
from connectors.local import LocalNonces, NoLimits
for name in ("ccxt:okx", "ccxt:bybit"):
    connectors.offers(name), connectors.default_base_url(name), connectors.key_settings(name, "a")
    connectors.dialect_of(name).endpoints
import pipelines.cli, pipelines.feeds
assert "ccxt" not in sys.modules, "too early"
connection = Connection("https://www.okx.com", LocalNonces(), NoLimits())
connectors.open_connector("ccxt:okx", connection).close()
assert "ccxt" in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.fixture
def without_the_library(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    library._library.cache_clear()
    monkeypatch.setitem(sys.modules, "ccxt", None)
    yield
    library._library.cache_clear()


@pytest.mark.usefixtures("without_the_library")
def test_without_the_library_the_fix_is_named(server: Scripted) -> None:
    with pytest.raises(ConfigError, match=r"Fix: pip install 'tidemark\[ccxt\]'"):
        server.open("ccxt:okx")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("ccxt:okz", "Fix: use ccxt:okx or ccxt:"),
        ("ccxt:kraken", "Fix: exchange: kraken"),
        ("ccxt:coinbaseexchange", "Fix: exchange: coinbase"),
        ("ccxt:hyperliquid", "no list of the reading calls"),
        ("ccxt:", "no exchange ccxt:"),
        ("ccxt:../okx", "no exchange ccxt:../okx"),
        ("nowhere", "and ccxt:<id> for others"),
    ],
)
def test_an_unknown_exchange_is_told_from_a_near_one(name: str, said: str) -> None:
    assert not connectors.is_known(name)
    with pytest.raises(ConfigError, match=re.escape(said)):
        connectors.dialect_of(name)


def test_the_names_of_settings() -> None:
    assert connectors.key_variables("ccxt:okx", "desk-2")[2] == "CCXT_OKX_DESK_2_API_PASSPHRASE"
    assert connectors.base_url_variable("ccxt:okx") == "CCXT_OKX_BASE_URL"
    assert connectors.key_variables("ccxt:bybit", "main") == (
        "CCXT_BYBIT_API_KEY",
        "CCXT_BYBIT_API_SECRET",
    )
    assert generic.dialect(entry("bitvavo")).limits["public"].per_second <= 5


def test_the_page_names_every_exchange(repo_root: Path) -> None:
    page = (repo_root / "docs/exchanges/ccxt.md").read_text(encoding="utf-8")
    for id_ in entries():
        assert f"`{id_}`" in page or f"`ccxt:{id_}`" in page, id_
