"""``tidemark verify``: prove that lake, ledger and DuckDB agree, and mend what is safe."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.output import count, is_terminal, say, warn
from pipelines.cli.run import PARTLY_FAILED

if TYPE_CHECKING:
    from warehouse import Finding, Verification
    from warehouse.verify import Progress

_LISTED = 20
"""How many findings of a kind are spelled out."""


def verify(
    as_json: Annotated[
        bool, typer.Option("--json", help="Write figures and findings as one JSON object.")
    ] = False,
) -> int:
    """Prove from the rows themselves that lake, ledger and DuckDB agree.

    Nothing that the ledger says is believed. What is safe is mended, and said: a lost or damaged
    ledger or DuckDB file is built again from the lake, files without a record are adopted,
    leftovers of broken-off writes are removed. Exit code 0: everything agrees (now). 1: something
    does not; the lines name file and mend. 2: wrong usage.

    \b
    Examples:
      tidemark verify
      tidemark verify --json
    """
    import warehouse
    from pipelines.settings import load_settings

    home = load_settings().home
    with showing() as progress:
        result = warehouse.verify(home, progress)
    if as_json:
        write_json(result)
    else:
        say(f"home: {home}")
        write(result)
    return 0 if result.ok else PARTLY_FAILED


def write(result: "Verification") -> None:
    """One line per check with its figures; findings below; the verdict last."""
    from warehouse.verify import CHECKS

    if not any(result.figures.values()) and not result.findings:
        say("nothing collected yet: nothing to verify")
        return
    for check, title in CHECKS.items():
        figures = ", ".join(f"{n:,} {name}" for name, n in result.figures[check].items())
        errors = len(result.of("error", check))
        told = f"{'FAIL' if errors else 'ok  '} {title}: {figures or 'nothing to compare'}"
        # where candles differ from the trades is no fault of the store
        say(told if check == "candles" else f"{told}; differences: {errors}")
    for line in _lines(result.of("healed")):
        say(f"healed: {line}")
    for line in _lines(result.of("note")):
        say(f"note: {line}")
    for line in _lines(result.of("error")):
        warn(f"wrong: {line}")
    say(verdict(result))


def verdict(result: "Verification") -> str:
    """One line that says it all."""
    wrong, healed = len(result.of("error")), len(result.of("healed"))
    files = result.figures["files"]
    held = f"{count(files.get('rows', 0), 'row')} in {count(files.get('files', 0), 'file')}"
    after = f", after healing {count(healed, 'thing')}" if healed else ""
    if wrong:
        return f"verdict: {count(wrong, 'thing')} wrong{after} ({held})"
    return f"verdict: everything agrees{after} ({held})"


def write_json(result: "Verification") -> None:
    """The whole outcome for programs."""
    findings = [asdict(f) for f in result.findings]
    say(json.dumps({"ok": result.ok, "figures": result.figures, "findings": findings}, indent=2))


def _lines(findings: "list[Finding]") -> list[str]:
    lines = [str(f) for f in findings[:_LISTED]]
    if len(findings) > _LISTED:
        lines.append(f"and {len(findings) - _LISTED} more: tidemark verify --json")
    return lines


@contextmanager
def showing() -> "Iterator[Progress | None]":
    """Show in a terminal which stream is being read; elsewhere nothing: it takes seconds."""
    if not is_terminal():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("streams", total=None)
        yield lambda done, total, stream: bar.update(
            task, completed=done, total=total, description=str(stream)
        )
