"""The page: its content from the queries, rendered and written as one file."""

import base64
import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from pipelines.output.files import whole_file
from pipelines.output.formatting import age
from pipelines.report.account import (
    LISTED,
    fees_chart,
    holdings,
    quote_of,
    value_accounts,
    value_chart,
)
from pipelines.report.candles import candle_chart
from pipelines.report.figures import exact, places, total, when
from pipelines.report.query import Queries, Row, connected
from pipelines.report.timeline import holes, timelines
from pipelines.report.warnings import warnings

REPORT: Final = "report.html"
"""The page's name in the home."""
_TEMPLATES: Final = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Written:
    """A page that was written."""

    path: Path
    bytes: int


def write(
    home: Path, out: Path | None = None, market: str | None = None, quote: str | None = None
) -> Written:
    """Write the page of ``home`` to ``out`` (else ``report.html`` in the home).

    ``market``: which one the chart opens with; ``quote``: currency to value in. Raises
    ``StorageError`` where nothing is published yet or the disk is full, ``ConfigError`` for a
    market or currency that is not held and for a path that cannot be written.
    """
    with connected(home) as queries:
        content = _render(_content(queries, home, market, quote, datetime.now(UTC)))
    path = home / REPORT if out is None else out.absolute()
    data = content.encode()
    with whole_file(path, "wb") as file:
        file.write(data)
    return Written(path, len(data))


def _content(
    queries: Queries, home: Path, market: str | None, quote: str | None, now: datetime
) -> dict[str, Any]:
    """Everything that the template names."""
    streams = queries.rows("streams")
    unit = quote_of(queries, quote)
    candles = candle_chart(queries, streams, market)
    for shared in ("reconciled", "realised"):  # temporary tables that many queries read
        queries.rows(shared)
    spans = queries.rows("coverage")
    refused = queries.rows("quarantine")
    (compared,) = queries.rows("comparisons")
    length = value_accounts(queries, unit)
    held = holdings(queries)
    fees = queries.rows("fees")
    newest = max((s["newest"] for s in streams if s["newest"]), default=None)
    return {
        "home": home,
        "now": now,
        "quote": unit,
        "rows": sum(s["rows"] for s in streams),
        "streams": len(streams),
        "oldest": min((s["oldest"] for s in streams if s["oldest"]), default=None),
        "newest": newest,
        "freshness": None if newest is None else age(now - newest),
        "exchanges": sorted({s["exchange"] for s in streams}),
        "datasets": _table(streams),
        "warnings": warnings(home, streams, refused, compared, now),
        "holdings": held,
        "worth": total([h.value for h in held]),
        "listed": LISTED,
        "fees": fees[:LISTED],
        "fees_left": len(fees) - LISTED,
        "profit": queries.rows("profit"),
        "reconciliation": queries.rows("reconciliation"),
        "compared": compared,
        "missing": holes(spans, "gap"),
        "lost": holes(spans, "lost"),
        "data": {
            "candles": candles,
            "timelines": timelines(streams, spans, queries.rows("candle_streams"), now),
            "value": value_chart(queries, unit, length) if length else None,
            "fees": fees_chart(fees, unit),
        },
    }


def _table(streams: Sequence[Row]) -> list[tuple[str, dict[str, int], int]]:
    """Rows of every dataset by exchange, and of all exchanges."""
    found: dict[str, dict[str, int]] = {}
    for stream in streams:
        row = found.setdefault(stream["dataset"], {})
        row[stream["exchange"]] = row.get(stream["exchange"], 0) + stream["rows"]
    return [(name, row, sum(row.values())) for name, row in sorted(found.items())]


def _render(content: dict[str, Any]) -> str:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":")}
    environment.filters |= {"exact": exact, "places": places, "when": when}
    return environment.get_template("report.html").render(
        content,
        style=Markup((_TEMPLATES / "report.css").read_text(encoding="utf-8")),
        script=Markup((_TEMPLATES / "report.js").read_text(encoding="utf-8")),
        library=_library(),
    )


@cache
def _library() -> Markup:
    """plotly.js, gzipped, in Base64: a third of its size, and no address of any host to be read."""
    script = (files("plotly") / "package_data" / "plotly.min.js").read_bytes()
    return Markup(base64.b64encode(gzip.compress(script, mtime=0)).decode())
