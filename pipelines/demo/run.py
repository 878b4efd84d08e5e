"""``tidemark demo``: one full pull through Dagster, from the sandbox into the demo's home."""

import time
from collections.abc import Callable
from typing import Any, Final

import dagster as dg

from pipelines.demo import progress, summary
from pipelines.demo.exchange import feeding
from pipelines.output.console import say, warn
from pipelines.output.exits import PARTLY_FAILED
from warehouse import LINK

JOB = "everything"
CONFIG: Final[dict[str, Any]] = {"loggers": {progress.NAME: {}}}
"""Without Dagster's own lines on the terminal."""


def run() -> int:
    """Pull, and show the result. The exit code is that of ``tidemark pull``."""
    with feeding() as exchange:
        before = summary.rows(exchange.home)
        say(f"Sandbox exchange on {exchange.url}, speaking BitexBit and WEX.")
        say(f"Pulling every feed through Dagster into {exchange.home} …")
        started = time.monotonic()
        with progress.showing() as show:
            problems = materialize(show)
        seconds = time.monotonic() - started
        if (exchange.home / LINK).exists():
            summary.show(exchange, before, seconds)
    for problem in problems:
        warn(problem)
    return PARTLY_FAILED if problems else 0


def materialize(show: Callable[[str], None]) -> list[str]:
    """Run the job of all assets in this process; what failed, as the engine reports it.

    ``show``: takes each line of what the steps report.
    """
    from pipelines.definitions import defs

    loggers = dg.Definitions(loggers={progress.NAME: progress.logger(show)})
    job = dg.Definitions.merge(defs(), loggers).resolve_job_def(JOB)
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(run_config=CONFIG, instance=instance, raise_on_error=False)
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
