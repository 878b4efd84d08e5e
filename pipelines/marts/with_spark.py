"""The marts as Spark calculates them from the lake."""

import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pipelines.marts.folders import placed
from schemas import COVERAGE, DATASETS, TABLES, ConfigError, Table
from warehouse.paths import LAKE

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

SETTINGS: Final = {
    # exact: what Spark rounds or moves by itself
    "spark.sql.decimalOperations.allowPrecisionLoss": "false",
    "spark.sql.legacy.decimal.retainFractionDigitsOnTruncate": "true",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    # the text 5e3 of a folder symbol=5e3 stays text
    "spark.sql.sources.partitionColumnTypeInference.enabled": "false",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.caseSensitive": "true",
    # sales of a market one after another, each a step of a recursion
    "spark.sql.cteRecursionLevelLimit": "-1",
    "spark.sql.cteRecursionRowLimit": "-1",
    "spark.hadoop.mapreduce.fileoutputcommitter.marksuccessfuljobs": "false",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "ERROR",
}
"""What every session of Spark needs that reads a lake. ``docs/scale.md`` says why."""
TYPES: Final = {
    "string": "STRING",
    "timestamp[us, tz=UTC]": "TIMESTAMP",
    "decimal128(38, 12)": "DECIMAL(38,12)",
    "decimal128(38, 18)": "DECIMAL(38,18)",
    "bool": "BOOLEAN",
    "int32": "INT",
    "int64": "BIGINT",
}
"""The Spark type of a column, by its Arrow type."""


@contextmanager
def session(master: str, settings: Mapping[str, str]) -> Iterator["SparkSession"]:
    """A session of Spark, stopped at the end. ``settings`` are added to those of this module.

    Raises ``ConfigError`` where Spark or Java is missing or cannot start.
    """
    _check_installed()
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    changed = sorted(SETTINGS.keys() & settings.keys() - _FREE)
    if changed:
        raise ConfigError(f"{changed[0]} keeps results exact. Fix: leave it out of --conf")
    builder = SparkSession.builder.master(master).appName("tidemark marts")
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # of workers on this machine
    for name, value in {**SETTINGS, **settings}.items():
        builder = builder.config(name, value)
    try:
        spark = builder.getOrCreate()
    except (PySparkException, Exception) as error:
        first = str(error).strip().splitlines()[0]
        raise ConfigError(f"Spark does not start: {first}. Fix: look at --master") from error
    try:
        yield spark
    finally:
        spark.stop()


_FREE: Final = {"spark.ui.enabled", "spark.log.level"}


def _check_installed() -> None:
    missing = [name for name in ("pyspark", "sqlglot") if importlib.util.find_spec(name) is None]
    if missing:
        fix = "pip install 'tidemark[spark]', or --engine duckdb"
        raise ConfigError(f"{' and '.join(missing)} is not installed. Fix: {fix}")
    if "JAVA_HOME" not in os.environ and shutil.which("java") is None:
        fix = "install Java 17 or newer (Debian: openjdk-17-jre-headless), or set JAVA_HOME"
        raise ConfigError(f"Spark needs Java, and there is none. Fix: {fix}")


def read_table(spark: "SparkSession", home: Path, table: Table) -> "DataFrame":
    """The rows of ``table``, with the columns and types that it declares.

    Those of a dataset from its lake folder; ``coverage`` from the metastore.
    """
    if table.name == COVERAGE.name:
        from warehouse.coverage_table import coverage_rows
        from warehouse.metastore import Metastore

        rows = coverage_rows(Metastore(home)).to_pylist()
        return spark.createDataFrame(rows, _ddl(table))
    folder = home / LAKE / table.name
    if next(folder.rglob("*.parquet"), None) is None:
        return spark.createDataFrame([], _ddl(table))
    found = spark.read.schema(_ddl(table)).parquet(str(folder.resolve()))
    return found.select(*(f"`{name}`" for name in table.schema.names))


def _ddl(table: Table) -> str:
    return ", ".join(f"`{field.name}` {TYPES[str(field.type)]}" for field in table.schema)


def write_marts(spark: "SparkSession", home: Path, out: Path) -> Iterator[tuple[str, int]]:
    """Write every mart to ``out/<mart>/*.parquet``. Gives the name and rows of each that is done.

    A view that several marts read is calculated once, and lies in a folder of its own meanwhile.
    """
    from pipelines.marts.translation import table_name, translate, wanted_views

    for name, table in TABLES.items():
        read_table(spark, home, table).createOrReplaceTempView(table_name("main", name))
    work = out / ".working"
    shutil.rmtree(work, ignore_errors=True)
    try:
        for view in wanted_views():
            said = translate(view)
            for function in said.functions:
                function.register(spark)
            folder = work / view.name if view.schema == "main" else out / view.name
            with placed(folder) as building:
                spark.sql(said.query).write.parquet(str(building.resolve()))
            written = spark.read.parquet(str(folder.resolve()))
            written.createOrReplaceTempView(table_name(view.schema, view.name))
            if view.schema == "marts":
                yield view.name, written.count()
    finally:
        shutil.rmtree(work, ignore_errors=True)


assert DATASETS.keys() <= TABLES.keys()
