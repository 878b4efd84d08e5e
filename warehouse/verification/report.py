"""The result of a verification: checks with their figures, findings with place and fix."""

from dataclasses import dataclass, field
from typing import Final, Literal

Kind = Literal["error", "healed", "note"]

CHECKS: Final = {
    "files": "lake files as they were written, of the contracted schema, where they belong",
    "keys": "no key twice in a dataset",
    "rows": "rows sorted and inside their file's period",
    "values": "values as contracted (no nulls, enumerations, cost)",
    "records": "the metastore's file records equal the files",
    "coverage": "recorded coverage agrees with the rows",
    "duckdb": "DuckDB equals the lake (columns, counts, checksums)",
    "published_coverage": "DuckDB's coverage equals the metastore",
    "iceberg": "Iceberg equals the lake (columns, counts, checksums)",
    "raw": "archived responses whole",
    "candles": "candles built again from trades",
}
"""Every check, in the order in which it is reported."""


@dataclass(frozen=True)
class Finding:
    """One disagreement, repaired disagreement or note.

    ``kind``: ``error`` (does not agree), ``healed`` (did not, and now does), ``note`` (worth
    knowing, no fault of the store). ``where``: a file or a stream.
    """

    kind: Kind
    check: str
    where: str
    what: str
    fix: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" + (f". Fix: {self.fix}" if self.fix else "")


@dataclass
class Verification:
    """The outcome. ``figures[check]``: what was compared, by name, in the order of counting."""

    figures: dict[str, dict[str, int]] = field(
        default_factory=lambda: {check: {} for check in CHECKS}
    )
    findings: list[Finding] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether everything agrees (now)."""
        return not self.of("error")

    def of(self, kind: Kind, check: str | None = None) -> list[Finding]:
        """The findings of a kind (and of one check)."""
        return [f for f in self.findings if f.kind == kind and check in (None, f.check)]

    def count(self, check: str, **figures: int) -> None:
        """Add to the figures of a check."""
        sums = self.figures[check]
        for name, value in figures.items():
            sums[name] = sums.get(name, 0) + value

    def error(self, check: str, where: object, what: str, fix: str) -> None:
        """Note that something does not agree."""
        self.findings.append(Finding("error", check, str(where), what, fix))

    def healed(self, check: str, where: object, what: str) -> None:
        """Note that something was repaired."""
        self.findings.append(Finding("healed", check, str(where), what))

    def note(self, check: str, where: object, what: str) -> None:
        """Note something that is worth knowing."""
        self.findings.append(Finding("note", check, str(where), what))


def short(error: BaseException) -> str:
    """What an error says, in one line of at most 160 characters, without its fix."""
    return " ".join(str(error).partition(" Fix: ")[0].split())[:160]
