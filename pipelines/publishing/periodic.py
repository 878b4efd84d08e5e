"""Publish periodically while a pull runs: SQL shows the rows of a long one before it ends."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from schemas import TidemarkError

PAUSE_SECONDS: Final = 60.0
"""A pull that ends sooner is published once, at its end."""
_PAUSE_RATIO: Final = 10
"""A pause is at least so many times as long as the publish before it, which copies the database."""


@contextmanager
def periodic_publish(publish: Callable[[], object], pause: float = PAUSE_SECONDS) -> Iterator[None]:
    """Call ``publish`` with pauses of at least ``pause`` seconds for as long as the block runs.

    A publish that fails is tried again later; the one after the pull reports what is wrong.
    """
    ended = threading.Event()
    worker = threading.Thread(
        target=_publish_until, args=(ended, publish, pause), name="publish", daemon=True
    )
    worker.start()
    try:
        yield
    finally:
        ended.set()
        worker.join()


def _publish_until(ended: threading.Event, publish: Callable[[], object], pause: float) -> None:
    wait = pause
    while not ended.wait(wait):
        began = time.monotonic()
        with suppress(TidemarkError):
            publish()
        wait = max(pause, _PAUSE_RATIO * (time.monotonic() - began))
