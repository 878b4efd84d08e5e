"""What DuckDB calculates within Spark's workers, on batches of Arrow arrays.

The macros of exact arithmetic need integers of 128 bits, which Spark does not have. With DuckDB in
the workers there is one definition of them, and one result. The workers need ``duckdb`` and
``pyarrow``; nothing of Tidemark: the functions travel with the query.
"""

import hashlib
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    import duckdb
    from pyspark.sql import DataFrame, SparkSession


@dataclass(frozen=True)
class DuckdbFunction:
    """One expression of DuckDB as a function of Spark.

    ``expression`` names its arguments ``a0``, ``a1``, …; ``returns`` is Spark's name of the type;
    ``statements`` create the macros that it calls.
    """

    name: str
    expression: str
    returns: str
    statements: tuple[str, ...]

    @classmethod
    def of(cls, expression: str, returns: str, statements: tuple[str, ...]) -> "DuckdbFunction":
        """The function of this expression: each expression has a name of its own."""
        digest = hashlib.sha256(expression.encode()).hexdigest()[:12]
        return cls(f"duckdb_{digest}", expression, returns, statements)


def registered(spark: "SparkSession", functions: Iterable[DuckdbFunction]) -> None:
    """Make ``functions`` known to ``spark`` by their names."""
    from pyspark.sql.pandas.functions import ArrowUDFType, arrow_udf

    _send_by_value()
    for function in functions:
        evaluate = evaluator(function.expression, function.statements)
        with _without_warnings():
            evaluated = arrow_udf(evaluate, function.returns, ArrowUDFType.SCALAR)
            spark.udf.register(function.name, evaluated)


def by_group(
    rows: "DataFrame", keys: Iterable[str], query: str, statements: tuple[str, ...], ddl: str
) -> "DataFrame":
    """``query`` of each group of ``rows``, which it knows as the table that ``statements`` make.

    For what one row after another decides: a recursion takes Spark a stage for each step.
    """
    _send_by_value()
    with _without_warnings():
        return rows.groupBy(*keys).applyInArrow(group_evaluator(query, statements), ddl)


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Of type hints, which it would rather have, and of pandas 3, which nothing here uses."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _send_by_value() -> None:
    """Workers do not have this module."""
    from pyspark import cloudpickle

    from pipelines.marts import duckdb_functions

    cloudpickle.register_pickle_by_value(duckdb_functions)


def group_evaluator(query: str, statements: tuple[str, ...]) -> Callable[[pa.Table], pa.Table]:
    """A function that lets DuckDB answer ``query`` of one group's rows (``given``)."""

    def evaluate(rows: pa.Table) -> pa.Table:
        import duckdb

        with duckdb.connect(config={"threads": "1"}) as db:
            db.execute("SET TimeZone = 'UTC'")
            db.register("given", rows)
            for statement in statements:
                db.execute(statement)
            return db.sql(query).to_arrow_table()

    return evaluate


def evaluator(expression: str, statements: tuple[str, ...]) -> Callable[..., pa.Array]:
    """A function that lets DuckDB calculate ``expression`` for each row of its arguments."""
    opened: list[duckdb.DuckDBPyConnection] = []

    def evaluate(*columns: pa.Array) -> pa.Array:
        import duckdb
        import pyarrow

        if not opened:
            opened.append(duckdb.connect(config={"threads": "1"}))
            for statement in statements:
                opened[0].execute(statement)
        db = opened[0]
        names = [f"a{place}" for place in range(len(columns))]
        db.register("given", pyarrow.table(list(columns), names=names))
        result = db.sql(f"SELECT {expression} AS result FROM given").to_arrow_table()
        return result.column("result").combine_chunks()

    return evaluate
