"""From single pulls to the figures that are quoted: medians, and medians of paired ratios."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, Final

from bench.measure import Result

PEERS: Final = {"dlt": 10.0, "pandas": 2.0, "fetch-and-parse": 0.6}
"""Whom Tidemark is compared with, and how many times their rows a second it is to reach."""
MOST_MEMORY: Final = 1.1
"""Of a history ten times as long."""
_PACKAGES: Final = ("duckdb", "pyarrow", "pandas", "dlt", "httpx", "msgspec")
_COLUMNS: Final = (
    f"{'':16} {'rows/s':>9} {'wall s':>8} {'CPU s':>8} {'peak MiB':>9} {'rows':>10} "
    f"{'requests':>9} {'server busy':>12} {'x dlt':>7} {'x pandas':>8} {'x f&p':>7}"
)


@dataclass(frozen=True)
class Memory:
    """Peak memory of Tidemark on a short and a long history."""

    short: Result
    long: Result

    @property
    def ratio(self) -> float:
        return self.long.peak_mib / self.short.peak_mib


def ratio(results: Mapping[str, Sequence[Result]], name: str, peer: str) -> float | None:
    """Median over the rounds of rows/s of ``name`` over rows/s of ``peer`` in the same round."""
    if not (results.get(name) and results.get(peer)):
        return None
    pairs = zip(results[name], results[peer], strict=True)
    return median(ours.rows_per_second / theirs.rows_per_second for ours, theirs in pairs)


def table(results: Mapping[str, Sequence[Result]]) -> str:
    """One line per contestant; medians over the rounds."""
    lines = [_COLUMNS]
    for name, rounds in results.items():
        ratios = [ratio(results, name, peer) for peer in PEERS]
        lines.append(
            f"{name:16} {median(r.rows_per_second for r in rounds):9,.0f} "
            f"{median(r.seconds for r in rounds):8.2f} "
            f"{median(r.cpu_seconds for r in rounds):8.2f} "
            f"{median(r.peak_mib for r in rounds):9.0f} "
            f"{rounds[0].rows:10,d} {rounds[0].requests:9,d} "
            f"{median(r.server_busy for r in rounds):11.0%}  "
            + " ".join("      -" if value is None else f"{value:7.2f}" for value in ratios)
        )
    return "\n".join(lines)


def verdicts(
    results: Mapping[str, Sequence[Result]],
    memory: Memory | None,
    peers: Mapping[str, float] = PEERS,
) -> list[str]:
    """The targets, each with what was reached."""
    lines = []
    for peer, target in peers.items():
        reached = ratio(results, "tidemark", peer)
        if reached is not None:
            lines.append(_verdict(f"rows/s, Tidemark / {peer}", reached, target, at_least=True))
    if memory is not None:
        name = f"peak memory, {memory.long.rows:,} / {memory.short.rows:,} rows"
        peaks = f" ({memory.long.peak_mib:.0f} / {memory.short.peak_mib:.0f} MiB)"
        lines.append(_verdict(name, memory.ratio, MOST_MEMORY, at_least=False) + peaks)
    return lines


def _verdict(name: str, reached: float, target: float, at_least: bool) -> str:
    met = reached >= target if at_least else reached <= target
    bound = "at least" if at_least else "at most"
    return f"{'reached' if met else 'MISSED':8} {name}: {reached:.2f} ({bound} {target})"


def machine() -> dict[str, Any]:
    """What figures were measured on."""
    return {
        "cores": os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in _PACKAGES},
    }


def save(
    path: Path,
    results: Mapping[str, Sequence[Result]],
    memory: Memory | None,
    options: Mapping[str, Any],
) -> None:
    """Every single pull, and what it ran on, as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {
        "options": dict(options),
        "machine": machine(),
        "rounds": {name: [asdict(r) for r in rounds] for name, rounds in results.items()},
        "ratios": {
            f"{name}/{peer}": ratio(results, name, peer)
            for name in results
            for peer in PEERS
            if name != peer
        },
        "memory": memory and {**asdict(memory), "ratio": memory.ratio},
    }
    path.write_text(json.dumps(document, indent=2) + "\n")
