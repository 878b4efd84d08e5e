"""Up to what the Iceberg tables are published, as the metastore recorded it; needs no pyiceberg.

So a publish that has nothing to do opens no catalog. What decides is in the tables themselves: this
tells which of them to look into.
"""

from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from warehouse.iceberg.target import IcebergTarget
from warehouse.metastore import Metastore

_PREFIX: Final = "iceberg "
_OF: Final = "of "


@dataclass(frozen=True)
class Marks:
    """``change``: all tables hold everything up to it; ``state``: so does ``coverage``.

    ``tables``: the mark that the snapshot of each table had when it was last published.
    """

    change: int = 0
    state: int = 0
    tables: dict[str, int] = field(default_factory=dict)


def newest_marks(metastore: Metastore) -> tuple[int, int]:
    """What there is to publish: the newest change of files and that of coverage."""
    return metastore.newest_change(), metastore.state_mark()


def known_marks(metastore: Metastore, target: IcebergTarget) -> Marks:
    """What was recorded for ``target``; of another target, nothing."""
    found = metastore.counters(_PREFIX)
    if (found.get("target"), found.get("metastore")) != (target.number, metastore.identity()):
        return Marks()
    tables = {n.removeprefix(_OF): mark for n, mark in found.items() if n.startswith(_OF)}
    return Marks(found.get("change", 0), found.get("state", 0), tables)


def changes_behind(home: Path, target: IcebergTarget) -> int:
    """How many changes of the lake the tables lack, as recorded; 0: they are up to date."""
    with closing(Metastore(home)) as metastore:
        known, (change, state) = known_marks(metastore, target), newest_marks(metastore)
    return max(change - known.change, int(state != known.state))


def record_marks(metastore: Metastore, target: IcebergTarget, marks: Marks) -> None:
    """Record what a publish into ``target`` reached."""
    known = {"target": target.number, "metastore": metastore.identity()}
    known |= {"change": marks.change, "state": marks.state}
    known |= {_OF + name: mark for name, mark in marks.tables.items()}
    metastore.record_counters({_PREFIX + name: value for name, value in known.items()})
