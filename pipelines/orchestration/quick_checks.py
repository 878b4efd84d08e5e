"""Checks that read the metastore, the settings, and no more of DuckDB than its columns.

They cost 0.1 s together, whatever is held.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Final

import dagster as dg
import pyarrow as pa

import connectors
from pipelines.exchanges.rights import key_rights
from pipelines.feeds import Feed, Job, jobs
from pipelines.orchestration.freshness import fail_window
from pipelines.orchestration.looking import SHOWN_ROWS, Check, Look, Record, result
from pipelines.orchestration.specs import datasets_of, exchanges_of, lake_key, table_key
from pipelines.output.formatting import age, interval_text, with_fix
from schemas import DATASETS, ConfigError
from schemas.times import to_datetime
from schemas.wording import count
from warehouse import StreamStatus
from warehouse.coverage_table import spans
from warehouse.intervals import Interval

LOSS_SHOWN: Final = timedelta(days=7)
"""For so long a loss keeps its check red. What is lost stays ``lost`` in ``coverage``."""
_WARN: Final = dg.AssetCheckSeverity.WARN

Evaluate = Callable[[str, str, Look], dg.AssetCheckResult]


def quick_checks(feeds: Sequence[Feed]) -> list[Check]:
    """Those of every dataset of every exchange, and of every table."""
    found = []
    for exchange, dataset in dict.fromkeys((j.exchange, j.dataset) for j in jobs(feeds)):
        for name, (description, evaluate, applies) in _OF_DATASETS.items():
            if applies(exchange, dataset):
                key = lake_key(exchange, dataset)
                spec = dg.AssetCheckSpec(name, asset=key, description=description)
                found.append(Check(spec, partial(evaluate, exchange, dataset)))
    for dataset in datasets_of(feeds):
        spec = dg.AssetCheckSpec(
            "schema",
            asset=table_key(dataset),
            description="The published table has the contracted columns, in order, with their "
            "types.",
        )
        found.append(Check(spec, partial(_schema, dataset)))
    if exchanges_of("balances", feeds):
        found.append(Check(_KEYS_ONLY_READ, _keys_only_read))
    return found


def _no_gaps(exchange: str, dataset: str, look: Look) -> dg.AssetCheckResult:
    holes: list[Record] = []
    unfetched = 0
    for status in look.streams(exchange, dataset):
        for kind, span in spans(status.state):
            if kind == "gap" and _is_inside(status, span):
                holes.append(_row(status, span))
            unfetched += kind == "gap"
    unfetched -= len(holes)
    return result(
        holes,
        "nothing is missing between stretches that are held",
        f"missing between stretches that are held: {count(len(holes), 'gap')}\n"
        f"Fix: tidemark pull {exchange}/{dataset}",
        _WARN,
        {"older history still to fetch": unfetched},
    )


def _nothing_lost(exchange: str, dataset: str, look: Look) -> dg.AssetCheckResult:
    since = (look.now - LOSS_SHOWN).timestamp() * 1_000_000
    recent: list[Record] = []
    every = 0
    for status in look.streams(exchange, dataset):
        for stretch in status.state.unshown:
            span = Interval(stretch.lower, stretch.upper)
            if stretch.lost and _is_inside(status, span):
                every += 1
                if stretch.since >= since:
                    missed = to_datetime(stretch.since)
                    recent.append({**_row(status, span), "missed since": missed})
    return result(
        recent,
        f"nothing that was between held rows was lost in the last {LOSS_SHOWN.days} days",
        f"{len(recent)} lost in the last {LOSS_SHOWN.days} days: the exchange does not show rows "
        "between those that are held\nFix: pull more often where it shows only its newest rows",
        metadata={"lost ever": every},
    )


def _is_inside(status: StreamStatus, span: Interval) -> bool:
    """Whether something older is held: else the span is history from before the first pull."""
    return any(held.upper <= span.lower for held in status.state.complete)


def _row(status: StreamStatus, span: Interval) -> dict[str, object]:
    return {"stream": status.stream.label, "stretch": interval_text(span, status.state.unit)}


def _quarantine_empty(exchange: str, dataset: str, look: Look) -> dg.AssetCheckResult:
    rows = look.quarantined(exchange, dataset)
    if not rows:
        look.streams(exchange, dataset)  # with nothing collected, nothing is known
        return result([], "no row in quarantine", "", _WARN)
    failing: list[Record] = [
        *look.rows(
            "SELECT reason, payload, observed_at FROM quarantine"
            f" WHERE exchange = ? AND dataset = ? ORDER BY observed_at DESC LIMIT {SHOWN_ROWS}",
            exchange,
            dataset,
        )
    ]
    return result(
        failing or [{"reason": "not published yet", "payload": None, "observed_at": None}],
        "",
        f"{count(rows, 'row')} in quarantine: malformed, kept as received\n"
        'Fix: tidemark sql "SELECT reason, payload FROM quarantine" shows them all',
        _WARN,
    )


def _pulled_in_time(exchange: str, dataset: str, look: Look) -> dg.AssetCheckResult:
    late: list[Record] = []
    streams = look.streams(exchange, dataset)
    for job in _jobs_of(exchange, dataset, look.feeds):
        window = fail_window([job])
        if window is None:
            continue
        for status in streams:
            at = status.state.checked_at
            if at is None or not look.collected(status.stream, [job.feed]):
                continue
            if look.now - to_datetime(at) > window:
                name = status.stream.label
                row = {"stream": name, "feed": job.feed.name, "last whole pull": to_datetime(at)}
                late.append({**row, "expected every": age(window), "remark": status.state.remark})
    names = ", ".join(str(row["stream"]) for row in late[:5]) + (", …" if len(late) > 5 else "")
    return result(
        late,
        f"{count(len(streams), 'stream')} pulled in time",
        f"{count(len(late), 'stream')} of {len(streams)} not pulled in time: {names}\n"
        f"Fix: tidemark pull {exchange}/{dataset} says what is wrong; is the schedule on?",
    )


def _key_present(exchange: str, dataset: str, look: Look) -> dg.AssetCheckResult:
    absent: list[Record] = []
    accounts = {job.feed.account: job.feed for job in _jobs_of(exchange, dataset, look.feeds)}
    for account, feed in accounts.items():
        try:
            if look.settings.credentials(exchange, account) is not None:
                continue
            problem = f"{connectors.key_settings(exchange, account)} are not set"
        except ConfigError as error:
            problem = str(error)
        absent.append({"account": account, "feed": feed.name, "problem": problem})
    names = ", ".join(str(row["account"]) for row in absent)
    return result(
        absent,
        f"a key is set for {count(len(accounts), 'account')}",
        with_fix(
            f"no usable key for {names}: nothing of it is collected",
            "set the variables in the environment or .env, or take the dataset out of the feed",
        ),
        _WARN,
    )


def _jobs_of(exchange: str, dataset: str, feeds: Sequence[Feed]) -> list[Job]:
    return [job for job in jobs(feeds) if (job.exchange, job.dataset) == (exchange, dataset)]


def _has_coverage(exchange: str, dataset: str) -> bool:
    declared = DATASETS[dataset]
    return not (declared.snapshot or declared.is_reference)


_OF_DATASETS: Final[dict[str, tuple[str, Evaluate, Callable[[str, str], bool]]]] = {
    "no_gaps": (
        "Nothing is missing between stretches that are held. What is older than all that is held "
        "is history still to fetch, and no gap here.",
        _no_gaps,
        _has_coverage,
    ),
    "nothing_lost": (
        "The exchange shows every row between those that are held. A loss is red for "
        f"{LOSS_SHOWN.days} days; coverage names it for ever.",
        _nothing_lost,
        _has_coverage,
    ),
    "quarantine_empty": (
        "No row of the exchange was too malformed to be stored.",
        _quarantine_empty,
        lambda exchange, dataset: True,
    ),
    "pulled_in_time": (
        "A pull reached the newest row of every market or account within the time that the "
        "schedule gives. It names the market or account that is late; the others stay fresh.",
        _pulled_in_time,
        lambda exchange, dataset: True,
    ),
    "key_present": (
        "A key is set for every account that a feed collects.",
        _key_present,
        lambda exchange, dataset: DATASETS[dataset].is_account,
    ),
}
"""By name: description, function, and whether it applies to an exchange's dataset."""


def _schema(dataset: str, look: Look) -> dg.AssetCheckResult:
    wanted, found = DATASETS[dataset].schema, look.published_schemas[dataset]
    differing: list[Record] = [
        {
            "place": place + 1,
            "contracted": _column(wanted, place),
            "published": _column(found, place),
        }
        for place in range(max(len(wanted), len(found)))
        if _column(wanted, place) != _column(found, place)
    ]
    return result(
        differing,
        f"{len(wanted)} columns as contracted",
        with_fix(f"{count(len(differing), 'column')} not as contracted", "tidemark rebuild"),
    )


def _column(schema: pa.Schema, place: int) -> str:
    return f"{schema.names[place]} {schema.types[place]}" if place < len(schema) else ""


_KEYS_ONLY_READ: Final = dg.AssetCheckSpec(
    "keys_only_read",
    asset=table_key("balances"),
    description="No key may have more rights than collecting needs. An exchange that reports a "
    "key's rights (WEX) reports them with the balances; other exchanges are not checked.",
)


def _keys_only_read(look: Look) -> dg.AssetCheckResult:
    keys = key_rights(look.settings)
    excessive = [key for key in keys if key.excess]
    return dg.AssetCheckResult(
        passed=not excessive,
        severity=_WARN,
        description="\n".join(with_fix(f"{key.finding}.", key.fix) for key in excessive)
        or f"keys with reported rights: {len(keys)}; none may do more than read",
        metadata={f"{key.exchange}/{key.account}": ", ".join(key.rights) for key in keys},
    )
