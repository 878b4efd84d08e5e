"""SQL files: described truly, created by every publish, commented, usable from elsewhere."""

import os
import re
import shutil
from pathlib import Path

import duckdb
import pytest

import warehouse
from schemas import DATASETS, TABLES, TIMEFRAMES
from schemas.timeframes import SHORTEST
from tests.warehouse.database import database
from tests.warehouse.tools import NOON, TRADES, row, store
from warehouse import catalog
from warehouse import views as views_module
from warehouse.errors import StorageError
from warehouse.views import View, parse, tables_of, views

ARGUMENTS = {"symbol": "'BTC-USD'", "timeframe": "'7m'", "since": "'2026-01-10'"}
ARGUMENTS |= {"until": "'2026-01-11'"}
HEAD = "-- What it is.\n--\n-- grain: one row per x\n-- columns:\n--   x    BIGINT    what\n"


@pytest.fixture(scope="module")
def db() -> duckdb.DuckDBPyConnection:
    return database()


def called(view: View) -> str:
    if not view.is_macro:
        return view.key
    needed = [ARGUMENTS[p.name] for p in view.parameters if p.default is None]
    return f"{view.name}({', '.join(needed)})"


@pytest.mark.parametrize("key", [k for k, v in views().items() if v.columns])
def test_a_head_says_what_the_view_gives(db: duckdb.DuckDBPyConnection, key: str) -> None:
    view = views()[key]
    found = db.execute(f"DESCRIBE FROM {called(view)}").fetchall()
    assert [(c.name, c.type) for c in view.columns] == [(name, kind) for name, kind, *_ in found]
    assert view.grain.startswith("one row per ")
    assert view.title.endswith((".", ":")) or "FROM" in view.title


def test_sources_are_all_there_is_to_read() -> None:
    for view in views().values():
        for source in view.sources:
            assert source in views() or source in TABLES, (view.key, source)
        for name in (*TABLES, *views()):
            bare = name.removeprefix("marts.").removesuffix("()")
            spelled = f"{'marts' if name.startswith('marts.') else 'main'}.{bare}"
            reads = f"{spelled}(" if name.endswith("()") else f"{spelled}\n"
            used = reads in view.body.replace(" ", "\n").replace(")", "\n").replace(";", "\n")
            assert not used or name in view.sources, (view.key, name)


def test_every_table_says_when_a_row_was_stored() -> None:
    assert {table.schema.names[-1] for table in TABLES.values()} == {"ingested_at"}


def test_every_dataset_that_is_collected_has_its_health() -> None:
    along = {d.history for d in DATASETS.values() if d.history} | {"quarantine"}
    read = {source for source in views()["marts.health"].sources if not source.endswith("()")}
    assert read == (set(TABLES) - along) | {"quarantine"}


def test_the_wording_of_statements_lies_with_the_exchanges(repo_root: Path) -> None:
    views_of = {
        f"{p.parent.name}_statements" for p in repo_root.glob("connectors/*/statements.sql")
    }
    assert views_of and views_of <= set(views())
    statements = views()["statements"]
    assert set(statements.sources) == views_of
    for name in views_of:  # any of them says the same of a line
        assert [(c.name, c.type) for c in views()[name].columns] == [
            (c.name, c.type) for c in statements.columns
        ]
    exchanges = {p.parent.name for p in repo_root.glob("connectors/*/__init__.py")}
    for file in repo_root.glob("warehouse/sql/**/*.sql"):
        code = re.sub(r"--.*", "", file.read_text(encoding="utf-8"))
        assert not re.search("|".join(exchanges), code), file.name


def test_what_a_view_reads_in_the_end() -> None:
    assert tables_of(views()["marts.vwap_daily"]) == ("trades",)
    assert {"balances", "account_trades", "trades"} <= set(tables_of(views()["marts.equity_daily"]))


def test_everything_is_commented(db: duckdb.DuckDBPyConnection) -> None:
    columns = db.execute(
        "SELECT table_name, column_name, comment FROM duckdb_columns()"
        " WHERE NOT internal AND schema_name IN ('main', 'marts')"
    ).fetchall()
    assert len(columns) > 300
    assert [c for c in columns if not c[2]] == []
    assert ("trades", "side", "buy or sell: the taker's.") in columns
    for kind in ("tables", "views"):
        comments = db.execute(
            f"SELECT comment FROM duckdb_{kind}() WHERE NOT internal AND schema_name != '_tidemark'"
        ).fetchall()
        assert comments
        assert all(comment for (comment,) in comments)
    macros = db.execute(
        "SELECT function_name, comment FROM duckdb_functions()"
        " WHERE NOT internal AND function_type IN ('macro', 'table_macro')"
    ).fetchall()
    assert {name for name, _ in macros} == {v.name for v in views().values() if v.is_macro}
    assert all(comment for _, comment in macros)


def test_every_column_means_something() -> None:
    for table in TABLES.values():
        for column in table.columns:
            assert column.description.endswith(".")
            assert table.column(column.name) is column
    with pytest.raises(KeyError):
        TABLES["trades"].column("colour")


def test_the_values_of_a_column_are_those_that_its_description_names() -> None:
    columns = [c for table in TABLES.values() for c in table.columns if c.values]
    assert len(columns) > 10
    for column in columns:
        assert all(value in column.description for value in column.values), column


def test_the_shortest_timeframe_divides_every_other() -> None:
    assert all(length % TIMEFRAMES[SHORTEST] == 0 for length in TIMEFRAMES.values())
    rebuilt = views()["marts.candles_rebuilt"]
    assert f"time_slot(t.timestamp, '{SHORTEST}')" in rebuilt.body
    assert all(f"('{name}')" in rebuilt.body for name in TIMEFRAMES)
    assert " ".join(TIMEFRAMES) in rebuilt.grain


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1",
        "-- Title only.\nSELECT 1",
        HEAD,
        "-- What.\n-- columns:\n--   x BIGINT\nSELECT 1 AS x",
    ],
)
def test_a_file_without_its_head_is_refused(text: str) -> None:
    with pytest.raises(StorageError, match=r"marts/odd\.sql"):
        parse("marts", "odd", text)


def test_a_head_is_read() -> None:
    text = HEAD.replace("what\n", "what it\n--             is\n") + "SELECT 1 AS x\n"
    view = parse("marts", "odd", text)
    assert view.columns[0].description == "what it is"
    assert view.statement() == 'CREATE OR REPLACE VIEW marts."odd" AS\nSELECT 1 AS x'
    assert view.comment == "What it is. One row per x."


def test_publish_brings_the_views_and_renews_them_when_they_change(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(home, TRADES, [row(TRADES, n) for n in range(3)])
    assert warehouse.publish(home).changed
    assert warehouse.sql("SELECT trades FROM marts.vwap_daily")["trades"].to_pylist() == [3]
    assert not warehouse.publish(home).changed

    folder = tmp_path / "sql"
    shutil.copytree(views_module.FOLDER, folder)
    (folder / "views" / "three.sql").write_text(HEAD + "SELECT 3::BIGINT AS x")
    (folder / "marts" / "health.sql").unlink()
    monkeypatch.setattr(views_module, "FOLDER", folder)
    views.cache_clear()
    catalog.digest.cache_clear()
    try:
        published = warehouse.publish(home)
        assert published.changed
        assert published.rows == published.rows_before
        assert warehouse.sql("FROM three")["x"].to_pylist() == [3]
        with pytest.raises(StorageError, match="health"):
            warehouse.sql("FROM marts.health")
        assert not warehouse.publish(home).changed
    finally:
        views.cache_clear()
        catalog.digest.cache_clear()


def test_a_file_of_other_columns_is_loaded_again(home: Path) -> None:
    store(home, TRADES, [row(TRADES, n) for n in range(3)])
    warehouse.publish(home)
    with duckdb.connect(os.path.realpath(home / warehouse.LINK)) as db:
        db.execute("ALTER TABLE trades DROP COLUMN cost")
        db.execute("UPDATE _tidemark.catalog SET digest = 'of another version'")
    assert warehouse.publish(home).changed
    assert warehouse.sql("SELECT count(cost) AS n FROM trades")["n"].to_pylist() == [3]


def test_views_work_in_an_attached_file(home: Path) -> None:
    store(home, TRADES, [row(TRADES, 0, time=NOON)])
    warehouse.publish(home)
    with duckdb.connect() as db:
        db.execute(f"ATTACH '{os.path.realpath(home / warehouse.LINK)}' AS held (READ_ONLY)")
        for view in views().values():
            if not view.is_macro:
                db.execute(f"FROM held.{view.schema}.{view.name}").fetchall()
        assert db.execute("SELECT volume FROM held.marts.vwap_daily").fetchall() != []
