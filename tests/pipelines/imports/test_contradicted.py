"""What the exchange contradicts is not claimed, whatever other files and other rows say."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from connectors.local import NoLimits
from pipelines.cli import main
from pipelines.feeds import load_feeds, select_jobs
from pipelines.imports import run as run_module
from pipelines.imports.sources import Content, Source, inspect
from pipelines.ingest import PullReport, pull
from pipelines.ingest.checkpoint import Windows
from pipelines.ingest.session import Session
from pipelines.ingest.windows import sync
from pipelines.ingest.windows.state import Progress
from sandbox.marketdata import MarketTape
from tests.pipelines.imports.conftest import Import, complete, held, vision
from tests.pipelines.imports.test_seam import (
    RECORDING,
    STORED,
    btcusdt,
    days_of,
    feed,
    priced,
    pull_from,
    replaying,
)
from tests.pipelines.ingest.conftest import settings_for
from tests.pipelines.ingest.test_recorded import recorded, rows_of
from warehouse.metastore import FileRecord
from warehouse.store import StreamWriter

__all__ = ["btcusdt"]
Feeds = Callable[[str], Path]
Lines = list[str]


def wrong(lines: Lines, low: int, high: int) -> Lines:
    """``lines`` with another price in some of them."""
    return [*lines[:low], *priced(lines[low:high], "77.7"), *lines[high:]]


def of_files(report: PullReport) -> bool:
    """Whether a file was contradicted."""
    return any("shows other rows than a file had (ids " in error for error in report.errors)


CASES: dict[str, Callable[[Lines], list[Lines]]] = {
    "it only touches a right file": lambda rows: [priced(rows[:6000], "77.7"), rows[6000:]],
    "a right file only touches it": lambda rows: [rows[6000:], priced(rows[:6000], "77.7")],
    "inside a hole of a right file": lambda rows: [
        rows[:3000] + rows[9000:],
        priced(rows[5000:6000], "77.7"),
    ],
    "rows of the first answer": lambda rows: [wrong(rows, len(rows) - 600, len(rows) - 500)],
    "rows of an answer and of those below": lambda rows: [wrong(rows, 2000, len(rows) - 500)],
}


@pytest.mark.parametrize("case", CASES)
def test_an_equal_row_outvotes_no_contradiction(
    case: str,
    btcusdt: MarketTape,
    shared_data: Path,
    tmp_path: Path,
    home: Path,
    feeds: Feeds,
    run: Import,
) -> None:
    """One call for each file; then a pull stores and claims what the exchange shows."""
    lines = [one for day in days_of(btcusdt) for one in day]
    for number, rows in enumerate(CASES[case](lines)):
        assert run(vision(tmp_path, rows, f"BTCUSDT-trades-2024-08-0{number + 1}")).code == 0
    root = feeds(feed("BTCUSDT", "2024-08-08"))
    with replaying(btcusdt, "BTC-USDT") as server:
        assert of_files(pull_from(server, home, root))
        assert not of_files(pull_from(server, home, root))
    assert complete(home) == [(btcusdt.ids[0], btcusdt.ids[-1])]
    shown = recorded(rows_of(shared_data / RECORDING), "trade_id")
    assert held(home, STORED) == sorted(shown)
    assert main(["verify"]) == 0


def test_a_file_that_was_confirmed_is_corrected_row_by_row(
    btcusdt: MarketTape,
    shared_data: Path,
    tmp_path: Path,
    home: Path,
    feeds: Feeds,
    run: Import,
) -> None:
    """Rows that no pull asked for so far; once they are shown, the exchange's count."""
    lines = [one for day in days_of(btcusdt) for one in day]
    assert run(vision(tmp_path, wrong(lines, 3000, 3200))).code == 0
    root = feeds(feed("BTCUSDT", "2024-08-08"))
    with replaying(btcusdt, "BTC-USDT") as server:
        assert not of_files(pull_from(server, home, root))
        jobs, settings = select_jobs(load_feeds(root), []), settings_for(server, home)
        again = pull(jobs, settings, limits=NoLimits(), again=(0, 2**60))
        assert of_files(again)
        assert not of_files(pull_from(server, home, root))
    shown = recorded(rows_of(shared_data / RECORDING), "trade_id")
    assert held(home, STORED) == sorted(shown)
    assert complete(home) == [(btcusdt.ids[0], btcusdt.ids[-1])]


def test_only_the_exchange_decides_on_a_row_of_two_files(
    btcusdt: MarketTape,
    tmp_path: Path,
    home: Path,
    feeds: Feeds,
    run: Import,
) -> None:
    """The file with the wrong row once more claims it no more than before."""
    lines = [one for day in days_of(btcusdt) for one in day]
    first, last = btcusdt.ids[0], btcusdt.ids[-1]
    bad = vision(tmp_path, wrong(lines, 4000, 4001), "BTCUSDT-trades-2024-08-08")
    assert run(bad).code == 0
    assert run(vision(tmp_path, lines, "BTCUSDT-trades-2024-08-09")).code == 1
    claimed = [(first, first + 3999), (first + 4001, last)]
    assert complete(home) == claimed
    assert run(bad).code == 0
    assert complete(home) == claimed
    with replaying(btcusdt, "BTC-USDT") as server:
        (problem,) = pull_from(server, home, feeds(feed("BTCUSDT", "2024-08-08"))).errors
        assert "1 imported row replaced by the exchange's" in problem
    assert complete(home) == [(first, last)]


@pytest.mark.parametrize("is_first", [True, False], ids=["wrong first", "right first"])
def test_files_of_one_call_are_judged_on_their_own(
    is_first: bool,
    btcusdt: MarketTape,
    tmp_path: Path,
    home: Path,
    feeds: Feeds,
    run: Import,
) -> None:
    """Where two only touch, neither row counts until the exchange has shown it."""
    _, lines = days_of(btcusdt)
    first, last = (int(lines[at].partition(",")[0]) for at in (0, -1))
    seam = first + 2000
    parts = [priced(lines[:2000], "77.7"), lines[2000:]]
    paths = [vision(tmp_path, p, f"BTCUSDT-trades-2024-08-0{n}") for n, p in enumerate(parts, 1)]
    found = run(*(paths if is_first else reversed(paths)))
    assert found.code == 0 and "missing" not in found.out
    assert complete(home) == [(first, seam - 2), (seam + 1, last)]
    root = feeds(feed("BTCUSDT", "2024-08-09"))
    with replaying(btcusdt, "BTC-USDT") as server:
        assert of_files(pull_from(server, home, root))
        assert pull_from(server, home, root).errors == []
    ((low, high),) = complete(home)
    assert low <= first and high == last
    assert held(home, "count(*) FILTER (price = 77.7)") == [(0,)]


def test_a_pull_between_two_files_of_one_call(
    btcusdt: MarketTape,
    tmp_path: Path,
    home: Path,
    feeds: Feeds,
    run: Import,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What it has shown counts for the second file, though the call had begun before."""
    _, lines = days_of(btcusdt)
    right = vision(tmp_path, lines[:100], "BTCUSDT-trades-2024-08-10")
    wrong_one = vision(tmp_path, priced(lines[200:], "77.7"))
    root = feeds(feed("BTCUSDT", "2024-08-09"))
    shown: list[tuple[int, int]] = []

    def with_a_pull(source: Source, *words: Any, **named: Any) -> Content:
        if source.path == wrong_one:
            assert pull_from(server, home, root).errors == []
            shown.extend(complete(home))
        return inspect(source, *words, **named)

    with replaying(btcusdt, "BTC-USDT") as server:
        monkeypatch.setattr(run_module, "inspect", with_a_pull)
        found = run(right, wrong_one)
        assert found.code == 1 and "of another market" in found.err
        assert shown and complete(home) == shown
        assert pull_from(server, home, root).errors == []
    assert held(home, "count(*) FILTER (price = 77.7)") == [(0,)]


def test_a_single_id_that_is_garbled(
    btcusdt: MarketTape, tmp_path: Path, home: Path, feeds: Feeds, run: Import
) -> None:
    """It lies far above the exchange's; the other rows of the file are right, and stay."""
    _, lines = days_of(btcusdt)
    (garbled,) = moved([lines[5000]], 10**9)
    assert run(vision(tmp_path, [*lines[:5000], garbled, *lines[5001:]])).code == 0
    root = feeds(feed("BTCUSDT", "2024-08-09"))
    with replaying(btcusdt, "BTC-USDT") as server:
        (problem,) = pull_from(server, home, root).errors
        assert "shows other rows than a file had" in problem and "1 imported row" in problem
        assert pull_from(server, home, root).errors == []
    ((low, high),) = complete(home)
    assert held(home, "count(*)") == [(high - low + 1,)]


def test_rows_are_compared_with_what_is_written(
    btcusdt: MarketTape,
    tmp_path: Path,
    home: Path,
    feeds: Feeds,
    run: Import,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not with a file that a commit of an earlier page is just about to replace."""
    _, lines = days_of(btcusdt)
    parts = [lines[at : at + 100] for at in range(0, 800, 100)]
    parts[0] = parts[0][:50] + parts[0][60:]
    paths = [vision(tmp_path, p, f"BTCUSDT-trades-2024-08-{n}") for n, p in enumerate(parts, 10)]
    assert run(*paths).code == 0
    sessions: list[Session] = []
    begin, meeting = sync.begin, StreamWriter.files_meeting

    def noting(session: Session, known: Windows) -> Progress:
        sessions[:] = [session]
        return begin(session, known)

    def then_written(writer: StreamWriter, rows: pa.Table) -> list[FileRecord]:
        found = meeting(writer, rows)
        if sessions:
            sessions[0].flush()  # as late as it may be
        return found

    monkeypatch.setattr(sync, "begin", noting)
    monkeypatch.setattr(StreamWriter, "files_meeting", then_written)
    root = feeds(feed("BTCUSDT", "2024-08-09"))
    with replaying(btcusdt, "BTC-USDT") as server:
        assert pull_from(server, home, root).errors == []


def moved(lines: Lines, by: int) -> Lines:
    """``lines`` with other ids."""
    fields = (one.split(",", 1) for one in lines)
    return [f"{int(number) + by},{rest}" for number, rest in fields]


@pytest.mark.parametrize("by", [10**6, -(10**6)], ids=["above", "below"])
def test_ids_that_the_exchange_does_not_have(
    by: int,
    btcusdt: MarketTape,
    tmp_path: Path,
    home: Path,
    feeds: Feeds,
    run: Import,
) -> None:
    """Higher ids of older rows, lower ids of newer rows: the file is of another numbering."""
    lines = [one for day in days_of(btcusdt) for one in day]
    root = feeds(feed("BTCUSDT", "2024-08-09"))
    with replaying(btcusdt, "BTC-USDT") as server:
        assert pull_from(server, home, root).errors == []
        (before,) = complete(home)
        rows = held(home, STORED)
        assert run(vision(tmp_path, moved(lines[-4000:-3000], by))).code == 0
        assert of_files(pull_from(server, home, root))
        assert held(home, STORED) == rows and before in complete(home)
        claimed = sum(high - low + 1 for low, high in complete(home))
        assert claimed == len(rows)


def test_a_file_with_higher_ids_than_the_exchange_is_named(
    btcusdt: MarketTape,
    tmp_path: Path,
    home: Path,
    feeds: Feeds,
    run: Import,
) -> None:
    """Imported before any pull: ids may have begun again, or it is the wrong file."""
    lines = [one for day in days_of(btcusdt) for one in day]
    assert run(vision(tmp_path, moved(lines[:1000], 10**6))).code == 0
    with replaying(btcusdt, "BTC-USDT") as server:
        (problem,) = pull_from(server, home, feeds(feed("BTCUSDT", "2024-08-09"))).errors
    assert "ids restarted" in problem and "only a file that was imported has that id" in problem
