"""Whole pulls of an exchange without a profile of its trades: Bybit shows its newest 60.

Bybit's two public calls are answered here in the form of its documentation.
"""

import json
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

import warehouse
from connectors.ccxt import library
from pipelines.cli import main
from pipelines.feeds import load_feeds
from pipelines.ingest import PullReport
from pipelines.publishing import publish
from pipelines.settings import Settings, load_settings
from schemas import ConfigError
from tests.pipelines.ingest.conftest import only_pull
from tests.pipelines.ingest.reference_model import table

FEED = 'exchange: "ccxt:bybit"\nmarkets: [BTC-USDT]\nstart: 2026-01-01\ndatasets: {trades: {}}'
FIRST_ID, FIRST_MS = 2_100_000_000_000_000_000, 1_767_225_600_000
HOUR_MS = 3_600_000
NOW_MS = time.time_ns() // 1_000_000
FILLS = 400
LISTED = {
    "symbol": "BTCUSDT",
    "baseCoin": "BTC",
    "quoteCoin": "USDT",
    "status": "Trading",
    "lotSizeFilter": {"basePrecision": "0.000001"},
    "priceFilter": {"tickSize": "0.01"},
}


class Bybit:
    """A market with one trade a second, of which ``count`` have been made."""

    def __init__(self) -> None:
        self.count = 60
        self.first_ms = FIRST_MS
        self.joint = 0  # so many of the newest share the moment of the one before
        self.asked: list[str] = []
        bybit = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                url = urlsplit(self.path)
                bybit.asked.append(url.path)
                query = {name: values[0] for name, values in parse_qs(url.query).items()}
                result: dict[str, Any] = {"category": "spot", "list": bybit.newest(query)}
                if url.path.endswith("instruments-info"):
                    result["list"] = [LISTED]
                if url.path.endswith("execution/list"):
                    assert self.headers["X-BAPI-SIGN"]
                    result = bybit.fills(query)
                answer = {"retCode": 0, "retMsg": "OK", "result": result, "time": NOW_MS}
                body = json.dumps(answer).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def fills(self, query: dict[str, str]) -> dict[str, Any]:
        """One of its account an hour, newest first. A cursor is there on the last page, too."""
        low, high = int(query["startTime"]), int(query["endTime"])
        assert high - low < 7 * 24 * HOUR_MS
        found = [n for n in range(FILLS) if low <= NOW_MS - n * HOUR_MS - 1 <= high]
        begin = int(query.get("cursor", "p%3A0").removeprefix("p%3A"))
        page = found[begin : begin + int(query["limit"])]
        rows = [
            {
                "execId": f"fill-{n}",
                "symbol": "BTCUSDT",
                "side": "Buy",
                "execPrice": "16618.49",
                "execQty": "0.1",
                "execFee": "0.0001",
                "feeCurrency": "BTC",
                "isMaker": False,
                "execTime": str(NOW_MS - n * HOUR_MS - 1),
                "execType": "Trade",
                "orderId": f"order-{n}",
            }
            for n in page
        ]
        return {"nextPageCursor": f"p%3A{begin + len(page)}", "category": "spot", "list": rows}

    def newest(self, query: dict[str, str]) -> list[dict[str, Any]]:
        most = min(int(query.get("limit", "60")), 60)
        return [
            {
                "execId": str(FIRST_ID + n),
                "symbol": "BTCUSDT",
                "price": "16618.49",
                "size": f"0.{n + 1:06d}",
                "side": "Buy" if n % 2 else "Sell",
                "time": str(self.first_ms + 1000 * min(n, self.count - 1 - self.joint)),
            }
            for n in range(self.count - 1, max(self.count - 1 - most, -1), -1)
        ]


@pytest.fixture
def bybit() -> Iterator[Bybit]:
    made = Bybit()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.01,))
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


@pytest.fixture
def settings(bybit: Bybit, home: Path) -> Settings:
    url = f"http://127.0.0.1:{bybit.server.server_port}"
    return load_settings({"CCXT_BYBIT_BASE_URL": url, "TIDEMARK_HOME": str(home)}, None)


def pulled_well(settings: Settings, root: Path) -> PullReport:
    report = only_pull(settings, feeds_root=root)
    assert report.errors == []
    publish(settings)
    return report


def test_only_the_newest_trades_and_status_says_how_often(
    bybit: Bybit,
    settings: Settings,
    home: Path,
    feeds: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = feeds(FEED)
    monkeypatch.setenv("TIDEMARK_HOME", str(home))
    monkeypatch.setenv("TIDEMARK_FEEDS", str(root))
    pulled_well(settings, root)
    main(["status"])
    assert "the newest 60 rows, all that is shown, reach back 59 s: pull at least every 29 s" in (
        " ".join(capsys.readouterr().out.split())
    )
    for count in (80, 130):  # both overlap with what is held
        bybit.count = count
        pulled_well(settings, root)
    before, trades = warehouse.coverage(home).to_pylist()  # what was before nobody can ask for
    assert (before["state"], trades["state"], trades["unit"]) == ("lost", "complete", "time")
    main(["status"])
    assert "pull at least" not in capsys.readouterr().out
    bybit.count = 500
    (error,) = only_pull(settings, feeds_root=root).errors
    assert "rows were lost" in error and "status` shows the stretch" in error
    publish(settings)
    states = [r["state"] for r in warehouse.coverage(home).to_pylist()]
    assert states == ["lost", "complete", "lost", "complete"]
    main(["status"])
    assert "pull at least every 29 s" in " ".join(capsys.readouterr().out.split())
    found = table(home, "SELECT trade_id, exchange FROM trades ORDER BY timestamp")
    kept = [*range(130), *range(440, 500)]
    assert found == [(str(FIRST_ID + n), "ccxt:bybit") for n in kept]


def test_the_newest_moment_is_not_whole_until_it_is_old(
    bybit: Bybit, settings: Settings, home: Path, feeds: Callable[[str], Path]
) -> None:
    """A trade may join the newest moment, which is then shown once more, or not claimed."""
    root = feeds(FEED)
    bybit.first_ms = NOW_MS - 120_000
    bybit.count = 61  # of which the newest 60 are shown
    pulled_well(settings, root)
    moment = (bybit.first_ms + 60_000) * 1000
    upper = warehouse.coverage(home).to_pylist()[-1]["upper"]
    assert moment - 1_000_000 < upper <= moment
    bybit.count, bybit.joint = 64, 3  # three more trades at the newest moment
    pulled_well(settings, root)
    assert warehouse.coverage(home).to_pylist()[-1]["upper"] == upper
    assert table(home, "SELECT count(*) FROM trades") == [(63,)]


def test_the_name_of_folders_and_of_the_archive(
    bybit: Bybit,
    settings: Settings,
    home: Path,
    feeds: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """No file system has to know a colon; every reader of hive folders decodes it."""
    root = feeds(FEED.replace("trades: {}", "trades: {keep_raw: true}"))
    monkeypatch.setenv("TIDEMARK_HOME", str(home))
    monkeypatch.setenv("TIDEMARK_FEEDS", str(root))
    pulled_well(settings, root)
    names = [path.relative_to(home).as_posix() for path in home.rglob("*")]
    assert [name for name in names if ":" in name] == []
    assert "lake/trades/exchange=ccxt%3Aokx".replace("okx", "bybit") in names
    assert "raw/ccxt%3abybit/trades" in names
    monkeypatch.setenv("CCXT_BYBIT_BASE_URL", f"http://127.0.0.1:{bybit.server.server_port}")
    assert main(["verify"]) == 0
    assert main(["replay", "ccxt:bybit/trades"]) == 0, capsys.readouterr().err
    assert table(home, "SELECT DISTINCT exchange FROM trades") == [("ccxt:bybit",)]
    lake = home / "lake" / "trades" / "**" / "*.parquet"
    read = f"SELECT DISTINCT exchange FROM read_parquet('{lake}', hive_partitioning=true)"
    assert table(home, read) == [("ccxt:bybit",)]


def test_without_the_extra_a_pull_says_what_to_install(
    bybit: Bybit,
    settings: Settings,
    feeds: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A feed is read without it, and so is what is stored."""
    root = feeds(FEED)
    pulled_well(settings, root)
    asked = len(bybit.asked)
    library._library.cache_clear()
    monkeypatch.setitem(sys.modules, "ccxt", None)
    with pytest.raises(
        ConfigError, match=r"^ccxt:bybit needs .* Fix: pip install 'tidemark\[ccxt\]'"
    ):
        only_pull(settings, feeds_root=root)
    assert len(bybit.asked) == asked
    library._library.cache_clear()
    monkeypatch.setenv("TIDEMARK_HOME", str(settings.home))
    monkeypatch.setenv("TIDEMARK_FEEDS", str(root))
    assert main(["status"]) == 0


@pytest.mark.parametrize(
    ("exchange", "said"),
    [
        ("ccxt:okz", "there is no exchange ccxt:okz. Fix: use ccxt:okx or"),
        ("ccxt:kraken", "kraken has a connector of its own, which knows it better. Fix:"),
        ("cxt:okx", "unknown exchange 'cxt:okx'"),
    ],
)
def test_a_mistyped_exchange_is_named_with_its_line(
    feeds: Callable[[str], Path], exchange: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)) as caught:
        load_feeds(feeds(FEED.replace("ccxt:bybit", exchange)))
    assert re.search(r"defs\.yaml:\d+:", str(caught.value))


def test_what_is_not_offered_is_named(feeds: Callable[[str], Path]) -> None:
    feed = FEED.replace("ccxt:bybit", "ccxt:mexc")
    with pytest.raises(ConfigError, match="ccxt:mexc does not offer 'trades'; ccxt:mexc offers"):
        load_feeds(feeds(feed))


def test_an_account_by_windows_of_seven_days_and_cursors(
    bybit: Bybit, settings: Settings, home: Path, feeds: Callable[[str], Path]
) -> None:
    begin = time.strftime("%Y-%m-%d", time.gmtime(NOW_MS / 1000 - 30 * 86_400))
    feed = FEED.replace("trades: {}", "account_trades: {}").replace("2026-01-01", begin)
    key = {"CCXT_BYBIT_API_KEY": "my-key-4711", "CCXT_BYBIT_API_SECRET": "my-secret-0815"}
    keyed = replace(settings, variables={**settings.variables, **key})
    root = feeds(feed)
    for _ in range(2):
        pulled_well(keyed, root)
    found = table(home, "SELECT trade_id, fee_amount, taker_or_maker FROM account_trades")
    assert sorted(found) == sorted((f"fill-{n}", Decimal("0.0001"), "taker") for n in range(FILLS))
    states = [(r["stream"], r["state"]) for r in warehouse.coverage(home).to_pylist()]
    # before the first row, nothing is believed on the first day
    assert states == [("main", "gap"), ("main", "complete")]
