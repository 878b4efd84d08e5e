"""Kept answers on disk: exact, readable by any tool, and never more than the last one torn."""

import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

import warehouse
from schemas import StreamId
from tests.matrix import thinned
from tests.warehouse.healthy import flip
from tests.warehouse.tools import TRADES, row, store
from warehouse import StorageError, raw
from warehouse.raw import RawResponse, RawWriter, load, scan

STREAM = StreamId("bitexbit", "candles", "BTC-USD", timeframe="5m")
NOON = 1_768_046_400_000_000  # 2026-01-10T12:00:00Z
ODD = [b"", b"[]", b'{"a": "\xc3\xa9 \xf0\x9f\x98\x80 \\u0000"}', b"\xff\xfe\x00", b"x" * 200_000]


def answer(number: int, body: bytes = b"[1, 2]") -> RawResponse:
    about = {"path": "/trades", "query": f"limit={number}", "server_time": None}
    return RawResponse(NOON + number, about, body)


def everything(path: Path) -> list[RawResponse]:
    found = [load(path, spot) for spot in scan(path).spots]
    return [RawResponse(a.at, {k: a.about[k] for k in answer(0).about}, a.body) for a in found]


def written(home: Path, *answers: RawResponse) -> Path:
    writer = RawWriter(home)
    for one in answers:
        writer.append(STREAM, one)
    (path,) = raw.days(home, STREAM)
    return path


def test_what_is_kept_comes_back_exactly(tmp_path: Path) -> None:
    kept = [answer(n, body) for n, body in enumerate(ODD)]
    path = written(tmp_path, *kept)
    assert everything(path) == kept
    assert path == tmp_path / "raw/bitexbit/candles/BTC-USD%3A5m/2026-01-10.jsonl.zst"
    assert list(raw.streams(tmp_path)) == [STREAM]


def test_every_utc_day_has_its_file(tmp_path: Path) -> None:
    writer = RawWriter(tmp_path)
    for at in (NOON, NOON + 12 * 3_600_000_000 - 1, NOON + 12 * 3_600_000_000):
        writer.append(STREAM, RawResponse(at, {}, b""))
    names = [(p.name, len(scan(p).spots)) for p in raw.days(tmp_path, STREAM)]
    assert names == [("2026-01-10.jsonl.zst", 2), ("2026-01-11.jsonl.zst", 1)]


def test_other_tools_read_it_as_it_is(tmp_path: Path) -> None:
    path = written(tmp_path, answer(1, b'[{"id": 7}]'), answer(2, b"{}"))
    query = (
        "SELECT epoch_us(received_at), query, body, body::JSON ->> '$[0].id'"
        f" FROM read_json('{path}') ORDER BY received_at"
    )
    assert duckdb.execute(query).fetchall() == [
        (NOON + 1, "limit=1", '[{"id": 7}]', "7"),
        (NOON + 2, "limit=2", "{}", None),
    ]
    with pa.CompressedInputStream(pa.OSFile(str(path)), "zstd") as stream:
        assert stream.read().count(b"\n") == 2


def test_a_write_torn_at_any_byte_costs_that_answer_only(tmp_path: Path) -> None:
    path = written(tmp_path, answer(1), answer(2), answer(3))
    content = path.read_bytes()
    ends = [spot.offset + spot.stored for spot in scan(path).spots]
    for length in range(len(content) + 1):
        path.write_bytes(content[:length])
        found = scan(path)
        whole = sum(end <= length for end in ends)
        assert everything(path) == [answer(1), answer(2), answer(3)][:whole]
        assert found.damaged == 0
        assert found.torn == length - (ends[whole - 1] if whole else 0)
        if length % 10 == 0:  # the next answer takes the place of the torn one
            RawWriter(tmp_path).append(STREAM, answer(9))
            assert everything(path) == [*[answer(1), answer(2), answer(3)][:whole], answer(9)]
            assert scan(path).torn == scan(path).damaged == 0


def test_damage_in_the_middle_is_skipped_and_reported(tmp_path: Path) -> None:
    path = written(tmp_path, answer(1), answer(2), answer(3))
    content = bytearray(path.read_bytes())
    second = scan(path).spots[1]
    for at in range(second.offset - 28, second.offset + second.stored):
        spoilt = bytearray(content)
        spoilt[at] ^= 0xFF
        path.write_bytes(spoilt)
        assert everything(path) == [answer(1), answer(3)]
        assert scan(path).damaged == second.stored + 28
    # what follows damage is appended after it, and nothing is cut off
    RawWriter(tmp_path).append(STREAM, answer(4))
    assert everything(path) == [answer(1), answer(3), answer(4)]


def test_zeros_after_a_power_loss_are_torn(tmp_path: Path) -> None:
    path = written(tmp_path, answer(1))
    with path.open("ab") as file:
        file.write(bytes(4096))
    assert scan(path).torn == 4096
    RawWriter(tmp_path).append(STREAM, answer(2))
    assert everything(path) == [answer(1), answer(2)]


def test_a_full_disk_leaves_the_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = RawWriter(tmp_path)
    writer.append(STREAM, answer(1))
    real = os.write

    def half(handle: int, data: memoryview) -> int:
        if len(data) < 60:
            raise OSError(28, "No space left on device")
        return real(handle, data[: len(data) // 2])

    monkeypatch.setattr("warehouse.raw.os.write", half)
    with pytest.raises(StorageError, match="disk is full"):
        writer.append(STREAM, answer(2))
    monkeypatch.undo()
    (path,) = raw.days(tmp_path, STREAM)
    assert scan(path).torn == 0
    writer.append(STREAM, answer(3))
    assert everything(path) == [answer(1), answer(3)]


CHILD = """
import sys
from pathlib import Path
from schemas import StreamId
from warehouse.raw import RawResponse, RawWriter
writer = RawWriter(Path(sys.argv[1]))
for n in range(50):
    writer.append(StreamId("wex", "trades", "BTC-USD"), RawResponse(10**15 + n, {}, b"x" * n))
"""


def test_processes_append_to_one_file(tmp_path: Path, repo_root: Path) -> None:
    command = [sys.executable, "-c", CHILD, str(tmp_path)]
    children = [subprocess.Popen(command, cwd=repo_root) for _ in range(2)]
    assert [child.wait(300) for child in children] == [0, 0]
    (path,) = raw.days(tmp_path, StreamId("wex", "trades", "BTC-USD"))
    found = scan(path)
    assert (len(found.spots), found.torn, found.damaged) == (100, 0, 0)
    assert sorted(len(load(path, s).body) for s in found.spots) == sorted([*range(50)] * 2)


def test_an_answer_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, answer(1))
    (spot,) = scan(path).spots
    path.write_bytes(bytes(path.stat().st_size))
    with pytest.raises(StorageError, match="at byte 28"):
        load(path, spot)


def archived(home: Path) -> Path:
    """A home with a lake and three responses, all verified."""
    store(home, TRADES, [row(TRADES, 1)])
    path = written(home, answer(1), answer(2), answer(3))
    assert warehouse.verify(home).ok
    assert warehouse.verify(home).figures["raw"]["responses"] == 3
    return path


@pytest.mark.parametrize("number", thinned([0, 1, 2], 3))
def test_verify_finds_a_damaged_response_and_rebuild_goes_on_with_the_others(
    home: Path, number: int
) -> None:
    path = archived(home)
    flip(path, scan(path).spots[number].offset + 3)
    harmed = path.read_bytes()
    for _ in range(2):
        (found,) = warehouse.verify(home).of("error")
        assert found.check == "raw" and found.where == path.relative_to(home).as_posix()
        assert path.read_bytes() == harmed
    assert warehouse.rebuild(home).ok
    assert everything(path) == [a for n, a in enumerate(map(answer, (1, 2, 3))) if n != number]
    (kept,) = (p for p in (home / "damaged").rglob("*") if p.is_file())
    assert kept.read_bytes() == harmed
    assert warehouse.verify(home).findings == []


def test_a_deleted_file_is_noted_once(home: Path) -> None:
    archived(home).unlink()
    result = warehouse.verify(home)
    assert result.ok and [(f.kind, f.check) for f in result.findings] == [("note", "raw")]
    assert warehouse.verify(home).findings == []


@pytest.mark.parametrize("how", ["shorter", "another"])
def test_verify_misses_responses_that_it_has_seen(home: Path, how: str) -> None:
    path = archived(home)
    if how == "shorter":
        path.write_bytes(path.read_bytes()[: scan(path).spots[1].offset - 28])
    else:
        path.write_bytes(b"")
        RawWriter(home).append(STREAM, answer(9))
    assert [f.check for f in warehouse.verify(home).of("error")] == ["raw"]
    assert warehouse.rebuild(home).ok
    assert warehouse.verify(home).findings == []


def test_what_a_crash_tore_is_taken_out_and_kept(home: Path) -> None:
    path = archived(home)
    content = path.read_bytes()
    path.write_bytes(content + content[:50])
    result = warehouse.verify(home)
    assert result.ok and [f.check for f in result.of("healed")] == ["raw"]
    assert path.read_bytes() == content
    RawWriter(home).append(STREAM, answer(4))
    assert warehouse.verify(home).findings == []
