"""Imports that are killed at any moment: whatever is claimed is stored; another import ends it."""

import random
import time
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import feather

import warehouse
from pipelines.imports import import_files
from pipelines.settings import load_settings
from schemas import StreamId
from tests.pipelines.imports.conftest import line, vision
from tests.pipelines.imports.worker import wish
from tests.pipelines.ingest.processes import WorkerProcess, end
from warehouse.store import Store

ROWS = 6_000
SECONDS = 0.03
"""A few rows take about as long."""


def written(kind: str, folder: Path) -> Path:
    """A file of that kind with so many trades."""
    at = [1_723_161_600_000 + 97 * n for n in range(ROWS)]
    if kind == "zip":
        return vision(folder, (line(n + 1, at[n], f"{n}.{n % 10}5") for n in range(ROWS)))
    path = folder / f"BTC_USDT-trades.{kind}"
    prices = [f"{n}.{n % 10}5" for n in range(ROWS)]
    if kind == "csv":
        rows = (f"{n + 1},{at[n]},buy,{prices[n]},0.25\n" for n in range(ROWS))
        path.write_text("trade_id,timestamp,side,price,amount\n" + "".join(rows))
        return path
    columns = {
        "timestamp": at,
        "id": [str(n) for n in range(ROWS)],
        "type": pa.nulls(ROWS, pa.string()),
        "side": ["sell"] * ROWS,
        "price": [float(p) for p in prices],
        "amount": [0.5] * ROWS,
        "cost": [float(p) / 2 for p in prices],
    }
    feather.write_feather(pa.table(columns), str(path))
    return path


def rows_of(home: Path, stream: StreamId) -> list[tuple[object, ...]]:
    """All that is stored but when it came, in order."""
    return sorted(tuple(row.values()) for t in _scanned(home, stream) for row in t.to_pylist())


def _scanned(home: Path, stream: StreamId) -> list[pa.Table]:
    with closing(Store(home)) as store:
        reader = store.reader(stream)
        names = [n for n in reader.declared.file_schema.names if n != "ingested_at"]
        return list(reader.scan(names))


@pytest.mark.parametrize("kind", ["zip", "csv", "feather"])
@pytest.mark.parametrize("kills", [1, pytest.param(7, marks=pytest.mark.torture)])
def test_a_killed_import(kind: str, kills: int, tmp_path: Path) -> None:
    path = written(kind, tmp_path)
    name = "reference_trades" if kind == "feather" else "trades"
    stream = StreamId("binance", name, "BTC-USDT")
    whole = tmp_path / "whole"
    _import(path, whole)
    rows = rows_of(whole, stream)
    assert len(rows) == ROWS
    moments = random.Random(f"{kind} {kills}")
    for number in range(kills):
        home = tmp_path / str(number)
        _kill_one(path, home, moments)
        _check_claims(home, stream)
        _import(path, home)
        _check_claims(home, stream)
        assert rows_of(home, stream) == rows
        assert Store(home).state(stream) == Store(whole).state(stream)
        assert warehouse.verify(home).ok


def _import(path: Path, home: Path) -> None:
    settings = load_settings({"TIDEMARK_HOME": str(home)}, None)
    assert import_files([path], wish(path), settings).ok


def _kill_one(path: Path, home: Path, moments: random.Random) -> None:
    worker = WorkerProcess(
        ["-m", "tests.pipelines.imports.worker", str(path)], {"TIDEMARK_HOME": str(home)}
    )
    try:
        worker.ready()
        worker.go()
        some, output = moments.randrange(ROWS), worker.process.stdout
        assert output is not None
        next((line for line in output if int(line) >= some), None)
        time.sleep(moments.uniform(0, SECONDS))
        worker.kill()
    finally:
        end(worker)


def _check_claims(home: Path, stream: StreamId) -> None:
    """What is claimed is stored."""
    # recovers as the next import does
    with closing(Store(home)) as store, store.open_stream(stream) as writer:
        claimed = writer.state().complete
    if stream.dataset == "trades" and claimed:
        ids = {int(row) for t in _scanned(home, stream) for row in t.column("trade_id").to_pylist()}
        assert all({*range(i.lower, i.upper)} <= ids for i in claimed)
