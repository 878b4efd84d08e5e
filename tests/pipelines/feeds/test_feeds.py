"""Feeds: what a file declares, what is wrong in it, and which jobs a pattern selects."""

from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.base import Cursor, Paging
from pipelines.feeds import Feed, load_feeds, readable_feeds, select_jobs
from pipelines.feeds.feed import _NO_TEXT
from schemas import ConfigError
from schemas.timeframes import USUAL

OFFERS = {
    "bitexbit": {
        "trades": Paging(Cursor.ID),
        "candles": Paging(Cursor.TIME),
        "tickers": Paging(Cursor.SNAPSHOT),
        "account_trades": Paging(Cursor.ID),
    },
    "wex": {"trades": Paging(Cursor.NEWEST), "account_trades": Paging(Cursor.ID)},
}
GOOD = """\
type: pipelines.components.ExchangeFeed
attributes:
  exchange: bitexbit
  account: main
  markets: [BTC-USD, ETH-USD]
  start: 2016-01-01
  datasets:
    trades: {schedule: "*/5 * * * *"}
    candles: {timeframes: [5m, 1h], lookback: 10}
    tickers:
    account_trades: {keep_raw: true}
"""


@pytest.fixture(autouse=True)
def _exchanges(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("connectors.names", lambda: tuple(OFFERS), raising=False)
    monkeypatch.setattr("connectors.offers", OFFERS.__getitem__, raising=False)
    monkeypatch.chdir(tmp_path)


def write(root: Path, text: str, feed: str = "bitexbit") -> Path:
    folder = root / "pipelines" / "defs" / feed
    folder.mkdir(parents=True)
    (folder / "defs.yaml").write_text(text, encoding="utf-8")
    return folder.parent


def mistake(root: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load_feeds(root)
    return str(caught.value)


def test_a_feed(tmp_path: Path) -> None:
    (feed,) = load_feeds(write(tmp_path, GOOD))
    assert (feed.name, feed.exchange, feed.account) == ("bitexbit", "bitexbit", "main")
    assert feed.markets == ("BTC-USD", "ETH-USD")
    assert feed.start == datetime(2016, 1, 1, tzinfo=UTC)
    assert list(feed.datasets) == ["trades", "candles", "tickers", "account_trades"]
    trades, candles = feed.datasets["trades"], feed.datasets["candles"]
    assert (trades.schedule, trades.timeframes, trades.line) == ("*/5 * * * *", (), 8)
    assert (candles.schedule, candles.timeframes, candles.lookback) == (None, ("5m", "1h"), 10)
    assert feed.datasets["account_trades"].keep_raw is True
    assert feed.datasets["tickers"].keep_raw is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2016-01-01", datetime(2016, 1, 1, tzinfo=UTC)),
        ('"2016-01-01"', datetime(2016, 1, 1, tzinfo=UTC)),
        ("2016-01-01T02:00:00+02:00", datetime(2016, 1, 1, tzinfo=UTC)),
        ("2016-01-01 12:30:00", datetime(2016, 1, 1, 12, 30, tzinfo=UTC)),
    ],
)
def test_starts(tmp_path: Path, text: str, expected: datetime) -> None:
    (feed,) = load_feeds(write(tmp_path, GOOD.replace("2016-01-01", text)))
    assert feed.start == expected


def test_all_markets_and_all_timeframes(tmp_path: Path) -> None:
    text = GOOD.replace("[BTC-USD, ETH-USD]", "all").replace("timeframes: [5m, 1h], ", "")
    (feed,) = load_feeds(write(tmp_path, text))
    assert feed.markets is None
    assert feed.datasets["candles"].timeframes == USUAL


def test_an_account_needs_no_markets(tmp_path: Path) -> None:
    text = GOOD.replace("  markets: [BTC-USD, ETH-USD]\n", "").split("    trades:")[0]
    (feed,) = load_feeds(write(tmp_path, text + "    account_trades: {}\n"))
    assert feed.markets == ()


OFFERED = "bitexbit offers account_trades, candles, tickers, trades"


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("markets:", "market:", 5, "unknown key 'market'; did you mean 'markets'?"),
        ("  account:", "  colour:", 4, "unknown key 'colour'; known are exchange, account, "
         "markets, account_markets, shards, start, datasets"),
        ("  account: main", "  shards: 0", 4, "shards '0' is not a whole number from 1 to 100"),
        ("  account: main", "  shards: 101", 4, "shards '101' is not a whole number from 1 to 100"),
        ("  account: main", "  shards: two", 4, "shards 'two' is not a whole number from 1 to 100"),
        ("  account: main", "  shards: [2]", 4, "shards must be one plain value"),
        ("attributes:", "attribute:", 2, "unknown key 'attribute'; did you mean 'attributes'?"),
        ("ExchangeFeed", "ExchangeFed", 1, "unknown type 'pipelines.components.ExchangeFed'; "
         "did you mean 'pipelines.components.ExchangeFeed'?"),
        ("exchange: bitexbit", "exchange: bitexbti", 3,
         "unknown exchange 'bitexbti'; did you mean 'bitexbit'?"),
        ("exchange: bitexbit", "exchange: kraken", 3,
         "unknown exchange 'kraken'; known are bitexbit, wex"),
        ("exchange: bitexbit", "exchange:", 3,
         "'exchange' is missing; write for example exchange: bitexbit"),
        ("account: main", "account: ../up", 4,
         "account '../up' is not a label of letters, digits, '-' and '_'"),
        ("account: main", "account: 001", 4, "account '001' is no text to programs that read the "
         "lake (pandas, Polars, Spark): they take it for a number, a date or nothing, and "
         "different accounts for one. Fix: write for example account-001"),
        ("BTC-USD,", "all,", 5, "all is no market of a list. Fix: write markets: all"),
        ("BTC-USD,", '"",', 5, "market '' is no name; write for example BTC-USD"),
        ("BTC-USD,", '"BTC\\x00USD",', 5,
         "market 'BTC\\x00USD' is no name; write for example BTC-USD"),
        ("BTC-USD,", "ETH-USD,", 5, "market 'ETH-USD' appears twice"),
        ("[BTC-USD, ETH-USD]", "BTC-USD", 5,
         "markets must be a list, like [BTC-USD, ETH-USD], or the word all"),
        ("[BTC-USD, ETH-USD]", "[]", 5,
         "markets is empty; write for example [BTC-USD, ETH-USD], or the word all"),
        ("2016-01-01", "2016-13-01", 6, "start '2016-13-01' is not a date like 2016-01-01"),
        ("2016-01-01", "01.01.2016", 6, "start '01.01.2016' is not a date like 2016-01-01"),
        ("2016-01-01", "2999-01-01", 6, "start '2999-01-01' is in the future"),
        ("    trades:", "    trade:", 8,
         f"unknown dataset 'trade'; did you mean 'trades'? {OFFERED}"),
        ("    trades:", "    weather:", 8, f"unknown dataset 'weather'; {OFFERED}"),
        ("    trades:", "    quarantine:", 8, f"unknown dataset 'quarantine'; {OFFERED}"),
        ("    trades:", "    account_transactions:", 8,
         f"bitexbit does not offer 'account_transactions'; {OFFERED}"),
        ("    tickers:", "    trades:", 10, "'trades' appears twice in datasets"),
        ("schedule:", "schedul:", 8, "unknown key 'schedul'; did you mean 'schedule'?"),
        ('"*/5 * * * *"', '"*/5 * * *"', 8, "schedule '*/5 * * *' is not cron: a cron schedule "
         "has 5 fields (minute hour day month weekday), this one has 4"),
        ('"*/5 * * * *"', '"61 * * * *"', 8,
         "schedule '61 * * * *' is not cron: minute '61' is not within 0-59"),
        ('"*/5 * * * *"', "*/5 * * * *", 8, "not YAML: expected alphabetic or numeric character, "
         "but found '*'"),
        ("[5m, 1h]", "[5m, 60m]", 9,
         "unknown timeframe '60m'; known are 1m, 3m, 5m, 15m, 30m, 1h, 2h, "
         "4h, 6h, 8h, 12h, 1d, 3d, 1w"),
        ("[5m, 1h]", "[5m, 5m]", 9, "timeframe '5m' appears twice"),
        ("lookback: 10", "lookback: -1", 9,
         "lookback '-1' is not a whole number from 1 to 1000000"),
        ("    tickers:", "    tickers: {lookback: 5}", 10,
         "tickers is a snapshot, without history to look back on"),
        ('schedule: "*/5 * * * *"', "timeframes: [5m]", 8,
         "trades has no timeframes; only candles has"),
        ("keep_raw: true", "keep_raw: maybe", 11, "keep_raw 'maybe' is neither true nor false"),
        ("    tickers:", "\ttickers:", 10, "not YAML: found character '\\t' that cannot start any "
         "token; indent with spaces, not with a tab"),
    ],
)  # fmt: skip
def test_mistakes(tmp_path: Path, old: str, new: str, line: int, message: str) -> None:
    assert old in GOOD
    found = mistake(write(tmp_path, GOOD.replace(old, new, 1)))
    if new == "*/5 * * * *":  # the words of the YAML reader are its own
        assert found.startswith(f"pipelines/defs/bitexbit/defs.yaml:{line}: not YAML: ")
        assert found.endswith('put the schedule in quotes, like schedule: "*/5 * * * *"')
    else:
        assert found == f"pipelines/defs/bitexbit/defs.yaml:{line}: {message}"


NAMES = ["BTC_USD", "btc_rur", "BTC_USDT.e", "BTC_USD-PERP", "1INCH_USD", "BTC_USD:X", "BTCUSDT"]


def test_a_market_is_named_as_the_exchange_or_as_tidemark_does(tmp_path: Path) -> None:
    """Which there are is known to the exchange alone."""
    (feed,) = load_feeds(write(tmp_path, GOOD.replace("[BTC-USD, ETH-USD]", str(NAMES))))
    assert feed.markets == tuple(NAMES)


TAKEN = ["001", "1", "2024-01-01", "1-2", "true", "True", "FALSE", "null", "None", "nan", "NaN"]
TAKEN += ["inf", "-inf", "Infinity", "1e5", "12E-3", "0x1F", "0b1", "1d", "2f", "7L", "20240101"]
TAKEN += ["yes", "no", "on", "off", "NA", "NaT", "1_000", "2024-01-01T00"]


@pytest.mark.parametrize("label", TAKEN)
def test_a_label_that_readers_take_for_something_else_is_refused(
    tmp_path: Path, label: str
) -> None:
    found = mistake(write(tmp_path, GOOD.replace("account: main", f"account: '{label}'")))
    assert f"account '{label}' is no" in found


labels = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,9}", fullmatch=True) | st.from_regex(
    r"[0-9]{1,4}[-_exdfLT]{1,2}[0-9]{0,3}|(?i:true|null|nan|inf|na)[0-9]?", fullmatch=True
)


@given(st.sets(labels, max_size=6))
def test_readers_get_every_label_as_it_is(found: set[str]) -> None:
    """pandas (pyarrow) and Polars guess the types of hive folders."""
    kept = {label for label in found if not _NO_TEXT.fullmatch(label)}
    with TemporaryDirectory() as folder:
        for label in {label.casefold(): label for label in kept}.values():  # as any disk has it
            place = Path(folder, f"account={label}")
            place.mkdir()
            pq.write_table(pa.table({"label": [label]}), place / "a.parquet")
            for rows in (
                pd.read_parquet(place.parent, filters=[("label", "==", label)]).to_dict("records"),
                pl.scan_parquet(f"{place}/*.parquet", hive_partitioning=True).collect().to_dicts(),
            ):
                assert rows == [{"label": label, "account": label}]


@pytest.mark.parametrize("label", ["MAIN", "Main"])
def test_labels_that_differ_by_case_only(tmp_path: Path, label: str) -> None:
    write(tmp_path, GOOD)
    text = GOOD.replace("main", label).split("    trades:")[0] + "    account_trades: {}\n"
    assert mistake(write(tmp_path, text, "desk")) == (
        f"pipelines/defs/desk/defs.yaml:1: account {label!r} differs from 'main' of "
        "pipelines/defs/bitexbit/defs.yaml by case or by '-' and '_' only: settings and folders "
        "may not tell them apart\nFix: give one of the two another label"
    )


def test_no_datasets(tmp_path: Path) -> None:
    text = GOOD.split("    trades:")[0].replace("datasets:", "datasets: {}")
    assert mistake(write(tmp_path, text)) == (
        f"pipelines/defs/bitexbit/defs.yaml:7: datasets is empty; {OFFERED}"
    )


def test_an_empty_file(tmp_path: Path) -> None:
    assert mistake(write(tmp_path, "# nothing\n")) == (
        "pipelines/defs/bitexbit/defs.yaml:1: the file is empty; "
        "begin with type: pipelines.components.ExchangeFeed"
    )


def test_two_feeds_in_one_file(tmp_path: Path) -> None:
    """Dagster would collect both, the command line one."""
    assert mistake(write(tmp_path, f"{GOOD}---\n{GOOD}")) == (
        "pipelines/defs/bitexbit/defs.yaml:13: a feed is the only one of its file. "
        "Fix: give this one a folder of its own"
    )


def test_a_file_name_that_is_not_read(tmp_path: Path) -> None:
    root = write(tmp_path, GOOD)
    (root / "bitexbit" / "defs.yaml").rename(root / "bitexbit" / "defs.yml")
    assert mistake(root) == (
        "pipelines/defs/bitexbit/defs.yml: this file is not read; rename it to defs.yaml"
    )


def test_no_folder(tmp_path: Path) -> None:
    assert mistake(tmp_path / "none") == (
        "there is no folder none, which should hold one folder a feed\n"
        "Fix: tidemark init writes the first feed; TIDEMARK_FEEDS names another folder"
    )


def test_other_components_are_left_alone(tmp_path: Path) -> None:
    root = write(tmp_path, "type: somebody.components.Other\nattributes: {anything: goes}\n")
    assert load_feeds(root) == []


def second(**changes: str) -> str:
    text = GOOD.split("    candles:")[0]
    for old, new in changes.items():
        text = text.replace(f"{old}: ", f"{old}: {new} #", 1)
    return text


def test_the_same_market_twice(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    root = write(tmp_path, second(account="desk", markets="[ETH-USD]"), "desk")
    assert mistake(root) == (
        "pipelines/defs/desk/defs.yaml:8: trades of ETH-USD on bitexbit is collected already by "
        "pipelines/defs/bitexbit/defs.yaml:8; leave it out in one of the two"
    )


def test_the_same_account_twice(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    text = GOOD.split("    trades:")[0] + "    account_trades: {}\n"
    root = write(tmp_path, text, "again")
    assert "account_trades of account 'main' on bitexbit is collected already by" in mistake(root)


@pytest.mark.parametrize(
    "text",
    [
        second(markets="[LTC-USD]"),
        GOOD.split("    trades:")[0].replace("main", "desk") + "    account_trades: {}\n",
        GOOD.split("    trades:")[0] + "    candles: {timeframes: [1d]}\n",
    ],
)
def test_feeds_that_share_nothing(tmp_path: Path, text: str) -> None:
    write(tmp_path, GOOD)
    assert [feed.name for feed in load_feeds(write(tmp_path, text, "desk"))] == ["bitexbit", "desk"]


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        ([], ["bitexbit/trades", "desk/account_trades", "wex/trades", "wex/account_trades"]),
        (["wex"], ["wex/trades", "wex/account_trades"]),
        (["*/trades"], ["bitexbit/trades", "wex/trades"]),
        (["desk"], ["desk/account_trades"]),
        (["bitexbit"], ["bitexbit/trades", "desk/account_trades"]),
        (["wex/trades", "wex/*", "wex"], ["wex/trades", "wex/account_trades"]),
        (["b*/trade?"], ["bitexbit/trades"]),
    ],
)
def test_selection(tmp_path: Path, patterns: list[str], expected: list[str]) -> None:
    jobs = select_jobs(three_feeds(tmp_path), patterns)
    assert [job.name for job in jobs] == expected


@pytest.mark.parametrize(
    ("pattern", "hint"),
    [
        ("bitexbt", "; did you mean 'bitexbit'?"),
        ("wex/trdes", "; did you mean 'wex/trades'?"),
        ("wex/tickers/x", "; did you mean 'wex/trades'?"),
        ("", ""),
    ],
)
def test_a_selection_of_nothing(tmp_path: Path, pattern: str, hint: str) -> None:
    feeds = three_feeds(tmp_path)
    with pytest.raises(ConfigError) as caught:
        select_jobs(feeds, ["wex", pattern])
    assert str(caught.value) == (
        f"nothing to pull is called {pattern!r}{hint}\n"
        "Fix: name a feed or one of: bitexbit/trades, desk/account_trades, wex/trades, "
        "wex/account_trades"
    )


def three_feeds(root: Path) -> list[Feed]:
    head = GOOD.split("    trades:")[0]
    write(root, head + "    trades: {}\n")
    write(root, head.replace("main", "desk") + "    account_trades: {}\n", "desk")
    wex = head.replace("exchange: bitexbit", "exchange: wex")
    return load_feeds(write(root, wex + "    trades: {}\n    account_trades: {}\n", "wex"))


def test_no_feeds_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEMARK_FEEDS", str(tmp_path))
    with pytest.raises(ConfigError, match="no feed is declared in"):
        select_jobs(load_feeds(), [])


def test_a_mistake_costs_its_own_feed_alone(tmp_path: Path) -> None:
    root = write(tmp_path, GOOD)
    write(tmp_path, GOOD.replace("exchange: bitexbit", "exchange: nowhere"), "desk")
    write(tmp_path, second(markets="[ETH-USD]"), "twice")
    (write(tmp_path, GOOD, "named") / "named" / "defs.yaml").rename(root / "named" / "defs.yml")
    feeds, broken = readable_feeds(root)
    assert [feed.name for feed in feeds] == ["bitexbit"]
    assert [(feed.name, str(feed.error).split(": ")[0]) for feed in broken] == [
        ("desk", "pipelines/defs/desk/defs.yaml:3"),
        ("named", "pipelines/defs/named/defs.yml"),
        ("twice", "pipelines/defs/twice/defs.yaml:8"),
    ]
