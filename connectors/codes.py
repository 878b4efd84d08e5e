"""Which code (``BTC``) is which currency of an exchange (``btc``, ``BTC``, ``USDT.e``).

A code is in upper case. Where an exchange lists two that differ by case only (``USDT.E``,
``USDT.e``), the one that is spelled as usual there is in upper case, and the other as sent.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Any, Final

import pyarrow as pa

from connectors.columns import Text

_DIGITS: Final = 8


@dataclass(frozen=True)
class Codes:
    """The currencies of one exchange that have to be told apart from others.

    ``lower``: whether it spells codes in lower case as a rule. ``apart``: the codes, as they are
    stored, of currencies that another one's name differs from by case only. ``aliases``: codes by
    the names that a list of currencies gives besides (``XXBT``: ``BTC``).
    """

    lower: bool = False
    apart: Set[str] = frozenset()
    aliases: Mapping[str, str] = field(default_factory=dict)

    def knowing(self, codes: Iterable[str]) -> "Codes":
        """With ``codes`` as they are stored, of lists read earlier: a currency keeps its code."""
        apart = self.apart | {c for c in codes if c != c.upper() or "-" in c}
        return replace(self, apart=apart)

    def listed(self, codes: Iterable[Any]) -> "Codes":
        """With the ``codes`` of one list, as sent; what is no text is left out."""
        distinct = {code for code in codes if isinstance(code, str)}
        alike = Counter(code.upper() for code in distinct)
        odd = (c for c in distinct if alike[c.upper()] > 1 and not self._is_usual(c))
        return replace(self, apart=self.apart | set(map(self._own, odd)))

    def code_of(self, sent: Any) -> Any:
        """The code of a currency, be it listed or not; anything but text stays as it is."""
        if not isinstance(sent, str):
            return sent
        upper = sent.upper()
        if not self.apart or self._is_usual(sent):
            return upper
        own = self._own(sent)
        is_apart = own in self.apart or any(c != upper == c.upper() for c in self.apart)
        return own if is_apart else upper

    def _is_usual(self, sent: str) -> bool:
        upper = sent.upper()
        return sent == (upper.lower() if self.lower else upper)

    @staticmethod
    def _own(sent: str) -> str:
        """As sent; where that is in upper case, with a part that distinguishes it."""
        if sent != sent.upper():
            return sent
        return f"{sent}-{hashlib.sha256(sent.encode()).hexdigest().upper()[:_DIGITS]}"


class Code:
    """The kind of column that holds a currency.

    ``listed``: gives the name that the exchange's lists have for one that a row sends.
    """

    type = Text.type

    def __init__(self, codes: Codes, listed: Callable[[str], str] = str) -> None:
        self._codes = codes
        self._listed = listed

    def many(self, values: Sequence[Any], required: bool) -> pa.Array:
        """All of them, each spelling once."""
        texts = Text().many(values, required).dictionary_encode()
        codes = [self._code_of(sent) for sent in texts.dictionary.to_pylist()]
        return pa.array(codes, self.type).take(texts.indices)

    def one(self, value: Any) -> str:
        """``btc`` as ``BTC``."""
        return self._code_of(Text().one(value))

    def _code_of(self, sent: str) -> str:
        code: str = self._codes.code_of(self._listed(sent))
        return code
