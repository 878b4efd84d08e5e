"""The schedule ``collect``: one run a tick, back-fills beside it, nothing piles up or is lost."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._utils.schedules import reverse_cron_string_iterator

from pipelines.feeds.cron import last_due
from pipelines.ingest import PullReport, StreamReport
from pipelines.orchestration.code import all_definitions
from pipelines.orchestration.ghosts import alive
from pipelines.orchestration.run_log import QUIET
from tests.feeds import write_feed
from tests.pipelines.engine import Engine, declare, keys, marts_on

MIDNIGHT = datetime(2026, 1, 10, tzinfo=UTC)
FEED = """\
exchange: {exchange}
markets: [BTC-USD]
start: 2016-01-01
datasets:
  trades: {{schedule: "*/5 * * * *"}}
  tickers: {{schedule: "* * * * *"}}
  candles: {{schedule: "0 0 * * *"}}
"""


@pytest.fixture
def stored(engine: Engine, tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    for exchange in ("bitexbit", "wex"):
        write_feed(tmp_path, FEED.format(exchange=exchange), exchange)
    with dg.instance_for_test() as instance:
        yield instance


def tick(instance: dg.DagsterInstance, at: datetime) -> Any:
    schedule = all_definitions().resolve_schedule_def("collect")
    with dg.build_schedule_context(instance, scheduled_execution_time=at) as context:
        return schedule.evaluate_tick(context)


def assets(request: dg.RunRequest) -> set[str]:
    return {key.to_user_string() for key in request.asset_selection or ()}


def launched(
    instance: dg.DagsterInstance, request: dg.RunRequest, status: dg.DagsterRunStatus
) -> dg.DagsterRun:
    """The run of ``request``, as the daemon would create it."""
    job = all_definitions().resolve_job_def("collect")
    return instance.create_run_for_job(
        job.get_subset(asset_selection=frozenset(request.asset_selection or ())),
        run_config=request.run_config,
        tags=request.tags,
        asset_selection=frozenset(request.asset_selection or ()),
        status=status,
    )


def minutes(n: int) -> datetime:
    return MIDNIGHT + timedelta(minutes=n)


def test_all_that_is_due_is_one_run(stored: dg.DagsterInstance) -> None:
    (request,) = tick(stored, minutes(5)).run_requests
    assert assets(request) == {
        *("bitexbit/trades", "bitexbit/tickers", "wex/trades", "wex/tickers"),
        *("warehouse/trades", "warehouse/tickers"),
        *marts_on("trades", "tickers"),
    }
    assert request.tags["tidemark/run"] == "due"
    assert request.asset_check_keys == []  # else every check of these assets, every minute
    assert request.run_config == QUIET | {
        "ops": {name: {"config": {"seconds": 40}} for name in ("pull_bitexbit", "pull_wex")}
    }
    (request,) = tick(stored, minutes(6)).run_requests
    # views are recorded once an hour
    assert assets(request) == {"bitexbit/tickers", "wex/tickers", "warehouse/tickers"}
    (request,) = tick(stored, minutes(65)).run_requests
    assert assets(request) >= marts_on("trades")


def test_a_scheduled_run_is_executed(stored: dg.DagsterInstance, engine: Engine) -> None:
    (request,) = tick(stored, minutes(5)).run_requests
    result = (
        all_definitions()
        .resolve_job_def("collect")
        .execute_in_process(
            instance=stored,
            run_config=request.run_config,
            asset_selection=list(request.asset_selection or ()),
        )
    )
    assert result.success
    assert sorted(engine.pulled) == [
        [f"{exchange}/trades", f"{exchange}/tickers"] for exchange in ("bitexbit", "wex")
    ]
    assert {budget.seconds for budget in engine.budgets if budget} == {40}


def test_what_came_due_while_no_tick_was_evaluated_is_pulled_after(
    stored: dg.DagsterInstance,
) -> None:
    tick(stored, MIDNIGHT - timedelta(minutes=30))
    (request,) = tick(stored, minutes(61)).run_requests  # the machine was off at midnight
    assert "bitexbit/candles" in assets(request)
    (request,) = tick(stored, minutes(62)).run_requests
    assert "bitexbit/candles" not in assets(request)


def test_what_still_runs_is_pulled_at_the_next_tick(stored: dg.DagsterInstance) -> None:
    (request,) = tick(stored, minutes(4)).run_requests
    run = launched(stored, request, dg.DagsterRunStatus.NOT_STARTED)
    (request,) = tick(stored, minutes(5)).run_requests  # only what does not run already
    assert assets(request) >= {"bitexbit/trades", "wex/trades"}
    assert not assets(request) & {"bitexbit/tickers", "wex/tickers"}
    launched(stored, request, dg.DagsterRunStatus.NOT_STARTED)
    answer = tick(stored, minutes(6))
    assert not answer.run_requests
    assert answer.skip_message == "still being pulled: bitexbit/tickers, wex/tickers"
    stored.report_run_canceled(run)
    (request,) = tick(stored, minutes(7)).run_requests
    assert assets(request) >= {"bitexbit/tickers", "wex/tickers"}


@pytest.mark.slow
def test_unfinished_history_gets_a_run_of_its_own(
    stored: dg.DagsterInstance, engine: Engine
) -> None:
    engine.unfinished = {"wex/trades"}
    job = all_definitions().resolve_job_def("collect")
    every = {"instance": stored, "asset_selection": keys("bitexbit/trades", "wex/trades")}
    job.execute_in_process(**every)  # type: ignore[arg-type]
    due, back = tick(stored, minutes(6)).run_requests
    assert due.tags["tidemark/run"] == "due"
    assert back.tags["tidemark/run"] == "back-fill"
    assert {name for name in assets(back) if not name.startswith("marts/")} == {
        *("wex/trades", "warehouse/trades")
    }
    assert back.run_config == QUIET | {
        "ops": {"pull_wex": {"config": {"seconds": 600, "backfill": True}}}
    }
    run = launched(stored, back, dg.DagsterRunStatus.NOT_STARTED)
    # one at a time, and it keeps nothing else from being pulled
    (due,) = tick(stored, minutes(10)).run_requests
    assert "wex/trades" in assets(due) and due.tags["tidemark/run"] == "due"
    stored.report_run_canceled(run)
    assert len(tick(stored, minutes(11)).run_requests) == 2
    engine.unfinished = set()
    job.execute_in_process(**every)  # type: ignore[arg-type]
    assert len(tick(stored, minutes(12)).run_requests) == 1


def test_accounts_that_share_an_asset_keep_their_own_schedules(
    stored: dg.DagsterInstance, tmp_path: Path
) -> None:
    declare(tmp_path, "wex", "wex", "main", ["account_trades"])
    declare(tmp_path, "wex-desk", "wex", "desk", ["account_trades"])
    file = tmp_path / "wex-desk" / "defs.yaml"
    file.write_text(file.read_text().replace("*/5 * * * *", "0 * * * *"))
    (request,) = tick(stored, minutes(5)).run_requests
    assert "wex/account_trades" in assets(request)
    assert request.run_config["ops"]["pull_wex"] == {
        "config": {"seconds": 40, "select": ["wex/account_trades"]}
    }
    (request,) = tick(stored, minutes(60)).run_requests
    assert request.run_config["ops"]["pull_wex"] == {"config": {"seconds": 40}}


def test_times_are_settings(stored: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEMARK_TICK_SECONDS", "15")
    (request,) = tick(stored, minutes(1)).run_requests
    assert request.run_config["ops"]["pull_wex"] == {"config": {"seconds": 15}}


def test_a_run_on_celery_ends_where_a_worker_vanished(
    stored: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    (request,) = tick(stored, MIDNIGHT).run_requests
    assert "dagster/max_runtime" not in request.tags
    for name in ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"):
        monkeypatch.setenv(name, "redis://127.0.0.1:1/0")
    monkeypatch.setenv("TIDEMARK_EXECUTOR", "celery")
    (request,) = tick(stored, minutes(24 * 60)).run_requests
    assert request.tags["dagster/max_runtime"] == str(1800 + 2 * 40)


def test_a_tick_ends_runs_without_a_process(stored: dg.DagsterInstance, tmp_path: Path) -> None:
    (request,) = tick(stored, minutes(1)).run_requests
    run = launched(stored, request, dg.DagsterRunStatus.STARTED)
    home = tmp_path / "home"
    with alive(home, run.run_id):
        assert tick(stored, minutes(2)).skip_message
    age(home, run.run_id)
    (request,) = tick(stored, minutes(3)).run_requests
    assert assets(request) >= {"bitexbit/tickers"}
    ended = stored.get_run_by_id(run.run_id)
    assert ended is not None and ended.status is dg.DagsterRunStatus.FAILURE


def age(home: Path, run_id: str) -> None:
    """Make the lock of a run one that was touched a minute ago."""
    import os
    import time

    from pipelines.orchestration.ghosts import lock_path

    os.utime(lock_path(home, run_id), (time.time() - 60,) * 2)


@pytest.mark.parametrize(
    "cron",
    [
        *("* * * * *", "*/5 * * * *", "*/15 3-5 * * *", "0 0 * * *", "7,37 */6 1,15 * *"),
        *("0 0 13 * 5", "30 2 * * mon-fri", "0 12 * feb sun", "@weekly", "@monthly", "@hourly"),
        *("0 0 29 2 *", "5 4 * * 7", "1-59/7 0 */2 * *"),
    ],
)
def test_cron_is_due_when_dagster_says(cron: str) -> None:
    at = datetime(2026, 11, 26, 10, 43, tzinfo=UTC)
    for expected in islice(reverse_cron_string_iterator(at.timestamp(), cron, "UTC"), 8):
        assert last_due(cron, at) == expected
        at = expected - timedelta(minutes=1)


def test_a_day_that_never_comes_is_never_due() -> None:
    assert last_due("0 0 30 2 *", MIDNIGHT) is None


def test_history_of_a_market_is_fetched_while_another_market_fails(
    stored: dg.DagsterInstance, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pull(jobs: Any, settings: Any, **options: Any) -> PullReport:
        return PullReport(
            [
                StreamReport("wex", "trades", "BTC-USD", unfinished=True),
                StreamReport("wex", "trades", "ETH-USD", error="wex answers 500"),
            ]
        )

    monkeypatch.setattr("pipelines.ingest.pull", pull)
    job = all_definitions().resolve_job_def("collect")
    result = job.execute_in_process(
        instance=stored, asset_selection=keys("wex/trades"), raise_on_error=False
    )
    assert not result.success
    _, back = tick(stored, minutes(6)).run_requests
    assert back.tags["tidemark/run"] == "back-fill"
    assert "wex/trades" in assets(back)
