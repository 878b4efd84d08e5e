"""Publish the lake's rows as tables of a DuckDB file, whole versions behind a symbolic link.

Every publish brings an older version up to date: it applies the lake files that changed since,
flushes them to disk and points the link ``warehouse.duckdb`` to it. A version that is live, or that
a session has open, is never opened for writing: no reader blocks a load, and no load disturbs a
reader.

The metastore knows what the live version holds. Where that is all there is, no DuckDB is needed.
"""

from contextlib import closing, suppress
from pathlib import Path

from warehouse import published
from warehouse.errors import from_os_error
from warehouse.home import home_of
from warehouse.lake_migration import migrate_lake
from warehouse.locks import exclusive
from warehouse.metastore import Metastore
from warehouse.published import Published
from warehouse.versions import Start, Versions


def publish(
    home: Path | str | None = None, *, rebuild: bool = False, views_above: int = 0
) -> Published:
    """Bring DuckDB up to the lake and the metastore. Waits while another process publishes.

    ``home``: else ``TIDEMARK_HOME``, else ``./data``. ``rebuild`` starts from nothing. A damaged
    version is rebuilt without being asked. ``views_above``: tables with more rows are views on
    lake files; 0: none is.
    Raises ``StorageError``: where nothing could be published, the version that was live stays
    live; where tables could not be loaded, it names them, and the others are published.
    """
    home = home_of(home)
    with closing(Metastore(home)) as metastore, exclusive(home, "publish"):
        migrate_lake(home, metastore)
        versions = Versions(home)
        versions.remove_leftovers()  # of a publish that broke off
        try:
            live = versions.live()
            large: frozenset[str] = frozenset()
            if views_above:
                from warehouse.linked import large_datasets

                large = large_datasets(home, metastore, views_above)
            rows = None if rebuild else published.rows_if_current(metastore, live, large)
            if rows is not None:
                return Published(versions.link, False, rows, rows)
            from warehouse.loading import bring_up_to_date  # DuckDB: 0.1 s

            starts = (Start.NOTHING,) if rebuild else versions.starts()
            return bring_up_to_date(home, versions, metastore, starts, large)
        except OSError as error:
            raise from_os_error(error, "cannot publish", versions.link) from error
        finally:
            with suppress(OSError):
                versions.remove_leftovers()
