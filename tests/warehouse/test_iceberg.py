"""Iceberg tables hold what the lake holds, whatever changed, and every reader sees the same."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table

import warehouse
from schemas import TABLES, RejectedRow, StreamId
from tests.conftest import REPO
from tests.pulled import Pulled
from tests.warehouse.iceberg_tables import (
    assert_same,
    catalog_of,
    delete_first_row,
    files_below,
    files_named,
    iceberg_table,
    publish,
    rows,
    snapshots,
    target_of,
)
from tests.warehouse.publishing import MANY, all_streams, commit
from tests.warehouse.tools import CANDLES, DAY, NOON, TICKERS, TRADES, ids, parquet, row, store
from warehouse.errors import StorageError
from warehouse.iceberg import IcebergTarget, contents, publish_iceberg, tables
from warehouse.metastore import Metastore
from warehouse.purge import purge

pytestmark = pytest.mark.engines


def test_all_tables_hold_what_duckdb_holds(home: Path) -> None:
    all_streams(home)
    store(home, StreamId("x", "trades", "ÄÖ/%3A?#"), [row(TRADES, k) for k in (1, 2)])
    assert set(publish(home)) == {s.dataset for s in MANY} | {"quarantine", "coverage"}
    assert_same(home)
    target = target_of(home)
    with iceberg_table(target, "trades") as table:
        assert [f.name for f in table.schema().fields] == TABLES["trades"].schema.names
        assert (
            table.schema().find_field("price").doc == TABLES["trades"].column("price").description
        )
        assert table.schema().find_field("cost").optional
        assert [f.name for f in table.spec().fields] == ["exchange", "symbol", "timestamp_day"]
        kept = table.scan(row_filter="symbol = 'BTC-USD' and exchange = 'y'").plan_files()
        assert len(list(kept)) == 2  # those of one market and two days
    held = rows(target, "trades").schema
    assert str(held.field("price").type) == "decimal128(38, 12)"
    assert str(held.field("timestamp").type) == "timestamp[us, tz=UTC]"


def test_data_files_have_no_encoding_that_spark_does_not_read(home: Path) -> None:
    """Iceberg's vectorized reader refuses a column in a delta encoding."""
    store(home, TRADES, [row(TRADES, k) for k in range(9)])
    publish(home)
    with iceberg_table(target_of(home), "trades") as table:
        (task,) = table.scan().plan_files()
        with table.io.new_input(task.file.file_path).open() as source:
            group = pq.read_metadata(source).row_group(0)
    found = {e for n in range(group.num_columns) for e in group.column(n).encodings}
    assert found <= {"PLAIN", "RLE", "RLE_DICTIONARY"}


def test_what_did_not_change_is_not_published_again(home: Path) -> None:
    all_streams(home)
    publish(home)
    before = files_below(home)
    assert publish(home) == []
    assert files_below(home) == before
    # whoever lost track of what was published looks into the tables, and writes nothing either
    Metastore(home).record_counters({"iceberg target": 0})
    assert publish(home) == []
    assert files_below(home) == before
    assert publish(home) == []


def test_only_the_changed_streams_and_periods_are_written(home: Path) -> None:
    store(home, TRADES, [row(TRADES, k, NOON + k * DAY) for k in range(5)], state=ids((0, 5)))
    publish(home)
    target = target_of(home)
    with iceberg_table(target, "trades") as table:
        before = {task.file.file_path for task in table.scan().plan_files()}
    store(home, TRADES, [row(TRADES, 7, NOON + 3 * DAY)])
    assert publish(home) == ["trades"]
    with iceberg_table(target, "trades") as table:
        after = {task.file.file_path for task in table.scan().plan_files()}
        assert table.current_snapshot() is not None
        assert len(table.snapshots()) == 2
    assert len(before) == len(after) == 5
    assert len(before & after) == 4
    assert_same(home)


def _late(home: Path) -> None:
    commit(home, TRADES, [(2, 0), (3, 1)], 0)


def _replaced(home: Path) -> None:
    commit(home, CANDLES, [(1, 1), (11, 1)], 0)


def _purged(home: Path) -> None:
    purge(home, CANDLES)


def _emptied(home: Path) -> None:
    for stream in MANY:
        purge(home, stream)


def _lost(home: Path) -> None:
    """A lake file that is gone: its rows go, and with them their coverage."""
    parquet(home)[-1].unlink()
    next((home / "lake" / "trades").rglob("*.parquet")).unlink()
    assert warehouse.rebuild(home).ok


def _rejected(home: Path) -> None:
    store(home, TICKERS, [], rejected=[RejectedRow("worse", "{9}")])


def _accounts(home: Path) -> None:
    """Streams that share a partition: one of them changes."""
    fills = [StreamId("z", "account_trades", account="main", symbol=s) for s in ("A-B", "C-D")]
    for number, stream in enumerate(fills):
        rows_ = [row(stream, number, symbol=stream.symbol)]
        store(home, stream, rows_)
    publish(home)
    store(home, fills[1], [row(fills[1], 5, symbol="C-D")])


CHANGES = (_late, _replaced, _rejected, _accounts, _purged, _lost, _emptied)


def test_after_any_change_the_tables_follow(home: Path) -> None:
    all_streams(home)
    publish(home)
    for change in CHANGES:
        change(home)
        assert publish(home), change.__name__
        assert_same(home)
    found = warehouse.verify(home, iceberg=target_of(home))
    assert found.of("error", "iceberg") == found.of("healed", "iceberg") == []
    assert publish(home) == []


def test_two_publish_at_the_same_time(home: Path) -> None:
    store(home, TRADES, [row(TRADES, k, NOON + k * DAY) for k in range(9)])
    warehouse.publish(home)
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: publish_iceberg(home, target_of(home)), range(2)))
    assert sorted(both) == [[], ["trades"]]
    assert snapshots(target_of(home), "trades") == 1
    assert_same(home, names=["trades"])


def test_a_file_that_a_pull_replaces_meanwhile(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of the new file are never published as those of the old one."""
    store(home, TRADES, [row(TRADES, 1)])
    store(home, TICKERS, [row(TICKERS, 1)])
    real = contents.write_source

    def replaced(*arguments: Any) -> DataFile:
        store(home, TRADES, [row(TRADES, 2)])
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr("warehouse.iceberg.commits.write_source", replaced)
        publish_iceberg(home, target_of(home))
    assert rows(target_of(home), "trades").num_rows == 0
    assert rows(target_of(home), "tickers").num_rows == 1
    publish(home)
    assert_same(home)
    assert files_below(home) == files_named(target_of(home))


def test_a_commit_of_another_program_is_not_overwritten(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(home, TRADES, [row(TRADES, 1)])
    publish(home)
    store(home, TRADES, [row(TRADES, 2)])
    target, real = target_of(home), contents.write_source

    def meanwhile(*arguments: Any) -> DataFile:
        _rows_added(target)
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr("warehouse.iceberg.commits.write_source", meanwhile)
        with pytest.raises(StorageError, match="another program changed the table meanwhile"):
            publish(home)
    assert rows(target, "trades").num_rows == 2  # what the other one wrote: twice the same row
    publish(home)
    assert_same(home)


def test_a_home_put_back_to_an_earlier_time(home: Path) -> None:
    store(home, TRADES, [row(TRADES, 1)], state=ids((1, 2)))
    store(home, TICKERS, [row(TICKERS, 1)])
    publish(home)
    backup = home.with_name("backup")
    warehouse.backup(home, backup)
    for key in (2, 3):
        store(home, TRADES, [row(TRADES, key)], state=ids((1, key + 1)))
        store(home, TICKERS, [row(TICKERS, key)])
        publish(home)
    for old in home.glob("metastore.sqlite*"):
        old.unlink()
    shutil.rmtree(home / "lake")
    shutil.copytree(backup, home, dirs_exist_ok=True)
    store(home, TRADES, [row(TRADES, 8)])
    store(home, TRADES, [row(TRADES, 9)])  # as many changes as had been published
    warehouse.publish(home, rebuild=True)
    publish(home)
    assert_same(home, names=["trades", "tickers", "coverage"])


def test_a_home_does_not_overwrite_the_tables_of_another(home: Path) -> None:
    """Two homes, one catalog, and a namespace that was forgotten."""
    store(home, TRADES, [row(TRADES, 1)], state=ids((1, 2)))
    publish(home)
    target, other = target_of(home), home.with_name("other")
    store(other, TRADES, [row(TRADES, 2)], state=ids((2, 3)))
    store(other, TICKERS, [row(TICKERS, 2)])  # of which the first home has none
    with pytest.raises(StorageError, match=r"^the tables .* another home's. Fix: a namespace"):
        publish(other, target)
    assert publish(home) == []
    assert_same(home)
    assert publish(other, replace(target, namespace="other")) == ["trades", "tickers", "coverage"]
    assert warehouse.rebuild(other, iceberg=target).of("error", "iceberg") == []
    assert_same(other, target)


def test_a_table_without_rows_is_taken_over_as_well(home: Path) -> None:
    other = home.with_name("other")
    for one in (home, other):
        store(one, TRADES, [row(TRADES, 1)], state=ids((1, 2)))
    publish(home)
    purge(home, TRADES)
    publish(home)
    purge(other, TRADES)
    assert warehouse.rebuild(other, iceberg=target_of(home)).of("note", "iceberg") == []
    store(other, TRADES, [row(TRADES, 2)], state=ids((2, 3)))
    assert publish(other, target_of(home)) == ["trades", "coverage"]


def test_a_home_that_lost_its_metastore_publishes_again(home: Path) -> None:
    store(home, TRADES, [row(TRADES, 1)], state=ids((1, 2)))
    publish(home)
    for old in home.glob("metastore.sqlite*"):
        old.unlink()
    found = warehouse.verify(home, iceberg=target_of(home))
    assert found.of("error", "iceberg") == []
    store(home, TRADES, [row(TRADES, 2)], state=ids((1, 3)))
    assert publish(home) == ["trades", "coverage"]
    assert_same(home, names=["trades", "coverage"])


def test_a_row_that_another_program_deleted_is_written_again(home: Path) -> None:
    """Where all is compared: the data file, with its name, is what it was."""
    store(home, TRADES, [row(TRADES, k, NOON + k * DAY) for k in range(2)])
    publish(home)
    with iceberg_table(target_of(home), "trades") as table:
        delete_first_row(table)
    Metastore(home).record_counters({"iceberg target": 0})
    assert publish(home) == ["trades"]
    assert_same(home)


def test_a_copied_home_leaves_the_tables_of_the_other_alone(home: Path) -> None:
    store(home, TRADES, [row(TRADES, 1)])
    publish(home)
    copied = home.with_name("copied")
    shutil.copytree(home, copied, symlinks=True)
    before = files_below(home)
    store(copied, TRADES, [row(TRADES, 2)])
    with pytest.raises(StorageError, match=r"lies at .*Fix: `tidemark rebuild`"):
        publish(copied)
    rebuilt = warehouse.rebuild(copied, iceberg=target_of(copied))
    assert rebuilt.of("error", "iceberg") == []
    assert_same(copied, names=["trades"])
    assert files_below(home) == before
    assert_same(home, names=["trades"])


def test_a_lost_catalog_is_made_again(home: Path) -> None:
    store(home, TRADES, [row(TRADES, 1)])
    publish(home)
    (home / "iceberg" / "catalog.sqlite").unlink()
    assert publish(home) == ["trades"]
    assert_same(home, names=["trades"])


# -- readers --------------------------------------------------------------------------------------


def _by_pyarrow(table: Table) -> pa.Table:
    return table.scan().to_arrow()


def _by_polars(table: Table) -> pa.Table:
    return pl.scan_iceberg(table, reader_override="native").collect().to_arrow()


def _by_duckdb(table: Table) -> pa.Table:
    with table.scan().to_duckdb("t") as db:
        return db.sql("SET TimeZone = 'UTC'; FROM t").to_arrow_table()


def _by_duckdb_files(table: Table) -> pa.Table:
    paths = [task.file.file_path for task in table.scan().plan_files()]
    with duckdb.connect() as db:
        db.execute("SET TimeZone = 'UTC'")
        return db.sql("FROM read_parquet(?)", params=[paths]).to_arrow_table()


READERS = (_by_pyarrow, _by_polars, _by_duckdb, _by_duckdb_files)


def test_every_reader_sees_the_rows_of_duckdb(
    pulled: Pulled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything that the sandbox exchange has: counts and checksums of all tables; and verify."""
    monkeypatch.setenv("POLARS_ICEBERG_PLANNER", "pyiceberg")  # a faster one is no part of polars
    home, filled = tmp_path / "demo", 0
    shutil.copytree(pulled.home, home, symlinks=True)
    publish(home)
    with catalog_of(target_of(home)) as catalog, warehouse.connect(home) as db:
        for name, declared in TABLES.items():
            columns = ", ".join(f'"{c}"' for c in declared.schema.names)
            query = f"SELECT count(*), sum(hash({columns})::HUGEINT) FROM "
            expected = db.execute(f'{query} "{name}"').fetchall()
            table = catalog.load_table(("tidemark", name))
            if not expected[0][0]:
                assert list(table.scan().plan_files()) == []
                continue
            filled += 1
            for read in READERS:
                found = read(table).select(declared.schema.names).cast(declared.schema)
                db.register("found", found)
                assert db.execute(f"{query} found").fetchall() == expected, (name, read)
                db.unregister("found")
    assert filled > 12
    verified = warehouse.verify(home, iceberg=target_of(home))
    assert verified.ok, verified.findings
    assert verified.figures["iceberg"]["rows"] == verified.figures["duckdb"]["rows"]
    assert verified.figures["iceberg"]["partitions"] == verified.figures["duckdb"]["partitions"]


# -- snapshots ------------------------------------------------------------------------------------


def test_a_reader_ends_with_the_snapshot_that_it_began_with(home: Path) -> None:
    store(home, TRADES, [row(TRADES, 1)])
    publish(home)
    target = target_of(home)
    with iceberg_table(target, "trades") as table:
        planned = table.scan()
        store(home, TRADES, [row(TRADES, 2)])
        publish(home)
        assert planned.to_arrow().num_rows == 1
        assert table.refresh().scan().to_arrow().num_rows == 2


def test_superseded_snapshots_are_expired_with_their_files(home: Path) -> None:
    for key in range(4):
        store(home, TRADES, [row(TRADES, key)], state=ids((0, key + 1)))
        publish(home)
    assert snapshots(target_of(home), "trades") == 4
    assert files_below(home) == files_named(target_of(home))
    at_once = target_of(home, keep_hours=0)
    store(home, TRADES, [row(TRADES, 9)])
    assert publish(home, at_once) == ["trades"]
    assert snapshots(at_once, "trades") == 1
    assert snapshots(at_once, "coverage") == 4  # it did not change
    assert files_below(home) == files_named(at_once)
    assert_same(home)


def test_a_snapshot_is_kept_since_it_was_superseded(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a table that is seldom written: who reads it has begun now, however old the snapshot."""
    store(home, TRADES, [row(TRADES, 1)])
    publish(home)
    tomorrow = datetime.now(UTC) + timedelta(hours=30)
    with iceberg_table(target_of(home), "trades") as table:
        planned = table.scan()
        _clock(monkeypatch, tomorrow)
        store(home, TRADES, [row(TRADES, 2)])
        assert publish(home) == ["trades"]
        assert planned.to_arrow().num_rows == 1
    assert snapshots(target_of(home), "trades") == 2
    _clock(monkeypatch, tomorrow + timedelta(hours=30))
    store(home, TRADES, [row(TRADES, 3)])
    assert publish(home) == ["trades"]
    assert snapshots(target_of(home), "trades") == 2  # the first one is expired
    assert files_below(home) == files_named(target_of(home))


def _clock(patch: pytest.MonkeyPatch, moment: datetime) -> None:
    """It is ``moment``, for snapshots that are made and for those that are expired."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "Clock":
            return cls.fromtimestamp(moment.timestamp(), tz)

    patch.setattr("warehouse.iceberg.cleaning.datetime", Clock)
    patch.setattr("pyiceberg.table.snapshots.time", SimpleNamespace(time=moment.timestamp))


def test_many_files_and_manifests(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("warehouse.iceberg.commits._BATCH", 2)
    monkeypatch.setattr("warehouse.iceberg.commits._MANY_MANIFESTS", 3)
    monkeypatch.setitem(tables._PROPERTIES, "commit.manifest.min-count-to-merge", "3")
    store(home, TRADES, [row(TRADES, k, NOON + k * DAY) for k in range(9)])
    publish(home)
    assert_same(home)
    with iceberg_table(target_of(home), "trades") as table:
        assert len(table.snapshots()) == 6  # five of two files each, and one that joins manifests
        assert len(table.inspect.manifests()) == 1
    store(home, TRADES, [row(TRADES, 20 + k, NOON + k * DAY) for k in range(9)])
    publish(home)
    assert_same(home)


# -- what another program did, and what breaks ----------------------------------------------------


def _file_gone(target: IcebergTarget) -> None:
    with iceberg_table(target, "trades") as table:
        path = next(iter(table.scan().plan_files())).file.file_path
        Path(path.removeprefix("file://")).unlink()


def _file_damaged(target: IcebergTarget) -> None:
    with iceberg_table(target, "trades") as table:
        path = Path(next(iter(table.scan().plan_files())).file.file_path.removeprefix("file://"))
        content = path.read_bytes()
        path.write_bytes(content[:40] + bytes([content[40] ^ 1]) + content[41:])


def _foreign(target: IcebergTarget, changed: Callable[[pa.Table], pa.Table]) -> None:
    """Another program puts other rows in place of those of the table, as one data file."""
    with iceberg_table(target, "trades") as table:
        held = [task.file for task in table.scan().plan_files()]
        made = changed(table.scan().to_arrow().select(TABLES["trades"].schema.names))
        file = contents.write_rows(table, TABLES["trades"], made, "foreign")
        with table.transaction() as transaction, transaction.update_snapshot().overwrite() as new:
            new.append_data_file(file)
            for one in held:
                new.delete_data_file(one)


def _rows_added(target: IcebergTarget) -> None:
    _foreign(target, lambda held: pa.concat_tables([held, held]))


def _rows_removed(target: IcebergTarget) -> None:
    _foreign(target, lambda held: held.slice(1))


def _value_changed(target: IcebergTarget) -> None:
    def changed(held: pa.Table) -> pa.Table:
        place, sides = held.schema.get_field_index("side"), pa.array(["sell"] * held.num_rows)
        return held.set_column(
            place, held.schema.field(place), sides.cast(held.schema.field(place).type)
        )

    _foreign(target, changed)


def _table_dropped(target: IcebergTarget) -> None:
    with catalog_of(target) as catalog:
        catalog.drop_table((target.namespace, "trades"))


def _column_renamed(target: IcebergTarget) -> None:
    with iceberg_table(target, "trades") as table, table.update_schema() as update:
        update.rename_column("side", "taker")


def _columns_exchanged(target: IcebergTarget) -> None:
    """The names stay the same two; what stands under them does not."""
    with iceberg_table(target, "trades") as table:
        for old, new in (("price", "x"), ("amount", "price"), ("x", "amount")):
            with table.update_schema() as update:
                update.rename_column(old, new)


def _column_made_anew(target: IcebergTarget) -> None:
    with iceberg_table(target, "trades") as table:
        cost = table.schema().find_field("cost")
        with table.update_schema() as update:
            update.delete_column("cost")
        with table.update_schema() as update:
            update.add_column("cost", cost.field_type)


def _row_deleted(target: IcebergTarget) -> None:
    with iceberg_table(target, "trades") as table:
        delete_first_row(table)
        assert table.refresh().scan().to_arrow().num_rows == 1


def _metadata_gone(target: IcebergTarget) -> None:
    with iceberg_table(target, "trades") as table:
        Path(table.metadata_location.removeprefix("file://")).unlink()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_file_gone, "cannot read the table"),
        (_file_damaged, "cannot read the table"),
        (_rows_added, "iceberg x/trades BTC-USD 2024-08-08: 4 rows, the lake holds 2"),
        (_rows_removed, "iceberg x/trades BTC-USD 2024-08-08: 1 rows, the lake holds 2"),
        (_value_changed, "2 rows like in the lake, but with other values"),
        (_table_dropped, "iceberg tidemark.trades: cannot read the table"),
        (_column_renamed, "has other columns than contracted: side, taker"),
        (_columns_exchanged, "2 rows like in the lake, but with other values"),
        (_column_made_anew, "2 rows like in the lake, but with other values"),
        (_row_deleted, "another program deleted rows of file://"),
        (_metadata_gone, "iceberg tidemark.trades: cannot read the table"),
    ],
)  # fmt: skip
def test_verify_finds_what_differs_and_rebuild_mends_it(
    damage: Callable[[IcebergTarget], None], said: str, home: Path
) -> None:
    store(home, TRADES, [row(TRADES, 1), row(TRADES, 2)], state=ids((1, 3)))
    target = target_of(home)
    publish(home)
    damage(target)
    found = warehouse.verify(home, iceberg=target)
    errors = [str(finding) for finding in found.of("error", "iceberg")]
    assert errors
    assert all("Fix: `tidemark rebuild`" in error for error in errors)
    assert any(said in error for error in errors), errors
    mended = warehouse.rebuild(home, iceberg=target)
    assert mended.of("error", "iceberg") == []
    assert_same(home)
    again = warehouse.verify(home, iceberg=target)
    assert again.of("error", "iceberg") == again.of("healed") == []


@pytest.mark.parametrize("coverage", [{}, {"state": ids((1, 2))}])
def test_coverage_that_did_not_change_with_the_rest_is_compared(
    coverage: dict[str, Any], home: Path
) -> None:
    """No snapshot is new where no row of it is: none at all, or the same as before."""
    target = target_of(home)
    store(home, TRADES, [row(TRADES, 1)], **coverage)
    publish(home)
    store(home, TRADES, [row(TRADES, 1)], **coverage)
    publish(home)
    found = warehouse.verify(home, iceberg=target)
    assert found.of("note") == found.of("error", "iceberg") == []


def test_a_new_column_is_added_to_the_table(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store(home, TRADES, [row(TRADES, 1)])
    declared = TABLES["trades"]
    older = replace(declared, columns=tuple(c for c in declared.columns if c.name != "cost"))
    with tables.opened(target_of(home)) as catalog:
        tables.create(catalog, target_of(home), older)
    publish(home)
    assert_same(home)


def test_a_damaged_lake_file_leaves_its_table_as_it_was(home: Path) -> None:
    store(home, TRADES, [row(TRADES, 1)], state=ids((1, 2)))
    store(home, TICKERS, [row(TICKERS, 1)])
    publish(home)
    store(home, TRADES, [row(TRADES, 2)], state=ids((1, 3)))
    store(home, TICKERS, [row(TICKERS, 2)])
    damaged = next((home / "lake" / "trades").rglob("*.parquet"))
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"?")
    target = target_of(home)
    with pytest.raises(StorageError, match=r"trades \(.* is damaged.*All other tables"):
        publish_iceberg(home, target)
    assert rows(target, "trades").num_rows == 1
    assert rows(target, "tickers").num_rows == 2
    assert max(rows(target, "coverage").column("upper").to_pylist()) == 1  # what its rows prove


def test_a_message_names_the_storage_that_failed(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(home, TRADES, [row(TRADES, 1)])

    def failing(*_: object) -> DataFile:
        raise OSError("When uploading part for key 'x' in bucket 'lake': AWS Error s3cret-word")

    monkeypatch.setattr("warehouse.iceberg.commits.write_source", failing)
    target = replace(target_of(home), storage={"s3.secret-access-key": "s3cret-word"})
    with pytest.raises(StorageError, match=r"AWS Error \*\*\*. Fix: check TIDEMARK") as caught:
        publish_iceberg(home, target)
    assert "unfinished" not in str(caught.value)


def test_secrets_are_in_no_message(home: Path) -> None:
    store(home, TRADES, [row(TRADES, 1)])
    target = IcebergTarget(
        "postgresql+psycopg://user:s3cret-word@127.0.0.1:1/db", f"file://{home}/iceberg"
    )
    with pytest.raises(StorageError, match="cannot use the Iceberg catalog: ") as caught:
        publish_iceberg(home, target)
    assert "Fix: check TIDEMARK_ICEBERG_CATALOG" in str(caught.value)
    assert "s3cret" not in f"{caught.value}{caught.value.__cause__}{target!r}"


def test_a_password_is_a_secret_however_it_is_written() -> None:
    for url in ("postgresql://u:s3cret%40w@h/d", "postgresql://h/d?user=u&password=s3cret%40w"):
        assert "s3cret@w" in IcebergTarget(url, "file:///x").secrets


_IDLE = """
import sys
from pathlib import Path
import warehouse
from warehouse.iceberg import IcebergTarget, publish_iceberg
home = Path(sys.argv[1])
warehouse.publish(home)
assert publish_iceberg(home, IcebergTarget(sys.argv[2], sys.argv[3])) == []
assert "pyiceberg" not in sys.modules
"""


def test_pyiceberg_is_loaded_only_where_there_is_something_to_publish(home: Path) -> None:
    store(home, TRADES, [row(TRADES, 1)])
    publish(home)
    target = target_of(home)
    command = [sys.executable, "-c", _IDLE, str(home), target.catalog, target.warehouse]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
