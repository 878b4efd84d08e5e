"""The marts as Spark calculates them from the lake."""

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

from pipelines.marts.duckdb_functions import by_group, registered
from pipelines.marts.folders import placed
from pipelines.marts.translation import declared, table_name, translate, wanted_views
from schemas import COVERAGE, TABLES, ConfigError, Table
from warehouse.coverage_table import coverage_rows
from warehouse.errors import StorageError
from warehouse.metastore import Metastore
from warehouse.paths import LAKE
from warehouse.views import View, views

EXACT: Final = {
    # a product or quotient of decimals keeps its scale; it does not lose digits to fit
    "spark.sql.decimalOperations.allowPrecisionLoss": "false",
    # 12 and 18 decimals in one column (UNION, coalesce): 18, not 12
    "spark.sql.legacy.decimal.retainFractionDigitsOnTruncate": "true",
    # what does not fit is an error, not null
    "spark.sql.ansi.enabled": "true",
    # days and months are those of UTC
    "spark.sql.session.timeZone": "UTC",
    # an account called 007 is no number
    "spark.sql.sources.partitionColumnTypeInference.enabled": "false",
    # UTC, marked as such; Spark's own default is a format of 96 bits without a zone
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
}
"""What every session of Spark needs that reads a lake."""
_QUIET: Final = {
    "spark.hadoop.mapreduce.fileoutputcommitter.marksuccessfuljobs": "false",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "OFF",
}
_ON_THIS_MACHINE: Final = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
}
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
BY_GROUP: Final = {"marts.profit_average": ("exchange", "account", "symbol")}
"""Views that DuckDB calculates in Spark's workers, each group of these columns by itself.

Each sale needs the rounded rest of the one before: a recursion, of which Spark makes a job a step.
"""


@contextmanager
def session(master: str, settings: Mapping[str, str]) -> Iterator[SparkSession]:
    """A session of Spark, stopped at the end. ``settings`` are added to those of this module.

    Raises ``ConfigError`` where Spark cannot start, or a setting would change results.
    """
    changed = sorted(EXACT.keys() & settings.keys())
    if changed:
        raise ConfigError(f"{changed[0]} keeps results exact. Fix: leave it out of --conf")
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # of workers on this machine
    builder = SparkSession.Builder().master(master).appName("tidemark marts")
    here = _ON_THIS_MACHINE if master.startswith("local") else {}
    for name, value in {**_QUIET, **here, **settings, **EXACT}.items():
        builder = builder.config(name, value)
    try:
        spark = builder.getOrCreate()
    except (PySparkException, Py4JError) as error:
        fix = "look at --master and --conf, and at what Java says above"
        raise ConfigError(f"Spark does not start: {_first_line(error)}. Fix: {fix}") from error
    try:
        yield spark
    finally:
        spark.stop()


def read_table(spark: SparkSession, home: Path, table: Table) -> DataFrame:
    """The rows of ``table``, with the columns and types that it declares.

    Those of a dataset come from its folder of the lake, those of ``coverage`` from the metastore.
    """
    columns = ", ".join(f"`{field.name}` {TYPES[str(field.type)]}" for field in table.schema)
    if table.name == COVERAGE.name:
        with closing(Metastore(home)) as metastore:
            return spark.createDataFrame(coverage_rows(metastore), columns)
    folder = home / LAKE / table.name
    if next(folder.rglob("*.parquet"), None) is None:
        return spark.createDataFrame(table.schema.empty_table(), columns)
    found = spark.read.schema(columns).parquet(str(folder.resolve()))
    return found.select(*(f"`{name}`" for name in table.schema.names))


def write_marts(spark: SparkSession, home: Path, out: Path) -> Iterator[tuple[str, int]]:
    """Write every mart to ``out/<mart>/*.parquet``. Gives the name and rows of each that is done.

    A view that several marts read is calculated once, and lies in a folder of its own meanwhile.
    Raises ``StorageError``.
    """
    if not (home / LAKE).is_dir():
        fix = "run `tidemark pull`, or point TIDEMARK_HOME at the folder that holds the data"
        raise StorageError(f"there is no lake in {home}. Fix: {fix}")
    wanted = list(wanted_views())
    work = out / ".working"
    shutil.rmtree(work, ignore_errors=True)
    doing = "the lake"
    try:
        for name, table in TABLES.items():
            read_table(spark, home, table).createOrReplaceTempView(table_name("main", name))
        for view in wanted:
            doing = view.key
            folder = work / view.name if view.schema == "main" else out / view.name
            with placed(folder) as building:
                _calculated(spark, view).write.parquet(str(building.resolve()))
            written = spark.read.parquet(str(folder.resolve()))
            written.createOrReplaceTempView(table_name(view.schema, view.name))
            if view.schema == "marts":
                yield view.name, written.count()
    except (PySparkException, Py4JError) as error:
        fix = "more memory (--conf spark.driver.memory=8g), or --engine duckdb"
        raise StorageError(f"Spark, at {doing}: {_first_line(error)}. Fix: {fix}") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _calculated(spark: SparkSession, view: View) -> DataFrame:
    keys = BY_GROUP.get(view.key)
    if keys is None:
        said = translate(view)
        registered(spark, said.functions)
        return spark.sql(said.query)
    (source,) = (views()[name] for name in view.sources if not name.endswith("()"))
    macros = (views()[name] for name in view.sources if name.endswith("()"))
    statements = (
        f"CREATE SCHEMA IF NOT EXISTS {source.schema}",
        f"CREATE TABLE {source.key} AS FROM given",
        *(macro.statement() for macro in macros),
    )
    columns = ", ".join(f'"{c.name}"::{c.type} AS "{c.name}"' for c in view.columns)
    query = f"SELECT {columns} FROM (\n{view.body}\n)"
    rows = spark.table(table_name(source.schema, source.name))
    return by_group(rows, keys, query, statements, declared(view))


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    if len(lines) > 1 and lines[0].startswith("An error occurred while calling"):
        del lines[0]  # py4j's; what Java says comes next
    return lines[0].removeprefix(": ").rstrip(".")
