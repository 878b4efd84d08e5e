"""``tidemark demo``: one full pull through Dagster, from the sandbox into the demo's home."""

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from rich.console import Console

from pipelines.demo import summary
from pipelines.demo.exchange import feeding
from pipelines.orchestration.ghosts import alive
from pipelines.output.console import is_terminal, say, warn
from pipelines.output.exits import PARTLY_FAILED
from pipelines.settings import load_settings
from warehouse import LINK

JOB = "everything"
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def run() -> int:
    """Pull, and show the result. The exit code is that of ``tidemark pull``."""
    with feeding() as exchange:
        before = summary.rows(exchange.home)
        say(f"Sandbox exchange on {exchange.url}, speaking BitexBit and WEX.")
        say(f"Pulling every feed through Dagster into {exchange.home} …")
        started = time.monotonic()
        with _waiting():
            problems = materialize()
        seconds = time.monotonic() - started
        if (exchange.home / LINK).exists():
            summary.show(exchange, before, seconds)
    for problem in problems:
        warn(problem)
    return PARTLY_FAILED if problems else 0


def materialize() -> list[str]:
    """Run the job of all assets in this process; what failed, as the engine reports it.

    The run is recorded in the demo's Dagster instance: ``make ui`` shows it.
    """
    from pipelines.definitions import defs

    job = defs().resolve_job_def(JOB)
    run_id = str(uuid.uuid4())
    with dg.DagsterInstance.get() as instance, alive(load_settings().home, run_id):
        result = job.execute_in_process(
            run_config=QUIET, instance=instance, raise_on_error=False, run_id=run_id
        )
    if any(_is_interrupt(event) for event in result.all_events):
        raise KeyboardInterrupt  # Dagster takes Ctrl-C for a failure of the step
    return [_reason(event) for event in result.all_events if event.is_step_failure]


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


@contextmanager
def _waiting() -> Iterator[None]:
    """Show in a terminal that something is running."""
    if not is_terminal():
        yield
        return
    with Console(stderr=True).status("pulling"):
        yield
