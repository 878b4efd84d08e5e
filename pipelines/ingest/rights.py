"""What a key may do, where the exchange tells it, and how to make a lesser one."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import msgspec

import warehouse
from connectors.http import key_variables
from pipelines.settings import Settings
from warehouse.ledger import StreamId, StreamState

NEEDED: Final = "info"
"""The one right that collecting takes, where keys have rights."""


@dataclass(frozen=True)
class KeyRights:
    """What the key of one account may do, as told with its last balances."""

    exchange: str
    account: str
    rights: tuple[str, ...]

    @property
    def excess(self) -> tuple[str, ...]:
        return tuple(right for right in self.rights if right != NEEDED)

    @property
    def variables(self) -> tuple[str, str]:
        return key_variables(self.exchange, self.account)

    @property
    def finding(self) -> str:
        return (
            f"{self.exchange}: the key of account '{self.account}' ({self.variables[0]}) has the "
            f"right to {' and '.join(self.excess)}, and collecting takes {NEEDED} alone"
        )

    @property
    def mend(self) -> str:
        key, secret = self.variables
        return (
            f"make a lesser key in your profile at {self.exchange} (API keys; tick {NEEDED} and "
            f"nothing else), set {key} and {secret} to it, delete the other one there, and run "
            f"tidemark pull {self.exchange}/balances"
        )


def encode(rights: Iterable[str]) -> str:
    """``rights`` as a stream's state keeps them."""
    return msgspec.json.encode({"rights": list(rights)}).decode()


def rights_of(stream: StreamId, state: StreamState) -> KeyRights | None:
    """What the last answer told; ``None`` where exchange or dataset tell nothing."""
    told = msgspec.json.decode(state.law).get("rights")
    return None if told is None else KeyRights(stream.exchange, stream.part, tuple(told))


def key_rights(settings: Settings) -> list[KeyRights]:
    """Of every account whose exchange tells. Raises ``StorageError``."""
    if not warehouse.has_data(settings.home):
        return []
    found = (rights_of(s.stream, s.state) for s in warehouse.status(settings.home))
    return [rights for rights in found if rights is not None]
