"""``tidemark status``: what is covered, what is missing or lost, how fresh, and the mend."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from pipelines.cli.output import age, count, print_table, say

if TYPE_CHECKING:
    from pipelines.ingest.rights import KeyRights
    from warehouse.coverage import Interval
    from warehouse.query import StreamStatus

_COLUMNS = ("dataset", "stream", "rows", "covered", "missing", "lost", "newest row", "checked")
_LISTED = 20
"""How many holes are spelled out."""


def status() -> None:
    """Show what is covered, missing and lost, stream by stream, and how fresh it is.

    Streams counted in ids show the ids proved and the dates of their rows; streams counted in time
    show the time proved. `newest row` and `checked` are ages: of the newest row held, and of the
    last pull that reached the newest end.

    \b
    Examples:
      tidemark status
      TIDEMARK_HOME=data/demo tidemark status
    """
    import warehouse
    from pipelines.settings import load_settings

    home = load_settings().home
    streams = warehouse.status(home) if warehouse.has_data(home) else []
    if not streams:
        say(f"nothing collected yet in {home}: run tidemark pull (or tidemark demo to try it out)")
        return
    say(f"home: {home}")
    write_status(streams, datetime.now(UTC))


def write_status(streams: "Sequence[StreamStatus]", now: datetime) -> None:
    """Write the table of ``streams``, then every hole, and what to do next."""
    held = [s for s in streams if s.stream.dataset != "quarantine"]
    print_table(_COLUMNS, (row(s, now) for s in held), right=("rows", "missing", "lost"))
    holes = [(s, kind, i) for s in held for kind, i in spans(s) if kind != "complete"]
    for kind, title in (("gap", "missing"), ("lost", "lost (the exchange shows it no more)")):
        found = [(s, i) for s, k, i in holes if k == kind]
        if found:
            say(f"{title}:")
            for stream, interval in found[:_LISTED]:
                say(f"  {stream.stream}: {span(interval, stream.state.unit)}")
            if len(found) > _LISTED:
                say(f'  and {len(found) - _LISTED} more: tidemark sql "FROM coverage"')
    for names, law in laws(held):
        say(f"found out: {names}: {law}")
    quarantined = [s for s in streams if s.stream.dataset == "quarantine" and s.rows]
    if quarantined:
        total = count(sum(s.rows for s in quarantined), "row")
        say(f"quarantine: {total}, kept as received ({', '.join(_quarantine(quarantined))})")
    for key in keys(held):
        say(f"key: {key.finding}")
    for mend in mends(held, bool(quarantined)):
        say(f"next: {mend}")


def laws(held: "Iterable[StreamStatus]") -> list[tuple[str, str]]:
    """How each dataset is paged, as found out from answers; a line for each different finding."""
    from pipelines.ingest.law import Law

    found: dict[tuple[str, str], list[str]] = {}
    for stream in held:
        law = Law.load(stream.state.law).describe()
        if law:
            name = f"{stream.stream.exchange}/{stream.stream.dataset}"
            found.setdefault((name, law), []).append(stream.stream.stream)
    several = {name for name, _ in found if sum(n == name for n, _ in found) > 1}
    return [
        (f"{name} {', '.join(streams)}" if name in several else name, law)
        for (name, law), streams in found.items()
    ]


def keys(held: "Iterable[StreamStatus]") -> "list[KeyRights]":
    """The keys that may do more than collecting takes, where the exchange told so."""
    from pipelines.ingest.rights import rights_of

    found = (rights_of(stream.stream, stream.state) for stream in held)
    return [rights for rights in found if rights and rights.excess]


def row(status: "StreamStatus", now: datetime) -> tuple[str, ...]:
    """One line of the table."""
    state = status.state
    return (
        f"{status.stream.exchange}/{status.stream.dataset}",
        status.stream.stream,
        f"{status.rows:,}",
        covered(status),
        str(status.gaps) if status.gaps else "–",
        str(status.lost) if status.lost else "–",
        ago(status.newest_at, now),
        ago(state.checked_at, now),
    )


def covered(status: "StreamStatus") -> str:
    """``ids 17..93, 2019-10-11..2019-10-13``, or the days proved, or the days of the snapshots."""
    dates = _days(status.oldest_at, status.newest_at)
    complete = status.state.complete
    if status.state.unit == "id" and complete:
        return f"ids {complete[0].lower}..{complete[-1].upper - 1}, {dates}"
    if status.state.unit == "time" and complete:
        return _days(complete[0].lower, complete[-1].upper - 1)
    return dates


def spans(status: "StreamStatus") -> "list[tuple[str, Interval]]":
    """Proved, missing and lost intervals of one stream."""
    from warehouse.coverage_table import spans as of_state

    return of_state(status.state)


def span(interval: "Interval", unit: str) -> str:
    """``ids 5..9``, ``ids up to 9``, ``2019-10-11 00:00..2019-10-12 00:00``."""
    if unit == "time":
        return f"{_at(interval.lower):%Y-%m-%d %H:%M}..{_at(interval.upper):%Y-%m-%d %H:%M}"
    last = interval.upper - 1
    return f"ids up to {last}" if interval.lower <= 0 else f"ids {interval.lower}..{last}"


def mends(held: "Sequence[StreamStatus]", quarantined: bool) -> list[str]:
    """What to do next, the most useful first."""
    missing = sorted({f"{s.stream.exchange}/{s.stream.dataset}" for s in held if s.gaps})
    found = [f"tidemark pull {' '.join(missing)}   # fetches what is missing"] if missing else []
    found += [key.mend for key in keys(held)]
    if quarantined:
        found.append('tidemark sql "SELECT reason, payload FROM quarantine"')
    return found


def ago(microseconds: int | None, now: datetime) -> str:
    """The age of a time in microseconds since 1970."""
    return "–" if microseconds is None else age(now - _at(microseconds))


def _quarantine(streams: "Iterable[StreamStatus]") -> list[str]:
    return [
        f"{s.stream.exchange}/{s.stream.stream.replace('.', ' ', 1)}: {s.rows}" for s in streams
    ]


def _days(oldest: int | None, newest: int | None) -> str:
    if oldest is None or newest is None:
        return "no rows"
    return f"{_at(oldest):%Y-%m-%d}..{_at(newest):%Y-%m-%d}"


def _at(microseconds: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
