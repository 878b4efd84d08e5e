"""Evenly spaced calls: when the next one of a bucket may go. Times in ns of a monotonic clock."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

SECOND: Final = 1_000_000_000
_NEVER: Final = -(2**62)


@dataclass(frozen=True)
class Pace:
    """``free_at``: the first moment that no call has taken. ``sent_at``: when the last went out.

    A call takes a moment, waits for it, and then goes, unless another one went out late meanwhile:
    its spacing counts from when it really left.
    """

    free_at: int = _NEVER
    sent_at: int = _NEVER

    def take(self, now: int, spacing: int) -> tuple[int, "Pace"]:
        """The moment taken; the call may go where that is ``now``."""
        moment = max(now, self.free_at, self.sent_at + spacing)
        return moment, Pace(moment + spacing, now if moment == now else self.sent_at)

    def go(self, now: int, spacing: int) -> tuple[int, "Pace"]:
        """``now``, and the call goes; or the later moment to which it waits on."""
        moment = max(now, self.sent_at + spacing)
        return moment, Pace(self.free_at, now if moment == now else self.sent_at)

    def sent(self, now: int) -> "Pace":
        """A call left this machine ``now``."""
        return replace(self, sent_at=max(now, self.sent_at))


Step: TypeAlias = Callable[[Pace, int], tuple[int, Pace]]
"""From a pace and now to a moment and the next pace."""
Update: TypeAlias = Callable[[Step], tuple[int, int]]
"""Replaces the pace in its store by what a step makes of it; gives the step's moment, and now."""


def wait(update: Update, spacing: int, sleep: Callable[[float], None]) -> None:
    """Block until one more call may go."""
    moment, now = update(lambda pace, now: pace.take(now, spacing))
    while moment > now:
        sleep((moment - now) / SECOND)
        woken = moment

        def go(pace: Pace, now: int, woken: int = woken) -> tuple[int, Pace]:
            return pace.go(max(now, woken), spacing)

        moment, now = update(go)
        now = max(now, woken)
