"""``tidemark purge``: what no feed collects is shown, and deleted only with --yes."""

from pathlib import Path

import pytest

import warehouse
from pipelines.cli import main
from schemas import RejectedRow, StreamId
from tests.feeds import write_feed
from tests.warehouse.tools import row, store
from warehouse import raw
from warehouse.paths import quarantine_of

FEED = """\
exchange: bitexbit
markets: [{markets}]
start: 2016-01-01
datasets: {{trades: {{}}}}
"""
MINE = StreamId("bitexbit", "trades", "BTC-USD")
GONE = StreamId("bitexbit", "trades", "XRP-USD")
ACCOUNT = StreamId("wex", "account_trades", account="main")


@pytest.fixture
def feeds(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with a stream that a feed collects, and two that none does."""
    for stream in (MINE, GONE, ACCOUNT):
        rejected = [RejectedRow("no price", f'{{"of": "{stream}"}}')]
        store(home, stream, [row(stream, key) for key in (1, 2, 3)], rejected=rejected)
        raw.RawWriter(home).append(stream, raw.RawResponse(1, {"query": "a"}, b"{}"))
    warehouse.publish(home)
    root = write_feed(tmp_path / "feeds", FEED.format(markets="BTC-USD"))
    monkeypatch.setenv("TIDEMARK_FEEDS", str(root))
    return root


def held(home: Path) -> set[StreamId]:
    return {s.stream for s in warehouse.status(home)}


def files(home: Path) -> set[Path]:
    return {p for part in ("lake", "raw") for p in (home / part).rglob("*") if p.is_file()}


def test_nothing_is_deleted_without_yes(
    home: Path, feeds: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files(home)
    assert main(["purge"]) == 0
    out = capsys.readouterr().out
    assert "| bitexbit/trades " in out and "XRP-USD" in out and "wex/account_trades" in out
    assert "BTC-USD" not in out
    assert "8 rows in 4 streams, " in out and "nothing is deleted without --yes" in out
    assert files(home) == before


def test_what_no_feed_collects_goes(
    home: Path, feeds: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["purge", "--yes"]) == 0
    assert "deleted 8 rows of 4 streams, " in capsys.readouterr().out
    assert held(home) == {MINE, quarantine_of(MINE)}
    query = "SELECT DISTINCT exchange, symbol FROM trades"
    assert warehouse.sql(query, home=home).to_pylist() == [
        {"exchange": "bitexbit", "symbol": "BTC-USD"}
    ]
    assert warehouse.verify(home).ok
    assert main(["purge", "--yes"]) == 0
    assert "nothing to delete" in capsys.readouterr().out


def test_a_selection_of_it(home: Path, feeds: Path) -> None:
    assert main(["purge", "wex", "--yes"]) == 0
    assert held(home) == {s for m in (MINE, GONE) for s in (m, quarantine_of(m))}


def test_what_a_feed_collects_is_never_deleted(
    home: Path, feeds: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["purge", "bitexbit/trades/BTC-USD", "--yes"]) == 0
    assert "nothing to delete" in capsys.readouterr().out
    assert held(home) >= {MINE, quarantine_of(MINE)}


@pytest.mark.parametrize("wrong", ["none", "mistake", "no folder"])
def test_feeds_that_do_not_tell_delete_nothing(
    wrong: str,
    home: Path,
    feeds: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = files(home)
    if wrong == "none":
        (feeds / "one" / "defs.yaml").unlink()
    elif wrong == "mistake":
        write_feed(feeds, FEED.format(markets="").replace("markets", "market"))
    else:
        monkeypatch.setenv("TIDEMARK_FEEDS", str(feeds / "nowhere"))
    assert main(["purge", "--yes"]) == 2
    assert "tidemark: " in capsys.readouterr().err
    assert files(home) == before


def test_a_market_of_a_feed_that_cannot_be_told_keeps_all_of_them(
    home: Path, feeds: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exchange's name of a market, and no stored list that says which symbol it has."""
    write_feed(feeds, FEED.format(markets="BTC-USD, XXRPZUSD"))
    assert main(["purge", "--yes"]) == 0
    captured = capsys.readouterr()
    assert "markets XXRPZUSD of the feeds are not in the stored list" in captured.err
    assert held(home) >= {MINE, GONE}
    assert ACCOUNT not in held(home)


def test_an_empty_home(feeds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEMARK_HOME", str(tmp_path / "new"))
    assert main(["purge", "--yes"]) == 0
    assert not (tmp_path / "new").exists()
