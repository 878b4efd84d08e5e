"""A circuit breaker: an exchange that is down or bans us is not called during the cool-down.

Calls that failed for good (after their retries), on several streams and with no success in between,
open it; then calls fail at once with a message that says why and until when. After a cool-down that
grows, one call is let through for all; its success closes the breaker, its failure opens it again.
Every pull begins with such a trial of its own, unless the exchange itself named the time
(``Retry-After``): that holds for later pulls too.

The state is a small file in the home (or a row, where the metastore is in PostgreSQL), shared by
every process there; none means that all is well. Any answer of the host closes it, so one bad
stream never stops the others.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol, TypeVar

import msgspec

from connectors.errors import AuthError, ExchangeError, NotAskedError, TransientError
from warehouse.files import put
from warehouse.locks import exclusive
from warehouse.metastore_backend import is_postgres

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


class Texts(Protocol):
    """Small texts by name, which every process of a home reads and writes."""

    def read(self, name: str) -> bytes | None:
        """The text ``name``; ``None`` where there is none."""

    def write(self, name: str, text: bytes) -> None:
        """Put ``text`` in place of what ``name`` was."""

    def remove(self, name: str) -> None:
        """Remove the text ``name``, if there is one."""

    def names(self) -> list[str]:
        """The names of all, in order."""


class _Files:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, name: str) -> bytes | None:
        try:
            return self._path(name).read_bytes()
        except OSError:
            return None

    def write(self, name: str, text: bytes) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        put(self._path(name), text)

    def remove(self, name: str) -> None:
        self._path(name).unlink(missing_ok=True)

    def names(self) -> list[str]:
        return [path.stem for path in sorted(self._folder.glob("*.json"))]

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.json"


def texts_of(home: Path) -> Texts:
    """Where the states of the breakers of ``home`` are: files, or rows of PostgreSQL."""
    if is_postgres(home):
        from pipelines.exchanges.postgres_state import PostgresTexts  # with it psycopg
        from warehouse.leases import pool_of_home

        return PostgresTexts(pool_of_home(home))
    return _Files(home / "breakers")


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
        self._texts = texts_of(home)
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
        state = self._read()
        with ExitStack() as stack:
            if state.opened:
                self._check(state)
                trial = stack.enter_context(ExitStack())
                trial.enter_context(exclusive(self._home, "breakers", self._name))
                state = self._read()
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
            now, state = self._now(), self._read()
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
        if self._texts.read(self._name) is None:
            return
        with self._one:
            state = self._read()
            if state.banned and started <= state.tried:
                return  # asked before the ban came
            with suppress(OSError):
                self._texts.remove(self._name)

    def _store(self, state: State) -> None:
        with suppress(OSError):  # on a full disk every pull finds out for itself
            self._texts.write(self._name, msgspec.json.encode(state))

    def _read(self) -> State:
        return _parsed(self._texts.read(self._name))


def down(home: Path) -> list[tuple[str, State]]:
    """The exchanges that answered no pull since the breaker opened, by the names of their files."""
    texts = texts_of(home)
    found = ((name, _parsed(texts.read(name))) for name in texts.names())
    return [(name, state) for name, state in found if state.opened]


def _parsed(text: bytes | None) -> State:
    try:
        return State() if text is None else _DECODER.decode(text)
    except ValueError:
        return State()


def _clock(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
