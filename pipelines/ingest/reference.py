"""Pull what an exchange says of itself (its markets, its currencies), and keep how it changed.

The table holds the newest state of every row; what is listed no longer stays in it, not active.
Its history (``markets_history``) holds every state there was with ``valid_from`` and ``valid_to``,
so that it grows only where something changed. The history is committed first: a crash between the
two is made good by the next pull, which compares with each of them for itself.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pyarrow as pa

from connectors.base import Offer, Page
from connectors.errors import ContractError
from pipelines.ingest.context import StreamContext, to_datetime
from schemas import dataset
from warehouse.clock import now_us
from warehouse.lake import StreamWriter
from warehouse.ledger import StreamId, StreamState

_DETAILS: Final = 25
"""The most single questions that one pull asks."""
_STEP: Final = timedelta(microseconds=1)

Rows = dict[str, dict[str, Any]]
"""Rows of the connector schema by their key."""


def pull_reference(context: StreamContext, offer: Offer) -> None:
    """One pull of a list. Raises ``TidemarkError``."""
    name = context.declared.key[-1]
    page = context.count(context.connector.snapshot(context.stream.dataset, ()))
    listed = _by_key(page.table, name)
    held = _held(context, name)
    if not listed and held:
        raise ContractError(
            f"{context.name}: the exchange lists nothing at all, where it listed {len(held)}; "
            "that is not believed: nothing was changed. Pull again"
        )
    now = listed | _unlisted(context, offer, page, listed, held)
    state = replace(context.state, unit="none", newest_at=now_us(), checked_at=now_us())
    _keep_history(context, now)
    changed = {key: row for key, row in now.items() if held.get(key) != row}
    context.commit(
        _table(context.declared.connector_schema, changed.values()),
        state if changed or context.state.newest_at is None else context.state,
        page.rejected,
    )


def _unlisted(context: StreamContext, offer: Offer, page: Page, listed: Rows, held: Rows) -> Rows:
    """Rows that the list lacks and that are known of: asked for by name, or else not active.

    Where a row of the list was unreadable, it may be any of them: then nothing is concluded.
    """
    if page.rejected:
        return {}
    gone = {key: row for key, row in held.items() if key not in listed and row["active"]}
    found: Rows = {key: {**row, "active": False} for key, row in gone.items()}
    if offer.details:
        unknown = sorted((_named(context) | gone.keys()) - listed.keys() - (held.keys() - gone))
        for key in unknown[:_DETAILS]:
            detail = context.count(context.connector.snapshot(context.stream.dataset, (key,)))
            found |= _by_key(detail.table, context.declared.key[-1])
    return found


def _named(context: StreamContext) -> set[str]:
    """Currencies that some market is traded in."""
    if context.stream.dataset != "currencies":
        return set()
    return {code for m in context.connector.markets() for code in (m.base, m.quote)}


def _held(context: StreamContext, name: str) -> Rows:
    table = context.writer.tail(1_000_000)
    return _by_key(table.drop_columns(["ingested_at"]), name)


def _by_key(table: pa.Table, name: str) -> Rows:
    return {row[name]: row for row in table.to_pylist()}


def _table(schema: pa.Schema, rows: Any) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=schema)


# -- the history ----------------------------------------------------------------------------------


def _keep_history(context: StreamContext, now: Rows) -> None:
    """End every state that holds no longer, and begin those that are new."""
    declared = dataset(context.declared.history or "")
    name = context.declared.key[-1]
    id_ = StreamId(context.id.exchange, declared.name, context.id.stream)
    # The lock of the list's own stream is held: nobody else writes its history.
    writer = StreamWriter(context.writer.home, context.writer.ledger, id_)
    past = writer.tail(1_000_000).drop_columns(["ingested_at"]).to_pylist()
    valid = {row[name]: row for row in past if row["valid_to"] is None}
    moment = to_datetime(now_us())
    rows: list[dict[str, Any]] = []
    for key, row in now.items():
        before = valid.get(key)
        if before is not None and all(before[column] == value for column, value in row.items()):
            continue
        begins = moment
        if before is not None:
            begins = max(begins, before["valid_from"] + _STEP)  # the clock may have stepped back
            rows.append({**before, "valid_to": begins})
        rows.append({**row, "valid_from": begins, "valid_to": None})
    if rows:
        state = StreamState(unit="none", newest_at=now_us())
        writer.commit([_table(declared.connector_schema, rows)], state)
