"""The progress of a pull or replay: bars in a terminal, plain lines elsewhere, on stderr.

The engine reports from its worker threads; every report carries the running totals of one stream,
so a lost or late report does not matter.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from pipelines.output.console import is_terminal, warn
from pipelines.output.formatting import age, visible
from schemas.wording import count

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from pipelines.imports import ImportProgress
    from pipelines.ingest import StreamProgress

Report = Callable[["StreamProgress"], None]

PLAIN_SECONDS = 10.0
"""How often a stream that is still being fetched writes a plain line."""


@contextmanager
def showing(unit: str = "request") -> Iterator[Report]:
    """The callback that shows progress while the block runs. ``unit``: what rows come in."""
    if not is_terminal():
        yield PlainLines(unit=unit)
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        TextColumn("{task.fields[detail]}", style="dim", markup=False),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        yield Bars(bars, unit)


def name(report: "StreamProgress") -> str:
    """``bitexbit/trades BTC-USD``."""
    return visible(f"{report.exchange}/{report.dataset} {report.stream}".rstrip())


def detail(report: "StreamProgress", unit: str = "request") -> str:
    """``12,000 rows, 12 requests, back to 2019-10-11``."""
    text = f"{count(report.rows, 'row')}, {count(report.requests, unit)}"
    return text if report.oldest is None else f"{text}, back to {report.oldest:%Y-%m-%d %H:%M}"


class Bars:
    """One line for everything, and one for each stream that is being fetched now."""

    def __init__(self, bars: "Progress", unit: str = "request") -> None:
        self._bars = bars
        self._unit = unit
        self._lock = threading.Lock()
        self._tasks: dict[str, TaskID] = {}
        self._last: dict[str, StreamProgress] = {}
        self._done: set[str] = set()
        self._all = bars.add_task("all streams", total=None, detail="")

    def __call__(self, report: "StreamProgress") -> None:
        key = name(report)
        with self._lock:
            self._last[key] = report
            if report.done:
                self._done.add(key)
                if key in self._tasks:
                    self._bars.remove_task(self._tasks.pop(key))
            elif key in self._tasks:
                self._bars.update(self._tasks[key], detail=detail(report, self._unit))
            else:
                shown = detail(report, self._unit)
                self._tasks[key] = self._bars.add_task(key, total=None, detail=shown)
            rows = sum(r.rows for r in self._last.values())
            requests = sum(r.requests for r in self._last.values())
            self._bars.update(
                self._all,
                detail=f"{count(rows, 'row')}, {count(requests, self._unit)}, "
                f"{count(len(self._done), 'stream')} done",
            )


class PlainLines:
    """One line for each finished stream, and now and then one for a long one."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        unit: str = "request",
        write: Callable[[str], None] = warn,
    ) -> None:
        self._clock = clock
        self._unit = unit
        self._write = write
        self._lock = threading.Lock()
        self._written_at: dict[str, float] = {}

    def __call__(self, report: "StreamProgress") -> None:
        key = name(report)
        with self._lock:
            now = self._clock()
            if report.done:
                self._write(f"{key}: {detail(report, self._unit)}, done")
            elif now - self._written_at.setdefault(key, now) >= PLAIN_SECONDS:
                self._written_at[key] = now
                self._write(f"{key}: {detail(report, self._unit)}")


@contextmanager
def showing_files() -> "Iterator[Callable[[ImportProgress], None]]":
    """The callback that shows how far an import is while the block runs, with the time left."""
    if not is_terminal():
        yield PlainFiles()
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[detail]}", style="dim", markup=False),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        yield FileBars(bars)


class FileBars:
    """One bar for the file that is read now."""

    def __init__(self, bars: "Progress") -> None:
        self._bars = bars
        self._task = bars.add_task("", total=None, detail="")
        self._current = ("", "")

    def __call__(self, report: "ImportProgress") -> None:
        current = (report.label, report.stage)
        if current != self._current:
            self._current = current
            self._bars.reset(self._task, description=visible(f"{report.stage} {report.label}"))
        self._bars.update(
            self._task,
            total=report.total or None,
            completed=report.done,
            detail=count(report.rows, "row"),
        )


class PlainFiles:
    """One line for each file that is done, and now and then one for a long one."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, write: Callable[[str], None] = warn
    ) -> None:
        self._clock = clock
        self._write = write
        self._current = ("", "")
        self._began = self._written = 0.0

    def __call__(self, report: "ImportProgress") -> None:
        now, current = self._clock(), (report.label, report.stage)
        if current != self._current:
            self._current, self._began, self._written = current, now, now
        what = f"{visible(report.label)}: {count(report.rows, 'row')}"
        if report.is_done:
            self._write(f"{what}, done")
        elif now - self._written >= PLAIN_SECONDS:
            self._written = now
            left = ""
            if report.total and report.done:
                seconds = (now - self._began) * (report.total - report.done) / report.done
                left = f", {age(timedelta(seconds=seconds))} left"
            self._write(f"{what}, {report.stage}{left}")
