"""What each command may load: a module that it does not need is time that everybody waits."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

import warehouse
from tests.conftest import REPO
from tests.feeds import write_feed
from tests.warehouse.tools import TRADES, row, store

FEED = "exchange: bitexbit\nmarkets: [BTC-USD]\nstart: 2026-01-01\ndatasets: {account_trades: {}}"
HEAVY = {
    *("asyncio", "dagster", "duckdb", "httpx", "jinja2", "pandas", "polars", "pyarrow.dataset"),
    *("pygments", "rich.console", "sqlite3", "starlette", "yaml"),
    *("connectors", "connectors.client", "connectors.wex", "pipelines.ingest.run"),
    *("pipelines.orchestration", "pipelines.report", "sandbox", "warehouse.loading"),
    *("warehouse.verification", "pyarrow.compute", "warehouse.metastore"),
}
"""What costs 10 ms and more, and what brings such."""
PROGRAM = """
import json, sys
from pipelines.cli import main
code = main()
print(json.dumps([code, sorted(sys.modules)]), file=sys.stderr)
"""


def loaded(home: Path, feeds: Path, *arguments: str) -> tuple[int, set[str]]:
    """The exit code of a command in a fresh process, and the modules that it loaded."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=home.parent,
        env={
            **os.environ,
            "PYTHONPATH": str(REPO),
            "TIDEMARK_HOME": str(home),
            "TIDEMARK_FEEDS": str(feeds),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    code, names = json.loads(done.stderr.splitlines()[-1])
    return code, set(names)


READS = {"connectors", "pyarrow.compute", "sqlite3", "warehouse.metastore", "yaml"}


@pytest.mark.sqlite  # psycopg brings more, asyncio among it
@pytest.mark.parametrize(
    ("arguments", "may"),
    [
        (["--version"], set[str]()),
        (["--help"], set[str]()),
        (["export", "--help"], set[str]()),
        (["sql", "SELECT 1"], {"duckdb", "pyarrow.compute"}),
        (["status"], READS),
        (["pull"], READS | {"connectors.client", "httpx", "pipelines.ingest.run"}),
    ],
)
def test_a_command_loads_only_what_it_needs(
    arguments: Sequence[str], may: set[str], home: Path, tmp_path: Path
) -> None:
    store(home, TRADES, [row(TRADES, 1)])
    warehouse.publish(home)
    feeds = write_feed(tmp_path / "feeds", FEED, "mine")
    code, modules = loaded(home, feeds, *arguments)
    assert code == 0  # a pull without a key for an account requests nothing
    assert (modules & HEAVY) - may == set()
