"""The search finds what is there."""

import sqlite3
from contextlib import closing
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from schemas import StreamId
from tests.pipelines.secrets.search import Needles, search
from warehouse.raw import RawResponse, RawWriter


def test_the_search_finds_what_is_there(tmp_path: Path) -> None:
    """In every kind of file, or the tests below would prove nothing."""
    secret, signature = "a-Secret/of mine", "0123456789abcdef" * 4
    needles = Needles([secret])
    needles.signatures.add(signature)
    text = f"key=A-SECRET/of mine {signature.upper()}"
    (tmp_path / "text").write_text(text)
    (tmp_path / "encoded").write_text("x=a-Secret%2Fof%20mine")
    (tmp_path / f"name-{signature}").touch()
    pq.write_table(pa.table({"payload": [text] * 9}), tmp_path / "parquet", compression="zstd")
    with closing(sqlite3.connect(tmp_path / "sqlite")) as db:
        db.execute("CREATE TABLE t (x)")
        db.execute("INSERT INTO t VALUES (?)", (text,))
        db.commit()
    with duckdb.connect(str(tmp_path / "duckdb")) as db:
        db.execute("CREATE TABLE t AS SELECT ? AS x", [text])
    stream = StreamId("wex", "account_trades", account="main")
    RawWriter(tmp_path).append(stream, RawResponse(10**15, {}, text.encode() * 20))
    found, _ = search(tmp_path, needles)
    places = {Path(f.split(": ")[0].split(" (")[0]).name for f in found}
    expected = {"text", "encoded", "parquet", "sqlite", "duckdb", f"name-{signature}"}
    assert places == {*expected, "2001-09-09.jsonl.zst"}
    for kind in ("Parquet", "SQLite", "DuckDB", "zstd"):
        assert any(f"({kind}" in f and signature in f for f in found), kind
