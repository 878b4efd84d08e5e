"""A run on many workers: processes of one machine, and Celery's with PostgreSQL and Redis.

All of it is real: Dagster's command line, its storage, the broker, two workers, one home. What the
exchange was asked, it counts itself.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
import pytest
import yaml

import warehouse
from connectors.local import NoLimits
from pipelines.feeds import jobs, load_feeds
from pipelines.ingest import pull
from pipelines.publishing import publish
from sandbox import Fault, Limits, Served, serve
from sandbox.rates import NonceBook
from tests.conftest import REPO
from tests.deploy.commands import DEPLOY
from tests.feeds import write_feed
from tests.pipelines.ingest.conftest import settings_for
from tests.postgres import USER, Server, programs, serving
from tests.worlds import world_at

pytestmark = pytest.mark.engines

MARKETS = """\
exchange: wex
markets: all
shards: 3
start: 2016-01-01
datasets:
  trades: {}
  candles: {timeframes: [1h]}
  tickers: {}
  account_trades: {}
"""
ACCOUNT = """\
exchange: wex
start: 2016-01-01
datasets:
  account_orders: {}
  account_transactions: {}
  balances: {}
"""
COLLECTED = ("trades", "candles", "account_trades", "account_orders", "account_transactions")
PULLS = {*(f"pull_wex.shard_{number}" for number in (1, 2, 3)), "pull_wex_account"}
SECONDS = 240
PAGE = (REPO / "docs" / "workers.md").read_text(encoding="utf-8")


class Counted(Limits):
    """The limits of the exchange, and how many calls they refused."""

    refused = 0

    def allow(self, bucket: str, per_second: int) -> bool:
        is_allowed = super().allow(bucket, per_second)
        self.refused += not is_allowed
        return is_allowed


@dataclass
class Scene:
    """An exchange, two feeds with one key, and a home."""

    server: Served
    folder: Path
    environment: dict[str, str]
    nonces: list[bool] = field(default_factory=list)
    """Whether the exchange took each."""

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def call(self, *command: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """``python -m …`` in the clone, with these settings too."""
        return subprocess.run(
            [sys.executable, "-m", *command],
            env=self.environment | settings,
            cwd=REPO,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    def collect(self, **settings: str) -> None:
        """One run of the job ``collect``, without page or daemon."""
        done = self.call(
            *("dagster", "job", "execute", "-m", "pipelines.definitions", "-j", "collect"),
            **settings,
        )
        assert done.returncode == 0, done.stderr[-4000:]


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    taken: list[bool] = []
    spend = NonceBook.spend

    def counted(book: NonceBook, key: str, nonce: int) -> bool:
        taken.append(spend(book, key, nonce))
        return taken[-1]

    monkeypatch.setattr(NonceBook, "spend", counted)
    root = write_feed(tmp_path / "feeds", MARKETS, "wex")
    write_feed(root, ACCOUNT, "wex-account")
    (tmp_path / "dagster").mkdir()
    with serve(world_at(days=0.25), limits=Counted()) as server:
        settings = {
            **server.env,
            "TIDEMARK_HOME": str(tmp_path / "home"),
            "TIDEMARK_FEEDS": str(root),
            "TIDEMARK_LOOKUPS": "5",
            "DAGSTER_HOME": str(tmp_path / "dagster"),
            "XDG_STATE_HOME": str(tmp_path / "state"),
        }
        yield Scene(server, tmp_path, os.environ | settings, taken)


def check(scene: Scene, instance: dg.DagsterInstance) -> dict[str, dg.EventLogEntry]:
    """The rows are those of one pull, and the exchange refused nothing. The pulls, by step."""
    (run,) = instance.get_runs()
    assert run.status is dg.DagsterRunStatus.SUCCESS
    ended = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_SUCCESS)
    steps = {str(entry.step_key): entry for entry in ended}
    assert set(steps) >= {*PULLS, "pull_wex.record", "publish"}
    limits = scene.server.limits
    assert isinstance(limits, Counted) and limits.refused == 0
    assert len(scene.nonces) > 10 and all(scene.nonces)
    verified = scene.call("pipelines", "verify")
    assert verified.returncode == 0, verified.stdout
    calls = sorted(e.call for e in scene.server.log.entries if e.call != "OrderInfo")
    other = compare(scene)
    lists = [call for call in set(calls) if "info" in call.lower()]
    assert [c for c in calls if c not in lists] == [c for c in other if c not in lists]
    return {name: steps[name] for name in PULLS}


def compare(scene: Scene) -> list[str]:
    """The rows are those of one pull of one process, of which these are the calls."""
    alone = settings_for(scene.server, scene.folder / "alone")
    scene.server.log.clear()
    scene.server.limits.enabled = False
    report = pull(jobs(load_feeds(scene.folder / "feeds")), alone, limits=NoLimits())
    assert report.errors == []
    publish(alone, COLLECTED)
    for dataset in ("trades", "candles", "account_trades", "account_transactions"):
        assert rows(scene.home, dataset) == rows(alone.home, dataset) != [], dataset
    return sorted(e.call for e in scene.server.log.entries if e.call != "OrderInfo")


def rows(home: Path, table: str) -> list[dict[str, Any]]:
    query = f"SELECT * EXCLUDE (ingested_at) FROM {table} ORDER BY ALL"
    return list(warehouse.sql(query, home=home).to_pylist())


def test_a_process_for_each_shard(scene: Scene) -> None:
    scene.collect(TIDEMARK_EXECUTOR="multiprocess")
    with dg.DagsterInstance.from_config(scene.environment["DAGSTER_HOME"]) as instance:
        pulls = check(scene, instance)
    processes = {e.dagster_event.pid for e in pulls.values() if e.dagster_event}
    assert len(processes) == len(PULLS)


def test_workers_that_are_killed_hold_up_nothing_and_the_next_run_is_whole(
    scene: Scene, postgres: Server
) -> None:
    killed, hanging = threading.Event(), threading.Event()
    asked: list[object] = []

    def script(request: object) -> Fault | None:
        """From the second one on, requests for trades are not answered until workers are killed."""
        if "/trades/" not in getattr(request, "path", "") or killed.is_set():
            return None
        asked.append(request)
        if len(asked) == 1:
            return None
        hanging.set()
        return Fault("hang", seconds=3)

    scene.server.faults.script = script
    scene.environment |= {"TIDEMARK_METASTORE": postgres.url, "TIDEMARK_EXECUTOR": "multiprocess"}
    home = scene.environment["DAGSTER_HOME"]
    with ThreadPoolExecutor(1) as threads, dg.DagsterInstance.from_config(home) as instance:
        command = "dagster", "job", "execute", "-m", "pipelines.definitions", "-j", "collect"
        running = threads.submit(scene.call, *command)
        assert hanging.wait(SECONDS)
        until(lambda: _shards_at_work(instance), "a shard has begun")
        for pid in _shards_at_work(instance):
            os.kill(pid, signal.SIGKILL)
        killed.set()
        assert running.result().returncode != 0
        (run,) = instance.get_runs()
        assert run.status is dg.DagsterRunStatus.FAILURE
        with psycopg.connect(postgres.url) as db:
            query = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
            assert db.execute(query).fetchone() == (0,)
        verified = scene.call("pipelines", "verify")
        assert verified.returncode == 0, verified.stdout
        scene.collect()
        instance.delete_run(run.run_id)
        limits = scene.server.limits
        refused = [call for call in scene.nonces if not call]
        assert isinstance(limits, Counted) and limits.refused == 0 and not refused
    verified = scene.call("pipelines", "verify")
    assert verified.returncode == 0, verified.stdout
    compare(scene)


def _shards_at_work(instance: dg.DagsterInstance) -> list[int]:
    """The processes of the shards that have begun and not ended."""
    found: dict[str, int] = {}
    for run in instance.get_runs():
        for entry in instance.all_logs(run.run_id):
            event = entry.dagster_event
            if event is None or ".shard_" not in str(event.step_key):
                continue
            if event.event_type is dg.DagsterEventType.STEP_START:
                found[str(event.step_key)] = int(event.pid or 0)
            elif event.event_type is dg.DagsterEventType.STEP_SUCCESS:
                found.pop(str(event.step_key), None)
    return list(found.values())


@pytest.mark.parametrize("metastore", ["sqlite", "postgresql"])
def test_two_workers_of_celery(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, metastore: str
) -> None:
    folder = programs()
    if folder is None or shutil.which("redis-server") is None:
        pytest.skip("PostgreSQL or Redis is not installed (Debian: postgresql, redis-server)")
    with ExitStack() as stack:
        storage = stack.enter_context(serving(folder))
        redis = stack.enter_context(broker(scene.folder))
        address = f"redis://127.0.0.1:{redis}/0"
        for name, value in {
            **{"DAGSTER_PG_HOST": "127.0.0.1", "DAGSTER_PG_DB": "postgres"},
            **{"DAGSTER_PG_USER": USER, "DAGSTER_PG_PASSWORD": "p@ss/word:%"},
            **{"CELERY_BROKER_URL": address, "CELERY_RESULT_BACKEND": address},
            "TIDEMARK_EXECUTOR": "celery",
        }.items():
            scene.environment[name] = value
            monkeypatch.setenv(name, value)
        if metastore == "postgresql":
            scene.environment["TIDEMARK_METASTORE"] = storage.url
        settings = yaml.safe_load((DEPLOY / "dagster-postgres.yaml").read_text(encoding="utf-8"))
        settings["storage"]["postgres"]["postgres_db"]["port"] = storage.port
        home = Path(scene.environment["DAGSTER_HOME"])
        (home / "dagster.yaml").write_text(yaml.safe_dump(settings))
        for name in ("one", "two"):
            stack.enter_context(worker(scene, name))
        scene.collect()
        with dg.DagsterInstance.from_config(str(home)) as instance:
            pulls = check(scene, instance)
            workers = workers_of(instance)
            (run,) = instance.get_runs()
            assert address not in repr((run, instance.all_logs(run.run_id)))
    assert set(pulls) <= set(workers)
    assert {workers[name].partition("@")[0] for name in pulls} == {"one", "two"}


def workers_of(instance: dg.DagsterInstance) -> Mapping[str, str]:
    """Which worker executed each step of the only run."""
    (run,) = instance.get_runs()
    found: dict[str, str] = {}
    for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
        event = entry.dagster_event
        if (
            event is not None
            and event.step_key
            and "Celery worker" in event.engine_event_data.metadata
        ):
            found[event.step_key] = str(event.engine_event_data.metadata["Celery worker"].value)
    return found


@contextmanager
def broker(folder: Path) -> Iterator[int]:
    """Redis on a free port of this machine, in memory only."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    with _running([*command, "--dir", str(folder)], {**os.environ}, folder / "redis.log"):
        until(lambda: _answers(port), "Redis answers")
        yield port


def _answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
        connection.sendall(b"PING\r\n")
        return connection.recv(64).startswith(b"+PONG")
    return False


@contextmanager
def worker(scene: Scene, name: str) -> Iterator[None]:
    """A worker as docs/workers.md starts it."""
    (line,) = re.findall(r"^celery (.* worker .*)$", PAGE, re.MULTILINE)
    log = scene.folder / f"{name}.log"
    command = [sys.executable, "-m", "celery", *line.split(), "--concurrency", "1"]
    program = [*command, "--hostname", f"{name}@%h", "--loglevel", "INFO"]
    with _running(program, scene.environment, log):
        until(lambda: " ready." in log.read_text(), f"worker {name} is ready")
        yield


@contextmanager
def _running(command: list[str], environment: Mapping[str, str], log: Path) -> Iterator[None]:
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            env=environment,
            cwd=REPO,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def until(condition: Any, what: str) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.1)
