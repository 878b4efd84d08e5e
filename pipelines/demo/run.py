"""``tidemark demo``: one full pull through Dagster, from the sandbox into the demo's home."""

import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, Final

import dagster as dg

from pipelines.demo import progress, summary
from pipelines.demo.exchange import feeding
from pipelines.orchestration.ghosts import alive
from pipelines.orchestration.pulling import EVERY_STREAM
from pipelines.output.console import say, warn
from pipelines.output.exits import PARTLY_FAILED
from pipelines.settings import load_settings
from pipelines.ui.instance import dagster_home
from warehouse import LINK

JOB = "everything"
CONFIG: Final[dict[str, Any]] = {
    "loggers": {progress.NAME: {}, "console": {"config": {"log_level": "CRITICAL"}}}
}
"""Without Dagster's own lines on the terminal."""


def run() -> int:
    """Pull, and show the result. The exit code is that of ``tidemark pull``."""
    with feeding() as exchange:
        before = summary.rows(exchange.home)
        say(exchange.greeting)
        say(f"Pulling every feed through Dagster into {exchange.home} …")
        started = time.monotonic()
        with progress.showing() as show:
            problems = materialize(show)
        seconds = time.monotonic() - started
        agrees = (exchange.home / LINK).exists() and summary.show(exchange, before, seconds)
    for problem in problems:
        warn(problem)
    return 0 if agrees and not problems else PARTLY_FAILED


def materialize(show: Callable[[str], None]) -> list[str]:
    """Run the job of all assets in this process; what failed, as the engine reports it.

    ``show``: takes each line of what the steps report. The run is recorded in the demo's Dagster
    instance: ``make ui`` shows it.
    """
    from pipelines.definitions import defs

    loggers = dg.Definitions(
        loggers={progress.NAME: progress.logger(show), "console": dg.colored_console_logger}
    )
    job = dg.Definitions.merge(defs(), loggers).resolve_job_def(JOB)
    run_id, home = str(uuid.uuid4()), load_settings().home
    with dg.DagsterInstance.get() as instance, alive(home, run_id), _held_open(home):
        result = job.execute_in_process(
            run_config=CONFIG,
            instance=instance,
            raise_on_error=False,
            run_id=run_id,
            tags={EVERY_STREAM: "true"},
        )
    if any(_is_interrupt(event) for event in result.all_events):
        raise KeyboardInterrupt  # Dagster takes Ctrl-C for a failure of the step
    return [_reason(event) for event in result.all_events if event.is_step_failure]


@contextmanager
def _held_open(home: Path) -> Iterator[None]:
    """Keep a connection to each of Dagster's databases.

    Dagster opens one for every event, and SQLite writes its log back each time the last one closes.
    """
    with ExitStack() as stack:
        for path in dagster_home(home).rglob("*.db"):
            db = stack.enter_context(closing(sqlite3.connect(path)))
            db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        yield


def _is_interrupt(event: dg.DagsterEvent) -> bool:
    error = event.step_failure_data.error if event.is_step_failure else None
    return error is not None and any(
        name in str(error) for name in ("DagsterExecutionInterruptedError", "KeyboardInterrupt")
    )


def _reason(event: dg.DagsterEvent) -> str:
    data = event.step_failure_data
    if data.user_failure_data is not None and data.user_failure_data.description:
        return data.user_failure_data.description
    return data.error_display_string
