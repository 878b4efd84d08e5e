"""A file that is cut off anywhere: what is stored is true, what is claimed is stored."""

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import feather

from pipelines.imports import Wish, import_files
from pipelines.settings import load_settings
from schemas import ConfigError, StreamId
from tests.pipelines.imports.conftest import line, vision
from warehouse.store import Store

ROWS = [line(n, price=f"{n}.{n}5", amount=f"0.{n}1234") for n in range(101, 131)]
STREAM = StreamId("binance", "trades", "BTC-USDT")
REFERENCE = StreamId("binance", "reference_trades", "BTC-USDT")


def stored(home: Path, stream: StreamId, name: str) -> dict[object, object]:
    tables = list(Store(home).reader(stream).scan([name, "price", "amount"]))
    rows = [row for table in tables for row in table.to_pylist()]
    return {row[name]: (row["price"], row["amount"]) for row in rows}


def imported(path: Path, home: Path) -> bool:
    """Whether the file was taken as whole."""
    home.mkdir(exist_ok=True)
    wish = Wish("binance", "BTC-USDT")
    try:
        return import_files([path], wish, load_settings({"TIDEMARK_HOME": str(home)}, None)).ok
    except ConfigError:
        return False


def packed(kind: str, folder: Path) -> Path:
    text = "".join(f"{one}\n" for one in ROWS).encode()
    name = "BTCUSDT-trades-2024-08-09"
    if kind == "zip":
        path = vision(folder, ROWS)
        path.with_name(path.name + ".CHECKSUM").unlink()
        return path
    path = folder / f"{name}.csv{'.gz' if kind == 'gz' else ''}"
    path.write_bytes(gzip.compress(text) if kind == "gz" else text)
    return path


@pytest.mark.parametrize("kind", ["csv", "gz", "zip"])
def test_trades(kind: str, tmp_path: Path) -> None:
    path = packed(kind, tmp_path)
    whole = path.read_bytes()
    assert imported(path, tmp_path / "whole")
    truth = stored(tmp_path / "whole", STREAM, "trade_id")
    assert len(truth) == len(ROWS)
    most = 0
    for size in range(1, len(whole), max(1, len(whole) // 12)):
        path.write_bytes(whole[:size])
        home = tmp_path / str(size)
        ok = imported(path, home)
        found = stored(home, STREAM, "trade_id")
        assert found.items() <= truth.items()
        assert not ok or kind == "csv"  # a text that ends with a row looks whole
        claimed = Store(home).state(STREAM).complete
        ids = {str(n) for i in claimed for n in range(i.lower, i.upper)}
        assert ids == found.keys()
        most = max(most, len(found))
    assert most > len(ROWS) / 2


@pytest.mark.parametrize("kind", ["feather", "parquet", "json"])
def test_freqtrade(kind: str, tmp_path: Path) -> None:
    """Of these nothing is taken but of whole rows; of Feather and Parquet nothing at all."""
    path = tmp_path / f"BTC_USDT-trades.{kind}"
    rows = [[1_723_161_600_000 + n, str(n), None, "buy", n + 0.5, 1.0, n + 0.5] for n in range(30)]
    names = ("timestamp", "id", "type", "side", "price", "amount", "cost")
    table = pa.table({n: [row[at] for row in rows] for at, n in enumerate(names)})
    if kind == "json":
        path.write_text(json.dumps(rows))
    elif kind == "parquet":
        pq.write_table(table, path)
    else:
        feather.write_feather(table, str(path))
    whole = path.read_bytes()
    assert imported(path, tmp_path / "whole")
    truth = stored(tmp_path / "whole", REFERENCE, "row_number")
    assert len(truth) == 30
    for size in range(1, len(whole) - 1, len(whole) // 8):
        path.write_bytes(whole[:size])
        home = tmp_path / str(size)
        assert not imported(path, home)
        found = stored(home, REFERENCE, "row_number")
        assert found.items() <= truth.items()
        assert kind == "json" or not found
