"""What the demo's run does now: a changing line in a terminal, plain lines on stderr elsewhere."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg
from rich.console import Console
from rich.text import Text

from pipelines.output.console import is_terminal, warn
from pipelines.output.formatting import visible

NAME = "progress"
"""Of the logger, in the run's configuration."""


def logger(show: Callable[[str], None]) -> dg.LoggerDefinition:
    """A logger of Dagster that hands every message of a step's own to ``show``."""

    def handing_over(_: dg.InitLoggerContext) -> logging.Logger:
        found = logging.Logger("tidemark.demo", logging.INFO)
        found.addHandler(_Handler(show))
        return found

    return dg.LoggerDefinition(handing_over, description="Shows what the steps report.")


@contextmanager
def showing() -> Iterator[Callable[[str], None]]:
    """The function that shows one line while the block runs."""
    if not is_terminal():
        yield warn
        return
    with Console(stderr=True).status("pulling") as status:
        yield lambda line: status.update(Text(visible(line, keep="")))


class _Handler(logging.Handler):
    def __init__(self, show: Callable[[str], None]) -> None:
        super().__init__(logging.INFO)
        self._show = show

    def emit(self, record: logging.LogRecord) -> None:
        about: dict[str, Any] = record.__dict__.get("dagster_meta") or {}
        is_own = about.get("dagster_event") is None  # else one of Dagster's
        if is_own and record.levelno == logging.INFO:  # notices are for pulls, not for a look
            self._show(str(about.get("orig_message") or record.getMessage()))
