"""Bring DuckDB (and Iceberg, if it is asked for) up to the lake; report the state of each table."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import warehouse
from pipelines.settings import Settings
from schemas import DATASETS
from schemas.times import to_datetime
from warehouse import StreamStatus
from warehouse.iceberg import publish_iceberg


@dataclass(frozen=True)
class TableState:
    """One dataset (of one exchange, or of all): rows, files, freshness, gaps and lost spans."""

    rows: int = 0
    rows_added: int = 0
    files: int = 0
    newest: datetime | None = None
    gaps: int = 0
    lost: int = 0


@dataclass(frozen=True)
class PublishReport:
    """The outcome of a publish. ``published`` is false when there was nothing new to load."""

    tables: dict[str, TableState]
    published: bool
    path: Path


def publish(settings: Settings, datasets: Sequence[str] | None = None) -> PublishReport:
    """Publish what changed, all of it; ``datasets`` only chooses what is reported.

    Raises ``StorageError``: what it does not name is published.
    """
    home, iceberg = settings.prepare_home(), settings.iceberg
    try:
        result = warehouse.publish(home, views_above=settings.views_above)
    except warehouse.StorageError:
        if iceberg is not None:
            with suppress(warehouse.StorageError):
                publish_iceberg(home, iceberg)
        raise
    if iceberg is not None:
        publish_iceberg(home, iceberg)
    streams = warehouse.status(home)
    names = datasets or list(DATASETS)
    return PublishReport(
        {
            name: _state(
                [s for s in streams if s.stream.dataset == name],
                result.rows[name] - result.rows_before[name],
            )
            for name in names
        },
        result.changed,
        result.path,
    )


def table_state(settings: Settings, exchange: str, dataset: str) -> TableState:
    """The state of one exchange's dataset in the lake, from the metastore."""
    wanted = exchange, dataset
    streams = warehouse.status(settings.home)
    return _state([s for s in streams if (s.stream.exchange, s.stream.dataset) == wanted], 0)


def _state(streams: Sequence[StreamStatus], added: int) -> TableState:
    newest = max((s.newest_at for s in streams if s.newest_at is not None), default=None)
    return TableState(
        sum(s.rows for s in streams),
        added,
        sum(s.files for s in streams),
        to_datetime(newest),
        sum(s.gaps for s in streams),
        sum(s.lost for s in streams),
    )
