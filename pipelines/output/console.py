"""Lines and tables on stdout and stderr, and data on stdout.

Control characters are shown as escapes: text of an exchange must not command a terminal. Data that
go to a file or pipe are left as they are, in UTF-8.

In a terminal tables are drawn and coloured by rich; elsewhere they are Markdown, whose shape does
not depend on the width of anything, so that output can be stored and compared.
"""

import codecs
import io
import sys
from collections.abc import Iterable, Sequence
from typing import IO, Final

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipelines.output.formatting import visible

NO_WRAP_WIDTH = 1_000_000
_IN_ASCII: Final = {"–": "-", "…": "...", "×": "x", "→": "->"}
"""What Tidemark itself writes beyond ASCII."""


def use_terminal() -> None:
    """Write what stdout and stderr cannot encode in another way, instead of failing."""
    codecs.register_error("readable", _readable)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="readable")


def _readable(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lost = error.object[error.start : error.end]
    return "".join(_IN_ASCII.get(c) or _escaped(c) for c in lost), error.end


def _escaped(character: str) -> str:
    is_spinner = "\u2800" <= character <= "\u28ff"
    return "*" if is_spinner else character.encode("ascii", "backslashreplace").decode("ascii")


def data_out() -> IO[str]:
    """Where data go: stdout; in a terminal with control characters escaped, else in UTF-8."""
    if sys.stdout.isatty():
        return _Terminal()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="strict")
    return sys.stdout


class _Terminal(io.StringIO):
    def write(self, text: str) -> int:
        return sys.stdout.write(visible(text))


def is_terminal() -> bool:
    """Whether stderr, where progress goes, is a terminal."""
    return sys.stderr.isatty()


def say(line: str = "") -> None:
    """One plain line on stdout, flushed at once: a reader may follow the file or pipe."""
    print(visible(line), flush=True)


def warn(line: str) -> None:
    """One plain line on stderr, after everything written so far."""
    sys.stdout.flush()
    print(visible(line), file=sys.stderr, flush=True)


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
            Text(visible(name, keep="")),
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
    return Text("NULL", style="dim") if value is None else Text(visible(value, keep=""))
