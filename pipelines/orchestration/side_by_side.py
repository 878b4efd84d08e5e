"""The pulls of one run, side by side in one process.

The in-process executor runs steps one after the other, each in a few milliseconds; a process for
each step would cost seconds of processor time every minute. So the first step of a run that pulls
starts the pulls of all its steps, one thread each, and each step takes its own result.
"""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait

from pipelines.ingest import PullReport

Pull = Callable[[threading.Event], PullReport]
"""A pull that ends early once the event is set."""


class SideBySide:
    """Runs the pulls of a run side by side. One object serves all runs of a process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[str, dict[str, Future[PullReport]]] = {}
        self._stops: dict[str, threading.Event] = {}

    def result(self, run_id: str, step: str, pulls: Mapping[str, Pull]) -> PullReport:
        """The report of ``step``'s pull. ``pulls``: of every step of the run that pulls.

        Raises what the pull raises. An interrupt ends all pulls of the run.
        """
        with self._lock:
            stop = self._stops.setdefault(run_id, threading.Event())
            running = self._running.get(run_id)
            if running is None:
                running = {name: _started(pull, stop) for name, pull in pulls.items()}
            mine = running.pop(step, None) or _started(pulls[step], stop)
            self._running[run_id] = running
            if not running:
                del self._running[run_id], self._stops[run_id]
        try:
            return mine.result()
        except BaseException:
            if not mine.done():  # an interrupt: each stream stores what it has and ends
                stop.set()
                wait([mine, *running.values()])
            raise


def _started(pull: Pull, stop: threading.Event) -> Future[PullReport]:
    future: Future[PullReport] = Future()

    def work() -> None:
        try:
            future.set_result(pull(stop))
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=work, name="exchange", daemon=True).start()
    return future
