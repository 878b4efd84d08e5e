"""How the command line writes: consoles, exact numbers, UTC times, tables.

In a terminal tables are drawn and coloured by rich; elsewhere they are Markdown, whose shape does
not depend on the width of anything, so that it can be kept and compared.
"""

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

NO_WRAP_WIDTH = 1_000_000


def is_terminal() -> bool:
    """Whether somebody is watching: progress goes to stderr, so that is what counts."""
    return sys.stderr.isatty()


def say(line: str = "") -> None:
    """One plain line on stdout, at once: a file or a pipe may be what is looked at."""
    print(line, flush=True)


def warn(line: str) -> None:
    """One plain line on stderr, after everything said so far."""
    sys.stdout.flush()
    print(line, file=sys.stderr, flush=True)


def number(value: Decimal) -> str:
    """An exact decimal in plain notation, without trailing zeros: ``433``, ``0.00692841``."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def instant(value: datetime, separator: str = " ") -> str:
    """A time as ISO 8601; with a ``Z`` and in UTC when it knows its zone."""
    if value.tzinfo is None:
        return _trim(value.isoformat(separator))
    return _trim(value.astimezone(UTC).replace(tzinfo=None).isoformat(separator)) + "Z"


def _trim(iso: str) -> str:
    return iso.rstrip("0") if "." in iso else iso


def age(span: timedelta) -> str:
    """A span in the two units that matter: ``12 s``, ``3 min``, ``5 h 10 min``, ``41 d 3 h``."""
    seconds = max(0, int(span.total_seconds()))
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if minutes < 1:
        return f"{seconds} s"
    if hours < 1:
        return f"{minutes} min"
    if days < 1:
        return f"{hours} h {minutes % 60} min"
    return f"{days} d {hours % 24} h"


def count(value: int, noun: str) -> str:
    """``1 row``, ``12,345 rows``."""
    return f"{value:,} {noun}" if value == 1 else f"{value:,} {noun}s"


def print_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str | None]],
    right: Iterable[str] = (),
) -> None:
    """Write a table on stdout. ``None`` is shown as ``NULL``; ``right``: columns of numbers."""
    drawn = sys.stdout.isatty()
    aligned = set(right)
    table = Table(box=box.SIMPLE_HEAD if drawn else box.MARKDOWN, pad_edge=not drawn)
    for name in columns:
        table.add_column(
            Text(name),
            justify="right" if name in aligned else "left",
            no_wrap=not drawn or name in aligned,
            overflow="fold",
        )
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    console = Console(highlight=False) if drawn else Console(width=NO_WRAP_WIDTH, color_system=None)
    with console.capture() as capture:
        console.print(table)
    lines = (line.rstrip() for line in capture.get().splitlines())
    print("\n".join(line for line in lines if line))


def _cell(value: str | None) -> Text:
    return Text("NULL", style="dim") if value is None else Text(value)
