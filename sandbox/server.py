"""Running the sandbox: inside a test (:func:`serve`), or as a program (:func:`run`)."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import uvicorn

from sandbox import tape as tapes
from sandbox.binance import dump
from sandbox.clock import Clock, Instant, ManualClock, running_from, wall_clock
from sandbox.dialect import build, dialects, keys
from sandbox.errors import SandboxError
from sandbox.exchange import Exchange
from sandbox.faults import Faults
from sandbox.paging import PagingProfile
from sandbox.rates import Limits
from sandbox.wire import RequestLog, Wire
from sandbox.world import World

T = TypeVar("T")

HOST = "127.0.0.1"


@dataclass
class Served:
    """A running sandbox. Its switches may be turned while it runs."""

    base_url: str
    exchange: Exchange
    log: RequestLog

    @property
    def port(self) -> int:
        return int(self.base_url.rsplit(":", 1)[1])

    @property
    def world(self) -> World:
        return self.exchange.world

    @property
    def paging(self) -> PagingProfile:
        return self.exchange.paging

    @paging.setter
    def paging(self, paging: PagingProfile) -> None:
        self.exchange.paging = paging

    def of(self, kind: type[T]) -> T:
        """The switches of one dialect, by their class: ``of(WexSwitches)``."""
        return self.exchange.of(kind)

    def switch(self, **values: Any) -> None:
        """Turn every switch of every dialect back to its default, except those in ``values``."""
        self.exchange.switch([dialect.switches for dialect in dialects()], **values)

    @property
    def faults(self) -> Faults:
        return self.exchange.faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self.exchange.faults = faults

    @property
    def limits(self) -> Limits:
        return self.exchange.limits

    @property
    def clock(self) -> Clock:
        return self.exchange.world.clock

    @clock.setter
    def clock(self, clock: Clock) -> None:
        self.exchange.world.clock = clock

    def advance(self, seconds: float) -> None:
        """Move the world's clock on; raises ``SandboxError`` where it runs by itself."""
        if not isinstance(self.clock, ManualClock):
            raise SandboxError("this clock runs by itself. Fix: serve the world with a ManualClock")
        self.clock.advance(seconds)

    @property
    def env(self) -> dict[str, str]:
        """The settings with which Tidemark reads from here, accounts ``main`` only."""
        return environment(self.base_url)


def environment(base_url: str) -> dict[str, str]:
    """Environment variables that point Tidemark at a sandbox (its keys are invented)."""
    result = {}
    for key in (known for known in keys().values() if known.account == "main"):
        result[f"{key.env}_BASE_URL"] = base_url
        result |= {f"{key.env}_API_{name.upper()}": part for name, part in key.parts.items()}
    return result


@contextmanager
def serve(
    world: World | Exchange, *, limits: Limits | bool = True, port: int = 0
) -> Iterator[Served]:
    """Serve from a thread of this process, on a free port by default.

    ``limits``: False turns the rate limits off. Leaving the context stops the server.
    """
    if isinstance(limits, bool):
        limits = Limits(enabled=limits)
    exchange = world if isinstance(world, Exchange) else Exchange(world, limits=limits)
    wire = Wire(build(exchange), exchange)
    listener = _listen(port)
    server = uvicorn.Server(_config(wire))
    thread = threading.Thread(
        target=server.run, kwargs={"sockets": [listener]}, name="sandbox", daemon=True
    )
    thread.start()
    try:
        while not server.started:
            thread.join(0.005)
            if not thread.is_alive():
                raise SandboxError("the sandbox server did not start")
        yield Served(f"http://{HOST}:{listener.getsockname()[1]}", exchange, wire.log)
    finally:
        wire.closing.set()
        server.should_exit = True
        thread.join(10)
        listener.close()


def run(
    port: int = 0,
    *,
    tape: str | Path | None = None,
    tape_market: str = "BTC-USD",
    columns: dict[str, str] | None = None,
    rows: int | None = None,
    seed: int = 1,
    epoch: Instant | None = None,
    now: Instant | None = None,
    limits: bool = True,
) -> None:
    """Serve until interrupted, after printing where and with which settings.

    The seeded world, or the recorded trades of ``tape``, or ``rows`` invented trades in bulk.

    Raises ``SandboxError`` for a port that is taken or a tape that cannot be read.
    """
    world, about = _world(tape, tape_market, columns, rows, seed, epoch, now)
    exchange = Exchange(world, limits=Limits(enabled=limits))
    wire = Wire(build(exchange), exchange)
    wire.log.keep = False
    listener = _listen(port)
    url = f"http://{HOST}:{listener.getsockname()[1]}"
    print(f"Sandbox exchange on {url} ({about})")
    print("To read from it, set (the keys are invented and open nothing else):")
    for name, value in environment(url).items():
        print(f"  export {name}={value}")
    print("Stop with Ctrl-C.", flush=True)
    server = uvicorn.Server(_config(wire))
    try:
        server.run(sockets=[listener])
    except KeyboardInterrupt:
        pass
    finally:
        wire.closing.set()
        listener.close()


def write_dump(
    folder: Path,
    *,
    tape: str | Path | None = None,
    tape_market: str = "BTC-USD",
    columns: dict[str, str] | None = None,
    seed: int = 1,
    epoch: Instant | None = None,
    now: Instant | None = None,
) -> list[Path]:
    """Write the world's past days as bulk files of Binance; see ``sandbox.binance.dump``.

    Raises ``SandboxError``.
    """
    world, _ = _world(tape, tape_market, columns, None, seed, epoch, now)
    return dump.write(world, folder)


def _world(
    tape: str | Path | None,
    tape_market: str,
    columns: dict[str, str] | None,
    rows: int | None,
    seed: int,
    epoch: Instant | None,
    now: Instant | None,
) -> tuple[World, str]:
    """The world that is asked for, and what it is."""
    clock = wall_clock if now is None else running_from(now)
    if rows is not None:
        world = World.replay({tape_market: tapes.make(rows, tape_market)}, clock)
        about = f"{rows} invented trades of {tape_market}"
    elif tape is not None:
        recorded = tapes.load(tape, tape_market, columns)
        world = World.replay({tape_market: recorded}, clock)
        about = f"{len(recorded)} recorded trades of {tape_market} from {tape}"
    else:
        world = World(seed, epoch, clock)
        world.now()
        about = f"seed {seed}, " + ", ".join(m.symbol for m in world.markets if m.enabled)
    return world, about


def _config(wire: Wire) -> uvicorn.Config:
    return uvicorn.Config(
        wire,
        log_config=None,
        log_level="critical",
        access_log=False,
        lifespan="off",
        ws="none",
        date_header=False,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
    )


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(2048)
    except (OSError, OverflowError) as error:
        listener.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise SandboxError(
            f"cannot listen on {HOST}:{port}: {reason}. "
            "Fix: choose another --port, or 0 for a free one"
        ) from None
    return listener
