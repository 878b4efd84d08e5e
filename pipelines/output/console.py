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
from typing import IO, Final, Literal

from rich.cells import cell_len

from pipelines.output.formatting import visible

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
    aligned = [name in set(right) for name in columns]
    titles = [visible(name, keep="") for name in columns]
    cells = [[None if v is None else visible(v, keep="") for v in row] for row in rows]
    draw = _drawn if sys.stdout.isatty() else _markdown
    print("\n".join(line for line in draw(titles, cells, aligned) if line))


Cells = Sequence[Sequence[str | None]]


def _markdown(titles: Sequence[str], rows: Cells, aligned: Sequence[bool]) -> list[str]:
    texts = [titles, *(["NULL" if value is None else value for value in row] for row in rows)]
    widths = [max(map(cell_len, column)) for column in zip(*texts, strict=True)]
    lines = [
        " ".join(
            f"| {_padded(text, width, to_right=to_right)}"
            for text, width, to_right in zip(row, widths, aligned, strict=True)
        )
        for row in texts
    ]
    rule = "".join(f"|{'-' * (width + 2)}" for width in widths)
    return [f"{lines[0]} |", f"{rule}|", *(f"{line} |" for line in lines[1:])]


def _padded(text: str, width: int, *, to_right: bool) -> str:
    text = text.rstrip() if to_right else text
    room = " " * (width - cell_len(text))
    return room + text if to_right else text + room


def _drawn(titles: Sequence[str], rows: Cells, aligned: Sequence[bool]) -> list[str]:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title, to_right in zip(titles, aligned, strict=True):
        justify: Literal["right", "left"] = "right" if to_right else "left"
        table.add_column(Text(title), justify=justify, no_wrap=to_right, overflow="fold")
    for row in rows:
        table.add_row(*(Text("NULL", style="dim") if v is None else Text(v) for v in row))
    console = Console(highlight=False)
    with console.capture() as capture:
        console.print(table)
    return [line.rstrip() for line in capture.get().splitlines()]
