"""``tidemark pull``: every mistake a user can make gets one clear message and the right code.

Nothing here reaches an exchange: mistakes are found before any request, and the one test that
needs a host that does not answer asks a closed port of this machine.
"""

import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from pipelines.cli import main
from pipelines.feeds import Job
from pipelines.ingest import PullReport, StreamReport
from warehouse.errors import StorageError

FEED = """\
type: pipelines.components.ExchangeFeed
attributes:
  exchange: bitexbit
  markets: [BTC-USD]
  start: 2024-08-01
  datasets:
    trades: {schedule: "*/5 * * * *"}
"""

Write = Callable[[str], Path]


@pytest.fixture
def feed(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes the one feed there is and gives its file."""
    folder = tmp_path / "feeds" / "first"
    folder.mkdir(parents=True)
    monkeypatch.setenv("TIDEMARK_FEEDS", str(folder.parent))

    def write(text: str) -> Path:
        file = folder / "defs.yaml"
        file.write_text(text, encoding="utf-8")
        return file

    return write


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port of this machine on which nobody listens, and which nobody else is given."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield int(taken.getsockname()[1])


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What ``tidemark pull`` says on stderr when it ends with 2 before doing anything."""
    assert main(["pull", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Traceback" not in captured.err
    return captured.err


@pytest.mark.parametrize(
    ("right", "wrong", "line", "message"),
    [
        ("exchange: bitexbit", "exchange: bitexbt", 3, "'bitexbit'"),
        ("[BTC-USD]", "[BTC-USD, BTC-USD]", 4, "'BTC-USD' appears twice"),
        ("2024-08-01", "2024-13-01", 5, "2024-13-01"),
        ("2024-08-01", "2999-01-01", 5, "future"),
        ("trades:", "trade:", 7, "'trades'"),
        ("schedule:", "shedule:", 7, "'schedule'"),
        ("*/5 * * * *", "*/5 * * *", 7, "cron"),
        ("  markets", "  market", 4, "'markets'"),
    ],
)
def test_a_mistake_in_a_feed_names_file_line_and_fix(
    right: str,
    wrong: str,
    line: int,
    message: str,
    feed: Write,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = feed(FEED.replace(right, wrong))
    err = refused(capsys)
    assert f"{file.name}:{line}" in err
    assert message in err


def test_text_that_is_not_yaml(feed: Write, capsys: pytest.CaptureFixture[str]) -> None:
    feed(FEED.replace("[BTC-USD]", "[BTC-USD"))
    assert "defs.yaml:" in refused(capsys)


def test_a_dataset_that_the_exchange_does_not_offer(
    feed: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    feed(FEED.replace("trades:", "order_boks:"))
    assert "offers" in refused(capsys)


def test_an_unknown_selection_lists_what_there_is(
    feed: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    feed(FEED)
    err = refused(capsys, "first/tickers")
    assert "'first/tickers'" in err
    assert "first/trades" in err


@pytest.mark.usefixtures("home")
def test_a_secret_without_its_key(
    feed: Write, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    feed(FEED.replace("trades:", "account_trades:"))
    monkeypatch.setenv("BITEXBIT_API_SECRET", "very-secret")
    err = refused(capsys)
    assert "BITEXBIT_API_KEY" in err
    assert "very-secret" not in err


@pytest.mark.parametrize("url", ["bitexbit.com", "ftp://bitexbit.com", "http://x:99999"])
def test_a_wrong_address(
    url: str, feed: Write, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    feed(FEED)
    monkeypatch.setenv("BITEXBIT_BASE_URL", url)
    assert "BITEXBIT_BASE_URL" in refused(capsys)


def test_a_home_that_is_a_file(
    feed: Write,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    feed(FEED)
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    monkeypatch.setenv("TIDEMARK_HOME", str(tmp_path / "file" / "home"))
    assert "TIDEMARK_HOME" in refused(capsys)
    assert (tmp_path / "file").read_text(encoding="utf-8") == "mine"


def test_a_host_that_does_not_answer_is_one_and_the_last_line(
    closed_port: int,
    feed: Write,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    feed(FEED)
    monkeypatch.setenv("BITEXBIT_BASE_URL", f"http://127.0.0.1:{closed_port}")
    monkeypatch.setattr("time.sleep", lambda _: None)
    assert main(["pull"]) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert f"127.0.0.1:{closed_port}" in last
    assert "BITEXBIT_BASE_URL" in last


def test_account_data_without_a_key_is_a_notice(
    closed_port: int,
    feed: Write,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    feed(FEED.replace("trades:", "account_trades:"))
    monkeypatch.setenv("BITEXBIT_BASE_URL", f"http://127.0.0.1:{closed_port}")
    assert main(["pull"]) == 0
    assert "BITEXBIT_API_KEY" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--from", "soon"], "--from 'soon' is neither a date nor a time"),
        (["--from", "2026-01-12", "--to", "2026-01-10"], "is not before --to 2026-01-10"),
        (["--from", "2026-01-12", "--to", "2026-01-12T00:00Z"], "is not before --to"),
        (["--to", "2026-01-12"], "--to 2026-01-12 needs --from"),
        (["--from", "2999-01-01"], "--from 2999-01-01 is in the future"),
    ],
)
def test_a_stretch_that_is_none(
    options: list[str], message: str, feed: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    feed(FEED)
    err = refused(capsys, *options)
    assert message in err
    assert "\nFix: " in err


@pytest.mark.parametrize("select", [[], ["first/trades"]])
def test_a_stretch_is_fetched_again(
    select: list[str],
    feed: Write,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    feed(FEED)
    asked: list[object] = []

    def pull(jobs: Sequence[Job], *_: object, again: object, **__: object) -> PullReport:
        asked.append(again)
        found = StreamReport("bitexbit", "trades", "BTC-USD", requests=3, rows_added=9)
        found.refetched, found.refetched_new, found.differences = 1_000, 4, 2
        return PullReport([found])

    monkeypatch.setattr("pipelines.ingest.pull", pull)
    stretch = ["--from", "2026-01-10", "--to", "2026-01-12T01:00+01:00"]
    assert main(["pull", *select, *stretch]) == 0
    assert asked == [(1_768_003_200_000_000, 1_768_176_000_000_000)]
    lines = [line.split("|")[1:-1] for line in capsys.readouterr().out.splitlines() if "|" in line]
    table = [[cell.strip() for cell in line] for line in lines]
    head = table.index(["fetched again", "received", "new rows", "differ", "not shown"])
    assert table[head + 2] == ["bitexbit/trades BTC-USD", "1,000", "4", "2", "0"]


def test_what_was_fetched_is_reported_where_it_cannot_be_published(
    feed: Write, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    feed(FEED)

    def pull(*_: object, **__: object) -> PullReport:
        found = StreamReport("bitexbit", "trades", "BTC-USD", requests=3, rows_added=1_234)
        found.notice = "bitexbit: public data only"
        return PullReport([found])

    def publish(*_: object) -> None:
        raise StorageError("Iceberg: cannot publish. Fix: check the bucket")

    monkeypatch.setattr("pipelines.ingest.pull", pull)
    monkeypatch.setattr("pipelines.publishing.publish", publish)
    assert main(["pull"]) == 1
    out, err = capsys.readouterr()
    assert "| bitexbit/trades |" in out
    assert out.endswith("1,234 new rows stored, not all published\n")
    assert err.splitlines() == [
        "notice: bitexbit: public data only",
        "tidemark: Iceberg: cannot publish. Fix: check the bucket",
    ]


def test_a_mistake_in_one_feed_does_not_stop_the_others(
    feed: Write,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    feed(FEED)
    broken = tmp_path / "feeds" / "second" / "defs.yaml"
    broken.parent.mkdir()
    broken.write_text(FEED.replace("bitexbit", "wex").replace("trades:", "trade:"))
    pulled: list[list[str]] = []

    def pull(jobs: Sequence[Job], *args: object, **kwargs: object) -> PullReport:
        pulled.append([job.name for job in jobs])
        return PullReport()

    monkeypatch.setattr("pipelines.ingest.pull", pull)
    assert main(["pull"]) == 2
    captured = capsys.readouterr()
    assert captured.err.count("second/defs.yaml:7: unknown dataset 'trade'") == 2  # and at the end
    assert main(["pull", "first"]) == 0
    assert "second" not in capsys.readouterr().err
    assert pulled == [["first/trades"]] * 2
    assert "second/defs.yaml:7: unknown dataset 'trade'" in refused(capsys, "second")
    assert "second/defs.yaml:7: unknown dataset 'trade'" in refused(capsys, "second/trades")
    assert "nothing to pull is called 'third'" in refused(capsys, "third")
