"""Functions that DuckDB calculates within Spark's workers, on batches of Arrow arrays.

The macros of exact arithmetic need integers of 128 bits, which Spark does not have. With DuckDB in
the workers there is one definition of them, and one result. The workers need ``duckdb`` and
``pyarrow``; nothing of Tidemark: the functions travel with the query.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


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

    def register(self, spark: "SparkSession") -> None:
        """Make it known to ``spark`` by its name."""
        from pyspark import cloudpickle
        from pyspark.sql.functions import arrow_udf

        from pipelines.marts import duckdb_functions

        cloudpickle.register_pickle_by_value(duckdb_functions)  # workers do not have this module
        evaluated = arrow_udf(evaluator(self.expression, self.statements), self.returns)
        spark.udf.register(self.name, evaluated)


def evaluator(expression: str, statements: tuple[str, ...]) -> Callable[..., pa.Array]:
    """A function that lets DuckDB calculate ``expression`` for each row of its arguments."""
    opened = []

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
