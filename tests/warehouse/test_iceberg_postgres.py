"""The catalog of the Iceberg tables on a real PostgreSQL."""

from pathlib import Path

import pytest

import warehouse
from pipelines.settings import load_settings
from tests.warehouse.iceberg_tables import assert_same, publish
from tests.warehouse.tools import TRADES, ids, row, store

pytestmark = pytest.mark.engines


def test_tables_in_a_catalog_on_postgresql(home: Path) -> None:
    postgres = pytest.importorskip("tests.postgres")
    programs = postgres.programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed (Debian: postgresql)")
    store(home, TRADES, [row(TRADES, 1)], state=ids((1, 2)))
    with postgres.serving(programs) as server:
        variables = {
            "TIDEMARK_HOME": str(home),
            "TIDEMARK_PUBLISH": "duckdb,iceberg",
            "TIDEMARK_ICEBERG_CATALOG": server.url,
        }
        target = load_settings(variables, dotenv=None).iceberg
        assert target is not None
        assert publish(home, target) == ["trades", "coverage"]
        store(home, TRADES, [row(TRADES, 2)])
        assert publish(home, target) == ["trades"]
        assert publish(home, target) == []
        assert_same(home, target)
        assert warehouse.verify(home, iceberg=target).of("error", "iceberg") == []
    assert not (home / "iceberg" / "catalog.sqlite").exists()
