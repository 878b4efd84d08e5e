"""The benchmark measures what it says: every contestant stores every trade of the same tape."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import imports, outside
from bench.check import losses
from bench.contestants import MODULES
from bench.measure import BenchError, Result, check, run, serving
from bench.report import Memory, ratio, table, verdicts
from bench.server import Exchange
from bench.storage import sizes
from bench.tape import LAST_ID, make_tape
from tests.matrix import thinned

ROWS = 3_000


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving(ROWS) as address:
        yield address


@pytest.mark.parametrize("name", thinned(MODULES, 3))
def test_every_contestant_stores_every_trade(name: str, url: str) -> None:
    result = run(name, url)  # raises where a row is missing or doubled

    assert result.rows == ROWS
    assert result.requests >= ROWS // 1000
    assert result.seconds > 0
    assert result.cpu_seconds > 0
    assert result.peak_mib > 1


@pytest.mark.parametrize("found", [[2, 11], [3, 12], [4, 11]])
def test_a_missing_or_doubled_row_is_an_error(found: list[int]) -> None:
    with pytest.raises(BenchError, match=r"dlt has .* in parquet"):
        check("dlt", {"duckdb": [3, 11], "parquet": found}, [3, 11])
    check("dlt", {"duckdb": [3, 11], "parquet": [3, 11]}, [3, 11])


def test_the_tape_is_the_same_every_time_and_like_a_market() -> None:
    tape = make_tape(ROWS)
    rows = json.loads(tape.json(0, ROWS))

    assert bytes(tape.blob) == bytes(make_tape(ROWS).blob)
    assert [row["id"] for row in rows] == list(reversed(tape.ids))
    assert tape.ids[-1] == LAST_ID
    assert len(set(tape.ids)) == ROWS < tape.ids[-1] - tape.ids[0]
    times = [row["date"] for row in rows]
    assert times == sorted(times, reverse=True)
    shared = sum(times.count(time) > 1 for time in times) / ROWS
    assert 0.6 < shared < 0.73


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", slice(0, 100)),
        ("?limit=5000", slice(0, 1000)),
        ("?limit=3&until_id={10}", slice(10, 13)),
        ("?limit=1000&since_id={4}&until_id={2}", slice(2, 5)),
        ("?limit=2&since_id={4}", slice(0, 2)),
        ("?since_id={0}&until_id={1}", slice(0, 0)),
        ("?until_id=1", slice(0, 0)),
    ],
)
def test_the_server_keeps_the_newest_of_a_window(query: str, expected: slice) -> None:
    tape = make_tape(ROWS)
    newest_first = list(reversed(tape.ids))
    target = "/api/v2/public/trades" + query.format(*newest_first)

    status, body, _ = Exchange(tape).answer("GET", target, accepts_gzip=False)

    assert status == 200
    assert [row["id"] for row in json.loads(body)] == newest_first[expected]


@pytest.mark.parametrize("query", ["?limit=x", "?symbol=LTC_USD", "?since=1"])
def test_the_server_refuses_what_it_does_not_know(query: str) -> None:
    exchange = Exchange(make_tape(10))

    assert exchange.answer("GET", f"/api/v2/public/trades{query}", accepts_gzip=False)[0] == 400


def test_ratios_are_medians_of_pairs() -> None:
    results = {
        "tidemark": [_result("tidemark", 1.0), _result("tidemark", 2.0), _result("tidemark", 4.0)],
        "dlt": [_result("dlt", 12.0), _result("dlt", 24.0), _result("dlt", 44.0)],
    }

    assert ratio(results, "tidemark", "dlt") == 12.0
    assert ratio(results, "tidemark", "pandas") is None
    assert "12.00" in table(results)
    short, long = _result("tidemark", 1.0, peak=100.0), _result("tidemark", 9.0, peak=140.0)
    lines = verdicts(results, Memory(short, long))
    assert [line.split()[0] for line in lines] == ["reached", "MISSED"]


def _result(name: str, seconds: float, peak: float = 100.0) -> Result:
    return Result(name, 1000, seconds, seconds, peak, 0.1, 0.01, 4)


def test_the_import_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert imports.main(["--rows", "2000"]) == 0
    out = capsys.readouterr().out
    assert "import: 2,000 rows" in out and "stored: 2,000 rows" in out


@pytest.mark.parametrize(
    ("now", "lost"),
    [
        ({"pull: bytes": 1_000_000, "pull: requests": 2}, []),
        ({"pull: bytes": 1_216_384, "pull: requests": 2}, []),
        ({"pull: bytes": 1_216_385, "pull: requests": 2}, ["pull: bytes: 1,216,385"]),
        ({"pull: bytes": 900_000, "pull: requests": 3}, ["pull: requests: 3"]),
        ({"pull: bytes": 900_000}, ["pull: requests: no longer"]),
        ({"pull: bytes": 1, "pull: requests": 1, "new: files": 1}, ["new: files: 1, and no"]),
    ],
)
def test_a_count_that_grew_is_a_loss(now: dict[str, int], lost: list[str]) -> None:
    found = losses(now, {"pull: bytes": 1_000_000, "pull: requests": 2})
    assert len(found) == len(lost)
    assert all(line.startswith(begin) for line, begin in zip(found, lost, strict=True))


def test_the_committed_counts_are_those_that_are_counted(repo_root: Path) -> None:
    counts = json.loads((repo_root / "bench" / "counts.json").read_text())
    assert counts and all(isinstance(value, int) and value > 0 for value in counts.values())


def test_what_a_process_wrote_is_measured_with_its_children(tmp_path: Path) -> None:
    program = (
        "import pathlib, subprocess, sys;"
        "pathlib.Path('a').write_bytes(b'x' * 100_000);"
        "subprocess.run([sys.executable, '-c',"
        " \"import pathlib; pathlib.Path('b').write_bytes(b'x' * 200_000)\"], check=True)"
    )
    cost = outside.run([sys.executable, "-c", program], {}, tmp_path)
    assert 300_000 <= cost.written < 400_000
    assert cost.cpu_seconds > 0 and cost.seconds > 0
    with pytest.raises(BenchError, match="ended with 3"):
        outside.run([sys.executable, "-c", "raise SystemExit(3)"], {}, tmp_path)


def test_every_way_of_keeping_trades_has_a_size(tmp_path: Path) -> None:
    found = sizes(3_000, tmp_path)
    assert {size.name: size.is_exact for size in found}["Tidemark's lake"]
    assert len(found) == 6 and all(size.per_trade > 1 for size in found)
