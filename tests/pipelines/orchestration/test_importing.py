"""The component ``Imports``: a sensor finds files, a run imports them, one materialisation each."""

import json
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from pipelines.definitions import defs
from pipelines.imports.watch import watches
from tests.pipelines.imports.conftest import complete, line, vision

FILE = """\
type: pipelines.components.Imports
attributes:
  folder: "{{{{ env.DUMPS }}}}"
  exchange: binance
  market: BTC-USDT
{more}"""
KEY = dg.AssetKey(["imports", "dumps"])
Declare = Callable[..., Path]


@pytest.fixture
def declare(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Declare:
    """Write the ``defs.yaml`` of a watched folder; the folder is given back."""

    def write(more: str = "") -> Path:
        root, dumps = tmp_path / "feeds", tmp_path / "dumps"
        (root / "dumps").mkdir(parents=True, exist_ok=True)
        dumps.mkdir(exist_ok=True)
        (root / "dumps" / "defs.yaml").write_text(FILE.format(more=more))
        monkeypatch.setenv("TIDEMARK_FEEDS", str(root))
        monkeypatch.setenv("DUMPS", str(dumps))
        return dumps

    return write


def looked(cursor: str | None) -> tuple[list[str], str | None]:
    """What the sensor would import, and its cursor."""
    sensor = defs().get_repository_def().get_sensor_def("import_dumps_files")
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_sensor_context(instance=instance, cursor=cursor)
        found = sensor.evaluate_tick(context)
    files = [
        name
        for request in found.run_requests or ()
        for name in request.run_config["ops"]["import_dumps"]["config"]["files"]
    ]
    return files, found.cursor


def imported(files: list[str]) -> dg.ExecuteInProcessResult:
    job = defs().resolve_job_def("import_dumps_job")
    config = {"ops": {"import_dumps": {"config": {"files": files}}}}
    with dg.DagsterInstance.ephemeral() as instance:
        return job.execute_in_process(run_config=config, instance=instance, raise_on_error=False)


def materialised(result: dg.ExecuteInProcessResult) -> list[dict[str, object]]:
    return [
        {
            name: value.value
            for name, value in e.step_materialization_data.materialization.metadata.items()
        }
        for e in result.get_asset_materialization_events()
        if e.asset_key == KEY
    ]


def test_files_are_found_once_they_stay_the_same(declare: Declare) -> None:
    folder = declare()
    assert looked(None)[0] == []
    path = vision(folder / "spot", [line(1)])
    files, cursor = looked(None)
    assert files == [], "it may be being written"
    files, cursor = looked(cursor)
    assert files == [f"spot/{path.name}"]
    files, cursor = looked(cursor)
    assert files == []
    vision(folder / "spot", [line(1), line(2)])
    files, cursor = looked(cursor)
    assert files == []
    assert looked(cursor)[0] == [f"spot/{path.name}"]
    path.unlink()
    assert json.loads(looked(cursor)[1] or "")["pending"] == {}


def test_one_materialisation_a_file(declare: Declare, home: Path) -> None:
    folder = declare()
    vision(folder, [line(1), line(2), line(5)], "BTCUSDT-trades-2024-08-09")
    vision(folder, [line(6), line(7)], "BTCUSDT-trades-2024-08-10")
    vision(folder, [line(1)], "ETHUSDT-trades-2024-08-10")
    result = imported([])
    assert result.success
    found = materialised(result)
    assert [one["rows_added"] for one in found] == [3, 2]
    assert [one["gaps"] for one in found] == [1, 0]
    assert all(one["checksum"] == "agrees" and len(str(one["sha256"])) == 64 for one in found)
    assert {"first", "last", "file", "format", "stream"} <= found[0].keys()
    assert complete(home) == [(1, 2), (7, 7)]  # the two files only touch at 5 and 6
    again = imported(["BTCUSDT-trades-2024-08-10.zip"])
    assert [one["rows_added"] for one in materialised(again)] == [0]


def test_a_row_that_contradicts_fails_the_run(declare: Declare, home: Path) -> None:
    folder = declare()
    vision(folder, [line(1), line(2)])
    assert imported([]).success
    vision(folder, [line(1), line(2, price="7")])
    result = imported([])
    assert not result.success
    (found,) = materialised(result)
    assert found["rows_contradicting"] == 1
    assert complete(home) == [(1, 1)]  # the exchange says which of the two files is right


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("  dataset: tickers\n", "use one of: trades, candles, reference_trades"),
        ("  formt: csv\n", "unknown key 'formt'"),
        ("  columns: {prize: 2}\n  format: binance-trades\n", "--columns goes with --format csv"),
    ],
)
def test_a_mistake_costs_that_folder_only(more: str, says: str, declare: Declare) -> None:
    declare(more)
    found, broken = watches()
    assert found == []
    ((where, error),) = [(one.name, str(one.error)) for one in broken]
    assert where == "dumps" and says in error and "defs.yaml:" in error
    assert "feeds/dumps" in {
        key.to_user_string() for key in defs().resolve_asset_graph().get_all_asset_keys()
    }
