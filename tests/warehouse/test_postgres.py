"""A home whose metastore is in PostgreSQL: how it begins, moves, is copied, lost and misnamed."""

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

import warehouse
from connectors.pace import Allowance
from pipelines.exchanges.postgres_state import PostgresLimits
from schemas import ConfigError
from tests.postgres import PASSWORD, Server, programs, serving
from tests.warehouse.healthy import assert_clean
from tests.warehouse.pooler import PROGRAM, pooling
from tests.warehouse.tools import TRADES, everything, ids, parquet, row, store
from warehouse import StorageError
from warehouse.backups import backup
from warehouse.errors import InUseError
from warehouse.home import METASTORE
from warehouse.leases import pool_of_home
from warehouse.locks import exclusive, exclusive_if_free
from warehouse.metastore import Metastore
from warehouse.metastore_backend import MARKER
from warehouse.metastore_file import FILE_NAME
from warehouse.metastore_postgres import MOVED

pytestmark = pytest.mark.engines


REPO = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def url(postgres: Server, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv(METASTORE, postgres.url)
    return postgres.url


def _fill(home: Path) -> None:
    store(home, TRADES, [row(TRADES, k) for k in range(1, 9)], state=ids((1, 9)))


def _schema(home: Path) -> str:
    return str(json.loads((home / MARKER).read_bytes())["schema"])


def test_nothing_of_it_is_in_the_home_but_its_name(home: Path) -> None:
    _fill(home)
    assert not list(home.glob("*.sqlite*"))
    assert _schema(home).startswith("tidemark_")
    assert PASSWORD not in (home / MARKER).read_text()
    assert [s.rows for s in warehouse.status(home)] == [8]


def test_without_the_setting_nothing_is_recorded_elsewhere(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fill(home)
    monkeypatch.delenv(METASTORE)
    uses = warehouse.verify, warehouse.rebuild, warehouse.status, warehouse.publish, Metastore
    for use in uses:
        with pytest.raises(StorageError, match=r"is in PostgreSQL .* Fix: set TIDEMARK_METASTORE="):
            use(home)
    assert not list(home.glob("*.sqlite*"))


def test_a_home_of_sqlite_is_moved_whole_and_a_backup_moves_it_back(
    healthy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, copy = everything(healthy), tmp_path / "copy"
    before = warehouse.coverage(healthy).drop_columns(["ingested_at"])
    assert (healthy / MARKER).exists() and (healthy / MOVED).exists()
    assert not (healthy / FILE_NAME).exists()
    assert_clean(healthy)
    backup(healthy, copy)
    assert (copy / FILE_NAME).exists() and not (copy / MARKER).exists()
    monkeypatch.delenv(METASTORE)
    assert warehouse.coverage(copy).drop_columns(["ingested_at"]).equals(before)
    assert everything(copy) == rows
    assert warehouse.verify(copy).ok


def test_a_backup_becomes_a_home_with_a_schema_of_its_own(healthy: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    backup(healthy, copy)
    backup(healthy, copy)  # and again
    assert warehouse.verify(copy).ok
    assert _schema(copy) != _schema(healthy)
    with pytest.raises(ConfigError, match="was used as a home"):
        backup(healthy, copy)


def test_the_schema_may_be_stated_and_is_of_one_home(
    home: Path, tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(METASTORE, f"{url}?schema=lake_one&application_name=x")
    _fill(home)
    assert _schema(home) == "lake_one"
    with pytest.raises(StorageError, match=r"of another home .* Fix: state another one"):
        _fill(tmp_path / "other")
    monkeypatch.setenv(METASTORE, f"{url}?schema=lake_two")
    with pytest.raises(StorageError, match=r"Fix: leave .schema= out of TIDEMARK_METASTORE"):
        _fill(home)
    monkeypatch.setenv(METASTORE, url)  # the home knows it
    assert Metastore(home).state(TRADES) == ids((1, 9))


def test_a_schema_that_is_lost_or_another_is_not_made_anew(home: Path, url: str) -> None:
    _fill(home)
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(f"ALTER SCHEMA {_schema(home)} RENAME TO elsewhere".encode())
        for use in (warehouse.verify, Metastore, warehouse.status):
            with pytest.raises(StorageError, match="Fix: point TIDEMARK_METASTORE"):
                use(home)
        (home / MARKER).unlink()  # what the documentation says to do if it is lost for good
        result = warehouse.verify(home)
        assert result.ok and "nothing counts as complete" in str(result.findings)
        assert Metastore(home).state(TRADES).complete == ()
        marker = json.loads((home / MARKER).read_bytes())
        (home / MARKER).write_text(json.dumps({**marker, "schema": "elsewhere"}))
        with pytest.raises(StorageError, match="of another home"):
            warehouse.verify(home)


def test_a_copy_of_a_home_with_the_same_metastore_is_refused(home: Path, tmp_path: Path) -> None:
    _fill(home)
    copy = tmp_path / "copy"
    shutil.copytree(home, copy)
    for use in (Metastore, warehouse.verify, warehouse.status, _fill):
        with pytest.raises(StorageError, match=rf"copy of {home}, or was moved.* Fix: if it was"):
            use(copy)
    _fill(home)
    (tmp_path / "link").symlink_to(home)
    _fill(tmp_path / "link")
    moved = home.rename(tmp_path / "moved")
    _fill(moved)
    # as after a move to another disk: what the message says
    marker = json.loads((copy / MARKER).read_bytes())
    (copy / MARKER).write_text(json.dumps({**marker, "folder": str(copy)}))
    shutil.rmtree(moved)
    assert Metastore(copy).state(TRADES) == ids((1, 9))


def test_a_file_left_by_a_crash_of_the_move_is_not_taken_for_the_metastore(
    healthy: Path, tmp_path: Path
) -> None:
    Metastore(healthy).close()  # it is moved
    (healthy / MOVED).rename(healthy / FILE_NAME)
    store(healthy, TRADES, [row(TRADES, 1_000)])
    assert not (healthy / FILE_NAME).exists() and (healthy / MOVED).exists()
    (healthy / FILE_NAME).write_bytes(b"of nobody")
    assert warehouse.verify(healthy).ok
    backup(healthy, tmp_path / "copy")
    with closing(sqlite3.connect(tmp_path / "copy" / FILE_NAME)) as db:
        assert db.execute("SELECT count(*) FROM files").fetchone()


def test_a_user_that_may_not_create_schemas(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = programs()
    assert folder is not None
    with serving(folder) as server, psycopg.connect(server.url, autocommit=True) as db:
        db.execute("CREATE ROLE poor LOGIN")
        poor = server.url.replace("tidemark:", "poor:")
        monkeypatch.setenv(METASTORE, poor)
        with pytest.raises(StorageError, match=r"permission denied .* Fix: GRANT CREATE ON DATABA"):
            _fill(home)
        assert not list(home.iterdir())
        # what docs/scale.md says
        page = (REPO / "docs" / "scale.md").read_text(encoding="utf-8")
        (created,) = re.findall(r"```sql\n(CREATE SCHEMA .*?)```", page, re.DOTALL)
        db.execute(created.replace("AUTHORIZATION tidemark", "AUTHORIZATION poor").encode())
        monkeypatch.setenv(METASTORE, f"{poor}?schema=lake_one")
        _fill(home)
        PostgresLimits(pool_of_home(home)).wait("x", Allowance(1000))
        # a second user, of its own schema
        db.execute("CREATE ROLE other LOGIN")
        db.execute("CREATE SCHEMA lake_two AUTHORIZATION other")
        monkeypatch.setenv(
            METASTORE, f"{server.url.replace('tidemark:', 'other:')}?schema=lake_two"
        )
        with pytest.raises(StorageError, match=r"tidemark_shared.* Fix: .*docs/scale.md says"):
            _fill(tmp_path / "second")
        (granted,) = re.findall(r"```sql\n(GRANT USAGE .*?)```", page, re.DOTALL)
        db.execute(granted.encode())
        _fill(tmp_path / "second")
        PostgresLimits(pool_of_home(tmp_path / "second")).wait("x", Allowance(1000))


@pytest.mark.skipif(PROGRAM is None, reason="PgBouncer is not installed (Debian: pgbouncer)")
def test_a_pooler_that_keeps_sessions(
    home: Path, postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pooling(postgres, "session") as address:
        monkeypatch.setenv(METASTORE, address)
        _fill(home)
        with exclusive(home, "x"), exclusive_if_free(home, "x") as is_free:
            assert not is_free
        assert Metastore(home).state(TRADES) == ids((1, 9))


@pytest.mark.skipif(PROGRAM is None, reason="PgBouncer is not installed (Debian: pgbouncer)")
@pytest.mark.parametrize("mode", ["transaction", "statement"])
def test_a_pooler_that_does_not_is_refused(
    mode: str, home: Path, postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pooling(postgres, mode) as address:
        monkeypatch.setenv(METASTORE, address)
        for use in (Metastore, _fill):
            with pytest.raises(StorageError, match=r"Fix: pool_mode = session"):
                use(home)
    assert not list(home.iterdir())


def test_an_empty_home_stays_empty(home: Path) -> None:
    assert warehouse.verify(home).findings == []
    assert not warehouse.has_data(home)
    assert list(home.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("mysql://u:{password}@h/db", "does not begin with postgresql://"),
        ("postgresql://u:{password}@h:port/db?x=%zz", "is no address of PostgreSQL"),
        ("postgresql://u:{password}@h/db?schema=A-b", "is no plain name"),
        ("postgresql://u:{password}@h/db?nonsense=1", "is no address of PostgreSQL"),
        ("{password}", "does not begin with postgresql://|is no address"),
    ],
)
def test_a_wrong_address_is_reported_without_its_password(
    home: Path, change: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(METASTORE, change.format(password="s3cr3t-word"))
    with pytest.raises(ConfigError, match=words) as raised:
        Metastore(home)
    assert "Fix: " in str(raised.value)
    _assert_hidden(raised.value, "s3cr3t-word")


def test_a_server_that_is_not_reached_is_reported_without_password(
    home: Path, url: str, postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fill(home)
    for wrong, fix in (
        (url.replace(f":{postgres.port}", ":1"), "Fix: see that the server runs"),
        (url.replace("/postgres", "/none"), "Fix: create it"),
        (url.replace("tidemark:", "nobody:"), "Fix: create it"),
    ):
        monkeypatch.setenv(METASTORE, wrong)
        for use in (warehouse.verify, warehouse.status, Metastore):
            with pytest.raises(StorageError, match=fix) as raised:
                use(home)
            _assert_hidden(raised.value, PASSWORD)
    assert not list(home.glob("*.sqlite*"))


def _assert_hidden(error: BaseException | None, secret: str) -> None:
    while error is not None:
        assert secret not in str(error) and secret not in repr(error)
        error = error.__cause__ or error.__context__


def test_a_damaged_row_claims_nothing(home: Path) -> None:
    _fill(home)
    warehouse.publish(home)
    with closing(Metastore(home)) as metastore, metastore.transaction() as db:
        db.execute("UPDATE intervals SET upper = 99")
    with pytest.raises(StorageError, match=r"a row of intervals .* is damaged"):
        Metastore(home).state(TRADES)
    result = warehouse.verify(home)
    assert result.ok and "damaged rows dropped (intervals 1)" in str(result.findings)
    assert Metastore(home).state(TRADES).complete == ()
    assert len(parquet(home)) == 1


HOLDER = """
import sys, time
from pathlib import Path
from warehouse.leases import pool_of_home
from warehouse.locks import exclusive
with exclusive(Path(sys.argv[1]), "streams", "x", "y"):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_lease_ends_with_its_process(home: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(home)], cwd=REPO, stdout=subprocess.PIPE, text=True
    )
    with child:
        assert child.stdout is not None and child.stdout.readline() == "held\n"
        with exclusive_if_free(home, "streams", "x", "y") as is_free:
            assert not is_free
        with pytest.raises(InUseError), exclusive(home, "streams", "x", "y", wait=False):
            pass
        with exclusive(home, "streams", "x", "z"):
            pass
        os.kill(child.pid, signal.SIGKILL)
        with exclusive(home, "streams", "x", "y"):  # waits until the server has noticed
            pass
