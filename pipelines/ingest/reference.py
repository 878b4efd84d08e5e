"""Pull the lists of an exchange (markets, currencies), and keep their history.

The table holds the newest state of every row; a row that is no longer listed stays, not active. The
history (``markets_history``) holds every earlier state with ``valid_from`` and ``valid_to``, so it
grows only with changes. The history is committed first. After a crash between the two commits the
next pull completes both, because it compares the list with each of them.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pyarrow as pa

from connectors.base import Page
from connectors.errors import ContractError
from pipelines.ingest.session import Session
from schemas.times import to_datetime
from warehouse.clock import now_us
from warehouse.state import StreamState

_DETAILS: Final = 25
"""The most rows that one pull requests one by one."""
_STEP: Final = timedelta(microseconds=1)

Rows = dict[str, dict[str, Any]]
"""Rows of the connector schema by their key."""


def pull_reference(session: Session) -> None:
    """One pull of a list. Raises ``TidemarkError``."""
    name = session.declared.naming_column
    page = session.count(session.connector.snapshot(session.stream.dataset, ()))
    listed = _by_key(page.table, name)
    held = _held(session, name)
    if not listed and held:
        raise ContractError(
            f"the exchange lists nothing at all; before, it listed {len(held)}. An empty list is "
            "taken for a fault, and nothing was changed. Fix: pull again later"
        )
    now = listed | _unlisted(session, page, listed, held)
    state = replace(session.state, unit="none", newest_at=now_us(), checked_at=now_us())
    _keep_history(session, now)
    changed = {key: row for key, row in now.items() if held.get(key) != row}
    session.commit(
        pa.Table.from_pylist([*changed.values()], session.declared.connector_schema),
        state if changed or session.state.newest_at is None else session.state,
        page.rejected,
    )


def _unlisted(session: Session, page: Page, listed: Rows, held: Rows) -> Rows:
    """Known rows that the list lacks: requested by name where that is possible, else not active.

    An unreadable row of the list may be any of them: then none is changed.
    """
    if not all(row.is_stored for row in page.rejected):
        return {}
    gone = {key: row for key, row in held.items() if key not in listed and row["active"]}
    found: Rows = {key: {**row, "active": False} for key, row in gone.items()}
    if session.paging.details:
        unknown = sorted((_named(session) | gone.keys()) - listed.keys() - (held.keys() - gone))
        for key in unknown[:_DETAILS]:
            detail = session.count(session.connector.snapshot(session.stream.dataset, (key,)))
            found |= _by_key(detail.table, session.declared.naming_column)
    return found


def _named(session: Session) -> set[str]:
    """Currencies of the listed markets."""
    if session.stream.dataset != "currencies":
        return set()
    return {code for m in session.connector.markets() for code in (m.base, m.quote)}


def _held(session: Session, name: str) -> Rows:
    table = session.writer.tail(1_000_000)
    return _by_key(table.drop_columns(["ingested_at"]), name)


def _by_key(table: pa.Table, name: str) -> Rows:
    return {row[name]: row for row in table.to_pylist()}


# -- the history ----------------------------------------------------------------------------------


def _keep_history(session: Session, now: Rows) -> None:
    """Write the end of each state that is no longer current, and the beginning of each new one."""
    name = session.declared.naming_column
    writer = session.writer.sibling(session.declared.history or "")
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
        writer.commit([pa.Table.from_pylist(rows, writer.declared.connector_schema)], state)
