"""Lines and tables on stdout and stderr.

In a terminal tables are drawn and coloured by rich; elsewhere they are Markdown, whose shape does
not depend on the width of anything, so that output can be stored and compared.
"""

import sys
from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

NO_WRAP_WIDTH = 1_000_000


def is_terminal() -> bool:
    """Whether stderr, where progress goes, is a terminal."""
    return sys.stderr.isatty()


def say(line: str = "") -> None:
    """One plain line on stdout, flushed at once: a reader may follow the file or pipe."""
    print(line, flush=True)


def warn(line: str) -> None:
    """One plain line on stderr, after everything written so far."""
    sys.stdout.flush()
    print(line, file=sys.stderr, flush=True)


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
