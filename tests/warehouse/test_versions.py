"""Versions in turn: an old one is brought up to date in place, unless a session has it open."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import warehouse
from tests.examples import examples
from tests.warehouse.publishing import OTHER, SAVINGS, publish, versions
from tests.warehouse.tools import TRADES, assert_published, row, store
from warehouse import LINK
from warehouse import versions as module
from warehouse.metastore_file import FILE_NAME

_READER = """
import duckdb, sys
with duckdb.connect(sys.argv[1], read_only=True) as db:
    for _ in sys.stdin:
        print(db.execute("SELECT count(*) FROM trades").fetchone()[0], flush=True)
"""
_WRITER = "import duckdb, sys; duckdb.connect(sys.argv[1])"


def add(home: Path, key: int) -> None:
    store(home, TRADES, [row(TRADES, key)])
    publish(home)


def inodes(home: Path) -> dict[str, int]:
    return {path.name: path.stat().st_ino for path in (home / "versions").iterdir()}


def live(home: Path) -> int:
    return (home / LINK).stat().st_ino


class Reader:
    """A session of another process, opened by the link."""

    def __init__(self, home: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _READER, str(home / LINK)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def rows(self) -> int:
        assert self._process.stdin and self._process.stdout
        print(file=self._process.stdin, flush=True)
        return int(self._process.stdout.readline())

    def close(self) -> None:
        self._process.communicate()


@contextmanager
def reader(home: Path) -> Iterator[Reader]:
    made = Reader(home)
    try:
        yield made
    finally:
        made.close()


def test_the_oldest_version_becomes_the_newest(home: Path) -> None:
    for key in range(3):
        add(home, key)
    oldest = inodes(home)["warehouse-00000001.duckdb"]
    add(home, 3)
    assert versions(home) == [f"warehouse-{n:08d}.duckdb" for n in (2, 3, 4)]
    assert live(home) == oldest
    assert_published(home)


def test_a_version_that_another_process_reads_is_left_alone(home: Path) -> None:
    add(home, 0)
    with reader(home) as held:
        assert held.rows() == 1
        first = live(home)
        for key in range(1, 6):
            add(home, key)
            assert live(home) != first and held.rows() == 1
    assert_published(home)


def test_a_version_that_this_process_reads_is_left_alone(home: Path) -> None:
    add(home, 0)
    with warehouse.connect(home) as held:
        first = live(home)
        for key in range(1, 6):
            add(home, key)
            assert live(home) != first
            assert held.sql("SELECT count(*) FROM trades").fetchall() == [(1,)]
    assert_published(home)


def test_a_copy_leaves_the_locks_of_this_process_alone(home: Path) -> None:
    """Else another process would write the version that a session here has open."""
    add(home, 0)
    with warehouse.connect(home):
        first = (home / LINK).resolve()
        add(home, 1)
        wanted = [sys.executable, "-c", _WRITER, str(first)]
        refused = subprocess.run(wanted, capture_output=True, text=True)
        assert refused.returncode and "lock" in refused.stderr


def test_where_open_files_are_not_told_the_live_version_is_copied(
    home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "_OPEN_FILES", tmp_path / "none")
    add(home, 0)
    for key in range(1, 5):
        before = inodes(home).values()
        add(home, key)
        assert live(home) not in before  # numbers of files that are gone come again


def test_rows_that_only_the_live_version_knows_stay(home: Path) -> None:
    """Rows of a lost metastore are in no record: an older version does not have them."""
    for key in range(3):
        add(home, key)
    store(home, TRADES, [row(TRADES, 100)])
    publish(home)
    for path in home.glob(f"{FILE_NAME}*"):
        path.unlink()
    for key in range(200, 205):
        store(home, OTHER, [row(OTHER, key)])
        publish(home)
        with warehouse.connect(home) as db:
            held = {one for (one,) in db.sql("SELECT trade_id FROM trades").fetchall()}
        assert {"0", "1", "2", "100", str(key)} <= held


def test_a_table_that_fails_does_not_go_back(home: Path) -> None:
    for key in range(4):
        store(home, SAVINGS, [row(SAVINGS, key)])
        add(home, key)
    store(home, TRADES, [row(TRADES, 9)])
    for path in (home / "lake" / "account_trades").rglob("*.parquet"):
        path.write_bytes(b"damaged")
    publish(home)
    with warehouse.connect(home) as db:
        assert db.sql("SELECT count(*) FROM account_trades").fetchall() == [(4,)]
        assert db.sql("SELECT count(*) FROM trades").fetchall() == [(5,)]


@settings(max_examples=examples(4))
@given(st.lists(st.sampled_from(["add", "add", "here", "there", "close"]), max_size=12))
def test_any_sessions_keep_what_they_opened(
    tmp_path_factory: pytest.TempPathFactory, actions: list[str]
) -> None:
    home = tmp_path_factory.mktemp("home")
    add(home, 0)
    rows = 1
    with ExitStack() as stack:
        held: list[tuple[Reader | duckdb.DuckDBPyConnection, int]] = []
        for action in actions:
            if action == "add":
                add(home, rows)
                rows += 1
            elif action == "here":
                held.append((stack.enter_context(warehouse.connect(home)), rows))
            elif action == "there":
                held.append((stack.enter_context(reader(home)), rows))
                held[-1][0].rows()  # type: ignore[union-attr]
            elif held:
                held.pop(0)[0].close()
            for session, seen in held:
                if isinstance(session, Reader):
                    assert session.rows() == seen
                else:
                    assert session.sql("SELECT count(*) FROM trades").fetchall() == [(seen,)]
    assert_published(home)
