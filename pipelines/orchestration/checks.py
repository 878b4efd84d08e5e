"""Asset checks as Dagster runs them, and what starts them.

``quick_checks``  read the metastore and the settings: the sensor of this name evaluates them
``row_checks``    read the rows: the job ``checks`` evaluates all checks, nightly

Runs that pull evaluate none but ``reconciles``: the results of all checks, every minute, would be
most of what Dagster stores. The sensor records a result only where it differs from the last one.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import dagster as dg

from pipelines.feeds import BrokenFeed, Feed
from pipelines.orchestration.broken_feeds import broken_check
from pipelines.orchestration.looking import Check, Look
from pipelines.orchestration.quick_checks import quick_checks
from pipelines.orchestration.row_checks import RECONCILES, balance_checks, row_checks
from pipelines.orchestration.run_log import QUIET
from pipelines.output.formatting import visible
from schemas import TidemarkError

SECONDS: Final = 120
"""Between two evaluations of the quick checks."""


def check_definitions(feeds: Sequence[Feed], broken: Sequence[BrokenFeed] = ()) -> dg.Definitions:
    """All checks, the sensor that evaluates the quick ones, and the nightly job of all."""
    quick = [*quick_checks(feeds), *map(broken_check, broken)]
    if not quick:
        return dg.Definitions()
    return dg.Definitions(
        asset_checks=asset_checks(feeds, broken),
        sensors=[_sensor(quick, feeds)],
        schedules=[
            dg.ScheduleDefinition(
                name="checks",
                job=dg.define_asset_job(
                    "checks",
                    dg.AssetSelection.all_asset_checks(),
                    description="Evaluate every check; those that read all rows too.",
                    config=QUIET,
                ),
                cron_schedule="30 3 * * *",
                execution_timezone="UTC",
                default_status=dg.DefaultScheduleStatus.RUNNING,
                description="Evaluate every check; those that read all rows too. No exchange is "
                "asked.",
            )
        ],
    )


def asset_checks(
    feeds: Sequence[Feed], broken: Sequence[BrokenFeed] = ()
) -> list[dg.AssetChecksDefinition]:
    """One step for each group of checks."""
    groups = {
        "check_state": [*quick_checks(feeds), *map(broken_check, broken)],
        "check_rows": row_checks(feeds),
        "check_balances": balance_checks(feeds),
    }
    return [_step(name, checks, feeds) for name, checks in groups.items() if checks]


def checks_of_pull(datasets: Iterable[str]) -> list[dg.AssetCheckKey]:
    """The checks that a run evaluates which pulls ``datasets``."""
    return [RECONCILES.key] if "balances" in datasets else []


def _step(name: str, checks: Sequence[Check], feeds: Sequence[Feed]) -> dg.AssetChecksDefinition:
    by_key = {check.spec.key: check for check in checks}

    @dg.multi_asset_check(
        name=name, specs=[check.spec for check in checks], can_subset=True, compute_kind="duckdb"
    )
    def evaluate(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        look = Look(feeds)
        selected = context.selected_asset_check_keys
        for key, check in by_key.items():
            if key not in selected:
                continue
            try:
                found = check.evaluate(look)
            except TidemarkError as error:  # without a result Dagster shows it as skipped
                context.log.warning(f"{key.to_user_string()} cannot run: {visible(str(error))}")
                continue
            yield found._replace(asset_key=key.asset_key, check_name=key.name)

    return evaluate


def _sensor(checks: Sequence[Check], feeds: Sequence[Feed]) -> dg.SensorDefinition:
    @dg.sensor(
        name="quick_checks",
        minimum_interval_seconds=SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Evaluate the checks that cost little; record those whose result changed. "
        "It asks nothing of an exchange.",
    )
    def evaluate(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        look = Look(feeds)
        recorded = last_evaluations(context.instance, [check.spec.key for check in checks])
        changed = []
        for check in checks:
            try:
                found = check.evaluate(look)
            except TidemarkError:
                continue
            last = recorded.get(check.spec.key)
            if last and (last.passed, last.description) == (found.passed, found.description):
                continue
            changed.append(
                dg.AssetCheckEvaluation(
                    asset_key=check.spec.asset_key,
                    check_name=check.spec.name,
                    passed=found.passed,
                    severity=found.severity,
                    description=found.description,
                    metadata=found.metadata,
                )
            )
        if not changed:
            return dg.SensorResult(skip_reason="no result changed")
        return dg.SensorResult(asset_events=changed)

    return evaluate


def last_evaluations(
    instance: dg.DagsterInstance, keys: Sequence[dg.AssetCheckKey]
) -> dict[dg.AssetCheckKey, dg.AssetCheckEvaluation]:
    """The newest result of each check that has one and was not skipped since."""
    records = instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
    found = {key: record.evaluation for key, record in records.items() if record}
    # while a run is to evaluate it, or where a run did not, there is a plan in place of a result
    return {k: e for k, e in found.items() if isinstance(e, dg.AssetCheckEvaluation)}
