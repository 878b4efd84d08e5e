"""Parts of a feed's markets, so that several workers pull them at once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from zlib import crc32


@dataclass(frozen=True)
class Shard:
    """One of ``of`` parts; ``number`` is counted from 1. Every market lies in exactly one.

    What belongs to no market (account data of the whole account, lists, and snapshots, of which all
    markets are one file) lies in the first.
    """

    number: int
    of: int

    @property
    def is_first(self) -> bool:
        return self.number == 1

    def of_named(self, markets: Sequence[str]) -> list[str]:
        """Its part of the markets that a feed names: in turns, so that all parts are as large."""
        return list(markets[self.number - 1 :: self.of])

    def of_listed(self, symbols: Iterable[str]) -> list[str]:
        """Its part of the markets that an exchange lists.

        By a checksum of the name: a market that is listed anew moves no other to another part.
        """
        return [s for s in symbols if crc32(s.encode()) % self.of == self.number - 1]
