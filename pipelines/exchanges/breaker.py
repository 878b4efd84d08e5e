"""A circuit breaker: an exchange that is down or bans us is not called during the cool-down.

Calls that failed for good (after their retries), on several streams and with no success in between,
open it; then calls fail at once with a message that says why and until when. After a cool-down that
grows, one call is let through for all; its success closes the breaker, its failure opens it again.
Every pull begins with such a trial of its own, unless the exchange itself named the time
(``Retry-After``): that holds for later pulls too.

The state is a small file in the home, shared by every process there; no file means that all is
well. Any answer of the host closes it, so one bad stream never stops the others.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from connectors.errors import AuthError, ExchangeError, NotAskedError, TransientError
from warehouse.files import put
from warehouse.locks import exclusive

T = TypeVar("T")

FAILURES: Final = 3
STREAMS: Final = 2
"""It opens after this many failures in a row, on at least so many streams."""
BAN_SECONDS: Final = 120.0
"""A longer ``Retry-After`` than the connectors wait for opens it at once."""
LONGEST_BAN: Final = 24 * 3600.0
FIRST_PAUSE: Final = 15.0
LONGEST_PAUSE: Final = 600.0


@dataclass(frozen=True)
class State:
    """Times in seconds since 1970. ``opened``: how often in a row; 0 = closed so far."""

    streams: tuple[str, ...] = ()
    failures: int = 0
    opened: int = 0
    banned: bool = False
    since: float = 0.0
    tried: float = 0.0
    until: float = 0.0
    why: str = ""


_DECODER: Final = msgspec.json.Decoder(State)
"""Made here and not by the first thread of many that needs it: msgspec would crash."""


class HomeBreaker:
    """``connectors.base.Breaker`` of one exchange address, for one pull. Safe for threads.

    ``name`` names its file. ``now``: seconds since 1970.
    """

    def __init__(
        self, home: Path, exchange: str, name: str, now: Callable[[], float] = time.time
    ) -> None:
        self._home = home
        self._exchange = exchange
        self._name = name
        self._path = home / "breakers" / f"{name}.json"
        self._now = now
        self._began = now()
        self._one = threading.Lock()

    def call(self, stream: str, ask: Callable[[], T], *, public: bool = True) -> T:
        """The answer of ``ask``. Raises ``NotAskedError`` without asking while it is open."""
        with self._admitted():
            started = self._now()
            try:
                answer = ask()
            except ExchangeError as error:
                if isinstance(error, TransientError) or (public and isinstance(error, AuthError)):
                    self._failed(stream, error)
                else:
                    self._answered(started)
                raise
            self._answered(started)
            return answer

    @contextmanager
    def _admitted(self) -> Iterator[None]:
        """Leave to ask. A trial is held to its end, so that others wait for its outcome."""
        state = _read(self._path)
        with ExitStack() as stack:
            if state.opened:
                self._check(state)
                trial = stack.enter_context(ExitStack())
                trial.enter_context(exclusive(self._home, "breakers", self._name))
                state = _read(self._path)
                if state.opened:
                    self._check(state)
                else:  # another's trial found the exchange well
                    trial.close()
            yield

    def _check(self, state: State) -> None:
        """Raise ``NotAskedError`` where it is too early for a trial."""
        now = self._now()
        longest = LONGEST_BAN if state.banned else LONGEST_PAUSE
        if now >= state.until or state.until > now + longest:  # the latter: the clock stepped back
            return
        if not state.banned and state.tried < self._began:
            return
        did = "has banned us" if state.banned else "is down"
        later = "" if state.banned else ", or with the next pull"
        raise NotAskedError(
            f"not asked: {self._exchange} {did} since {_clock(state.since)}; "
            f"next try after {_clock(state.until)}{later}. Last answer: {state.why}"
        )

    def _failed(self, stream: str, error: ExchangeError) -> None:
        wait = error.retry_after if isinstance(error, TransientError) else None
        banned = wait is not None and wait > BAN_SECONDS
        with self._one:
            now, state = self._now(), _read(self._path)
            streams = tuple(sorted({*state.streams, stream}))
            failures = state.failures + 1
            opened = state.opened
            since = state.since if state.failures else now
            until = state.until
            if banned:
                until = max(until, now + min(wait or 0.0, LONGEST_BAN))
                opened += 1
            elif opened or (failures >= FAILURES and len(streams) >= STREAMS):
                if state.banned and now < until:  # a call that was under way when the ban came
                    banned = True
                elif not opened or now >= until or state.tried < self._began:
                    until = now + min(LONGEST_PAUSE, FIRST_PAUSE * 2.0**opened)
                    opened += 1
            self._store(State(streams, failures, opened, banned, since, now, until, str(error)))

    def _answered(self, started: float) -> None:
        if not self._path.exists():
            return
        with self._one:
            state = _read(self._path)
            if state.banned and started <= state.tried:
                return  # asked before the ban came
            with suppress(OSError):
                self._path.unlink(missing_ok=True)

    def _store(self, state: State) -> None:
        with suppress(OSError):  # on a full disk every pull finds out for itself
            self._path.parent.mkdir(parents=True, exist_ok=True)
            put(self._path, msgspec.json.encode(state))


def down(home: Path) -> list[tuple[str, State]]:
    """The exchanges that answered no pull since the breaker opened, by the names of their files."""
    found = ((path.stem, _read(path)) for path in sorted((home / "breakers").glob("*.json")))
    return [(name, state) for name, state in found if state.opened]


def _read(path: Path) -> State:
    try:
        return _DECODER.decode(path.read_bytes())
    except (OSError, ValueError):
        return State()


def _clock(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
