"""A backup is whole whatever pulls do meanwhile, wherever it breaks off, and can be restored."""

import os
import shutil
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import warehouse
from schemas import ConfigError
from tests.warehouse.healthy import COUNT, time_of, trade
from tests.warehouse.tools import NOON, TRADES, everything, row, store
from warehouse import StorageError
from warehouse.backups import REMOVED
from warehouse.intervals import Interval
from warehouse.metastore import Metastore
from warehouse.metastore_file import FILE_NAME
from warehouse.raw import RawResponse, RawWriter, scan
from warehouse.state import StreamState
from warehouse.store import Store

pytestmark = pytest.mark.both


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "backup"


def restored(target: Path) -> Path:
    """What the documentation says: copy the backup to where the home shall be."""
    place = target.with_name("restored")
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(target, place)
    return place


def assert_whole(target: Path) -> Path:
    """The copy as a home: nothing wrong, DuckDB built; the home that it became."""
    home = restored(target)
    assert warehouse.verify(home).of("error") == []
    assert warehouse.verify(home).of("healed") == [], "once is enough"
    return home


def respond(home: Path, at: int) -> None:
    RawWriter(home).append(TRADES, RawResponse(at, {"query": "x"}, b'{"id": 1}' * 50))


def up_to(number: int) -> StreamState:
    """The rows 1 to ``number`` are proved."""
    run = Interval(1, number + 1, 1, number, NOON + 1, NOON + number)
    return StreamState((run,), newest_at=NOON + number)


def one_more(home: Path) -> None:
    """A commit to the healthy home."""
    run = Interval(0, COUNT + 1, 0, COUNT, time_of(0), time_of(COUNT))
    store(home, TRADES, [trade(COUNT)], state=StreamState((run,), newest_at=time_of(COUNT)))


def test_a_restored_backup_holds_what_the_home_held(healthy: Path, target: Path) -> None:
    respond(healthy, 1)
    done = warehouse.backup(healthy, target)
    files = [p for folder in ("lake", "raw") for p in (healthy / folder).rglob("*") if p.is_file()]
    assert (done.files, done.copied, done.removed) == (len(files), len(files), 0)
    assert done.bytes == sum(p.stat().st_size for p in files)
    home = assert_whole(target)
    assert everything(home) == everything(healthy)
    assert warehouse.coverage(home).equals(warehouse.coverage(healthy))
    assert warehouse.status(home) == warehouse.status(healthy)
    assert [p.read_bytes() for p in (home / "raw").rglob("*.zst")] == [
        p.read_bytes() for p in (healthy / "raw").rglob("*.zst")
    ]


def test_only_what_changed_is_copied_again(healthy: Path, target: Path) -> None:
    warehouse.backup(healthy, target)
    assert warehouse.backup(healthy, target).copied == 0
    one_more(healthy)
    done = warehouse.backup(healthy, target)
    assert (done.copied, done.removed) == (1, 0)
    assert everything(assert_whole(target)) == everything(healthy)


def test_the_copy_is_of_its_owner_only(healthy: Path, target: Path) -> None:
    warehouse.backup(healthy, target)
    assert target.stat().st_mode & 0o777 == 0o700
    assert {p.stat().st_mode & 0o777 for p in target.rglob("*") if p.is_file()} == {0o600}


def test_while_commits_go_on(home: Path, target: Path) -> None:
    """Whatever the copied metastore calls complete, the copied lake holds."""
    ended = threading.Event()

    def pull() -> None:
        for number in range(1, 1000):
            store(home, TRADES, [row(TRADES, number)], state=up_to(number))
            respond(home, number)
            if ended.is_set():
                return

    respond(home, 1)
    store(home, TRADES, [row(TRADES, 1)], state=up_to(1))
    thread = threading.Thread(target=pull)
    thread.start()
    try:
        reached = []
        for _ in range(4):
            warehouse.backup(home, target)
            copy = restored(target)
            (proved,) = Metastore(copy).state(TRADES).complete
            held = warehouse.table("trades", home=copy).column("trade_id").to_pylist()
            assert {str(n) for n in range(proved.lower, proved.upper)} <= set(held)
            assert warehouse.verify(copy).of("error") == []
            (archive,) = (copy / "raw").rglob("*.zst")
            assert scan(archive).torn == 0
            reached.append(proved.upper)
    finally:
        ended.set()
        thread.join()
    assert reached[0] < reached[-1]


@pytest.mark.parametrize("later", [False, True], ids=["first backup", "later backup"])
def test_a_backup_that_breaks_off_leaves_a_whole_copy(
    healthy: Path, target: Path, later: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if later:
        warehouse.backup(healthy, target)
        one_more(healthy)
    real = os.replace
    for step in range(100):
        with monkeypatch.context() as patch:
            patch.setattr("os.replace", _failing(real, step))
            try:
                warehouse.backup(healthy, target)
                break
            except StorageError as error:
                assert "the disk is full" in str(error)
        if later:
            assert warehouse.verify(restored(target)).of("error") == []
        else:
            assert not (target / FILE_NAME).exists(), "no metastore: no backup yet"
    assert step > 0
    assert everything(assert_whole(target)) == everything(healthy)


def _failing(real: Callable[..., None], step: int) -> Callable[..., None]:
    calls = iter(range(1000))

    def replace(*arguments: object) -> None:
        if next(calls) == step:
            raise OSError(28, "No space left on device")
        real(*arguments)

    return replace


def test_what_the_home_gave_up_is_moved_aside(healthy: Path, target: Path) -> None:
    warehouse.backup(healthy, target)
    with Store(healthy).open_stream(TRADES) as writer:
        record = writer.records()[0]
        writer.shrink(record, writer.read(record).slice(0, 0))
    kept = (target / record.path).read_bytes()
    done = warehouse.backup(healthy, target)
    assert (done.copied, done.removed, done.lost) == (0, 1, ())
    (moved,) = (target / REMOVED).rglob("*.parquet")
    assert moved.as_posix().endswith(record.path) and moved.read_bytes() == kept
    assert not (target / record.path).exists()
    assert warehouse.backup(healthy, target).removed == 0


def test_what_the_home_has_lost_stays_in_the_copy(healthy: Path, target: Path) -> None:
    before = everything(healthy)
    warehouse.backup(healthy, target)
    shutil.rmtree(healthy / "lake" / "trades")
    done = warehouse.backup(healthy, target)
    assert len(done.lost) > 1 and done.kept == done.lost and done.removed == 0
    assert everything(assert_whole(target)) == before
    # of a file that no backup has seen there is no copy
    shutil.rmtree(target)
    done = warehouse.backup(healthy, target)
    assert len(done.lost) > 1 and done.kept == ()


def test_a_metastore_torn_by_a_kill_is_written_again(healthy: Path, target: Path) -> None:
    target.mkdir()
    (target / f"{FILE_NAME}.tmp").write_bytes(b"torn")
    (target / f"{FILE_NAME}.tmp-journal").write_bytes(b"torn")
    warehouse.backup(healthy, target)
    assert {path.name for path in target.iterdir()} == {FILE_NAME, "lake"}
    assert_whole(target)


def _other_home(healthy: Path, target: Path) -> None:
    warehouse.backup(healthy, target)
    with sqlite3.connect(target / FILE_NAME) as db:
        db.execute("UPDATE counters SET value = 5 WHERE name = 'identity'")
    db.close()


def _used(healthy: Path, target: Path) -> None:
    warehouse.backup(healthy, target)
    warehouse.verify(target)


def _other_files(_: Path, target: Path) -> None:
    target.mkdir()
    (target / "letter.txt").touch()


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (_other_home, "backup of another home"),
        (_used, "was used as a home"),
        (_other_files, "holds other files"),
        (lambda _, target: target.touch(), "is no folder"),
    ],
)
def test_a_folder_that_is_no_place_for_this_backup(
    healthy: Path, target: Path, prepare: Callable[[Path, Path], None], message: str
) -> None:
    prepare(healthy, target)
    before = {p: p.stat().st_mtime_ns for p in [target, *target.rglob("*")]}
    with pytest.raises(ConfigError, match=rf"{message}.*Fix: "):
        warehouse.backup(healthy, target)
    assert {p: p.stat().st_mtime_ns for p in [target, *target.rglob("*")]} == before


@pytest.mark.parametrize("inside", ["", "lake/copy", ".."])
def test_not_within_the_home_nor_around_it(healthy: Path, inside: str) -> None:
    with pytest.raises(ConfigError, match="within each other"):
        warehouse.backup(healthy, healthy / inside)


def test_nothing_to_back_up(home: Path, target: Path) -> None:
    with pytest.raises(StorageError, match=r"is missing\. Fix: point TIDEMARK_HOME"):
        warehouse.backup(home, target)
    assert not target.exists() and not list(home.iterdir())


@pytest.mark.sqlite
def test_a_damaged_metastore_is_not_copied_over_a_good_one(healthy: Path, target: Path) -> None:
    warehouse.backup(healthy, target)
    good = (target / FILE_NAME).read_bytes()
    (healthy / FILE_NAME).write_bytes(b"rubbish" * 1000)
    with pytest.raises(StorageError, match=r"nothing was copied.*Fix: tidemark verify"):
        warehouse.backup(healthy, target)
    assert (target / FILE_NAME).read_bytes() == good
