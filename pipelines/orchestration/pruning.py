"""What Dagster's storage holds apart from runs: results of checks, changes of freshness.

Deleting a run leaves the results of its checks, and Dagster has no retention for either. The newest
of each check and asset stays: pages, sensors and the freshness daemon read it.
"""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import dagster as dg
import sqlalchemy as sa
from dagster._core.instance.utils import RUNLESS_RUN_ID
from dagster._core.storage.event_log import SqlEventLogStorage
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable as Results
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable as Events
from dagster._core.storage.runs import SqlRunStorage
from dagster._core.storage.schedules import SqlScheduleStorage

KEEP_RESULTS: Final = 100
"""So many results of a check, and changes of freshness of an asset, at most."""

SHRUNK_FROM: Final = 50_000_000
"""Bytes of deleted rows from which a SQLite file is written anew, if they are most of it."""


def delete_old_results(instance: dg.DagsterInstance, before: datetime) -> int:
    """Delete all but the newest results of checks and changes of freshness; how many.

    ``before``: the newest ``KEEP_RESULTS`` stay unless they are older, the very newest in any case.
    """
    storage = instance.event_log_storage
    assert isinstance(storage, SqlEventLogStorage)
    naive = before.astimezone(UTC).replace(tzinfo=None)  # as Dagster stores times
    evaluated = Events.c.dagster_event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION.value
    changed = Events.c.dagster_event_type == dg.DagsterEventType.FRESHNESS_STATE_CHANGE.value
    runless = Events.c.run_id == RUNLESS_RUN_ID
    recorded = sa.select(Results.c.evaluation_event_storage_id).where(
        Results.c.evaluation_event_storage_id.is_not(None)
    )
    check = [Results.c.asset_key, Results.c.check_name]
    with storage.index_connection() as db:
        results = db.execute(
            sa.delete(Results).where(
                Results.c.id.in_(
                    _all_but_newest(
                        sa.select(Results.c.id, Results.c.evaluation_event_timestamp), check, naive
                    )
                )
            )
        ).rowcount
        # the event that a sensor's result came with; a run's own events go with the run
        db.execute(sa.delete(Events).where(runless, evaluated, Events.c.id.not_in(recorded)))
        changes = db.execute(
            sa.delete(Events).where(
                Events.c.id.in_(
                    _all_but_newest(
                        sa.select(Events.c.id, Events.c.timestamp).where(runless, changed),
                        [Events.c.asset_key],
                        naive,
                    )
                )
            )
        ).rowcount
    return int(results + changes)


def _all_but_newest(
    rows: "sa.Select[tuple[int, datetime]]", of: "list[sa.Column[str]]", before: datetime
) -> "sa.Select[tuple[int]]":
    """The ids among ``rows`` (id, time) that are too many, or too old and not the newest."""
    number, at = rows.selected_columns
    nth = sa.func.row_number().over(partition_by=of, order_by=number.desc())
    counted = rows.add_columns(nth.label("nth")).subquery()
    nth_of, at_of = counted.c.nth, counted.c[at.name]
    return sa.select(counted.c.id).where(
        sa.or_(nth_of > KEEP_RESULTS, sa.and_(nth_of > 1, at_of < before))
    )


def shrink(instance: dg.DagsterInstance) -> int:
    """Write SQLite files anew that are mostly deleted rows; the bytes given back.

    SQLite uses the room of deleted rows again, so this is for a storage that was once far larger.
    """
    saved = 0
    for path in _sqlite_files(instance):
        with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as db:
            pages, free, size = (
                db.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("page_count", "freelist_count", "page_size")
            )
            if free * size >= SHRUNK_FROM and 2 * free > pages:
                db.execute("VACUUM")
                saved += free * size
    return saved


def _sqlite_files(instance: dg.DagsterInstance) -> list[Path]:
    """The files of Dagster's storage where it is in SQLite; none for PostgreSQL or in memory."""
    found = []
    events, runs, ticks = (
        instance.event_log_storage,
        instance.run_storage,
        instance.schedule_storage,
    )
    for connected in (
        events.index_connection if isinstance(events, SqlEventLogStorage) else None,
        runs.connect if isinstance(runs, SqlRunStorage) else None,
        ticks.connect if isinstance(ticks, SqlScheduleStorage) else None,
    ):
        if connected is None:
            continue
        with connected() as db:
            if db.dialect.name == "sqlite":
                _, _, path = db.exec_driver_sql("PRAGMA database_list").one()
                found.append(Path(path))
    return [path for path in found if path.is_file()]
