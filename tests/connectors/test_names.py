"""Names of markets: each its own symbol, folder, lock and claim, whatever an exchange lists."""

import json
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import RequestError, StreamId, Window
from connectors.bitexbit import parse as bitexbit
from connectors.exact import InvalidValue
from connectors.names import Names
from connectors.wex import parse as wex
from schemas import DATASETS
from tests.connectors.conftest import Scripted
from warehouse import paths

AT = 1_768_000_000_250_000
ODD = [
    *("BTC_USD", "btc_usd", "Btc_Usd", "BTC_USDT.e", "BTC_USDT.E", "btc_rur", "1INCH_USD"),
    *("BTC_USD-PERP", "BTC_USD_PERP", "BTC-USD_PERP", "BTC_USD:X", "BTC_USD:5m", "BTC_USD:5M"),
    *(
        "BTC_USD%3A5m",
        "BTC_USD@X",
        "BTC_USD~8",
        "BTC_U#D?",
        "币安人生_USDT",
        "ß_SS",
        "SS_ss",
        "ı_I",
    ),
]
ORDINARY = {"BTC_USD": "BTC-USD", "BTC_USD-PERP": "BTC-USD-PERP", "1INCH_USD": "1INCH-USD"}
SPELLINGS = {"bitexbit": bitexbit.SPELLING, "wex": wex.SPELLING}
STREAMED = [d for d in DATASETS.values() if "symbol" in d.partition]

part = st.text(st.sampled_from("aAbB1.-:~%@#é币"), min_size=1, max_size=4)
natives = st.one_of(
    st.sampled_from(ODD),
    st.builds(lambda a, b: f"{a}_{b}", part, part),
    st.builds(lambda a, b, c: f"{a}_{b}_{c}", part, part, part),
    part,
)
listing = st.dictionaries(natives, st.tuples(part, part), max_size=12)


def streams(symbol: str) -> list[StreamId]:
    """Every stream that a market can have."""
    return [
        StreamId("x", d.name, symbol, timeframe="5m" if d.stream_columns else None)
        for d in STREAMED
    ]


def check_apart(symbols: list[str]) -> None:
    """No two markets share a symbol, a folder, a lock or a claim, nor where case is no matter."""
    assert len(set(symbols)) == len(symbols)
    every = [streams(symbol) for symbol in symbols]
    for of in zip(*every, strict=True):
        assert len({paths.stream_folder(s).casefold() for s in of}) == len(of)
        assert len({"/".join(paths.lock_name(s)).casefold() for s in of}) == len(of)
        assert len({s.label for s in of}) == len(of)
        for stream in of:
            assert max(map(len, paths.stream_folder(stream).split("/"))) < 255
            name = paths.stream_name(stream)
            assert paths.parse_stream_name(stream.exchange, stream.dataset, name) == stream


@pytest.mark.parametrize("exchange", SPELLINGS)
@given(st.lists(listing, min_size=1, max_size=4))
def test_markets_never_share_a_symbol_and_keep_theirs(
    exchange: str, lists: list[dict[str, tuple[str, str]]]
) -> None:
    names = Names(SPELLINGS[exchange])
    ever: dict[str, str] = {}
    for listed in lists:  # a list after the other, as an exchange changes it
        found = names.assigned(listed)
        assert found == names.assigned(dict(reversed(listed.items())))  # in whatever order
        names = names.knowing(found)
        ever |= found
        for native, symbol in ever.items():
            assert names.symbol_of(native) == symbol
            assert names.native_of(symbol) == native
            assert names.named(symbol) == symbol
            assert names.named(native) in (symbol, native)  # the latter: another's symbol
        check_apart(list(ever.values()))


@given(st.lists(natives, unique=True, max_size=8))
def test_without_a_list_only_names_of_the_usual_kind_are_told(texts: list[str]) -> None:
    for spelling in SPELLINGS.values():
        names = Names(spelling)
        named = {t: names.named(t) for t in texts}
        for text, symbol in named.items():
            if symbol is not None:
                assert text in (symbol, names.native_of(symbol))
                assert names.symbol_of(names.native_of(symbol)) == symbol


def test_the_names_of_a_list() -> None:
    found = Names(bitexbit.SPELLING).assigned({name: ("", "") for name in ODD})
    assert {native: found[native] for native in ORDINARY} == ORDINARY
    assert found["btc_rur"] == "BTC-RUR" and found["BTC_USD_PERP"] == "BTC-USD_PERP"
    # alone, a name in another case has the plain symbol; beside others it is distinguished
    assert Names(bitexbit.SPELLING).symbol_of("BTC_USDT.e") == "BTC-USDT.E"
    assert found["BTC_USDT.E"] == "BTC-USDT.E"
    assert found["BTC_USDT.e"].startswith("BTC-USDT.E-")
    assert found["btc_usd"].startswith("BTC-USD-") and found["Btc_Usd"].startswith("BTC-USD-")
    check_apart(list(found.values()))
    # a name without two parts goes by its currencies
    listed = Names(bitexbit.SPELLING).assigned({"BTCUSD": ("btc", "usd"), "XBT": ("", "")})
    assert listed == {"BTCUSD": "BTC-USD", "XBT": "XBT"}


def test_a_market_keeps_its_symbol_when_another_of_that_name_comes() -> None:
    first = Names(bitexbit.SPELLING, {"btc_usd": "BTC-USD"})
    found = first.assigned({"btc_usd": ("", ""), "BTC_USD": ("", "")})
    assert found["btc_usd"] == "BTC-USD" and found["BTC_USD"].startswith("BTC-USD-")
    # also where the first one is listed no longer, and to be asked for by its own name
    assert first.assigned({"BTC_USD": ("", "")}) == {"BTC_USD": found["BTC_USD"]}
    assert first.native_of("BTC-USD") == "btc_usd"
    with pytest.raises(RequestError, match="no market 'ETH-USD'"):
        Names(bitexbit.SPELLING, {"ETH_USD": "ETH-USD-1"}).native_of("ETH-USD")


def pair(symbol: str) -> dict[str, object]:
    return {"symbol": symbol, "base": "B", "quote": "Q"}


def test_every_name_listed_is_stored_once_and_asked_for_as_it_is(server: Scripted) -> None:
    body = json.dumps([pair(name) for name in ODD]).encode()
    page = bitexbit.market_rows(body, AT).page()
    assert page.rejected == ()
    assert page.table["native_symbol"].to_pylist() == ODD
    connector = server.open("bitexbit")
    server.answers(body)
    markets = connector.markets()
    for market in markets:
        fill = {"id": 1, "date": 1544617013258, "type": "buy", "price": 1, "amount": 1}
        row = {**fill, "symbol": market.native_symbol}
        server.answers(json.dumps([row]).encode(), json.dumps([row]).encode())
        stream = StreamId("bitexbit", "trades", market.symbol)
        (found,) = connector.fetch(stream, Window()).table.to_pylist()
        assert found["symbol"] == market.symbol
        (received,) = server.requests
        assert f"symbol={market.native_symbol}" in unquote(received.target)
        account = StreamId("bitexbit", "account_trades", account="main")
        (found,) = connector.fetch(account, Window()).table.to_pylist()
        assert found["symbol"] == market.symbol
        # that left the list: by its own name as well
        server.answers(json.dumps(pair(market.native_symbol)).encode())
        assert connector.snapshot("markets", (market.symbol,)).received == 1
        assert unquote(server.requests[0].target).endswith(f"/pairs/{market.native_symbol}")
    row = {"date": 1544617013, "last": 1}
    server.answers(json.dumps([{**row, "symbol": m.native_symbol} for m in markets[:5]]).encode())
    page = connector.snapshot("tickers", [m.symbol for m in markets[:5]])
    assert page.table["symbol"].to_pylist() == [m.symbol for m in markets[:5]]


@pytest.mark.parametrize(
    "name",
    [
        *("BTC_USD\n", "BTC_\x00USD", "BTC USD", "a,b_c", "a/b_c", "../../x_y", "..", "_", "."),
        *("‮_USD", "é" * 30 + "_USD", "X" * 121),
    ],
)
def test_a_name_that_cannot_be_asked_for_is_refused_alone(name: str) -> None:
    body = json.dumps([pair("BTC_USD"), pair(name), pair("ETH_USD")]).encode()
    page = bitexbit.market_rows(body, AT).page()
    assert page.table["symbol"].to_pylist() == ["BTC-USD", "ETH-USD"]
    (rejected,) = page.rejected
    assert rejected.reason.startswith("symbol ")


@pytest.mark.parametrize("name", ["BTC_USD\n", "BTC_\x00USD", "BTC USD", "\ud83d_USD", "X" * 121])
def test_a_row_of_a_market_with_no_name_is_refused_alone(name: str) -> None:
    fill = {"id": 1, "date": 1544617013258, "type": "buy", "price": 1, "amount": 1}
    names = Names(bitexbit.SPELLING)
    for symbol in ("BTC_USD", "not-of_this,list/"):
        assert "\n" not in names.symbol_of(symbol)
    with pytest.raises(InvalidValue, match="is not a market"):
        names.symbol_of(name)
    if name.isascii():
        body = json.dumps([{**fill, "symbol": name}, {**fill, "id": 2, "symbol": "A_B"}]).encode()
        page = bitexbit.account_trades(body).page()
        assert page.table["symbol"].to_pylist() == ["A-B"] and len(page.rejected) == 1


def test_names_of_wex(server: Scripted) -> None:
    names = ["btc_usd", "BTC_USD", "btc_usdt.e", "1inch_usd", "btc_usd:x", "币_usd"]
    pairs = {name: {"hidden": 0} for name in [*names, "btc_usd-perp", "../../../tapi_x"]}
    info = json.dumps({"pairs": pairs}).encode()
    page = wex.market_rows(info, AT).page()
    assert page.table["native_symbol"].to_pylist() == names
    assert [r.reason.partition(",")[0] for r in page.rejected] == [
        "symbol holds '-'",
        "symbol holds '/'",
    ]
    connector = server.open("wex")
    server.answers(info)
    connector.snapshot("markets", ())
    for native, symbol in zip(names, page.table["symbol"].to_pylist(), strict=True):
        server.answers(json.dumps({native: []}).encode())
        assert connector.fetch(StreamId("wex", "trades", symbol), Window()).received == 0
        (received,) = server.requests
        assert unquote(received.target).startswith(f"/api/3/trades/{native}?")


@pytest.mark.parametrize("symbol", ["..-..", "../../TAPI-X", "BTC/USD-X", "BTC-USD\n"])
def test_a_symbol_that_leads_elsewhere_is_not_asked_for(server: Scripted, symbol: str) -> None:
    for exchange in SPELLINGS:
        server.answers()
        with pytest.raises(RequestError):
            server.open(exchange).fetch(StreamId(exchange, "trades", symbol), Window())
        assert server.requests == []
