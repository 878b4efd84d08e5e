"""Retries: only after faults that another try may not meet, with growing waits.

Waits double from a quarter of a second to half a minute, with jitter, so that parallel streams do
not return all at once. ``Retry-After`` is obeyed; one that asks for more than two minutes is left
to the caller. A host that cannot be reached at all gets three tries, so that a mistyped address is
reported soon; a refusal without a documented meaning gets two, and later pulls.
"""

import random
from collections.abc import Callable
from typing import Final, NoReturn, TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception

from connectors.errors import RefusedError, TransientError, UnreachableError

T = TypeVar("T")

_FIRST: Final = 0.25
_LONGEST: Final = 30.0
_PATIENCE: Final = 120.0
_FEW_TRIES: Final[dict[type[object], int]] = {UnreachableError: 3, RefusedError: 2}


class Retry:
    """The retry rule of one connector: up to ``retries`` more tries, ``sleep`` between them."""

    def __init__(self, retries: int, sleep: Callable[[float], None]) -> None:
        self._tries = retries + 1
        self._sleep = sleep

    def __call__(self, attempt: Callable[[], T]) -> T:
        """The answer of the first ``attempt`` that succeeds; else the last error."""
        return Retrying(
            sleep=self._sleep,
            stop=self._stop,
            wait=_pause,
            retry=retry_if_exception(_worth_it),
            retry_error_callback=_give_up,
        )(attempt)

    def _stop(self, state: RetryCallState) -> bool:
        few = _FEW_TRIES.get(type(_error(state)), self._tries)
        return state.attempt_number >= min(self._tries, few)


def _error(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


def _worth_it(error: BaseException) -> bool:
    if not isinstance(error, TransientError):
        return False
    return error.retry_after is None or error.retry_after <= _PATIENCE


def _pause(state: RetryCallState) -> float:
    error = _error(state)
    asked = error.retry_after if isinstance(error, TransientError) else None
    if asked is not None:
        return asked + random.uniform(0, 0.25)
    longest = min(_LONGEST, _FIRST * 2 ** min(state.attempt_number - 1, 10))
    return float(longest * random.uniform(0.5, 1.0))


def _give_up(state: RetryCallState) -> NoReturn:
    error = _error(state)
    assert isinstance(error, TransientError)
    tries = state.attempt_number
    times = f" (tried {tries} times)" if tries > 1 else ""
    raise type(error)(f"{error}{times}", error.retry_after)
