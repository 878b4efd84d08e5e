"""A session for few rows: hardly anything is worth compiling, or spreading."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from pyspark.sql import SparkSession

from pipelines.marts import with_spark

__all__ = ["SMALL", "SparkSession", "small_session"]

SMALL: Final = {
    "spark.driver.memory": "1g",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m",
    "spark.sql.shuffle.partitions": "1",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
}


@contextmanager
def small_session() -> Iterator[SparkSession]:
    with with_spark.session("local[2]", SMALL) as session:
        yield session
