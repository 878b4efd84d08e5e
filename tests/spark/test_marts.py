"""`tidemark marts`: the same rows by DuckDB and by Spark."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from pyspark.sql import DataFrame

from pipelines.cli import main
from pipelines.marts import with_spark
from schemas import TABLES, Table
from tests.pulled import Pulled
from tests.spark import awkward
from tests.spark.comparing import MARTS, ONLY_NOW, assert_equal, mart_rows
from tests.spark.sessions import SparkSession
from tests.warehouse.accounts import NOON, bitstamp
from warehouse import catalog


@pytest.fixture(scope="module")
def written(
    spark: SparkSession, pulled: Pulled, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Path]:
    """The marts of the sandbox exchange by the command, from each engine."""

    @contextmanager
    def shared(master: str, settings: Mapping[str, str]) -> Iterator[SparkSession]:
        assert (master, settings) == ("local[2]", {"spark.driver.memory": "1g"})
        yield spark

    out = tmp_path_factory.mktemp("marts")
    options = ["--master", "local[2]", "--conf", "spark.driver.memory=1g"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TIDEMARK_HOME", str(pulled.home))
        patch.setattr(with_spark, "session", shared)
        assert main(["marts", "--out", str(out / "duckdb")]) == 0
        assert main(["marts", "--engine", "spark", *options, "--out", str(out / "spark")]) == 0
    return {name: out / name for name in ("duckdb", "spark")}


@pytest.mark.parametrize("mart", MARTS)
def test_a_mart_of_the_sandbox_is_the_same_by_both_engines(
    mart: str, written: Mapping[str, Path]
) -> None:
    with duckdb.connect() as db:
        assert_equal(db, mart_rows(written["spark"], mart), mart_rows(written["duckdb"], mart))


def test_nothing_but_marts_is_left(written: Mapping[str, Path]) -> None:
    for folder in written.values():
        assert sorted(p.name for p in folder.iterdir()) == sorted(MARTS)
        assert {p.suffix for p in folder.glob("*/*")} == {".parquet"}


def test_most_marts_have_rows(written: Mapping[str, Path]) -> None:
    with duckdb.connect() as db:
        empty = {m for m in MARTS if not db.sql(mart_rows(written["duckdb"], m)).fetchall()}
    assert empty <= {"trades_compared"}


@pytest.fixture(scope="module")
def awkward_tables(shared_data: Path) -> Mapping[str, pa.Table]:
    """And an account's history as Bitstamp recorded it."""
    found = {name: awkward.rows(name, 250, seed=1) for name in TABLES}
    found["coverage"] = awkward.coverage(seed=1)
    trades, transfers = bitstamp(shared_data)
    for name, recorded in (("account_trades", trades), ("account_transactions", transfers)):
        schema = TABLES[name].schema
        known = {"exchange": "bitstamp", "account": "main", "ingested_at": NOON}
        whole = pa.Table.from_pylist(
            [dict.fromkeys(schema.names) | known | row for row in recorded], schema=schema
        )
        found[name] = pa.concat_tables([found[name], whole])
    return found


@pytest.fixture(scope="module")
def awkward_db(awkward_tables: Mapping[str, pa.Table]) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as db:
        db.execute("SET TimeZone = 'UTC'")
        for name, rows in awkward_tables.items():
            db.register("given", rows)
            db.execute(f'CREATE TABLE main."{name}" AS FROM given')
        for statement in catalog.statements():
            db.execute(statement)
        yield db


@pytest.fixture(scope="module")
def awkward_marts(
    spark: SparkSession,
    awkward_tables: Mapping[str, pa.Table],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    def given(session: SparkSession, _: Path, table: Table) -> DataFrame:
        return session.createDataFrame(awkward_tables[table.name])

    folder = tmp_path_factory.mktemp("awkward")
    (folder / "lake").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(with_spark, "read_table", given)
        assert dict(with_spark.write_marts(spark, folder, folder / "out")).keys() == {*MARTS}
    return folder / "out"


@pytest.mark.parametrize("mart", MARTS)
def test_a_mart_of_awkward_rows_is_the_same_by_both_engines(
    mart: str, awkward_db: duckdb.DuckDBPyConnection, awkward_marts: Path
) -> None:
    theirs = f"SELECT *{ONLY_NOW.get(mart, '')} FROM marts.{mart}"
    assert_equal(awkward_db, mart_rows(awkward_marts, mart), theirs)
