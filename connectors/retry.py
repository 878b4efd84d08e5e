"""Retries: only after faults that another try may not meet, with growing waits.

Waits double from a quarter of a second to half a minute, with jitter, so that parallel streams do
not return all at once. ``Retry-After`` is obeyed; one that asks for more than two minutes is left
to the caller. A host that cannot be reached at all gets three tries, so that a mistyped address is
reported soon; a refusal without a documented meaning gets two, and later pulls.
"""

import random
from collections.abc import Callable
from itertools import count
from typing import Final, TypeVar

from connectors.errors import RefusedError, TransientError, UnreachableError

T = TypeVar("T")

_FIRST: Final = 0.25
_LONGEST: Final = 30.0
_PATIENCE: Final = 120.0
_FEW_TRIES: Final[dict[type[TransientError], int]] = {UnreachableError: 3, RefusedError: 2}


class Retry:
    """The retry rule of one connector: up to ``retries`` more tries, ``sleep`` between them."""

    def __init__(self, retries: int, sleep: Callable[[float], None]) -> None:
        self._most = retries + 1
        self._sleep = sleep

    def __call__(self, attempt: Callable[[], T]) -> T:
        """The answer of the first ``attempt`` that succeeds; else the last error."""
        for tried in count(1):
            try:
                return attempt()
            except TransientError as error:
                failed = error
            asked = failed.retry_after
            if asked is not None and asked > _PATIENCE:
                raise failed
            if tried >= min(self._most, _FEW_TRIES.get(type(failed), self._most)):
                times = f" (tried {tried} times)" if tried > 1 else ""
                raise type(failed)(f"{failed}{times}", asked)
            self._sleep(_pause(tried, asked))
        raise AssertionError("unreachable")


def _pause(tried: int, asked: float | None) -> float:
    """Seconds to wait after so many tries; ``asked``: what the exchange asked for."""
    if asked is not None:
        return asked + random.uniform(0, 0.25)
    longest = min(_LONGEST, _FIRST * 2.0 ** min(tried - 1, 10))
    return longest * random.uniform(0.5, 1.0)
