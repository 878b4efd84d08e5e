"""Spark reads the lake as it was written: every row of every dataset, exactly."""

from decimal import Decimal

import pytest

import warehouse
from pipelines.marts.with_spark import EXACT, read_table
from schemas import TABLES
from tests.pulled import Pulled
from tests.spark.comparing import assert_equal
from tests.spark.sessions import SparkSession


@pytest.mark.parametrize("name", TABLES)
def test_a_table_read_by_spark_is_the_table_of_duckdb(
    name: str, spark: SparkSession, pulled: Pulled
) -> None:
    rows = read_table(spark, pulled.home, TABLES[name]).toArrow()
    with warehouse.connect(pulled.home) as db:
        db.register("by_spark", rows)
        assert_equal(db, "FROM by_spark", f"FROM main.{name}")


def test_the_sandbox_has_rows_in_nearly_every_table(pulled: Pulled) -> None:
    """Else the test above would compare nothing with nothing."""
    empty = {n for n in TABLES if not pulled.rows(f"SELECT 1 AS one FROM main.{n} LIMIT 1")}
    assert empty <= {"reference_trades", "quarantine", "markets_history", "currencies_history"}


@pytest.mark.parametrize(
    ("setting", "query", "exact"),
    [
        (
            "spark.sql.decimalOperations.allowPrecisionLoss",
            "SELECT CAST('0.000000000001' AS DECIMAL(38,12)) * CAST('0.1' AS DECIMAL(38,12)) AS x",
            Decimal("0.0000000000001"),
        ),
        (
            "spark.sql.legacy.decimal.retainFractionDigitsOnTruncate",
            "SELECT coalesce(CAST(NULL AS DECIMAL(38,12)), "
            "CAST('0.123456789012345678' AS DECIMAL(38,18))) AS x",
            Decimal("0.123456789012345678"),
        ),
    ],
)
def test_spark_rounds_unless_told_not_to(
    setting: str, query: str, exact: Decimal, spark: SparkSession
) -> None:
    """What docs/scale.md says of the settings: each is needed."""
    assert spark.sql(query).first() == (exact,)
    spark.conf.set(setting, {"true": "false", "false": "true"}[EXACT[setting]])
    try:
        assert spark.sql(query).first() != (exact,)
    finally:
        spark.conf.set(setting, EXACT[setting])
