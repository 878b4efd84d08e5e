"""pandas is imported by whoever asks for a frame, and by nobody else."""

import os
import subprocess
import sys
from pathlib import Path

import warehouse

SPARING = """
import sys
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute

from warehouse.frames import hand_over, spare_pandas

spare_pandas()
table = pa.table({"price": pa.array([Decimal("1.50")], pa.decimal128(38, 12))})
assert pa.compute.equal(table["price"], Decimal("1.5")).to_pylist() == [True]
assert "pandas" not in sys.modules
frame = hand_over(table, "pandas")
assert frame["price"].tolist() == [Decimal("1.500000000000")]

import pandas as pd

assert pa.array(pd.Series([1.5, float("nan")])).to_pylist() == [1.5, None]
"""


def test_frames_are_made_where_pandas_was_spared(repo_root: Path) -> None:
    subprocess.run([sys.executable, "-c", SPARING], cwd=repo_root, check=True)


def test_the_command_line_does_without_pandas(repo_root: Path, tmp_path: Path) -> None:
    warehouse.publish(tmp_path)
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "pipelines", "sql", "FROM trades"],
        cwd=repo_root,
        env={**os.environ, "TIDEMARK_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "trade_id" in done.stdout
    assert "pyarrow.lib" in done.stderr
    assert "pandas.core" not in done.stderr
