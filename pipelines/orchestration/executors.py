"""What executes the steps of a run: the setting ``TIDEMARK_EXECUTOR``."""

import os
from typing import Final

import dagster as dg

from pipelines.output.extras import require
from pipelines.output.formatting import with_fix
from pipelines.settings import CELERY, EXECUTOR, IN_PROCESS, Settings
from schemas import ConfigError

BROKER: Final = "CELERY_BROKER_URL"
BACKEND: Final = "CELERY_RESULT_BACKEND"


def executor_of(settings: Settings) -> dg.ExecutorDefinition:
    """Raises ``ConfigError`` for another setting, and for Celery that is not set up."""
    if settings.executor == CELERY:
        return _celery()
    is_one_process = settings.executor == IN_PROCESS
    return dg.in_process_executor if is_one_process else dg.multiprocess_executor


def _celery() -> dg.ExecutorDefinition:
    """Steps are tasks of Celery's workers.

    Celery itself reads the addresses, which may hold passwords, from the environment: so they are
    in no run configuration, and those of the workers are the same.
    """
    require("celery")
    for name in (BROKER, BACKEND):
        if not os.environ.get(name):
            raise ConfigError(
                with_fix(
                    f"{EXECUTOR} is {CELERY}, but {name} is not set in the environment",
                    f"export {name}=redis://HOST:6379/0, here and for the workers",
                )
            )
    from dagster_celery import celery_executor

    found = celery_executor
    assert isinstance(found, dg.ExecutorDefinition)
    return found
