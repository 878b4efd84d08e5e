"""``tidemark status``: covered, missing, lost, fresh, and the next step."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipelines.cli import main
from pipelines.feeds import is_collected, load_feeds
from pipelines.ingest.checkpoint import Windows, dump
from pipelines.ingest.windows.state import Profile
from pipelines.status import write_overview, write_status
from schemas import RejectedRow, StreamId
from tests.feeds import write_feed
from tests.warehouse.tools import store
from warehouse import StreamStatus
from warehouse.intervals import Interval, Unshown
from warehouse.state import StreamState

NOW = datetime(2024, 8, 9, 12, tzinfo=UTC)


def us(*at: int) -> int:
    """Microseconds since 1970 of a time in UTC."""
    year, month, day, hour, minute = (*at, 0, 0)[:5]
    return int(datetime(year, month, day, hour, minute, tzinfo=UTC).timestamp()) * 1_000_000


def stream(
    dataset: str,
    symbol: str,
    state: StreamState,
    rows: int = 0,
    oldest: int | None = None,
    newest: int | None = None,
    gaps: int = 0,
    lost: int = 0,
    timeframe: str | None = None,
    source: str | None = None,
    exchange: str = "bitexbit",
) -> StreamStatus:
    name = StreamId(exchange, dataset, symbol, timeframe=timeframe, source=source)
    return StreamStatus(name, state, rows, 1, oldest, newest, gaps, lost)


def test_an_empty_home_says_what_to_do(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status"]) == 0
    out = capsys.readouterr().out
    assert "nothing collected yet" in out
    assert "tidemark pull" in out
    assert not any(home.iterdir())


def test_a_home_that_does_not_exist_is_an_empty_one(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TIDEMARK_HOME", str(home / "nowhere"))
    assert main(["status"]) == 0
    assert "nothing collected yet" in capsys.readouterr().out
    assert not (home / "nowhere").exists()


def test_every_stream_with_its_holes(capsys: pytest.CaptureFixture[str]) -> None:
    day, checked = us(2024, 8, 1), us(2024, 8, 9, 11, 59)
    ids = StreamState(
        complete=(Interval(100, 150), Interval(200, 301)),
        unshown=(
            Unshown(150, 180, day, checked, 9, lost=True),
            Unshown(180, 190, us(2024, 8, 9, 9), us(2024, 8, 9, 11, 30), 3),
        ),
        wanted_from=0,
        checked_at=checked,
    )
    times = StreamState(
        complete=(Interval(day, us(2024, 8, 9)),), unit="time", wanted_from=day, checked_at=checked
    )
    snapshot = StreamState(unit="none")
    newest = us(2024, 8, 9, 10)
    write_status(
        [
            stream("trades", "BTC-USD", ids, 1234, day, newest, gaps=2, lost=1),
            stream("candles", "BTC-USD", times, 2304, day, us(2024, 8, 8, 23, 55), timeframe="5m"),
            stream("tickers", "BTC-USD", snapshot, 3, newest, newest),
            stream("quarantine", "BTC-USD", snapshot, 2, newest, newest, source="trades"),
        ],
        NOW,
    )
    out = capsys.readouterr().out
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert lines[2:5] == [
        "| bitexbit/trades | BTC-USD | 1,234 | ids 100..300, 2024-08-01..2024-08-09 | 2 | 1 "
        "| 2 h 0 min | 1 min |",
        "| bitexbit/candles | BTC-USD:5m | 2,304 | 2024-08-01..2024-08-08 | – | – "
        "| 12 h 5 min | 1 min |",
        "| bitexbit/tickers | BTC-USD | 3 | 2024-08-09..2024-08-09 | – | – | 2 h 0 min | – |",
    ]
    assert lines[5:] == [
        "missing:",
        "bitexbit/trades BTC-USD: ids up to 99",
        "bitexbit/trades BTC-USD: ids 180..199",
        "lost (not shown by the exchange):",
        "bitexbit/trades BTC-USD: ids 150..179, asked for again from 2024-08-13 17:58Z on",
        "not shown by the exchange so far, asked for again by later pulls:",
        "bitexbit/trades BTC-USD: ids 180..189: asked 3 times since 3 h 0 min ago, last 30 min ago",
        "quarantine: 2 rows, kept as received (bitexbit/trades BTC-USD: 2)",
        "next: tidemark pull bitexbit/trades # fetches what is missing",
        'next: tidemark sql "SELECT reason, payload FROM quarantine"',
    ]


@pytest.mark.parametrize(
    ("dataset", "until"),
    [
        ("account_transactions", ", asked for again from 2024-08-10 11:00Z on"),
        ("account_trades", ""),  # by every pull
    ],
)
def test_a_stretch_that_waits_says_until_when(
    dataset: str, until: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Binance's transactions come in windows of bounded length; an empty one waits for a day."""
    gone = Unshown(us(2024, 1, 1), us(2024, 3, 1), us(2024, 8, 9, 11), us(2024, 8, 9, 11))
    state = StreamState(unit="time", unshown=(gone,), wanted_from=0, checked_at=us(2024, 8, 9))
    one = StreamId("binance", dataset, account="main")
    write_status([StreamStatus(one, state, 0, 0, None, None, 0, 0)], NOW)
    stretch = "2024-01-01 00:00..2024-03-01 00:00"
    line = f"{stretch}: asked 1 time since 1 h 0 min ago, last 1 h 0 min ago{until}"
    assert f"  binance/{dataset} main: {line}\n" in capsys.readouterr().out


def table(out: str) -> dict[str, list[str]]:
    """The cells of every line of the first table, by the first cell."""
    lines = [line for line in out.splitlines() if line.startswith("| ")]
    return {cells[0]: cells[1:] for line in lines for cells in [split(line)]}


def split(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_overview_has_a_line_for_each_dataset(capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong comes first, then never checked, then the most missing and lost, then the oldest."""
    early, late, newest = us(2024, 8, 9, 8), us(2024, 8, 9, 11, 59), us(2024, 8, 9, 10)
    whole = StreamState((Interval(0, 9, 1, 8),), wanted_from=0, checked_at=late)
    stale = StreamState((Interval(0, 9, 1, 8),), wanted_from=0, checked_at=early)
    holes = StreamState((Interval(0, 3), Interval(5, 9)), wanted_from=0, checked_at=late)
    wrong = StreamState((), checked_at=late, remark="ids begin again at 1")
    write_overview(
        [
            stream("trades", "BTC-USD", whole, 1000, early, newest),
            stream("trades", "ETH-USD", holes, 234, early, newest, gaps=1, lost=2),
            stream("trades", "LTC-USD", holes, 0, gaps=1),
            stream("trades", "XRP-USD", StreamState(), 0),
            stream("trades", "DASH-USD", wrong, 0),
            stream("candles", "ETH-USD", whole, 5, early, early, timeframe="5m", exchange="kraken"),
            stream("candles", "BTC-USD", stale, 5, early, early, timeframe="5m", exchange="kraken"),
            stream("tickers", "BTC-USD", StreamState(unit="none", newest_at=newest), 3),
            stream("order_books", "BTC-USD", StreamState(), 3),
            stream("trades", "BTC-USD", holes, 9, gaps=1, exchange="kraken"),
            stream("trades", "ETH-USD", holes, 9, gaps=2, exchange="kraken"),
            stream("trades", "XRP-USD", wrong, 9, gaps=3, exchange="kraken"),
            stream("quarantine", "BTC-USD", StreamState(unit="none"), 2, source="trades"),
        ],
        NOW,
        {StreamId("kraken", "trades", "XRP-USD"), StreamId("bitexbit", "order_books", "BTC-USD")},
    )
    out = capsys.readouterr().out
    found = table(out)
    assert found.pop("dataset") == [
        "streams", "rows", "covered", "newest row", "checked", "wrong", "not checked", "missing",
        "lost", "worst stream",
    ]  # fmt: skip
    none, day = ["–"] * 4, "2024-08-09..2024-08-09"
    assert found == {
        "bitexbit/order_books": ["1", "3", "no rows", "–", "no longer collected", *none, "–"],
        "bitexbit/tickers": ["1", "3", "no rows", "–", "2 h 0 min", *none, "BTC-USD"],
        "bitexbit/trades": [
            "5", "1,234", day, "2 h 0 min", "1 min", "1", "1", "2", "1", "DASH-USD: wrong",
        ],
        "kraken/candles": ["2", "10", day, "4 h 0 min", "4 h 0 min", *none, "BTC-USD:5m"],
        "kraken/trades": [
            "3", "27", "no rows", "–", "1 min", "–", "–", "2", "–", "ETH-USD: 2 missing",
        ],
    }  # fmt: skip
    assert list(found) == sorted(found)
    assert "no longer collected: kraken/trades: XRP-USD\n" in out
    assert "wrong: bitexbit/trades DASH-USD: ids begin again at 1\n" in out
    assert "  bitexbit/trades ETH-USD: ids 3..4\n" in out
    assert "quarantine: 2 rows, kept as received (bitexbit/trades BTC-USD: 2)\n" in out
    assert "next: tidemark pull bitexbit/trades kraken/trades   # fetches" in out
    assert out.splitlines()[-1].endswith(
        "tidemark status --all, or: tidemark status bitexbit/trades --all"
    )


def test_the_overview_of_many_streams_fits_a_screen(capsys: pytest.CaptureFixture[str]) -> None:
    """300 markets of 8 datasets on 5 exchanges, all of them with something to say."""
    state = StreamState(
        (Interval(0, 3), Interval(5, 9)),
        unshown=(Unshown(3, 5, us(2024, 8, 1), us(2024, 8, 2)),),
        wanted_from=0,
        remark="ids begin again at 1",
        delisted=True,
    )
    every = [
        stream(f"dataset_{d}", f"M{m}-USD", state, gaps=1, exchange=f"exchange_{e}")
        for e in range(5)
        for d in range(8)
        for m in range(300)
    ]
    dropped = {s.stream for s in every[:100]}
    write_overview(every, NOW, dropped)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) < 75 and max(map(len, lines)) < 200
    assert '  and 11,895 more: tidemark sql "FROM coverage"' in lines
    assert "no longer collected: exchange_0/dataset_0: M0-USD, M1-USD, M2-USD, M3-USD, M4-USD" in (
        line.removesuffix(" and 95 more") for line in lines
    )


def test_what_is_wrong_with_a_stream_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    state = StreamState((Interval(0, 94, 17, 93),), remark="ids begin again at 1")
    write_status([stream("trades", "BTC-USD", state)], NOW)
    assert "wrong: bitexbit/trades BTC-USD: ids begin again at 1\n" in capsys.readouterr().out


def test_long_lists_of_holes_are_cut(capsys: pytest.CaptureFixture[str]) -> None:
    hour = timedelta(hours=1) // timedelta(microseconds=1)
    start = us(2024, 8, 1)
    complete = tuple(Interval(start + 2 * i * hour, start + (2 * i + 1) * hour) for i in range(31))
    state = StreamState(complete=complete, unit="time", wanted_from=start)
    write_status(
        [stream("candles", "BTC-USD", state, 31, start, start, gaps=30, timeframe="1h")], NOW
    )
    out = capsys.readouterr().out
    assert "  bitexbit/candles BTC-USD:1h: 2024-08-01 01:00..2024-08-01 02:00\n" in out
    assert 'and 10 more: tidemark sql "FROM coverage"' in out


def test_what_was_found_out_about_paging_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    found = Windows(profile=Profile(keeps="newest", rows=500, unit="s", unit_at=us(2024, 8, 9)))
    state = StreamState((Interval(0, 94, 17, 93),), checkpoint=dump(found))
    write_status([stream("trades", "BTC-USD", state), stream("trades", "ETH-USD", state)], NOW)
    line = "bitexbit/trades: answers keep the newest end, 500 rows seen, times in seconds"
    assert f"paging: {line}" in capsys.readouterr().out


def test_a_stream_that_no_feed_names_is_no_longer_collected(
    capsys: pytest.CaptureFixture[str],
) -> None:
    state = StreamState(checked_at=us(2024, 8, 9))
    kept, dropped = stream("trades", "BTC-USD", state), stream("trades", "ETH-USD", state, gaps=1)
    write_status([kept, dropped], NOW, {dropped.stream})
    out = capsys.readouterr().out
    assert [line.count("no longer collected") for line in out.splitlines()[2:4]] == [0, 1]
    assert "next: " not in out


def test_a_delisted_market_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    write_status([stream("trades", "BTC-USD", StreamState(delisted=True))], NOW)
    assert (
        "delisted: bitexbit/trades BTC-USD: the exchange lists it no longer; its rows stay\n"
        in capsys.readouterr().out
    )


FEEDS = """\
exchange: bitexbit
markets: [BTC-USD, eth_usd]
start: 2016-01-01
datasets: {trades: {}, candles: {timeframes: [5m]}, account_trades: {}, markets: {}}
"""


@pytest.mark.parametrize(
    ("name", "collected"),
    [
        (StreamId("bitexbit", "trades", "BTC-USD"), True),
        (StreamId("bitexbit", "trades", "ETH-USD"), True),
        (StreamId("bitexbit", "trades", "XRP-USD"), False),
        (StreamId("wex", "trades", "BTC-USD"), False),
        (StreamId("bitexbit", "candles", "BTC-USD", timeframe="5m"), True),
        (StreamId("bitexbit", "candles", "BTC-USD", timeframe="1h"), False),
        (StreamId("bitexbit", "account_trades", account="main"), True),
        (StreamId("bitexbit", "account_trades", account="desk"), False),
        (StreamId("bitexbit", "markets"), True),
        (StreamId("bitexbit", "markets_history"), True),
        (StreamId("bitexbit", "currencies"), False),
    ],
    ids=str,
)
def test_what_the_feeds_collect(name: StreamId, collected: bool, tmp_path: Path) -> None:
    assert is_collected(load_feeds(write_feed(tmp_path, FEEDS)), name) is collected


def test_lists_of_an_account_are_no_markets(tmp_path: Path) -> None:
    feeds = load_feeds(
        write_feed(
            tmp_path,
            "exchange: binance\nmarkets: [BTC-USDT]\naccount_markets: [BTC-USDT]\n"
            "start: 2016-01-01\ndatasets: {account_transactions: {}, account_trades: {}}",
        )
    )
    stream = StreamId("binance", "account_transactions", "fiat-deposits", "main")
    assert is_collected(feeds, stream)
    assert not is_collected(feeds, replace(stream, account="desk"))
    assert not is_collected(feeds, StreamId("binance", "account_trades", "ETH-USDT", "main"))


def test_a_market_that_left_the_feeds_is_told_by_the_command(
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("BTC-USD", "XRP-USD"):
        store(home, StreamId("bitexbit", "trades", name), [])
    monkeypatch.setenv("TIDEMARK_FEEDS", str(write_feed(tmp_path / "feeds", FEEDS)))
    for every in ([], ["--all"]):
        assert main(["status", *every]) == 0
        lines = [line for line in capsys.readouterr().out.splitlines() if "no longer" in line]
        assert len(lines) == 1 and "XRP-USD" in lines[0]


def test_what_was_never_pulled_is_told(
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("TIDEMARK_FEEDS", str(write_feed(tmp_path / "feeds", FEEDS)))
    for name in ("trades", "candles", "account_trades"):
        said = "never pulled: " in _out(capsys, "status")
        assert said is (name != "trades")  # of an empty home it says what to do
        account = "main" if name == "account_trades" else None
        symbol = None if account else "BTC-USD"
        timeframe = "5m" if name == "candles" else None
        store(home, StreamId("bitexbit", name, symbol, account, timeframe), [])
    assert _out(capsys, "status").splitlines()[-1] == "never pulled: one/markets"
    assert "never pulled" not in _out(capsys, "status", "bitexbit/trades")
    store(home, StreamId("bitexbit", "markets"), [])
    assert "never pulled" not in _out(capsys, "status", "--all")


def _out(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(list(arguments)) == 0
    return capsys.readouterr().out


HELD = [
    StreamId("bitexbit", "trades", "BTC-USD"),
    StreamId("bitexbit", "candles", "BTC-USD", timeframe="5m"),
    StreamId("wex", "trades", "BTC-USD"),
    StreamId("wex", "trades", "LTC-USD"),
]


@pytest.fixture
def held(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in HELD:
        proved = (Interval(5, 10, 5, 9),) if name.dataset == "trades" else ()
        state = StreamState(proved, checked_at=us(2024, 8, 9), wanted_from=0)
        rejected = [RejectedRow("no price", "{}")] if name == HELD[2] else []
        store(home, name, [], state=state, rejected=rejected)
    monkeypatch.setenv("TIDEMARK_FEEDS", str(write_feed(tmp_path / "feeds", FEEDS)))
    return home


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        ([], HELD),
        (["wex"], HELD[2:]),
        (["*/trades"], [HELD[0], *HELD[2:]]),
        (["wex/trades/L*", "bitexbit/candles"], [HELD[1], HELD[3]]),
        (["bitexbit/*/BTC-USD:5m"], [HELD[1]]),
    ],
)
def test_a_selection(
    held: Path,
    patterns: list[str],
    expected: list[StreamId],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["status", *patterns, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["streams"]
    names = [(s["exchange"], s["dataset"], s["stream"]) for s in found]
    assert {n for n in names if n[1] != "quarantine"} == {
        (s.exchange, s.dataset, s.label) for s in expected
    }


def test_the_quarantine_of_what_is_selected_is_shown(
    held: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", "wex/trades"]) == 0
    out = capsys.readouterr().out
    assert "quarantine: 1 row" in out and "bitexbit" not in out
    assert main(["status", "bitexbit"]) == 0
    assert "quarantine:" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("patterns", "found"),
    [(["mine"], {"bitexbit/trades", "bitexbit/candles"}), (["mi*/trades"], {"bitexbit/trades"})],
)
def test_a_feed_is_selected_by_its_name_as_in_pull(
    held: Path,
    patterns: list[str],
    found: set[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    feeds = write_feed(tmp_path / "named", FEEDS, "mine")
    monkeypatch.setenv("TIDEMARK_FEEDS", str(feeds))
    assert main(["status", *patterns]) == 0
    assert set(table(capsys.readouterr().out)) - {"dataset"} == found


def test_a_selection_of_nothing(held: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "wex", "bitexbit/trade"]) == 2
    err = capsys.readouterr().err
    assert "nothing stored is called 'bitexbit/trade'; did you mean 'bitexbit/trades'?" in err
    assert "Fix: name a feed or one of: bitexbit/candles, bitexbit/trades, " in err


def test_as_json(held: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "wex/trades/LTC-USD", "bitexbit/trades", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["home"] == str(held)
    mine, gone = found["streams"]
    assert sorted(mine["coverage"], key=lambda part: part["lower"]) == [
        {"state": "gap", "lower": 0, "upper": 4},
        {"state": "complete", "lower": 5, "upper": 9},
    ]
    assert mine["checked_at"] == "2024-08-09T00:00:00Z" and mine["newest_at"] is None
    assert (mine["unit"], mine["rows"], mine["remark"]) == ("id", 0, None)
    assert (mine["collected"], gone["collected"]) == (True, False)
    assert (mine["condition"], gone["condition"]) == ("missing", "no longer collected")
    assert (mine["wanted_from"], mine["unsettled"]) == ("1970-01-01T00:00:00Z", 0)
    assert (mine["not_shown"], mine["paging"]) == ([], None)


def test_json_of_an_empty_home(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"home": str(home), "streams": []}


def test_a_lost_order_is_lost_by_its_id(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    orders = StreamId("wex", "account_orders", account="main")
    gone = Unshown(7, 8, us(2024, 8, 1), us(2024, 8, 3), 3, lost=True)
    store(home, orders, [], state=StreamState(unit="none", unshown=(gone,)))
    assert main(["status", "--json"]) == 0
    (shown,) = json.loads(capsys.readouterr().out)["streams"]
    assert shown["unit"] == "id"
    assert shown["coverage"] == [{"state": "lost", "lower": 7, "upper": 7}]
    assert shown["not_shown"] == [
        {
            "lower": 7,
            "upper": 7,
            "first_asked_at": "2024-08-01T00:00:00Z",
            "last_asked_at": "2024-08-03T00:00:00Z",
            "times": 3,
            "lost": True,
            "asked_again_at": "2024-08-04T00:00:00Z",
        }
    ]


def test_the_shape_of_the_json_is_documented(
    held: Path, repo_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (repo_root / "docs" / "operations.md").read_text(encoding="utf-8")
    section = text.partition("### Status as JSON\n")[2].partition("\n## ")[0]
    documented = {
        name
        for line in section.splitlines()
        if line.startswith("| `")
        for name in re.findall(r"`(\w+)`", line.split(" | ")[0])
    }
    assert main(["status", "--json"]) == 0
    streams = json.loads(capsys.readouterr().out)["streams"]
    assert all(set(one) == documented for one in streams)
