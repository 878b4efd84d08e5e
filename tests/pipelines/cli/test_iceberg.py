"""``TIDEMARK_PUBLISH=duckdb,iceberg``: pulls publish into both, status and verify tell of both."""

from pathlib import Path

import pytest

from pipelines.cli import main
from pipelines.publishing import publish
from pipelines.settings import Settings, load_settings
from schemas import ConfigError
from tests.warehouse.iceberg_tables import assert_same
from tests.warehouse.tools import TRADES, row, store


def settings(home: Path, **variables: str) -> Settings:
    both = {"TIDEMARK_PUBLISH": "duckdb,iceberg", "TIDEMARK_HOME": str(home)}
    return load_settings({**both, **variables}, dotenv=None)


def test_by_default_nothing_is_published_there(home: Path) -> None:
    assert load_settings({"TIDEMARK_HOME": str(home)}, dotenv=None).iceberg is None
    store(home, TRADES, [row(TRADES, 1)])
    publish(load_settings({"TIDEMARK_HOME": str(home)}, dotenv=None))
    assert not (home / "iceberg").exists()


def test_defaults_lie_in_the_home(home: Path) -> None:
    target = settings(home).iceberg
    assert target is not None
    assert target.catalog == f"sqlite:///{home}/iceberg/catalog.sqlite"
    assert target.warehouse == f"file://{home}/iceberg/warehouse"
    assert (target.namespace, target.keep_hours, target.storage) == ("tidemark", 24, {})


def test_another_catalog_and_an_object_store(home: Path) -> None:
    found = settings(
        home,
        TIDEMARK_ICEBERG_CATALOG="postgresql://me:s3cret@db/lake",
        TIDEMARK_ICEBERG_WAREHOUSE="s3://bucket/prefix/",
        TIDEMARK_ICEBERG_NAMESPACE="desk_1",
        TIDEMARK_ICEBERG_KEEP_HOURS="6",
        AWS_ACCESS_KEY_ID="AKID",
        AWS_SECRET_ACCESS_KEY="s3cret-word",
        AWS_DEFAULT_REGION="eu-west-1",
        AWS_ENDPOINT_URL="http://127.0.0.1:9000",
    )
    target = found.iceberg
    assert target is not None
    assert target.catalog == "postgresql+psycopg://me:s3cret@db/lake"
    assert (target.warehouse, target.namespace) == ("s3://bucket/prefix", "desk_1")
    assert target.storage == {
        "s3.access-key-id": "AKID",
        "s3.secret-access-key": "s3cret-word",
        "s3.region": "eu-west-1",
        "s3.endpoint": "http://127.0.0.1:9000",
    }
    assert target.secrets == ("s3cret", "s3cret-word")
    assert "s3cret" not in f"{target!r}{found!r}"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        (
            "TIDEMARK_PUBLISH",
            "iceberg",
            "TIDEMARK_PUBLISH is 'iceberg': DuckDB is always published",
        ),
        ("TIDEMARK_PUBLISH", "duckdb,delta", "TIDEMARK_PUBLISH=duckdb,iceberg"),
        ("TIDEMARK_ICEBERG_CATALOG", "mysql://u:s3cret@h/d", "no address of a database"),
        ("TIDEMARK_ICEBERG_CATALOG", "u:s3cret", "no address of a database"),
        ("TIDEMARK_ICEBERG_CATALOG", "postgresql://u:s3cret@h:five/d", "no address of a database"),
        ("TIDEMARK_ICEBERG_CATALOG", "sqlite://", "no address of a database"),
        ("TIDEMARK_ICEBERG_CATALOG", "sqlite:///catalog.sqlite", "no address of a database"),
        ("TIDEMARK_ICEBERG_WAREHOUSE", "gs://bucket", "neither a folder nor s3://"),
        ("TIDEMARK_ICEBERG_WAREHOUSE", "/data/what?", "neither a folder nor s3://"),
        ("TIDEMARK_ICEBERG_NAMESPACE", "a.b", "not one word"),
        ("TIDEMARK_ICEBERG_KEEP_HOURS", "0", "TIDEMARK_ICEBERG_KEEP_HOURS=24"),
        ("TIDEMARK_VIEWS_ABOVE_ROWS", "many", "TIDEMARK_VIEWS_ABOVE_ROWS=50000000"),
    ],
)
def test_a_setting_that_cannot_be_used(name: str, value: str, said: str, home: Path) -> None:
    with pytest.raises(ConfigError) as caught:  # before a pull's first request
        settings(home, **{name: value}).prepare_home()
    assert said in str(caught.value)
    assert "Fix: " in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_without_pyiceberg(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.settings.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"Fix: pip install 'tidemark\[iceberg\]'"):
        _ = settings(home).iceberg


def test_a_large_table_is_a_view(home: Path) -> None:
    found = settings(home, TIDEMARK_VIEWS_ABOVE_ROWS="2", TIDEMARK_PUBLISH="duckdb")
    store(home, TRADES, [row(TRADES, k) for k in range(3)])
    report = publish(found)
    assert report.tables["trades"].rows_added == 3
    assert list((home / "versions" / "files").rglob("*.parquet"))


def test_publish_status_verify_and_rebuild(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TIDEMARK_PUBLISH", "duckdb,iceberg")
    store(home, TRADES, [row(TRADES, 1)])
    place = f"Iceberg: file://{home}/iceberg/warehouse, namespace tidemark"
    assert main(["status"]) == 0
    assert f"{place}: 1 change behind, published by the next pull\n" in capsys.readouterr().out
    publish(load_settings(dotenv=None))
    assert_same(home)
    assert main(["status"]) == 0
    assert f"{place}: up to date\n" in capsys.readouterr().out
    assert main(["verify"]) == 0
    line = "ok   Iceberg equals the lake (columns, counts, checksums): 17 tables, 0 intervals, "
    out = capsys.readouterr().out
    assert f"{line}1 partition, 1 row" in out
    assert "note: " not in out
    monkeypatch.delenv("TIDEMARK_PUBLISH")
    assert main(["verify"]) == 0
    assert "Iceberg" not in capsys.readouterr().out
    monkeypatch.setenv("TIDEMARK_PUBLISH", "iceberg")
    assert main(["verify"]) == 2
    assert "Fix: TIDEMARK_PUBLISH=duckdb" in capsys.readouterr().err
