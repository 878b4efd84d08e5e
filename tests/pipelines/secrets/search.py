"""Looks for secrets everywhere: in files of every kind, also inside what is compressed."""

import re
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

ZSTD = b"\x28\xb5\x2f\xfd"
LONG_HEX = re.compile(rb"[0-9a-f]{40,}")


class Needles:
    """Words that may appear nowhere; signatures (hexadecimal) besides, however many."""

    def __init__(self, words: Iterable[str]) -> None:
        forms = {f for w in words for f in (w, quote(w, safe=""), w[: len(w) * 3 // 4])}
        self.words = sorted(form.lower().encode() for form in forms)
        self.signatures: set[str] = set()

    def within(self, content: bytes) -> list[str]:
        """What of it stands in ``content``, in any case."""
        lower = content.lower()
        signatures = {s.encode() for s in self.signatures}
        found = [w.decode() for w in self.words if w in lower]
        return found + [s.decode() for s in set(LONG_HEX.findall(lower)) & signatures]


def contents(path: Path) -> Iterator[tuple[str, bytes]]:
    """What a file holds: its bytes, and whatever its format hides in them."""
    raw = path.read_bytes()
    yield "bytes", raw
    if raw.startswith(b"SQLite format 3"):
        with closing(sqlite3.connect(path)) as db:
            yield "SQLite", "\n".join(map(repr, db.iterdump())).encode()
    elif raw[:4] == b"PAR1":
        with pa.OSFile(str(path)) as source:
            yield "Parquet", repr(pq.read_table(source).to_pylist()).encode()
    elif raw[8:12] == b"DUCK":
        with duckdb.connect(str(path), read_only=True) as db:
            db.execute("SET TimeZone = 'UTC'")
            for schema, name in db.execute(
                "SELECT schema_name, table_name FROM duckdb_tables()"
            ).fetchall():
                rows = db.sql(f'FROM "{schema}"."{name}"').to_arrow_table().to_pylist()
                yield f"DuckDB {name}", repr(rows).encode()
    elif ZSTD in raw[:64]:
        with pa.CompressedInputStream(pa.BufferReader(raw), "zstd") as stream:
            yield "zstd", stream.read()
    elif raw[:2] == b"\x1f\x8b":
        yield "gzip", zlib.decompress(raw, wbits=31)


def search(folder: Path, needles: Needles) -> tuple[list[str], dict[str, int]]:
    """Every file below ``folder`` that holds a needle (or has one in its name); files by kind."""
    found: list[str] = []
    kinds: dict[str, int] = {}
    for path in sorted(folder.rglob("*")):
        found += [f"{path}: name" for _ in needles.within(str(path.relative_to(folder)).encode())]
        if not path.is_file() or path.is_symlink():
            continue
        for kind, content in contents(path):
            kinds[kind.partition(" ")[0]] = kinds.get(kind.partition(" ")[0], 0) + 1
            found += [f"{path} ({kind}): {word}" for word in needles.within(content)]
    return found, kinds
