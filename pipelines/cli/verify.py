"""``tidemark verify`` and ``tidemark rebuild``: whether lake, metastore and DuckDB agree."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.output.console import is_terminal, say, warn
from pipelines.output.exits import PARTLY_FAILED
from pipelines.output.formatting import verdict
from schemas.wording import count

if TYPE_CHECKING:
    from warehouse import Finding, Verification

_LISTED = 20
"""How many findings of a kind are spelled out."""
_NOTHING = ("nothing to compare", "no candle is stored where the trades are proved complete")


def verify(
    as_json: Annotated[
        bool, typer.Option("--json", help="Write figures and findings as one JSON object.")
    ] = False,
) -> int:
    """Prove from the rows themselves that lake, metastore and DuckDB agree.

    Every file is compared with the hash that was recorded when it was written. What is safe to
    heal is healed and reported: a damaged or deleted lake file is restored from the published
    copy (a damaged one is kept in damaged/), a lost or damaged metastore or DuckDB file is built
    again from what is whole, files without a record are adopted, leftovers of interrupted writes
    are removed. Exit code 0: everything agrees, if need be after healing; the last line says so.
    1: something is wrong and could not be healed; the lines name the file and the fix. 2: wrong
    usage. Where Iceberg tables are published (TIDEMARK_PUBLISH), they are compared as well.

    \b
    Examples:
      tidemark verify
      tidemark verify --json
    """
    import warehouse
    from pipelines.settings import load_settings

    settings = load_settings()
    home, iceberg, above = settings.home, settings.iceberg, settings.views_above
    with showing() as progress:
        result = warehouse.verify(home, progress, iceberg, views_above=above)
    if as_json:
        write_json(result)
    else:
        say(f"home: {home}")
        write(result)
    return 0 if result.ok else PARTLY_FAILED


def rebuild() -> int:
    """Build DuckDB again from the lake, and bring the metastore in step with the lake's files.

    Iceberg tables are built again as well, where they are published (TIDEMARK_PUBLISH).
    Coverage of rows that are no longer there is dropped, so that the next `tidemark pull` fetches
    them again; damaged files that nothing restores are moved to damaged/. A lost or damaged
    metastore is replaced by a new one: rows stay, and pulls prove them again. Everything is
    verified on the way. Exit code 0: everything agrees. 1: something does not; the lines name the
    file and the fix. 2: wrong usage.

    \b
    Examples:
      tidemark rebuild
    """
    import warehouse
    from pipelines.settings import load_settings

    settings = load_settings()
    home, iceberg, above = settings.home, settings.iceberg, settings.views_above
    with showing() as progress:
        result = warehouse.rebuild(home, progress, iceberg, views_above=above)
    say(f"home: {home}")
    write(result)
    return 0 if result.ok else PARTLY_FAILED


def write(result: "Verification") -> None:
    """One line per check with its figures; findings below; the verdict last."""
    from warehouse.verification import CHECKS

    if not any(result.figures.values()) and not result.findings:
        say("nothing collected yet: nothing to verify")
        return
    for check, title in CHECKS.items():
        figures = ", ".join(_figure(name, n) for name, n in result.figures[check].items())
        errors = len(result.of("error", check))
        if check == "iceberg" and not (figures or errors):
            continue  # nothing is published there
        line = f"{'FAIL' if errors else 'ok  '} {title}: {figures or _NOTHING[check == 'candles']}"
        # candles that differ from the trades are no fault of the store
        say(line if check == "candles" else f"{line}; differences: {errors}")
    for line in _lines(result.of("healed")):
        say(f"healed: {line}")
    for line in _lines(result.of("note")):
        say(f"note: {line}")
    for line in _lines(result.of("error")):
        warn(f"wrong: {line}")
    say(verdict(result))


def _figure(name: str, number: int) -> str:
    """A figure of a check: its name is a plural, or none (``irregular``)."""
    return count(number, {"hashes": "hash"}.get(name, name.removesuffix("s")), name)


def write_json(result: "Verification") -> None:
    """Write the complete result as JSON."""
    findings = [asdict(f) for f in result.findings]
    say(json.dumps({"ok": result.ok, "figures": result.figures, "findings": findings}, indent=2))


def _lines(findings: "list[Finding]") -> list[str]:
    lines = [str(f) for f in findings[:_LISTED]]
    if len(findings) > _LISTED:
        lines.append(f"and {len(findings) - _LISTED} more: tidemark verify --json")
    return lines


@contextmanager
def showing(what: str = "streams") -> Iterator[Callable[[int, int, object], None] | None]:
    """Show in a terminal which of ``what`` is being read; elsewhere nothing: it takes seconds."""
    if not is_terminal():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total, one: bar.update(
            task, completed=done, total=total, description=str(one)
        )
