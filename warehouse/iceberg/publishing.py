"""Publish the lake's rows as Iceberg tables: one commit for each table that changed.

One process publishes at a time. Where all is published, no catalog is opened.
"""

from contextlib import closing
from pathlib import Path
from typing import Final

from schemas import ConfigError
from warehouse.home import home_of
from warehouse.iceberg.marks import Marks, known_marks, newest_marks
from warehouse.iceberg.target import IcebergTarget
from warehouse.locks import exclusive
from warehouse.metastore import Metastore

LOCK: Final = "iceberg"
UNFINISHED: Final = "iceberg/unfinished"
"""The file of the home that names the table that a publish is writing."""


def publish_iceberg(
    home: Path | str | None, target: IcebergTarget, *, rebuild: bool = False
) -> list[str]:
    """Bring the Iceberg tables up to the lake; the names of those that changed.

    ``rebuild`` writes all of them again. Waits while another process publishes. Raises
    ``StorageError``: the tables that it names are as they were, the others are published.
    ``ConfigError`` where pyiceberg is not installed.
    """
    home = home_of(home)
    with closing(Metastore(home)) as metastore, exclusive(home, LOCK):
        known = known_marks(metastore, target) if target.has_catalog else Marks()
        is_whole = not (home / UNFINISHED).exists()
        if not rebuild and is_whole and (known.change, known.state) == newest_marks(metastore):
            return []
        try:
            from warehouse.iceberg.commits import bring_up_to_date
        except ModuleNotFoundError as error:
            raise ConfigError(
                f"Iceberg tables need {error.name}. Fix: pip install 'tidemark[iceberg]'"
            ) from None
        return bring_up_to_date(home, metastore, target, known, rebuild=rebuild)
