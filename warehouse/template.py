"""The template database: a DuckDB file with every table and view, and no rows.

Making one takes as long as loading 300,000 rows. So it is cached in ``$XDG_CACHE_HOME/tidemark``
(else ``~/.cache/tidemark``) under a digest of its SQL files and declarations; without a cache it is
made again each time.
"""

import hashlib
from collections.abc import Iterator, Set
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import duckdb

from schemas import DATASETS, TABLES
from warehouse import catalog
from warehouse.duckdb_files import Config, writable
from warehouse.files import put
from warehouse.home import user_folder

LOADING: Final[Config] = {
    # one thread fills row groups in order: half the file, no slower, and memory stays flat
    "threads": 1,
    "memory_limit": "64MB",
}
_DIGEST_BYTES: Final = hashlib.sha256().digest_size


def template_database(folder: Path) -> bytes:
    """A DuckDB file with all tables and views and no rows. One is made in ``folder`` if need be."""
    cache = user_folder("XDG_CACHE_HOME", ".cache")
    if cache is None:
        return _make(folder)
    made_of = "\n".join([*_tables(), catalog.digest(), duckdb.__version__]).encode()
    cached = cache / f"template-{hashlib.sha256(made_of).hexdigest()[:16]}.duckdb"
    with suppress(OSError):
        content = cached.read_bytes()
        if _with_digest(content[:-_DIGEST_BYTES]) == content:
            return content[:-_DIGEST_BYTES]
    content = _make(folder)
    with suppress(OSError):  # a cache that cannot be written
        _cache(cached, content)
    return content


def update_catalog(db: duckdb.DuckDBPyConnection) -> None:
    """Give ``db`` this program's tables and views; tables that had other columns are emptied."""
    if catalog.is_current(db):
        return
    if catalog.has_other_columns(db):
        catalog.drop_tables(db)  # of a version that declared other columns: load from nothing
    for statement in _tables(catalog.views_held(db).keys()):
        db.execute(statement)
    catalog.refresh(db)


def create_table(name: str) -> str:
    """SQL that makes the table ``name`` where there is none."""
    return next(sql for sql in _tables(TABLES.keys() - {name}))


def _tables(large: Set[str] = frozenset()) -> Iterator[str]:
    """SQL that makes all tables but those that are views, and what Tidemark notes of them."""
    ids = {d.name: d.id_column for d in DATASETS.values()}
    for name, table in TABLES.items():
        if name in large:
            continue
        columns = []
        for field in table.schema:
            column = f'"{field.name}" {catalog.TYPES[str(field.type)]}'
            if field.name == ids.get(name):
                # ids hardly repeat: what DuckDB would choose by itself takes twice as long to
                # load and no less to read
                column += " USING COMPRESSION zstd"
            columns.append(column if field.nullable else f"{column} NOT NULL")
        yield f'CREATE TABLE IF NOT EXISTS "{name}" ({", ".join(columns)})'
    yield "CREATE SCHEMA IF NOT EXISTS _tidemark"
    yield (
        "CREATE TABLE IF NOT EXISTS _tidemark.loaded"
        " (change BIGINT, state BIGINT, metastore BIGINT)"
    )
    yield (
        "CREATE TABLE IF NOT EXISTS _tidemark.view_tables"
        " (dataset VARCHAR, rows BIGINT, place VARCHAR)"
    )
    yield "CREATE TABLE IF NOT EXISTS _tidemark.view_links (dataset VARCHAR, path VARCHAR)"


def _with_digest(content: bytes) -> bytes:
    """``content`` with its digest appended, by which a torn file is recognised."""
    return content + hashlib.sha256(content).digest()


def _make(folder: Path) -> bytes:
    with TemporaryDirectory(dir=folder, suffix=".building") as made:
        path = Path(made) / "template.duckdb"
        with writable(path) as place, duckdb.connect(str(place), config=LOADING) as db:
            update_catalog(db)
        return path.read_bytes()


def _cache(cached: Path, content: bytes) -> None:
    cached.parent.mkdir(parents=True, exist_ok=True)
    put(cached, _with_digest(content))
    for other in cached.parent.glob("*.duckdb"):
        if other != cached:
            other.unlink(missing_ok=True)
