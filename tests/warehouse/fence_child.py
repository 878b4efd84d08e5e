"""Commits that are interrupted at every step on PostgreSQL; run by ``test_fences.py``.

``python -m tests.warehouse.fence_child HOME FAULT EVERY``: at steps of a commit, one after another
and each in a process of its own, on one home (``EVERY`` 1: at all steps; 7: of the steps with one
name at the first, the eighth, and so on, and at the last):

``stopped``   the process is stopped (SIGSTOP) and cut off (its sessions end); another one commits
              to the same stream; then the first one wakes
``frozen``    the process is stopped, and its machine answers for it; another one commits to another
              stream meanwhile; then the first one wakes
``cut``       its sessions end, and it goes on
``lost``      the connection is lost after the server has got a COMMIT, and before it answers

Prints one line of JSON for each: the step, whether the commit said that all is stored, and what
then is.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
from filelock import FileLock

from schemas import RejectedRow, StreamId
from tests.postgres import Dropping
from tests.warehouse.tools import FILLS, TRADES, bag, ids, lake, row, store
from warehouse import leases
from warehouse.errors import StorageError
from warehouse.home import METASTORE
from warehouse.metastore import Metastore
from warehouse.postgres import PostgresDatabase

VICTIM = "victim"
_PATIENCE = 0.25
"""Seconds after which the successor is taken to wait for the one that is stopped."""
_STANDS_STILL = "-c%20idle_in_transaction_session_timeout%3D500"
"""In place of a minute."""


class Steps:
    """Counts the steps of a commit, and does ``fault`` at number ``at``."""

    def __init__(self, at: int, fault: Callable[[], None]) -> None:
        self.names: list[str] = []
        self.has_lock = False
        self._at, self._fault = at, fault
        for owner, names in (
            (os, ("fsync", "replace")),
            (psycopg.Cursor, ("execute",)),
            (PostgresDatabase, ("executemany",)),
            (FileLock, ("acquire",)),
        ):
            for name in names:
                self._around(owner, name)

    def _around(self, owner: Any, name: str) -> None:
        real: Callable[..., Any] = getattr(owner, name)

        def wrapped(*args: Any, **options: Any) -> Any:
            self._step(name)  # after the step before it as well
            return real(*args, **options)

        setattr(owner, name, wrapped)

    def _step(self, name: str) -> None:
        self.names.append(name)
        if len(self.names) - 1 == self._at:
            self.has_lock = bool(leases.holding())
            self._fault()


def commit(home: Path, key: int, stream: StreamId = TRADES) -> None:
    """One row, its claim, and a rejected row."""
    bad = [RejectedRow("odd", f'{{"tid": {key}}}')]
    store(home, stream, [row(stream, key)], state=ids((key, key + 1)), rejected=bad)


def _forked(work: Callable[[], None]) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        work()
    except StorageError as error:
        print(error, file=sys.stderr)
        os._exit(1)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        os._exit(3)
    os._exit(0)


def _ended(pid: int, patience: float | None = None) -> int | None:
    """How a process ended (0: all is stored, 1: it said that it is not); ``None``: it runs on."""
    until = time.monotonic() + (patience or 0)
    while True:
        found, status = os.waitpid(pid, 0 if patience is None else os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > until:
            return None
        time.sleep(0.002)


def _cut_off(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE application_name = %s",
            (VICTIM,),
        )


def interrupted(home: Path, url: str, fault: str, at: int) -> dict[str, Any] | None:
    """What came of it; ``None``: the commit has fewer steps."""
    key = 100 + at * 10
    names = home / "names"
    proxy = Dropping(url) if fault == "lost" else None

    def victim() -> None:
        faults = {
            "stopped": lambda: os.kill(os.getpid(), signal.SIGSTOP),
            "frozen": lambda: os.kill(os.getpid(), signal.SIGSTOP),
            "cut": lambda: _cut_off(url),
            "lost": lambda: proxy.arm() if proxy else None,
        }
        steps = Steps(at, faults[fault])
        address = f"{proxy.url if proxy else url}?application_name={VICTIM}"
        os.environ[METASTORE] = f"{address}&options={_STANDS_STILL}"
        try:
            commit(home, key)
        finally:
            names.write_text(json.dumps([steps.has_lock, *steps.names[: at + 1]]))

    pid = _forked(victim)
    outcome: int | None = None
    if fault == "frozen":
        _, status = os.waitpid(pid, os.WUNTRACED)
        if os.WIFSTOPPED(status):
            other = _forked(lambda: commit(home, key, FILLS))
            assert _ended(other, 30) == 0, (
                "another stream's commit waits for the one that is stopped"
            )
            os.kill(pid, signal.SIGCONT)
            outcome = _ended(pid)
        else:
            outcome = os.waitstatus_to_exitcode(status)
    elif fault == "stopped":
        _, status = os.waitpid(pid, os.WUNTRACED)
        if os.WIFSTOPPED(status):
            _cut_off(url)
            successor = _forked(lambda: commit(home, key + 1))
            ended = _ended(successor, _PATIENCE)
            os.kill(pid, signal.SIGCONT)
            outcome = _ended(pid)
            if ended is None:
                ended = _ended(successor)
            assert ended == 0, "the successor failed"
        else:
            outcome = os.waitstatus_to_exitcode(status)
    else:
        outcome = _ended(pid)
    if proxy is not None:
        proxy.close()
    has_lock, *taken = json.loads(names.read_text())
    if len(taken) <= at:
        return None
    metastore = Metastore(home)
    held = {int(r["trade_id"]) for r in lake(home, "trades")}
    state = metastore.state(TRADES)
    metastore.close()
    return {
        "step": taken[-1],
        "has_lock": has_lock,
        "outcome": outcome,
        "own": key in held,
        "successor": key + 1 in held,
        "claims": [(run.lower - key, run.upper - key) for run in state.complete],
        "held": all(set(range(r.lower, r.upper)) <= held for r in state.complete),
        "twice": [k for k, n in bag(lake(home, "trades")).items() if n > 1],
    }


def main(home: Path, fault: str, every: int) -> None:
    url = os.environ[METASTORE]
    commit(home, 1)
    names = _steps(home)
    for at, name in enumerate(names):
        if names[:at].count(name) % every == 0 or name not in names[at + 1 :]:
            result = interrupted(home, url, fault, at)
            if result is not None:  # else one step fewer: nothing was left to be recovered
                print(json.dumps(result), flush=True)
            if fault != "stopped":
                commit(home, 100 + at * 10)  # once more: as the next pull does


def _steps(home: Path) -> list[str]:
    """The steps of a commit that nothing interrupts."""

    def work() -> None:
        steps = Steps(-1, lambda: None)
        commit(home, 2)
        (home / "names").write_text(json.dumps(steps.names))

    assert _ended(_forked(work)) == 0
    return list(json.loads((home / "names").read_text()))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
    os._exit(0)  # threads of the libraries do not survive so many forks
