"""When the next call of a bucket may go, by what calls cost. Times in ns of a monotonic clock."""

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

SECOND: Final = 1_000_000_000
_NEVER: Final = -(2**62)


@dataclass(frozen=True)
class Allowance:
    """How much an exchange lets calls cost, in its own units: calls, or weights.

    ``per_second``: units that come back each second. ``burst``: units that may be outstanding when
    a call leaves; 0: calls leave evenly spaced. ``per_account``: counted by key, not by address.
    ``most``: units of one minute, as the exchange counts them, others' calls too; 0: it does not
    say. ``least``: what any call costs at least, where calls are counted besides.
    """

    per_second: float
    burst: float = 0.0
    per_account: bool = False
    most: float = 0.0
    least: float = 0.0

    def lowered(self, other: "Allowance") -> "Allowance":
        """No more than either of the two allows."""
        return replace(
            self,
            per_second=min(self.per_second, other.per_second),
            burst=min(self.burst, other.burst),
            most=min(self.most, other.most),
            least=max(self.least, other.least),
        )

    def spacing(self, cost: float = 1.0, margin: float = 1.0) -> "Spacing":
        """How far apart calls of this ``cost`` go, ``margin`` times as far as allowed."""
        every = math.ceil(SECOND * margin * cost / self.per_second)
        late = max(0.0, margin * (1 - cost / self.per_second) - 1)
        slack = math.floor(SECOND * self.burst / self.per_second)
        return Spacing(every, slack, math.floor(SECOND * late))


@dataclass(frozen=True)
class Spacing:
    """How far apart calls go, in nanoseconds.

    ``every``: in which the cost of one comes back. ``slack``: by which a call may go before all
    that was spent has come back. ``late``: by which it may leave late, and those after it keep
    their moments: what is spent in any second stays below what one allows.
    """

    every: int
    slack: int = 0
    late: int = 0


@dataclass(frozen=True)
class Pace:
    """``free_at``: when all that calls have taken has come back. ``quiet_until``: none goes before.

    A call takes a moment, waits for it, and then goes, unless another one went out too late
    meanwhile: its spacing counts from when it really left.
    """

    free_at: int = _NEVER
    quiet_until: int = _NEVER

    def take(self, now: int, spacing: Spacing) -> tuple[int, "Pace"]:
        """The moment taken; the call may go where that is ``now``."""
        moment = max(now, self.free_at - spacing.slack, self.quiet_until)
        made = Pace(max(moment, self.free_at) + spacing.every, self.quiet_until)
        return moment, made.sent(now, spacing) if moment == now else made

    def go(self, now: int, spacing: Spacing) -> tuple[int, "Pace"]:
        """``now``, and the call goes; or the later moment to which it waits on."""
        moment = max(now, self.quiet_until)
        return moment, self.sent(now, spacing) if moment == now else self

    def sent(self, now: int, spacing: Spacing) -> "Pace":
        """A call left this machine ``now``: the next of an even spacing counts from it."""
        return self if spacing.slack else self.hold(now + spacing.every - spacing.late)

    def hold(self, until: int) -> "Pace":
        """No call goes before ``until``."""
        return replace(self, quiet_until=max(until, self.quiet_until))


Step: TypeAlias = Callable[[Pace, int], tuple[int, Pace]]
"""From a pace and now to a moment and the next pace."""
Update: TypeAlias = Callable[[Step], tuple[int, int]]
"""Replaces the pace in its store by what a step makes of it; gives the step's moment, and now."""


class Turns:
    """Of the threads of this process, one at a time waits for a moment of a bucket.

    If all had taken one, each would wake, and look at the pace, whenever another left.
    """

    def __init__(self) -> None:
        self._one = threading.Lock()
        self._turns: dict[str, threading.Lock] = {}

    def of(self, bucket: str) -> threading.Lock:
        """Whose turn it is in ``bucket``."""
        with self._one:
            return self._turns.setdefault(bucket, threading.Lock())


def wait(
    turn: threading.Lock,
    update: Update,
    spacing: Spacing,
    sleep: Callable[[float], None],
) -> None:
    """Block until one more call may go."""
    with turn:
        moment, now = update(lambda pace, now: pace.take(now, spacing))
        while moment > now:
            sleep((moment - now) / SECOND)
            woken = moment

            def go(pace: Pace, now: int, woken: int = woken) -> tuple[int, Pace]:
                return pace.go(max(now, woken), spacing)

            moment, now = update(go)
            now = max(now, woken)
