"""What an import did, file by file."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pyarrow as pa

from warehouse.intervals import Interval


@dataclass
class FileImport:
    """One file. Counts are of rows.

    ``seen``: rows of the market that fit; of them ``added`` are new, ``replaced`` are candles that
    had been open, ``conflicts`` contradict what is stored, all others are held already.
    ``rejected``: rows that do not fit; ``others``: of other markets, left out. ``span``: times of
    the first and last row (microseconds). ``gaps``: ids that are missing between rows of this
    market, now. ``first``: the first rows as they are stored.
    """

    path: str
    label: str
    format: str = ""
    title: str = ""
    note: str = ""
    exchange: str = ""
    dataset: str = ""
    stream: str = ""
    seen: int = 0
    added: int = 0
    replaced: int = 0
    rejected: int = 0
    conflicts: int = 0
    others: int = 0
    digest: str = ""
    verified: bool | None = None
    span: tuple[int, int] | None = None
    ids: tuple[int, int] | None = None
    gaps: tuple[Interval, ...] = ()
    first: pa.Table | None = None
    problems: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    """Rejected and contradicting rows, one a line: the first of them."""

    @property
    def held(self) -> int:
        """Rows that were stored before."""
        return self.seen - self.added - self.replaced - self.conflicts


@dataclass
class ImportReport:
    """The outcome of an import. ``ok``: every file was read whole and every row fits."""

    files: list[FileImport] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.errors

    @property
    def errors(self) -> list[str]:
        return [problem for one in self.files for problem in one.problems]


@dataclass(frozen=True)
class ImportProgress:
    """How far a file is. ``stage``: ``checking``, ``importing``; ``total``: bytes, 0: unknown."""

    label: str
    stage: str
    rows: int
    done: int
    total: int
    is_done: bool = False


Listener = Callable[[ImportProgress], None]
