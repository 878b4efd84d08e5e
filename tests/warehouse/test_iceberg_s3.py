"""Iceberg tables on an object store: moto's server on this machine."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from pyarrow import fs

import warehouse
from tests.warehouse.iceberg_tables import assert_same, iceberg_table, publish, snapshots
from tests.warehouse.publishing import commit
from tests.warehouse.tools import CANDLES, TICKERS, TRADES, row, store
from warehouse.errors import StorageError
from warehouse.iceberg import IcebergTarget, publish_iceberg
from warehouse.iceberg.cleaning import sweep

pytestmark = pytest.mark.engines

KEYS = {"access-key-id": "AKIDTESTS", "secret-access-key": "s3cret-word", "region": "us-east-1"}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    from moto.server import ThreadedMotoServer  # only there for make test-engines

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@pytest.fixture
def target(endpoint: str, home: Path) -> IcebergTarget:
    """A bucket of one's own, and a catalog in the home."""
    bucket = f"lake-{home.parent.name.replace('_', '-').lower()[:40]}"
    fs.S3FileSystem(
        endpoint_override=endpoint,
        access_key=KEYS["access-key-id"],
        secret_key=KEYS["secret-access-key"],
        region=KEYS["region"],
        allow_bucket_creation=True,
    ).create_dir(bucket)
    return IcebergTarget(
        f"sqlite:///{home}/iceberg/catalog.sqlite",
        f"s3://{bucket}/tables",
        keep_hours=0,
        storage={"s3.endpoint": endpoint, **{f"s3.{n}": v for n, v in KEYS.items()}},
    )


def test_tables_in_a_bucket(
    target: IcebergTarget, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for stream in (TRADES, CANDLES, TICKERS):
        commit(home, stream, [(1, 0), (11, 0)], 1)
    publish(home, target)
    assert_same(home, target)
    store(home, TRADES, [row(TRADES, 77)])
    assert publish(home, target) == ["trades"]
    assert snapshots(target, "trades") == 1  # the other one is expired, and its files removed
    found = warehouse.verify(home, iceberg=target)
    assert found.of("error", "iceberg") == []
    assert found.figures["iceberg"]["rows"] == found.figures["duckdb"]["rows"]
    with iceberg_table(target, "trades") as table:
        with table.io.new_output(f"{table.location()}/data/ab/left.parquet").create() as left:
            left.write(b"left")
        sweep(table)
        assert not table.io.new_input(f"{table.location()}/data/ab/left.parquet").exists()
        monkeypatch.setenv("POLARS_ICEBERG_PLANNER", "pyiceberg")
        options = {f"aws_{n.replace('-', '_')}": v for n, v in KEYS.items()}
        options |= {"aws_endpoint_url": target.storage["s3.endpoint"], "aws_allow_http": "true"}
        read = pl.scan_iceberg(table, storage_options=options).collect()
        assert read.height == table.scan().to_arrow().num_rows == 3
    assert_same(home, target, names=["trades"])


def test_a_store_that_cannot_be_used(target: IcebergTarget, home: Path) -> None:
    store(home, TRADES, [row(TRADES, 1)])
    elsewhere = IcebergTarget(target.catalog, "s3://no-such-bucket/tables", storage=target.storage)
    with pytest.raises(
        StorageError, match=r"cannot publish: .*Fix: check TIDEMARK_ICEBERG"
    ) as error:
        publish_iceberg(home, elsewhere)
    assert "s3cret" not in str(error.value)
    said = str(error.value)
    assert said.startswith("Iceberg: trades, reference_trades, candles and 14 more tables (cannot")
    assert "published" not in said  # no table is
    assert said.count("Fix: ") == 1
