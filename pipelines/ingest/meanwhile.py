"""What a long pull has stored is to be seen in SQL before it ends."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from schemas import TidemarkError

FIRST_SECONDS: Final = 60.0
"""A pull that is over by then loads once, at its end."""
_SHARE: Final = 10
"""Loads take a tenth of the time at most: each copies the whole database."""


@contextmanager
def loading_meanwhile(load: Callable[[], object], pause: float = FIRST_SECONDS) -> Iterator[None]:
    """Call ``load`` now and then, ``pause`` seconds apart or more, for as long as the block runs.

    A load that fails is tried again later; the one after the pull says what is wrong.
    """
    ended = threading.Event()
    worker = threading.Thread(target=_loads, args=(load, pause, ended), name="load", daemon=True)
    worker.start()
    try:
        yield
    finally:
        ended.set()
        worker.join()


def _loads(load: Callable[[], object], pause: float, ended: threading.Event) -> None:
    wait = pause
    while not ended.wait(wait):
        began = time.monotonic()
        with suppress(TidemarkError):
            load()
        wait = max(pause, _SHARE * (time.monotonic() - began))
