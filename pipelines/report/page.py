"""The page: its content from the queries, rendered and written as one file."""

import base64
import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from pipelines.output.files import whole_file
from pipelines.report import REPORT
from pipelines.report.account import (
    LISTED,
    RECENT,
    Holdings,
    account_of,
    all_of,
    fees_chart,
    holdings,
    quote_of,
    sum_of,
    value_accounts,
    value_chart,
    value_lines,
)
from pipelines.report.candles import candle_chart
from pipelines.report.comparison import compared as prices_compared
from pipelines.report.figures import ago, figure, money, percent, total, when
from pipelines.report.performance import ALL, Performance, measure
from pipelines.report.query import Queries, Row, connected
from pipelines.report.timeline import holes, timelines
from pipelines.report.warnings import warnings

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
    ready = queries.rows("candle_streams")
    distances, beside = prices_compared(queries, streams, ready)
    for shared in ("reconciled", "realised", "last_prices"):  # tables that many queries read
        queries.rows(shared)
    spans = queries.rows("coverage")
    refused = queries.rows("quarantine")
    (compared,) = queries.rows("comparisons")
    length = value_accounts(queries, unit)
    lines = value_lines(queries, length) if length else {}
    measured = {name: measure(points) for name, points in lines.items()}
    held = holdings(queries)
    fees = queries.rows("fees")
    profit = queries.rows("profit", timeframe=length.name) if length else []
    trading = queries.rows("trading", timeframe=length.name) if length else []
    return {
        "home": home,
        "now": now,
        "quote": unit,
        "rows": sum(s["rows"] for s in streams),
        "streams": len(streams),
        "oldest": min((s["oldest"] for s in streams if s["oldest"]), default=None),
        "newest": max((s["newest"] for s in streams if s["newest"]), default=None),
        "exchanges": sorted({s["exchange"] for s in streams}),
        "datasets": _table(streams),
        "warnings": warnings(home, streams, refused, compared, now),
        "holdings": held,
        "worth": total([h.value for h in held]),
        "unpriced": sorted({currency for h in held for currency in h.unpriced}),
        "performances": measured,
        "interval": length,
        "listed": LISTED,
        "profit": profit,
        "realised": sum_of(profit, "realised", "fifo"),
        "unrealised": sum_of(profit, "unrealised", "open_amount"),
        "accounts": _accounts(held, measured, profit, trading),
        "fees": fees[:LISTED],
        "fees_left": len(fees) - LISTED,
        "recent": RECENT,
        "recent_fills": queries.rows("recent_fills", listed=RECENT),
        "recent_transfers": queries.rows("recent_transfers", listed=RECENT),
        "markets": queries.rows("markets_compared"),
        "distances": distances,
        "reconciliation": queries.rows("reconciliation"),
        "compared": compared,
        "timelines": timelines(streams, spans, ready, now),
        "missing": holes(spans, "gap"),
        "lost": holes(spans, "lost"),
        "data": {
            "candles": candles,
            "compared": beside,
            "value": value_chart(queries, unit, length, lines, measured) if length else None,
            "fees": fees_chart(fees, unit),
        },
    }


def _accounts(
    held: Sequence[Holdings],
    measured: Mapping[str, Performance],
    profit: Sequence[Row],
    trading: Sequence[Row],
) -> list[dict[str, Any]]:
    """The accounts side by side, then all of them together where there are several."""
    values = {one.name: one.value for one in held}
    traded = {account_of(row): row for row in trading}
    names = sorted(values.keys() | traded.keys())
    groups = [(name, {name}) for name in names]
    if len(names) > 1:
        groups.append((ALL, set(names)))
    found = []
    for name, members in groups:
        own = [row for row in profit if account_of(row) in members]
        rows = [traded[one] for one in members if one in traded]
        fees, turnover = all_of(rows, "fees"), all_of(rows, "turnover")
        found.append(
            {
                "name": name,
                "value": total([values[one] for one in members if one in values]),
                "performance": measured.get(name),
                "realised": sum_of(own, "realised", "fifo"),
                "unrealised": sum_of(own, "unrealised", "open_amount"),
                "fills": sum(row["fills"] for row in rows),
                "fees": fees,
                "fee_rate": fees / turnover if turnover and fees is not None else None,
            }
        )
    return found


def _table(streams: Sequence[Row]) -> list[tuple[str, dict[str, int], int]]:
    """Rows of every dataset by exchange, and of all exchanges."""
    found: dict[str, dict[str, int]] = {}
    for stream in streams:
        row = found.setdefault(stream["dataset"], {})
        row[stream["exchange"]] = row.get(stream["exchange"], 0) + stream["rows"]
    return [(name, row, sum(row.values())) for name, row in sorted(found.items())]


def _render(content: dict[str, Any]) -> str:
    return _template().render(
        content,
        style=Markup((_TEMPLATES / "report.css").read_text(encoding="utf-8")),
        script=Markup((_TEMPLATES / "report.js").read_text(encoding="utf-8")),
    )


@cache
def _template() -> Template:
    """Compiling it takes half a second: a process that writes the page again does not."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "figure": figure,
        "money": money,
        "percent": percent,
        "when": when,
        "ago": _ago,
        "moment": lambda ms: datetime.fromtimestamp(ms / 1000, UTC),
        "packed": _packed,
    }
    return environment.get_template("report.html")


@pass_context
def _ago(context: Context, moment: datetime) -> Markup:
    return ago(moment, now=context["now"])


def _packed(data: object) -> str:
    """JSON, gzipped, in Base64: a third of its size, and nothing of it can be read as HTML."""
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()
