"""The state that requests are answered from: the world and all switches."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sandbox.errors import SandboxError
from sandbox.faults import Faults
from sandbox.jsontext import encode
from sandbox.markets import Market
from sandbox.paging import PagingProfile
from sandbox.rates import Limits, NonceBook
from sandbox.world import World

T = TypeVar("T")


@dataclass
class Exchange:
    """``of(WexSwitches)``: the switches of one dialect, by their class."""

    world: World
    paging: PagingProfile = field(default_factory=PagingProfile)
    faults: Faults = field(default_factory=Faults)
    limits: Limits = field(default_factory=Limits)
    nonces: NonceBook = field(default_factory=NonceBook)
    _switches: dict[type, Any] = field(default_factory=dict)

    def of(self, kind: type[T]) -> T:
        """The switches of the dialect that declares ``kind``."""
        found: T = self._switches.setdefault(kind, kind())
        return found

    def switch(self, kinds: Sequence[type], **values: Any) -> None:
        """Turn every switch back to its default, except those in ``values``."""
        rest = dict(values)
        fresh = [PagingProfile(), *(kind() for kind in kinds)]
        for switches in fresh:
            for name in [name for name in rest if name in vars(switches)]:
                setattr(switches, name, rest.pop(name))
        if rest:
            raise SandboxError(f"there is no switch {', '.join(rest)}")
        self.paging = fresh[0]
        self._switches = {type(switches): switches for switches in fresh[1:]}

    def markets(self) -> list[Market]:
        """The markets that are listed now."""
        return [m for m in self.world.markets if m.symbol not in self.paging.delisted]


@dataclass(frozen=True)
class Call:
    """A request as a dialect sees it; header names in lower case. ``target``: as it was sent."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    client: str
    base_url: str
    target: str = ""


@dataclass(frozen=True)
class Answer:
    body: bytes
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, value: Any, status: int = 200, **headers: str) -> "Answer":
        pairs = tuple((name.replace("_", "-"), text) for name, text in headers.items())
        return cls(encode(value).encode(), status, pairs)
