"""The rights of a key, where the exchange reports them, and how to make one with fewer."""

from dataclasses import dataclass
from typing import Final

import msgspec

import connectors
import warehouse
from pipelines.settings import Settings
from schemas import StreamId


class Snapshot(msgspec.Struct, frozen=True, tag="snapshot"):
    """The checkpoint of a stream of snapshots: the rights of the key, where they are reported."""

    rights: tuple[str, ...] | None = None


_DECODER: Final = msgspec.json.Decoder(Snapshot)


@dataclass(frozen=True)
class KeyRights:
    """What the key of one account may do, as reported with its last balances."""

    exchange: str
    account: str
    rights: tuple[str, ...]

    @property
    def needed(self) -> connectors.ReadOnlyKey | None:
        return connectors.read_only_key(self.exchange)

    @property
    def excess(self) -> tuple[str, ...]:
        """The rights that collecting does not need; none where keys have no rights."""
        needed = self.needed
        return tuple(right for right in self.rights if needed and right != needed.right)

    @property
    def finding(self) -> str:
        needed = self.needed.right if self.needed else "nothing"
        variable, *_ = connectors.key_variables(self.exchange, self.account)
        return (
            f"{self.exchange}: the key of account '{self.account}' ({variable}) has the "
            f"right to {' and '.join(self.excess)}, and collecting needs {needed} alone"
        )

    @property
    def fix(self) -> str:
        how = f" ({self.needed.how_to})" if self.needed else ""
        return (
            f"make a key with fewer rights{how}, set "
            f"{connectors.key_settings(self.exchange, self.account)} to it, delete the other one "
            f"there, and run tidemark pull {self.exchange}/balances"
        )


def rights_of(stream: StreamId, checkpoint: str) -> KeyRights | None:
    """What the last answer reported; ``None`` where exchange or dataset report nothing."""
    if stream.dataset != "balances" or not checkpoint:
        return None
    try:
        rights = _DECODER.decode(checkpoint).rights
    except msgspec.DecodeError:
        return None
    return None if rights is None else KeyRights(stream.exchange, stream.account or "", rights)


def key_rights(settings: Settings) -> list[KeyRights]:
    """Of every account whose exchange reports them. Raises ``StorageError``."""
    if not warehouse.has_data(settings.home):
        return []
    found = (rights_of(s.stream, s.state.checkpoint) for s in warehouse.status(settings.home))
    return [rights for rights in found if rights is not None]
