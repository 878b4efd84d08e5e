"""``tidemark marts``: every mart as Parquet, by the engine of one's choice."""

import importlib.util
import os
import shutil
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pipelines.output.console import say
from pipelines.output.formatting import with_fix
from schemas import ConfigError
from schemas.wording import count


class Engine(StrEnum):
    """What calculates the marts."""

    DUCKDB = "duckdb"
    SPARK = "spark"


def marts(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where to write: DIR/fills, …")],
    engine: Annotated[
        Engine, typer.Option(help="duckdb: of the published file. spark: of the lake.")
    ] = Engine.DUCKDB,
    master: Annotated[
        str, typer.Option(help="Of Spark: local[2], or the address of a cluster.")
    ] = "local[*]",
    conf: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="A setting of Spark; may be given several times."),
    ] = None,
) -> None:
    """Write every mart as Parquet: a folder of files for each.

    Both engines calculate the same SQL, and give the same rows. DuckDB reads the published file,
    Spark the lake, where it may be larger than one machine: the folders of the home and DIR must
    then be the same on all of them. A mart appears when it is complete, in place of the one before.
    Exit code 0: written. 1: it could not be. 2: wrong usage.

    \b
    Examples:
      tidemark marts --out marts
      tidemark marts --engine spark --out marts
      tidemark marts --engine spark --master spark://host:7077 \\
        --conf spark.executor.memory=8g --out /shared/marts
    """
    from pipelines.marts.folders import alone, check_marts
    from pipelines.settings import load_settings

    home = load_settings().home
    check_marts(out)
    if engine is Engine.DUCKDB:
        from pipelines.marts import with_duckdb

        with alone(out):
            for name, rows in with_duckdb.write_marts(home, out):
                say(f"{name}: {count(rows, 'row')}")
        return
    settings = _settings(conf or ())
    _check_installed()
    from pipelines.marts import with_spark

    with alone(out), with_spark.session(master, settings) as spark:
        for name, rows in with_spark.write_marts(spark, home, out):
            say(f"{name}: {count(rows, 'row')}")


def _settings(given: Sequence[str]) -> Mapping[str, str]:
    settings: dict[str, str] = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not name.startswith("spark.") or not equals:
            fix = "--conf spark.driver.memory=4g"
            raise ConfigError(with_fix(f"{each!r} is no setting of Spark", fix))
        settings[name] = value
    return settings


def _check_installed() -> None:
    missing = [name for name in ("pyspark", "sqlglot") if importlib.util.find_spec(name) is None]
    if missing:
        fix = "pip install 'tidemark[spark]', or --engine duckdb"
        raise ConfigError(with_fix(f"not installed: {', '.join(missing)}", fix))
    if "JAVA_HOME" not in os.environ and shutil.which("java") is None:
        fix = "install Java 17 or newer (Debian: openjdk-17-jre-headless), or set JAVA_HOME"
        raise ConfigError(with_fix("Spark needs Java, and there is none", fix))
