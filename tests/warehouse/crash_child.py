"""Commits and publishes that are killed at every step; run as a program by ``test_crash.py``.

``python -m tests.warehouse.crash_child FOLDER EVERY SCENARIO…``: for each scenario and each step
of it a process of its own works on a copy of one home and is killed there by SIGKILL. ``EVERY`` 1:
at all steps; 7: of the steps with one name at the first, the eighth, and so on, and at the last.
``FOLDER/<scenario>/<n>-<step>`` are the homes as the killed left them.
"""

import importlib
import os
import shutil
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

import warehouse
import warehouse.store
from schemas import RejectedRow, StreamId
from tests.warehouse.tools import (
    CANDLES,
    DAY,
    FILLS,
    HOURLY,
    NOON,
    TRADES,
    Row,
    copy_home,
    ids,
    row,
    store,
)
from warehouse.intervals import Interval
from warehouse.metastore import Metastore
from warehouse.state import StreamState

SMALL = 8
HOUR = 3_600_000_000
STEPS_BEFORE = ("replace", "record", "copyfile", "symlink_to")


def first(home: Path) -> None:
    """What was stored and published before."""
    store(home, TRADES, [row(TRADES, k) for k in range(1, 9)], state=ids((1, 9)))
    store(home, CANDLES, _candles(CANDLES, range(4), 0), rejected=[RejectedRow("odd", "{}")])
    warehouse.publish(home)


def again(home: Path, order: int = 1) -> None:
    """The commits that are killed, and later repeated (in another order of streams)."""
    for work in (_trades, _candles_5m, _candles_1h, _fills)[::order]:
        work(home)


def publish(home: Path) -> None:
    warehouse.publish(home)


def _trades(home: Path) -> None:
    new = [row(TRADES, k, NOON + (k > 11) * DAY + k) for k in range(7, 15)]
    changed = row(TRADES, 2, price=77)
    bad = [RejectedRow("no price", '{"tid": 15}')]
    store(home, TRADES, [*new, changed], state=ids((1, 16)), rejected=bad)


def _candles_5m(home: Path) -> None:
    rows = _candles(CANDLES, range(2, 6), 1) + _candles(CANDLES, range(9_000, 9_002), 1)
    store(home, CANDLES, rows, state=StreamState((Interval(NOON, NOON + HOUR),), unit="time"))


def _candles_1h(home: Path) -> None:
    store(home, HOURLY, _candles(HOURLY, range(3), 0), rejected=[RejectedRow("odd", "{}")])


def _fills(home: Path) -> None:
    store(home, FILLS, [row(FILLS, k, NOON + k * 100 * DAY) for k in range(3)])


def _candles(stream: StreamId, numbers: range, state: int) -> list[Row]:
    step = HOUR if stream is HOURLY else HOUR // 12
    return [row(stream, k, NOON + k * step, close=state) for k in numbers]


class Killer:
    """Lists the steps of a process in ``log``, and kills it at one of them."""

    def __init__(self, at: int | None, log: Path) -> None:
        self.count, self.at = 0, at
        self.log = log.open("w", buffering=1, encoding="utf-8")

    def step(self, name: str) -> None:
        print(name, file=self.log)
        if self.count == self.at:
            os.kill(os.getpid(), signal.SIGKILL)
        self.count += 1

    def around(self, owner: Any, name: str) -> None:
        real: Callable[..., Any] = getattr(owner, name)

        def wrapped(*args: Any, **options: Any) -> Any:
            if name in STEPS_BEFORE:  # elsewhere it is what the step before left
                self.step(f"before-{name}")
            result = real(*args, **options)
            self.step(f"after-{name}")
            return result

        setattr(owner, name, wrapped)

    def torn(self) -> None:
        """A Parquet file of which only the first half is written."""
        real = pq.write_table

        def wrapped(table: pa.Table, sink: Any, **options: Any) -> None:
            buffer = pa.BufferOutputStream()
            real(table, buffer, **options)
            whole = buffer.getvalue().to_pybytes()
            sink.write(whole[: len(whole) // 2])
            sink.flush()
            self.step("torn-write")
            sink.write(whole[len(whole) // 2 :])

        pq.write_table = wrapped


def _install(killer: Killer) -> None:
    killer.torn()
    for owner, names in (
        (os, ("fsync", "replace", "mkdir")),
        (Metastore, ("record", "adopt", "_write_files")),
        (shutil, ("copyfile",)),
        (Path, ("symlink_to", "unlink")),
    ):
        for name in names:
            killer.around(owner, name)


def _in_process(work: Callable[[], None]) -> int:
    """The status of a forked process that does ``work`` (nothing here has threads)."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(3)
        os._exit(0)
    return os.waitpid(pid, 0)[1]


def _kill(folder: Path, template: Path, work: Callable[[Path], None], every: int) -> None:
    log = folder.with_name(f"{folder.name}.steps")

    def working(at: int | None, name: str) -> list[str]:
        """The steps up to ``at``, on a home of this name."""
        home = folder / "home"
        copy_home(template, home)

        def crashing() -> None:
            _install(Killer(at, log))
            work(home)

        status = _in_process(crashing)
        if status if at is None else not os.WIFSIGNALED(status):
            raise SystemExit(f"{folder.name}: {name} ended with status {status}")
        home.rename(folder / name)
        return log.read_text(encoding="utf-8").split()

    steps = working(None, "whole")
    for at, step in enumerate(steps):
        if steps[:at].count(step) % every == 0 or step not in steps[at + 1 :]:
            reached = working(at, f"{at:03d}-{step}")
            assert reached == steps[: at + 1]


def main(folder: Path, every: int, scenarios: list[str]) -> None:
    warehouse.store.SEGMENT_ROWS = SMALL  # type: ignore[misc]
    pa.set_cpu_count(1)

    def prepared() -> None:
        first(folder / "template")
        copy_home(folder / "template", folder / "unpublished")
        again(folder / "unpublished")
        (folder / "modules").write_text("\n".join(sorted(sys.modules)))

    if _in_process(prepared):
        raise SystemExit("the first commits failed")
    for module in (folder / "modules").read_text().split():  # once here, not in every process
        with suppress(ImportError):
            importlib.import_module(module)
    for name, template, work in (
        ("commit", "template", again),
        ("publish", "unpublished", publish),
        ("first-publish", "unlinked", publish),
    ):
        if name not in scenarios:
            continue
        if name == "first-publish":
            copy_home(folder / "unpublished", folder / "unlinked")
            (folder / "unlinked" / warehouse.LINK).unlink()
            shutil.rmtree(folder / "unlinked" / "versions")
        (folder / name).mkdir()
        _kill(folder / name, folder / template, work, every)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
