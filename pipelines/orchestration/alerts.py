"""Sensors that report failed runs, failing checks and overdue assets to the user.

There is one for each channel that is set, ``TIDEMARK_ALERT_WEBHOOK`` and ``TIDEMARK_ALERT_EMAIL``;
none is set by default. A sensor reads what Dagster has recorded since its last message. Its cursor
moves only once a message was taken, so none is missed while a server is down. Dagster's own run
failure sensors move on, and know neither checks nor freshness.
"""

import re
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import dagster as dg
import msgspec

from pipelines.orchestration import delivery
from pipelines.orchestration.checks import last_evaluations
from pipelines.orchestration.delivery import Channel
from pipelines.output.formatting import visible
from pipelines.settings import ALERT_EMAIL, ALERT_WEBHOOK, UI_URL, Settings, load_settings
from schemas.wording import count

SECONDS: Final = 60
REPEATED_AFTER: Final = timedelta(hours=6)
"""A run that fails for the same reason is reported again only after this time."""
_OVERLAP: Final = timedelta(minutes=5)
"""Runs are looked for so far back: their times come from several processes."""
_LISTED: Final = 20
_LONGEST: Final = 1500

_CHANNELS: Final[Mapping[str, Callable[[Settings], Channel]]] = {
    ALERT_WEBHOOK: delivery.webhook,
    ALERT_EMAIL: delivery.email,
}


class Reported(msgspec.Struct):
    """What the user knows: the cursor. Times in seconds since 1970."""

    since: float
    runs: dict[str, float] = {}
    """Runs reported lately, with the time of their end."""
    reasons: dict[str, tuple[float, int]] = {}
    """When a reason was last reported, and how many runs failed for it since."""
    failing: list[str] = []
    overdue: list[str] = []


class Message(msgspec.Struct):
    """What is to be said, by kind."""

    runs: list[str] = []
    failing: list[str] = []
    checks: int = 0
    """How many checks ``failing`` names: those with the same text are one entry."""
    overdue: list[str] = []
    well: list[str] = []

    def __bool__(self) -> bool:
        return bool(self.runs or self.failing or self.overdue or self.well)

    @property
    def subject(self) -> str:
        """``Tidemark on myhost: 1 run failed, 2 checks fail``."""
        counts = (
            (len(self.runs), "run failed", "runs failed"),
            (self.checks, "check fails", "checks fail"),
            (len(self.overdue), "asset overdue", "assets overdue"),
        )
        parts = [f"{n} {one if n == 1 else many}" for n, one, many in counts if n]
        return f"Tidemark on {socket.gethostname()}: {', '.join(parts) or 'well again'}"

    @property
    def text(self) -> str:
        """A line or more for each."""
        lines = [*_some(self.runs), *_some([f"Check fails: {text}" for text in self.failing])]
        if self.overdue:
            lines.append(f"Overdue: {', '.join(_some(self.overdue))}")
        if self.well:
            lines.append(f"Well again: {', '.join(_some(self.well))}")
        return "\n\n".join(lines)


def alert_sensors() -> list[dg.SensorDefinition]:
    """One for each channel that is set."""
    variables = load_settings().variables
    return [_sensor(name, open_) for name, open_ in _CHANNELS.items() if name in variables]


def _sensor(variable: str, open_channel: Callable[[Settings], Channel]) -> dg.SensorDefinition:
    @dg.sensor(
        name=variable.removeprefix("TIDEMARK_").lower(),
        minimum_interval_seconds=SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Report failed runs, failing checks and overdue assets to {variable}.",
    )
    def alert(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        settings = load_settings()
        channel = open_channel(settings)
        now = datetime.now(UTC)
        first = context.cursor is None
        reported = (
            msgspec.json.decode(context.cursor, type=Reported)
            if context.cursor
            else Reported(now.timestamp())
        )
        assert context.repository_def is not None
        graph = context.repository_def.asset_graph
        message = Message()
        _runs(context.instance, reported, message, now, settings.variables.get(UI_URL))
        _checks(context.instance, sorted(graph.asset_check_keys, key=str), reported, message)
        _freshness(context.instance, sorted(graph.get_all_asset_keys()), reported, message)
        if first:
            channel.send(
                f"Tidemark on {socket.gethostname()}: alerts are on",
                message.text or "Nothing fails now.",
            )
        elif message:
            channel.send(message.subject, message.text)
        cursor = msgspec.json.encode(reported).decode()
        if first or message:
            return dg.SensorResult(skip_reason="reported", cursor=cursor)
        return dg.SensorResult(skip_reason="nothing new", cursor=cursor)

    return alert


def _runs(
    instance: dg.DagsterInstance,
    reported: Reported,
    message: Message,
    now: datetime,
    page: str | None,
) -> None:
    """Runs that failed since the last look."""
    since = datetime.fromtimestamp(reported.since, UTC)
    failed = instance.get_run_records(
        dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], updated_after=since - _OVERLAP)
    )
    for record in reversed(failed):
        run = record.dagster_run
        ended = record.end_time or record.update_timestamp.replace(tzinfo=UTC).timestamp()
        if run.run_id in reported.runs or ended < reported.since - _OVERLAP.total_seconds():
            continue
        reported.runs[run.run_id] = now.timestamp()
        why = _cause(instance, run.run_id)
        reason = re.sub(r"\d+", "#", f"{run.job_name}: {why}")[:300]
        at, again = reported.reasons.get(reason, (0.0, 0))
        if now.timestamp() - at < REPEATED_AFTER.total_seconds():
            reported.reasons[reason] = at, again + 1
            continue
        reported.reasons[reason] = now.timestamp(), 0
        times = f" ({count(again, 'more run')} failed for the same reason)" if again else ""
        link = f"\n{page.rstrip('/')}/runs/{run.run_id}" if page else ""
        name = run.job_name if not run.job_name.startswith("__") else "assets"
        message.runs.append(f"Run {run.run_id[:8]} of {name} failed{times}: {why}{link}")
    kept = now - 2 * _OVERLAP
    reported.runs = {i: at for i, at in reported.runs.items() if at > kept.timestamp()}
    oldest = (now - 2 * REPEATED_AFTER).timestamp()
    reported.reasons = {r: v for r, v in reported.reasons.items() if v[0] > oldest}
    reported.since = now.timestamp()


def _cause(instance: dg.DagsterInstance, run_id: str) -> str:
    """What the failed steps say; else what ended the run."""
    texts: dict[str, None] = {}
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE):
        event = entry.dagster_event
        if event is not None and event.is_step_failure:
            data = event.step_failure_data
            said = data.user_failure_data.description if data.user_failure_data else None
            text = said or (data.error.message if data.error else "")
            texts[f"{event.step_key}: {text.strip()}"] = None
    if not texts:
        entries = instance.all_logs(run_id, of_type=dg.DagsterEventType.RUN_FAILURE)
        texts = dict.fromkeys(entry.message for entry in entries)
    return _short("\n".join(texts) or "Dagster recorded no cause")


def _checks(
    instance: dg.DagsterInstance,
    keys: Sequence[dg.AssetCheckKey],
    reported: Reported,
    message: Message,
) -> None:
    """Checks that turned red or yellow, and those that pass again."""
    found = last_evaluations(instance, keys)
    failing = {key.to_user_string(): e for key, e in found.items() if not e.passed}
    passing = {key.to_user_string() for key, e in found.items() if e.passed}
    alike: dict[str, list[str]] = {}
    for name, evaluation in failing.items():
        if name not in reported.failing:
            level = "" if evaluation.severity is dg.AssetCheckSeverity.ERROR else "warning: "
            text = f"{level}{_short(evaluation.description or '')}"
            alike.setdefault(text, []).append(name)
    message.failing += [f"{', '.join(_some(names))}: {text}" for text, names in alike.items()]
    message.checks += sum(map(len, alike.values()))
    message.well += [name for name in reported.failing if name in passing]
    # one that is evaluated just now, or was skipped, has no result: it stays as it was reported
    unknown = {key.to_user_string() for key in keys} - passing - set(failing)
    reported.failing = sorted({*failing, *(unknown & set(reported.failing))})


def _freshness(
    instance: dg.DagsterInstance, keys: Sequence[dg.AssetKey], reported: Reported, message: Message
) -> None:
    """Assets that became overdue, and those that are fresh again."""
    states = instance.get_freshness_state_records(keys)
    overdue = sorted(k.to_user_string() for k, s in states.items() if s.freshness_state == "FAIL")
    message.overdue += [name for name in overdue if name not in reported.overdue]
    message.well += [name for name in reported.overdue if name not in overdue]
    reported.overdue = overdue


def _some(lines: Sequence[str]) -> Iterable[str]:
    rest = len(lines) - _LISTED
    return [*lines[:_LISTED], *([f"and {rest} more"] if rest > 0 else [])]


def _short(text: str) -> str:
    text = visible(text)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
