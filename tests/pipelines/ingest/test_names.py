"""Markets whose names differ by case or a separator only, pulled by either of their names."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.feeds import load_feeds, select_jobs
from pipelines.ingest import pull
from sandbox import Fault, ManualClock, Served, World, serve
from sandbox.bitexbit import BitexBitSwitches
from sandbox.marketdata import MarketTape
from tests.pipelines.ingest.conftest import only_pull, run, settings_for
from tests.pipelines.ingest.reference_model import table

NOW = 1_768_000_000_000
NAMES = {  # the sandbox's own distinction -> how the exchange spells it
    "BTC-USD": "BTC_USD",
    "BTC-USD1": "btc_usd",
    "BTC-USDT.E": "BTC_USDT.e",
    "BTC-RUR": "btc_rur",
    "BTC-USD2": "BTC_USD-PERP",
    "BTC-USD3": "BTC_USD_PERP",
    "BTC-USD4": "BTC_USD:X",
    "BTC-USD5": "BTC_U#D?%2F",
    "BTC-USD6": "币安人生_USDT",
    "1INCH-USD": "1INCH_USD",
}
WEX_NAMES = {name: text for name, text in NAMES.items() if "-" not in text}
DATASETS = "{trades: {}, markets: {}, candles: {timeframes: [5m]}, tickers: {}}"
SPANS = (
    "SELECT native_symbol, state, lower, upper FROM coverage JOIN markets"
    " ON stream = symbol AND coverage.exchange = markets.exchange"
    " WHERE dataset = 'trades' ORDER BY ALL"
)


def world(names: dict[str, str]) -> World:
    """A market for each of ``names``; the n-th has n + 3 trades, at the price of n."""
    tapes: dict[str, MarketTape] = {}
    for number, (market, spelled) in enumerate(names.items(), 1):
        tape = tapes[market] = MarketTape(market, spelled)
        for row in range(1, number + 4):
            tape.add(row, NOW - 60_000 * (20 - row), number * 10**8, 10**8, buy=True)
    return World.replay(tapes, ManualClock(NOW))


def stored(home: Path) -> dict[str, tuple[int, int, int]]:
    """Trades, least and greatest price (of all one market has) by the exchange's own name."""
    rows = table(
        home,
        "SELECT native_symbol, count(*), min(price)::INT, max(price)::INT"
        " FROM trades JOIN markets USING (exchange, symbol) GROUP BY ALL",
    )
    return {str(name): (a, b, c) for name, a, b, c in rows}


@pytest.mark.parametrize(
    ("exchange", "names", "chosen"),
    [
        ("bitexbit", NAMES, "all"),
        pytest.param("bitexbit", NAMES, "canonical", marks=pytest.mark.torture),
        pytest.param("bitexbit", NAMES, "native", marks=pytest.mark.torture),
        ("wex", WEX_NAMES, "native"),
        pytest.param("wex", WEX_NAMES, "all", marks=pytest.mark.torture),
        pytest.param("wex", WEX_NAMES, "canonical", marks=pytest.mark.torture),
    ],
)
def test_every_market_is_stored_under_its_own_name(
    exchange: str,
    names: dict[str, str],
    chosen: str,
    home: Path,
    feeds: Callable[..., Path],
) -> None:
    expected = {spelled: (n + 3, n, n) for n, spelled in enumerate(names.values(), 1)}
    datasets = DATASETS
    with serve(world(names), limits=False) as server:
        settings = settings_for(server, home)
        markets = "all"
        if chosen == "native":
            markets = f"{list(names.values())}"
        elif chosen == "canonical":
            root = feeds(f"exchange: {exchange}\nstart: 2016-01-01\ndatasets: {{markets: {{}}}}")
            assert run(settings, feeds_root=root).errors == []
            symbols = table(home, "SELECT symbol FROM markets")
            markets = f"{[symbol for (symbol,) in symbols]}"
        root = feeds(
            f"exchange: {exchange}\nmarkets: {markets}\nstart: 2016-01-01\ndatasets: {datasets}"
        )
        for _ in range(2):
            report = run(settings, feeds_root=root)
            assert report.errors == []
        assert stored(home) == expected
    known = dict(table(home, "SELECT native_symbol, symbol FROM markets"))
    assert len(set(known.values())) == len(names)
    for dataset in ("tickers", "candles"):
        found = table(home, f"SELECT DISTINCT symbol FROM {dataset} ORDER BY 1")
        assert [symbol for (symbol,) in found] == sorted(known.values())
    assert table(home, "SELECT count(*) FROM coverage WHERE ingested_at IS NULL") == [(0,)]
    complete = [row for row in table(home, SPANS) if row[1] == "complete"]
    assert {name for name, *_ in complete} == set(expected)
    assert all(upper <= expected[str(name)][0] for name, _, _, upper in complete)


def test_a_market_keeps_its_symbol_in_a_home_that_knows_it(
    home: Path, feeds: Callable[..., Path]
) -> None:
    alone = {"BTC-USD1": "btc_usd"}
    both = {"BTC-USD1": "btc_usd", "BTC-USD": "BTC_USD"}
    root = feeds(f"exchange: bitexbit\nmarkets: all\nstart: 2016-01-01\ndatasets: {DATASETS}")
    for names in (alone, both, {"BTC-USD": "BTC_USD"}):
        with serve(world(names), limits=False) as server:
            if len(names) > 1:
                assert run(settings_for(server, home), feeds_root=root).errors == []
            else:
                run(settings_for(server, home), feeds_root=root)
        known = dict(table(home, "SELECT native_symbol, symbol FROM markets"))
        assert known["btc_usd"] == "BTC-USD"
        assert known.get("BTC_USD", "BTC-USD-").startswith("BTC-USD-")
    assert dict(table(home, "SELECT native_symbol, active FROM markets")) == {
        "btc_usd": False,
        "BTC_USD": True,
    }


def test_an_unknown_name_is_refused_with_those_that_are_like_it(
    home: Path, feeds: Callable[..., Path]
) -> None:
    root = feeds(
        "exchange: bitexbit\nmarkets: [BTC_USDT.E, btc_rur, BTC-RUR, bitcoin]\n"
        "start: 2016-01-01\ndatasets: {trades: {}, tickers: {}, candles: {timeframes: [1h]}}"
    )
    with serve(world(NAMES), limits=False) as server:
        report = only_pull(settings_for(server, home), feeds_root=root)
    first, second = sorted(report.errors)  # each once, whatever is collected of it
    assert first.startswith("bitexbit does not list the market BTC_USDT.E (named in ")
    assert "did you mean BTC_USDT.e" in first
    assert first.endswith("Fix: name a market in the feed that is listed, or leave BTC_USDT.E out")
    assert "does not list the market bitcoin" in second and "Fix: name" in second
    asked = [s.stream for s in report.streams if s.requests and s.dataset == "trades"]
    assert asked == ["BTC-RUR"]  # named twice, once


def test_two_feeds_that_spell_one_market_differently(
    home: Path, feeds: Callable[..., Path]
) -> None:
    text = "exchange: bitexbit\nmarkets: [{}]\nstart: 2016-01-01\ndatasets: {{trades: {{}}}}"
    feeds(text.format("BTC-USD"), "one")
    root = feeds(text.format("BTC_USD, ETH_USD"), "two")
    with serve(world({"BTC-USD": "", "ETH-USD": ""}), limits=False) as server:
        report = only_pull(settings_for(server, home), feeds_root=root)
    (error,) = report.errors
    assert "BTC-USD of" in error and "is collected already by" in error and "Fix: " in error
    assert sorted(s.stream for s in report.streams if s.requests) == ["BTC-USD", "ETH-USD"]


def test_a_list_that_cannot_be_had_leaves_names_of_the_usual_kind(
    home: Path, feeds: Callable[..., Path]
) -> None:
    root = feeds(
        "exchange: bitexbit\nmarkets: [1INCH-USD, BTC_USD-PERP, btc_rur]\n"
        "start: 2016-01-01\ndatasets: {trades: {}}"
    )
    with serve(world(NAMES), limits=False) as server:
        server.faults.add(Fault("body", body=b'{"a":1}', path="/public/pairs", times=None))
        report = only_pull(settings_for(server, home), feeds_root=root)
    assert {s.stream: s.error is None for s in report.streams} == {
        "1INCH-USD": True,
        "BTC-USD-PERP": True,
        "btc_rur": False,
    }


@pytest.mark.parametrize("gone", ["/public/pairs/LTC_BTC", "/public/currency/DOGE"])
def test_what_left_the_list_and_is_refused_with_400_is_delisted(
    gone: str, exchange: Served, home: Path, feeds: Callable[..., Path]
) -> None:
    root = feeds("exchange: bitexbit\nstart: 2016-01-01\ndatasets: {markets: {}, currencies: {}}")
    settings = settings_for(exchange, home)
    assert run(settings, feeds_root=root).errors == []
    world = exchange.world
    world.markets = tuple(m for m in world.markets if m.symbol not in ("LTC-BTC", "DOGE-USD"))
    world.currencies = tuple(c for c in world.currencies if c.code not in ("DOGE",))
    refusal = b'{"detail":"symbol: unknown pair"}'
    exchange.faults.add(Fault("body", status=400, body=refusal, path=gone, times=None))
    for _ in range(2):
        assert run(settings, feeds_root=root).errors == []
    assert table(home, "SELECT active FROM markets WHERE symbol = 'LTC-BTC'") == [(False,)]
    assert table(home, "SELECT active FROM currencies WHERE currency = 'DOGE'") == [(False,)]


def test_transfers_without_an_id_are_stored_once(
    exchange: Served, home: Path, feeds: Callable[..., Path]
) -> None:
    root = feeds("exchange: bitexbit\nstart: 2016-01-01\ndatasets: {account_transactions: {}}")
    settings = settings_for(exchange, home)
    exchange.of(BitexBitSwitches).transfers_id = False
    found: list[object] = []
    for size in (100, 3, 5):  # in one page, and in several that begin elsewhere
        exchange.of(BitexBitSwitches).transfers_page = size
        assert run(settings, feeds_root=root).errors == []
        rows = table(home, "SELECT transaction_id, description FROM account_transactions")
        assert len(rows) == len({name for _, name in rows}) > 5
        found.append(sorted(rows))
    assert found[0] == found[1] == found[2]
    spans = table(home, "SELECT state FROM coverage WHERE dataset = 'account_transactions'")
    assert spans == [("complete",)]


def test_a_dataset_that_the_server_does_not_offer(
    exchange: Served, home: Path, feeds: Callable[..., Path]
) -> None:
    root = feeds("exchange: bitexbit\nstart: 2016-01-01\ndatasets: {account_transactions: {}}")
    exchange.of(BitexBitSwitches).transfers = False
    jobs = select_jobs(load_feeds(root), [])
    (error,) = pull(jobs, settings_for(exchange, home)).errors
    assert "cannot be collected from it; it offers: trades, candles, tickers" in error
