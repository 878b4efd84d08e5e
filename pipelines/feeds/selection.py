"""What a command line names: a feed or exchange, one of its datasets, a stream of that."""

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final, TypeVar

from pipelines.feeds.document import did_you_mean
from pipelines.output.formatting import with_fix
from schemas import ConfigError

_T = TypeVar("_T")
_NONE: Final = frozenset[str]()


@dataclass(frozen=True)
class Names:
    """What one thing is selected by. ``owner``: as messages name it; others are accepted too."""

    owner: str
    dataset: str
    other_owners: Set[str] = _NONE
    other_datasets: Set[str] = _NONE
    streams: Set[str] = _NONE

    def match(self, pattern: str) -> bool:
        """Whether ``pattern`` names it: ``owner``, ``owner/dataset``, ``owner/dataset/stream``.

        Shell wildcards stand for parts of a name.
        """
        owner, _, rest = pattern.strip("/").partition("/")
        dataset, _, stream = rest.partition("/")
        return (
            _any(owner, {self.owner, *self.other_owners})
            and (not dataset or _any(dataset, {self.dataset, *self.other_datasets}))
            and (not stream or _any(stream, self.streams))
        )


def select(
    every: Sequence[_T], names: Callable[[_T], Names], patterns: Sequence[str], what: str
) -> list[_T]:
    """Those of ``every`` that any of ``patterns`` names, in their order; all without a pattern.

    ``what`` is selected, for messages: ``stored``. Raises ``ConfigError`` for a pattern that names
    nothing.
    """
    if not patterns:
        return list(every)
    named = [names(one) for one in every]
    chosen: set[int] = set()
    for pattern in patterns:
        matched = {index for index, name in enumerate(named) if name.match(pattern)}
        if not matched:
            known = list(dict.fromkeys(f"{name.owner}/{name.dataset}" for name in named))
            hint = did_you_mean(pattern, [*known, *(name.owner for name in named)])
            fix = f"name a feed or one of: {', '.join(known)}"
            raise ConfigError(with_fix(f"nothing {what} is called {pattern!r}{hint}", fix))
        chosen |= matched
    return [one for index, one in enumerate(every) if index in chosen]


def _any(pattern: str, names: Set[str]) -> bool:
    return any(fnmatchcase(name, pattern) for name in names)
