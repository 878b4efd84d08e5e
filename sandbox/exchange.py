"""What a request is answered from: the world and everything that can be switched."""

from dataclasses import dataclass, field
from typing import Any

from sandbox.faults import Faults
from sandbox.jsontext import Raw, encode, plain, scientific
from sandbox.laws import Laws, NumberStyle
from sandbox.rates import Limits, NonceBook
from sandbox.world import World


@dataclass
class Exchange:
    world: World
    laws: Laws = field(default_factory=Laws)
    faults: Faults = field(default_factory=Faults)
    limits: Limits = field(default_factory=Limits)
    nonces: NonceBook = field(default_factory=NonceBook)


@dataclass(frozen=True)
class Call:
    """A request as a dialect sees it; header names in lower case."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    client: str
    base_url: str


@dataclass(frozen=True)
class Answer:
    body: bytes
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, value: Any, status: int = 200, **headers: str) -> "Answer":
        pairs = tuple((name.replace("_", "-"), text) for name, text in headers.items())
        return cls(encode(value).encode(), status, pairs)


def number(text: str, style: NumberStyle) -> str:
    """A decimal in the style of the laws: text as it is, or a JSON number, or with exponent."""
    if style == "text":
        return text
    if style == "number":
        return Raw(plain(text))
    return Raw(scientific(text)) if style == "exponent" else scientific(text)
