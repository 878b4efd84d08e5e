"""Large tables are views on the lake's files: for readers the same, and at one moment."""

import errno
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

import warehouse
from schemas import DATASETS, TABLES
from tests.conftest import REPO
from tests.pulled import Pulled
from tests.warehouse.publishing import all_streams
from tests.warehouse.tools import (
    DAY,
    NOON,
    TICKERS,
    TRADES,
    assert_published,
    bag,
    duck,
    ids,
    lake,
    row,
    store,
)
from warehouse.errors import StorageError
from warehouse.paths import LINKS
from warehouse.purge import purge

MARTS = ("vwap_daily", "fills", "positions", "health")
"""Some of the views on the tables: all take seconds."""


def publish(home: Path, above: int = 1) -> warehouse.Published:
    return warehouse.publish(home, views_above=above)


def links(home: Path) -> list[Path]:
    return sorted((home / LINKS).rglob("*.parquet"))


def kinds(home: Path) -> set[str]:
    """The tables that are views."""
    with warehouse.connect(home) as db:
        found = db.sql("SELECT view_name FROM duckdb_views() WHERE schema_name = 'main'").fetchall()
    return {name for (name,) in found} & TABLES.keys()


def shown(home: Path, *, with_marts: bool = False) -> dict[str, object]:
    """What a reader sees of the tables, and of the views on them: rows by count and checksum."""
    found: dict[str, object] = {}
    with warehouse.connect(home) as db:

        def rows(name: str, columns: str = "*") -> object:
            query = f"SELECT count(*), sum(hash(t)::HUGEINT) FROM (SELECT {columns} FROM {name}) t"
            return db.execute(query).fetchall()

        for name in TABLES:
            described = db.execute(f'FROM "{name}" LIMIT 0').description or []
            found[f"{name} types"] = [(column, str(kind)) for column, kind, *_ in described]
            found[name] = rows(name)
        for mart in MARTS if with_marts else ():
            columns = "* EXCLUDE (lag_seconds)" if mart == "health" else "*"
            found[f"marts.{mart}"] = rows(f"marts.{mart}", columns)
        for what, query in (
            ("columns", "SELECT table_name, column_name, comment FROM duckdb_columns()"),
            ("tables", "SELECT table_name, comment FROM duckdb_tables()"),
            ("views", "SELECT view_name, comment FROM duckdb_views()"),
        ):
            main = f"{query} WHERE schema_name = 'main' AND NOT internal"
            found[what] = set(db.execute(main).fetchall())
        found["comments"] = found.pop("tables") | found.pop("views")  # type: ignore[operator]
    return found


def test_nothing_else_changes_for_readers(pulled: Pulled, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(pulled.home, home, symlinks=True)
    before = shown(home, with_marts=True)
    assert publish(home).changed
    assert kinds(home) == {"trades", "candles", "tickers", "order_books", *(
        name for name, n in publish(home).rows.items() if n > 1 and name in DATASETS
    )}  # fmt: skip
    assert shown(home, with_marts=True) == before
    before = shown(home)
    assert not publish(home).changed
    found = warehouse.verify(home, views_above=1)
    assert found.ok and not found.of("healed"), found.findings
    assert publish(home, above=1_000).changed  # some of them are tables again
    assert "trades" in kinds(home) and "tickers" not in kinds(home)
    assert shown(home) == before
    assert publish(home, above=0).changed
    assert kinds(home) == set()
    assert shown(home) == before
    for _ in range(3):  # and no link is left
        store(home, TICKERS, [row(TICKERS, len(duck(home, "tickers")))])
        publish(home, above=0)
    assert links(home) == []


def test_rows_of_views_follow_the_lake(home: Path) -> None:
    all_streams(home)
    publish(home)
    assert_published(home)
    for key in range(20, 26):
        store(home, TRADES, [row(TRADES, key, NOON + key * DAY // 3)], state=ids((1, key)))
        done = publish(home)
        assert done.rows["trades"] == len(lake(home, "trades"))
        assert bag(duck(home, "trades")) == bag(lake(home, "trades"))
    purge(home, TRADES)
    publish(home)
    assert bag(duck(home, "trades")) == bag(lake(home, "trades"))
    assert warehouse.verify(home, views_above=1).of("error", "duckdb") == []


_READER = """
import sys, warehouse
db = warehouse.connect(sys.argv[1])
while sys.stdin.readline():
    print(db.execute(sys.argv[2]).fetchall(), flush=True)
"""
QUERY = "SELECT count(*), sum(price) FROM trades"


@pytest.mark.parametrize("elsewhere", [False, True], ids=["this-process", "another-process"])
def test_an_open_session_sees_one_moment(elsewhere: bool, home: Path) -> None:
    """However much is published, replaced and deleted meanwhile."""
    store(home, TRADES, [row(TRADES, k, NOON + k * DAY) for k in range(3)])
    publish(home)
    session = None if elsewhere else warehouse.connect(home)
    command = [sys.executable, "-c", _READER, str(home), QUERY]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPO
    ) as other:
        asks, answers = other.stdin, other.stdout
        assert asks is not None and answers is not None

        def seen() -> str:
            if session is not None:
                return str(session.execute(QUERY).fetchall())
            print(file=asks, flush=True)
            return str(answers.readline().strip())

        first = seen()
        for key in range(3, 9):
            store(home, TRADES, [row(TRADES, key, NOON + key % 3 * DAY)])
            publish(home)
            assert seen() == first
        purge(home, TRADES)
        store(home, TRADES, [row(TRADES, 50), row(TRADES, 51)])
        for key in range(52, 56):
            store(home, TRADES, [row(TRADES, key)])
            publish(home)
        assert seen() == first
        asks.close()
    if session is not None:
        session.close()
    for key in range(60, 64):
        store(home, TRADES, [row(TRADES, key)])
        publish(home)
    assert len(list((home / "versions").glob("*.duckdb"))) == 3
    assert len(links(home)) <= 3  # of one file, in three versions


def test_a_home_that_was_moved(home: Path) -> None:
    store(home, TRADES, [row(TRADES, k) for k in range(3)])
    publish(home)
    moved = home.with_name("moved")
    home.rename(moved)
    for external in (True, False):
        with pytest.raises(StorageError, match=r"files below .*Fix: after a home was moved"):
            warehouse.sql("FROM trades", home=moved, external=external)
    assert publish(moved).changed
    assert bag(duck(moved, "trades")) == bag(lake(moved, "trades"))


def test_a_copied_home_does_not_show_the_files_of_the_other(home: Path) -> None:
    """Which removes them when it likes."""
    store(home, TRADES, [row(TRADES, k) for k in range(3)])
    publish(home)
    copied = home.with_name("copied")
    shutil.copytree(home, copied, symlinks=True)
    with pytest.raises(StorageError, match="Fix: after a home was moved or copied"):
        warehouse.connect(copied)
    assert publish(copied).changed
    assert bag(duck(copied, "trades")) == bag(lake(copied, "trades"))
    alias = home.with_name("alias")
    alias.symlink_to(home)
    assert bag(duck(alias, "trades")) == bag(lake(home, "trades"))


def test_a_query_without_external_access_reads_them_and_writes_nothing(home: Path) -> None:
    store(home, TRADES, [row(TRADES, k) for k in range(3)])
    publish(home)
    assert warehouse.sql("FROM trades", home=home, external=False).num_rows == 3
    (link,) = links(home)
    content = link.read_bytes()
    for query in (
        f"COPY (SELECT 'é' AS copied) TO '{link}'",
        f"EXPLAIN ANALYZE copy trades TO '{link}' (USE_TMP_FILE false)",
        f"ATTACH '{home / LINKS / 'other.duckdb'}' AS other",
        f"EXPORT DATABASE '{home / LINKS}'",
        f"PREPARE x AS COPY trades TO '{link}'",
        "FROM read_csv('/etc/hosts')",
        f"FROM read_parquet('{home / 'lake' / 'trades' / '*' / '*' / '*.parquet'}')",
    ):
        with pytest.raises(StorageError):
            warehouse.sql(query, home=home, external=False)
    assert links(home) == [link] and link.read_bytes() == content
    assert warehouse.sql("SELECT 'COPY' AS \"copy\"", home=home, external=False).num_rows == 1


def _damage(path: Path, *, in_place: bool) -> None:
    content = path.read_bytes()
    damaged = content[:40] + bytes([content[40] ^ 1]) + content[41:]
    if not in_place:
        path.unlink()
    path.write_bytes(damaged)


def test_a_lake_file_is_restored_from_its_link(home: Path) -> None:
    store(home, TRADES, [row(TRADES, k) for k in range(3)], state=ids((0, 3)))
    publish(home)
    (path,) = (home / "lake" / "trades").rglob("*.parquet")
    content = path.read_bytes()
    path.unlink()
    assert warehouse.verify(home, views_above=1).of("healed", "files")
    assert path.read_bytes() == content
    _damage(path, in_place=False)
    assert warehouse.verify(home, views_above=1).of("healed", "files")
    assert path.read_bytes() == content


def test_damaged_bytes_are_never_taken_for_what_was_written(home: Path) -> None:
    """File and link are the same bytes: nothing is left to restore it from, and verify says so."""
    store(home, TRADES, [row(TRADES, k) for k in range(3)], state=ids((0, 3)))
    publish(home)
    (path,) = (home / "lake" / "trades").rglob("*.parquet")
    _damage(path, in_place=True)
    found = warehouse.verify(home, views_above=1)
    assert found.of("healed", "files") == []
    assert "no published copy holds its rows" in str(found.of("error", "files"))


@pytest.mark.parametrize("step", ["link", "replace"])
def test_a_publish_that_breaks_off(step: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store(home, TRADES, [row(TRADES, k, NOON + k * DAY) for k in range(3)])
    publish(home)
    store(home, TRADES, [row(TRADES, k, NOON + k * DAY) for k in range(3, 6)])
    with monkeypatch.context() as patch:

        def fail(*_: object, **__: object) -> None:
            raise OSError("no space")

        patch.setattr(f"warehouse.linked.os.{step}", fail)
        with pytest.raises(StorageError):
            publish(home)
    assert len(duck(home, "trades")) == 3
    publish(home)
    assert bag(duck(home, "trades")) == bag(lake(home, "trades"))
    for key in range(3):
        store(home, TICKERS, [row(TICKERS, key)])
        publish(home)
    assert len(links(home)) >= 6
    assert not [p for p in (home / LINKS).rglob("*") if p.name.endswith(".tmp")]


def test_a_file_system_without_hard_links(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store(home, TRADES, [row(TRADES, k) for k in range(3)])

    def refused(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr("warehouse.linked.os.link", refused)
    with pytest.raises(StorageError, match="Fix: unset TIDEMARK_VIEWS_ABOVE_ROWS"):
        publish(home)


def test_any_program_of_duckdb_reads_them(home: Path) -> None:
    store(home, TRADES, [row(TRADES, k) for k in range(3)])
    path = publish(home).path
    with duckdb.connect(str(path), read_only=True) as db:
        assert db.execute("SELECT count(*) FROM trades WHERE symbol = 'BTC-USD'").fetchall() == [
            (3,)
        ]
