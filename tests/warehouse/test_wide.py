"""Rows far wider than a trade: what a reader holds in memory stays bounded, and a load succeeds."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

import warehouse
from schemas import RejectedRow
from tests.warehouse.tools import TRADES, row, store
from warehouse import files, template

WIDE = [RejectedRow("odd", f"{n}:" + f"{n:04}" * 2500) for n in range(1000)]
"""10 MB in all."""


def test_a_row_group_holds_few_wide_rows(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_GROUP_BYTES", 2**21)
    store(home, TRADES, [row(TRADES, n) for n in range(3)], rejected=WIDE)
    (wide,) = (home / "lake" / "quarantine").rglob("*.parquet")
    (narrow,) = (home / "lake" / "trades").rglob("*.parquet")
    assert pq.ParquetFile(narrow).num_row_groups == 1
    found = pq.ParquetFile(wide).metadata
    assert found.num_rows == len(WIDE)
    assert 3 <= found.num_row_groups <= 10


def test_a_row_group_beyond_the_usual_memory_is_loaded(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_GROUP_BYTES", 2**40)
    store(home, TRADES, [row(TRADES, n) for n in range(3)], rejected=WIDE)
    monkeypatch.setitem(template.LOADING, "memory_limit", "12MB")
    assert warehouse.publish(home).rows["quarantine"] == len(WIDE)
    found = warehouse.sql("SELECT sum(length(payload)) AS n FROM quarantine")["n"].to_pylist()
    assert found == [sum(len(rejected.payload) for rejected in WIDE)]
