"""Which streams a status is of: all, those that a pattern names, those that a feed collects."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import warehouse
from pipelines.feeds import Feed, is_collected, jobs
from pipelines.feeds.selection import Names
from pipelines.feeds.selection import select as selected
from pipelines.status.judged import some
from schemas import StreamId
from warehouse.streams import StreamStatus


def symbols_of(home: Path) -> dict[str, dict[str, str]]:
    """The symbol of every market held, by exchange and the exchange's own name."""
    names: dict[str, dict[str, str]] = {}
    columns = ["exchange", "native_symbol", "symbol", "active"]
    with suppress(warehouse.StorageError):  # a pull of markets reports it
        held = warehouse.table("markets", columns=columns, home=home)
        for row in held.sort_by("active").to_pylist():
            names.setdefault(row["exchange"], {})[row["native_symbol"]] = row["symbol"]
    return names


def uncollected(
    streams: Iterable[StreamId], feeds: Sequence[Feed], names: Mapping[str, Mapping[str, str]]
) -> set[StreamId]:
    """The streams that none of ``feeds`` collects any more. ``names``: see :func:`symbols_of`."""
    return {s for s in streams if not is_collected(feeds, s, names.get(s.exchange))}


def never_pulled(streams: Iterable[StreamStatus], feeds: Sequence[Feed]) -> str | None:
    """``wex/trades, wex/tickers``: what ``feeds`` collect and no stream is stored of."""
    stored = {(s.stream.exchange, s.stream.dataset) for s in streams}
    names = [job.name for job in jobs(feeds) if (job.exchange, job.dataset) not in stored]
    return some(names) or None


def select(
    streams: Sequence[StreamStatus],
    patterns: Sequence[str],
    feeds: Sequence[Feed] = (),
    names: Mapping[str, Mapping[str, str]] | None = None,
) -> list[StreamStatus]:
    """The streams that any of ``patterns`` names, all where there is none.

    A pattern is as in ``pull``, of an exchange or of one of ``feeds``; a third part names streams
    (``wex/trades/BTC-*``). ``names``: see :func:`symbols_of`. Raises ``ConfigError`` for one that
    names nothing.
    """

    def of(status: StreamStatus) -> Names:
        stream = status.stream
        collecting = {
            feed.name
            for feed in feeds
            if is_collected([feed], stream, (names or {}).get(stream.exchange))
        }
        return Names(
            stream.exchange,
            stream.source or stream.dataset,
            collecting,
            {stream.dataset},
            {stream.label, replace(stream, source=None).label},
        )

    return selected(streams, of, patterns, "stored")
