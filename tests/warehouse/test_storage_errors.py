"""Disks that fail: one clear error, nothing stored is harmed, and the next pull goes on."""

import errno
import os
import resource
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import warehouse
from schemas import RejectedRow
from tests.matrix import crossed, thinned
from tests.warehouse.tools import (
    DAY,
    NOON,
    TRADES,
    assert_each_once,
    assert_published,
    assert_recorded,
    ids,
    lake,
    parquet,
    row,
    store,
    table,
)
from warehouse import StorageError
from warehouse.metastore import Metastore
from warehouse.store import StreamWriter

CAUSES = {
    errno.ENOSPC: r"the disk is full\. Fix: free some space",
    errno.EROFS: r"read-only\. Fix: point TIDEMARK_HOME at a writable folder",
    errno.EACCES: "make the folder writable",
    errno.EDQUOT: "quota is used up",
    errno.EIO: "Input/output error",
}


def _failing(real: Callable[..., Any], number: int, at: int = 0) -> Callable[..., Any]:
    """``real``, but the call ``at`` fails with the operating system's error ``number``."""
    calls = iter(range(1_000_000))

    def wrapped(*args: Any, **options: Any) -> Any:
        if next(calls) == at:
            raise OSError(number, os.strerror(number))
        return real(*args, **options)

    return wrapped


@pytest.fixture
def stored(home: Path) -> Path:
    store(home, TRADES, [row(TRADES, k) for k in range(1, 5)], state=ids((1, 5)))
    warehouse.publish(home)
    return home


def _new_rows() -> list[dict[str, Any]]:
    return [row(TRADES, k, NOON + (k > 6) * DAY + k) for k in range(4, 9)]


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("number", "call"),
    crossed(list(CAUSES), ["replace", "fsync", "open"]),
    ids=lambda value: value if isinstance(value, str) else errno.errorcode[value],
)
def test_a_commit_that_fails_says_why_and_harms_nothing(
    stored: Path, monkeypatch: pytest.MonkeyPatch, number: int, call: str
) -> None:
    before = lake(stored, "trades")
    with monkeypatch.context() as patch:
        owner = Path if call == "open" else os
        patch.setattr(owner, call, _failing(getattr(owner, call), number))
        with pytest.raises(StorageError, match=CAUSES[number]) as raised:
            store(stored, TRADES, _new_rows(), state=ids((1, 9)))
    assert "lake/trades" in str(raised.value)
    assert lake(stored, "trades") == before
    assert Metastore(stored).state(TRADES) == ids((1, 5))
    assert list(stored.rglob("*.tmp")) == []
    assert store(stored, TRADES, _new_rows(), state=ids((1, 9))).added == 4
    assert_recorded(stored)
    assert_published(stored)


@pytest.mark.parametrize("at", thinned(range(5), 2))
def test_the_same_writer_goes_on_after_a_failure_between_any_two_files(
    stored: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    monkeypatch.setattr("warehouse.store.SEGMENT_ROWS", 4)
    metastore = Metastore(stored)
    writer = StreamWriter(stored, metastore, TRADES)
    rows, bad = [table(TRADES, _new_rows())], [RejectedRow("bad", "{}")]
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", _failing(os.fsync, errno.ENOSPC, at))
        with pytest.raises(StorageError, match="the disk is full"):
            writer.commit(rows, ids((1, 9)), bad)
    writer.commit(rows, ids((1, 9)), bad)
    assert_each_once(stored)
    assert_recorded(stored)
    assert len(lake(stored, "trades")) == 8
    assert_published(stored)


@contextmanager
def _files_no_larger_than(size: int) -> Iterator[None]:
    """What the operating system does to a program whose disk is full, without filling one."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_write_that_the_operating_system_cuts_short_harms_nothing(stored: Path) -> None:
    before = {p: p.read_bytes() for p in parquet(stored)}
    writer = StreamWriter(stored, Metastore(stored), TRADES)
    with _files_no_larger_than(2_000), pytest.raises(StorageError, match="cannot write"):
        writer.commit([table(TRADES, _new_rows())], ids((1, 9)))
    assert {p: p.read_bytes() for p in parquet(stored)} == before
    assert list(stored.rglob("*.tmp")) == []


@pytest.mark.parametrize("owner", [shutil, os], ids=["copy", "rename"])
def test_a_publish_that_fails_keeps_the_live_version_and_leaves_no_copy(
    stored: Path, monkeypatch: pytest.MonkeyPatch, owner: Any
) -> None:
    store(stored, TRADES, _new_rows())

    def half(source: Path, target: Path) -> None:
        Path(target).write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        if owner is shutil:
            patch.setattr(shutil, "copyfile", half)
        else:
            patch.setattr(os, "replace", _failing(os.replace, errno.ENOSPC))
        with pytest.raises(StorageError, match=r"the disk is full\. Fix: free some space"):
            warehouse.publish(stored)
    assert not list((stored / "versions").glob("*.building*"))
    assert warehouse.sql("SELECT count(*) AS n FROM trades", home=stored)["n"][0].as_py() == 4
    assert_published(stored)


@pytest.mark.parametrize("content", [b"", b"PAR1 torn", None], ids=["empty", "torn", "foreign"])
def test_a_lake_file_that_is_damaged_is_named(stored: Path, content: bytes | None) -> None:
    (path,) = parquet(stored)
    if content is None:
        pq.write_table(pa.table({"a": [1]}), path)
    else:
        path.write_bytes(content)
    (path.parent / "touched").touch()
    with pytest.raises(StorageError, match="Fix: run `tidemark verify`") as raised:
        store(stored, TRADES, _new_rows())
    assert str(path) in str(raised.value)


def test_a_file_that_vanishes_under_a_writer_is_named(stored: Path) -> None:
    writer = StreamWriter(stored, Metastore(stored), TRADES)
    (path,) = parquet(stored)
    path.unlink()
    with pytest.raises(StorageError, match="is gone"):
        writer.tail(1)
    with pytest.raises(StorageError, match="is gone"):
        writer.between(0, 2**60)


def test_a_folder_that_cannot_be_read_is_reported_with_a_fix(
    stored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (path,) = parquet(stored)
    (path.parent / "touched").touch()
    monkeypatch.setattr("os.listdir", _failing(os.listdir, errno.EACCES))
    with pytest.raises(StorageError, match="make the folder writable"):
        StreamWriter(stored, Metastore(stored), TRADES)
