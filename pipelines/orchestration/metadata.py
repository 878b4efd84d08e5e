"""The metadata of a materialisation: rows, lag, gaps, files, and the streams that changed.

Dagster stores it every minute, in the event and as the asset's newest: what never changes (the
columns) is in the asset's definition alone.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import dagster as dg

from pipelines.ingest import StreamReport
from pipelines.ingest.report import COUNTS
from pipelines.output.formatting import instant, visible
from pipelines.publishing import PublishReport, TableState

Metadata = dict[str, dg.MetadataValue | int | float | str]

_SHOWN: Final = 20
"""Streams in the table of a materialisation: those with the most news."""

_MARKUP: Final = re.compile(
    r"[\\`*_{}\[\]()<>#+=!|~&$@-]|:(?=/)|(?<=www)\.|(?<=\d)[.](?=\s)", re.IGNORECASE
)
"""What Markdown takes for more than text, addresses included."""


def table_metadata(state: TableState) -> Metadata:
    """What holds of a dataset as it is stored now."""
    found: Metadata = {
        "dagster/row_count": state.rows,
        "files": state.files,
        "gaps": state.gaps,
        "lost": state.lost,
    }
    if state.newest is not None:
        found["newest"] = dg.MetadataValue.timestamp(state.newest)
        found["lag_seconds"] = _seconds_since(state.newest)
    return found


def pull_metadata(streams: Sequence[StreamReport], path: Path) -> Metadata:
    """What one pull did to a dataset; ``path``: where its files are."""
    found: Metadata = {
        "rows_added": sum(s.rows_added for s in streams),
        "rows_replaced": sum(s.rows_replaced for s in streams),
        "requests": sum(s.requests for s in streams),
        "quarantined": sum(s.quarantined for s in streams),
        "path": dg.MetadataValue.path(path),
    }
    if any(s.refetched for s in streams):
        found["rows_refetched"] = sum(s.refetched for s in streams)
        found["rows_refetched_new"] = sum(s.refetched_new for s in streams)
        found["rows_different"] = sum(s.differences for s in streams)
    notices = list(dict.fromkeys(s.notice for s in streams if s.notice))
    if notices:
        found["notices"] = markdown_list(notices)
    problems = list(dict.fromkeys(s.problem for s in streams if s.problem))
    if problems:
        found["streams_failed"] = sum(bool(s.error) for s in streams)
        found["problems"] = markdown_list(problems)
    changed = [s for s in streams if _news(s)]
    if changed:
        changed.sort(key=_news, reverse=True)
        found["streams"] = _stream_table(changed[:_SHOWN])
    return found


def condensed(streams: Iterable[StreamReport]) -> list[StreamReport]:
    """What :func:`pull_metadata` shows of ``streams``; those without news become one a dataset."""
    ranked = sorted(streams, key=_news, reverse=True)
    shown: dict[str, int] = {}
    kept: list[StreamReport] = []
    rest: dict[tuple[str, str], list[StreamReport]] = {}
    for stream in ranked:
        shown[stream.dataset] = shown.get(stream.dataset, 0) + 1
        if stream.problem or stream.notice or shown[stream.dataset] <= _SHOWN:
            kept.append(stream)
        else:
            rest.setdefault((stream.exchange, stream.dataset), []).append(stream)
    for (exchange, dataset), some in rest.items():
        sums = {name: sum(getattr(stream, name) for stream in some) for name in COUNTS}
        kept.append(StreamReport(exchange, dataset, f"{len(some)} more", **sums))
    return kept


def _news(stream: StreamReport) -> int:
    return stream.rows_added + stream.rows_replaced + stream.quarantined


def materialized(
    context: dg.AssetExecutionContext, key: dg.AssetKey, metadata: Mapping[str, object]
) -> dg.MaterializeResult[None]:
    """The result of one asset.

    Metadata that a result carries itself is stored twice: in the event of the step's output too.
    """
    context.add_asset_metadata(metadata, asset_key=key)
    return dg.MaterializeResult(asset_key=key)


def markdown_list(lines: Iterable[str]) -> dg.MetadataValue:
    """``lines`` as they are: text of an exchange must make no link, picture or heading."""
    escaped = (_MARKUP.sub(r"\\\g<0>", visible(line, keep="\n")) for line in lines)
    return dg.MetadataValue.md("\n".join("- " + "  \n  ".join(e.split("\n")) for e in escaped))


def publish_metadata(dataset: str, report: PublishReport) -> Metadata:
    """What one publish did to a table."""
    state = report.tables[dataset]
    return {
        "rows_added": state.rows_added,
        "published": dg.MetadataValue.bool(report.published),
        "path": dg.MetadataValue.path(report.path),
        **table_metadata(state),
    }


def _seconds_since(moment: datetime) -> float:
    return round(max(0.0, (datetime.now(UTC) - moment).total_seconds()), 3)


def _stream_table(streams: Sequence[StreamReport]) -> dg.MetadataValue:
    """In Markdown: Dagster's own tables repeat their schema with every materialisation."""
    lines = ["| stream | new rows | replaced | requests | newest |", "|---|--:|--:|--:|---|"]
    for stream in streams:
        name = _MARKUP.sub(r"\\\g<0>", visible(stream.stream, keep=""))
        newest = instant(stream.newest) if stream.newest else ""
        counts = (stream.rows_added, stream.rows_replaced, stream.requests)
        lines.append(f"| {name} | {' | '.join(f'{n:,}' for n in counts)} | {newest} |")
    return dg.MetadataValue.md("\n".join(lines))
