"""``tidemark status``: what is covered, missing or lost, and how fresh it is."""

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.output.console import say
from schemas import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas import StreamId


def status() -> None:
    """Show what is covered, missing and lost, stream by stream, and how fresh it is.

    Streams counted in ids show the ids proved and the dates of their rows; streams counted in time
    show the time proved. `newest row` and `checked` are ages: of the newest row held, and of the
    last pull that reached the newest end. A stream that no feed names any more is "no longer
    collected"; its rows stay.

    \b
    Examples:
      tidemark status
      TIDEMARK_HOME=data/demo tidemark status
    """
    import warehouse
    from pipelines.settings import load_settings
    from pipelines.status import write_status

    home = load_settings().home
    streams = warehouse.status(home) if warehouse.has_data(home) else []
    if not streams:
        say(f"nothing collected yet in {home}: run tidemark pull (or tidemark demo to try it out)")
        return
    say(f"home: {home}")
    write_status(streams, datetime.now(UTC), _uncollected(home, [s.stream for s in streams]))


def _uncollected(home: Path, streams: "Sequence[StreamId]") -> "set[StreamId]":
    """The streams that no feed collects any more; none where the feeds cannot be read."""
    import warehouse
    from pipelines.feeds import is_collected, load_feeds

    try:
        feeds = load_feeds()
    except ConfigError:
        return set()
    names: dict[str, dict[str, str]] = {}
    with suppress(warehouse.StorageError):  # nothing published so far
        query = "SELECT exchange, native_symbol, symbol FROM markets ORDER BY active"
        for row in warehouse.sql(query, home=home).to_pylist():
            names.setdefault(row["exchange"], {})[row["native_symbol"]] = row["symbol"]
    return {s for s in streams if not is_collected(feeds, s, names.get(s.exchange))}
