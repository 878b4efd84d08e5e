"""Write the table of ``docs/performance.md`` out of what was measured last.

``python -m bench.performance`` reads ``data/bench/*.json``, which ``make bench`` has just written.
"""

import json
import os
import platform
import sys
from importlib.metadata import version
from typing import Any, Final

from bench.latency import ALLOWED, LATENCY, MARKETS
from bench.measure import ROOT

PAGE: Final = ROOT / "docs" / "performance.md"
FOLDER: Final = ROOT / "data" / "bench"
BEGIN: Final = "<!-- made by `make bench` -->"
END: Final = "<!-- end -->"
_PACKAGES: Final = ("duckdb", "pyarrow", "httpx", "dlt")


def main() -> int:
    """Exit code 0 where there was anything to write."""
    lines = [*_machine(), *_race(), *_dialects(), *_everyday(), *_latency(), *_storage()]
    head, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, tail = rest.partition(END)
    text = "\n".join([BEGIN, "", *lines, END])
    PAGE.write_text(f"{head}{text}{tail}", encoding="utf-8")
    print(f"written: {PAGE}")
    return 0


def _read(name: str) -> Any:
    path = FOLDER / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def _machine() -> list[str]:
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    return [
        f"Measured on {os.cpu_count()} cores, {platform.system()}, Python "
        f"{platform.python_version()}, {packages}.",
        "",
    ]


def _race() -> list[str]:
    found = _read("results")
    if found is None:
        return []
    lines = ["| first pull | ratio (rows/s, same round) |", "|---|---|"]
    for name, ratio in found["ratios"].items():
        if ratio is not None and name.startswith("tidemark/"):
            lines.append(f"| {name.replace('/', ' over ')} | {ratio:.2f} |")
    if found["memory"]:
        short, long = (found["memory"][name] for name in ("short", "long"))
        rows = f"peak memory, {long['rows']:,} rows over {short['rows']:,}"
        peaks = f"{long['peak_mib']:.0f} over {short['peak_mib']:.0f} MiB"
        lines.append(f"| {rows} | {found['memory']['ratio']:.2f} ({peaks}) |")
    return [*lines, ""]


def _dialects() -> list[str]:
    found = _read("dialects")
    if found is None:
        return []
    lines = [
        "| first pull, tidemark over dlt | rows | ratio (rows/s, same round) |",
        "|---|---|---|",
    ]
    lines += [f"| {r['title']} | {r['rows']:,} | {r['ratio']:.2f} |" for r in found["races"]]
    return [*lines, ""]


def _everyday() -> list[str]:
    lines = [
        "| every day's work | rows held | CPU s | s | MB written | requests |",
        "|---|---|---|---|---|---|",
    ]
    for row in _read("everyday") or ():
        lines.append(
            f"| {row['name']} | {row['held']:,} | {row['cpu_seconds']:.2f} | {row['seconds']:.2f} "
            f"| {row['written'] / 1e6:.2f} | {row['requests']} |"
        )
    return [*lines, ""]


def _latency() -> list[str]:
    found = _read("latency")
    if found is None:
        return []
    return [
        f"First pull of {MARKETS} markets where each answer takes {LATENCY * 1000:.0f} ms: "
        f"{found['requests']:,} requests at {found['share']:.2f} of the {ALLOWED} a second "
        f"allowed, {found['busiest']} in the busiest second.",
        "",
    ]


def _storage() -> list[str]:
    lines = ["| 1,000,000 trades kept as | bytes a trade | exact |", "|---|---|---|"]
    for row in _read("storage") or ():
        exact = "yes" if row["is_exact"] else "no"
        lines.append(f"| {row['name']} | {row['per_trade']:.1f} | {exact} |")
    return [*lines, ""]


if __name__ == "__main__":
    sys.exit(main())
