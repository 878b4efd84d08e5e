"""No key, secret or signature anywhere, whatever fails: in no file, log, message or exception."""

import logging
import re
import shutil
import sqlite3
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import connectors
import sandbox
from connectors import Connection, Connector, Cursor, ExchangeError, Stream, Window
from connectors.local import LocalNonces, NoLimits
from pipelines.cli import main
from pipelines.definitions import defs
from sandbox import KEYS, Fault
from tests.pipelines.secrets import Needles, search
from warehouse.ledger import StreamId
from warehouse.raw import RawAnswer, RawWriter

FEED = """\
type: pipelines.components.ExchangeFeed
attributes:
  exchange: {exchange}
  markets: [BTC-USD]
  start: 2016-01-01
  datasets: {{tickers: {{keep_raw: true}}, account_trades: {{}}, account_transactions: {{}}}}
"""
WRONG = "not-the-secret-that-belongs-to-this-key"
EXCHANGES = ("bitexbit", "wex")
STATUSES = (401, 403, 404, 429, 500, 503)
CALLS = {"bitexbit": ("/private/",), "wex": ("TradeHistory", "TransHistory")}


def failures(exchange: str) -> dict[str, Fault]:
    """Every way in which a private call may fail; in some the server repeats what it was sent."""
    key = KEYS[exchange]
    said = f"{key.key} {key.secret} {key.key.upper()}"
    bodies = {
        "a refusal": f'{{"success": 0, "error": "bad key: {said}", "detail": "{said}"}}',
        "rows": f'[{{"id": 1, "type": "{said}", "symbol": "BTC_USD"}}]',
        "rows by id": f'{{"success": 1, "return": {{"7": {{"type": "{said}", "pair": 1}}}}}}',
        "a web page": f"<html>{said}</html>",
        "no JSON": f"oops {said}",
        "half an answer": f'[{{"id": "{said}',
        "an object": f'{{"success": 1, "return": "{said}"}}',
        "a link": f'{{"results": [], "count": 9, "next": "http://x/?key={said}"}}',
    }
    return {
        **{str(s): Fault("status", status=s, retry_after=1) for s in STATUSES},
        "page": Fault("html", status=200),
        "page of an error": Fault("html", status=503),
        **{kind: Fault(kind) for kind in ("truncate", "cut", "reset", "empty", "malformed")},
        **{name: Fault("body", body=body.encode()) for name, body in bodies.items()},
    }


FAILURES = {name: failures(name) for name in EXCHANGES}


class Scene:
    """The sandbox, feeds of both exchanges with their keys, and a place where everything lies."""

    def __init__(self, server: sandbox.Served, place: Path, needles: Needles) -> None:
        self.server = server
        self.place = place
        self.needles = needles
        self.said = place / "said"

    def fresh(self, monkeypatch: pytest.MonkeyPatch, name: str) -> Path:
        """A home, and no fault and no open breaker, which would keep the next from showing."""
        self.server.faults.clear()
        home = self.place / "homes" / re.sub(r"\W", "-", name)
        shutil.rmtree(home / "breakers", ignore_errors=True)
        monkeypatch.setenv("TIDEMARK_HOME", str(home))
        return home

    def break_private_calls(self, failure: str, times: int | None) -> None:
        """The next ``times`` calls of each kind fail in this way."""
        for exchange, calls in CALLS.items():
            for call in calls:
                fault = replace(FAILURES[exchange][failure], path=call, times=times)
                self.server.faults.add(fault)

    def note(self, text: str) -> None:
        with self.said.open("a", encoding="utf-8") as file:
            file.write(text + "\n")

    def assert_clean(self, *kinds: str) -> None:
        assert self.needles.signatures  # how many: a crash of the program cuts a pull short
        found, searched = search(self.place, self.needles)
        assert found == []
        assert {*kinds, "bytes"} <= searched.keys()


@pytest.fixture(scope="module")
def running() -> Iterator[sandbox.Served]:
    clock = sandbox.ManualClock("2026-01-10T00:00:00")
    world = sandbox.World(seed=3, epoch="2026-01-10T00:00:00", clock=clock)
    with sandbox.serve(world, limits=False) as server:
        yield server


@pytest.fixture
def scene(
    running: sandbox.Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Scene]:
    words = [part for k in KEYS.values() for part in (k.key, k.secret)]
    needles = Needles([*words, WRONG])
    for name in EXCHANGES:
        module = f"connectors.{name}.auth"
        real = __import__(module, fromlist=["signature"]).signature

        def signing(*a: Any, _real: Callable[..., str] = real) -> str:
            made = _real(*a)
            needles.signatures.add(made)
            return made

        monkeypatch.setattr(f"{module}.signature", signing)
        folder = tmp_path / "feeds" / name
        folder.mkdir(parents=True)
        (folder / "defs.yaml").write_text(FEED.format(exchange=name))
    opening = connectors.open_connector

    def at_once(name: str, connection: Connection) -> Connector:
        connection = replace(connection, limits=NoLimits(), retries=min(connection.retries, 2))
        return opening(name, connection, sleep=lambda _: None)

    monkeypatch.setattr(connectors, "open_connector", at_once)
    for name, value in running.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TIDEMARK_FEEDS", str(tmp_path / "feeds"))
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.setenv("XDG_STATE_HOME", str(place / "state"))
    monkeypatch.chdir(place)
    running.faults.clear()
    log = logging.FileHandler(place / "log")
    log.setLevel(logging.DEBUG)
    root, level = logging.getLogger(), logging.getLogger().level
    root.addHandler(log)
    root.setLevel(logging.DEBUG)
    try:
        yield Scene(running, place, needles)
    finally:
        root.setLevel(level)
        root.removeHandler(log)
        log.close()


def command(scene: Scene, capfd: pytest.CaptureFixture[str], *arguments: str) -> int:
    code = main(arguments)
    said = capfd.readouterr()
    scene.note(f"$ tidemark {arguments}: {code}\n{said.out}\n{said.err}")
    return code


def test_the_search_finds_what_is_there(tmp_path: Path) -> None:
    """In every kind of file, or the tests below would prove nothing."""
    secret, signature = "a-Secret/of mine", "0123456789abcdef" * 4
    needles = Needles([secret])
    needles.signatures.add(signature)
    text = f"key=A-SECRET/of mine {signature.upper()}"
    (tmp_path / "text").write_text(text)
    (tmp_path / "encoded").write_text("x=a-Secret%2Fof%20mine")
    (tmp_path / f"name-{signature}").touch()
    pq.write_table(pa.table({"payload": [text] * 9}), tmp_path / "parquet", compression="zstd")
    with closing(sqlite3.connect(tmp_path / "sqlite")) as db:
        db.execute("CREATE TABLE t (x)")
        db.execute("INSERT INTO t VALUES (?)", (text,))
        db.commit()
    with duckdb.connect(str(tmp_path / "duckdb")) as db:
        db.execute("CREATE TABLE t AS SELECT ? AS x", [text])
    stream = StreamId("wex", "account_trades", "main")
    RawWriter(tmp_path).append(stream, RawAnswer(10**15, {}, text.encode() * 20))
    found, _ = search(tmp_path, needles)
    places = {Path(f.split(": ")[0].split(" (")[0]).name for f in found}
    expected = {"text", "encoded", "parquet", "sqlite", "duckdb", f"name-{signature}"}
    assert places == {*expected, "2001-09-09.jsonl.zst"}
    for kind in ("Parquet", "SQLite", "DuckDB", "zstd"):
        assert any(f"({kind}" in f and signature in f for f in found), kind


def test_the_command_line_at_every_stage_of_failure(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    scene.fresh(monkeypatch, "all-well")
    assert command(scene, capfd, "pull") == 0
    for failure in FAILURES["wex"]:
        scene.fresh(monkeypatch, "failing")
        scene.break_private_calls(failure, None)
        assert command(scene, capfd, "pull", "*/account_*") == 1, failure
    assert command(scene, capfd, "replay") == 1
    command(scene, capfd, "status")
    command(scene, capfd, "sql", "FROM quarantine")
    scene.assert_clean("Parquet", "SQLite", "DuckDB", "zstd")


def test_keys_that_are_refused(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for variable in ("BITEXBIT_API_SECRET", "WEX_API_SECRET"):
        monkeypatch.setenv(variable, WRONG)
    scene.fresh(monkeypatch, "wrong-secret")
    assert command(scene, capfd, "pull") == 1
    assert command(scene, capfd, "pull") == 1
    second = KEYS["wex:norights"]
    monkeypatch.setenv("WEX_API_KEY", second.key)
    monkeypatch.setenv("WEX_API_SECRET", second.secret)
    assert command(scene, capfd, "pull", "wex") == 1
    monkeypatch.delenv("WEX_API_SECRET")
    assert command(scene, capfd, "pull", "wex") == 2
    monkeypatch.setenv("WEX_API_SECRET", f"{second.secret}\n\N{BULLET}")
    assert command(scene, capfd, "pull", "wex") == 2
    monkeypatch.setenv("WEX_API_SECRET", second.secret)
    monkeypatch.setenv("WEX_BASE_URL", f"http://{second.key}:{second.secret}@127.0.0.1:1")
    assert command(scene, capfd, "pull", "wex") == 2
    scene.assert_clean("SQLite", "DuckDB")


def test_a_nonce_used_by_another_program(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    scene.fresh(monkeypatch, "nonce")
    command(scene, capfd, "pull", "*/account_trades")
    nonces = scene.server.exchange.nonces
    for name in EXCHANGES:
        key = KEYS[name].key
        nonces.spend(key, nonces.highest(key) + 10**5)
    command(scene, capfd, "pull", "*/account_*")
    nonces.spend(KEYS["wex"].key, 4_294_967_294)
    try:
        assert command(scene, capfd, "pull", "*/account_*") == 1
    finally:
        nonces._highest.clear()
    scene.assert_clean("SQLite", "zstd")


@pytest.mark.parametrize("error", [connectors.ContractError, ValueError])
def test_parsers_that_fail(
    error: type[Exception],
    scene: Scene,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def fails(body: bytes, *_: object) -> None:
        raise error(f"{body[:500]!r}")

    for name in EXCHANGES:
        for dataset in ("account_trades", "tickers"):
            monkeypatch.setattr(f"connectors.{name}.parse.{dataset}", fails)
    scene.fresh(monkeypatch, error.__name__)
    for failure in ("rows", "an object", "rows by id"):
        scene.break_private_calls(failure, 1)
        assert command(scene, capfd, "pull", "*/account_trades", "*/tickers") == 1
        assert command(scene, capfd, "replay") == 1
    scene.assert_clean("zstd")


def test_a_home_that_cannot_be_written(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for blocked in ("raw", "lake", "nonces", "locks", "ledger.sqlite"):
        home = scene.fresh(monkeypatch, f"blocked-{blocked}")
        home.mkdir(parents=True)
        if blocked == "ledger.sqlite":
            (home / blocked).mkdir()
        else:
            (home / blocked).write_text("in the way")
        assert command(scene, capfd, "pull", "*/account_*") == 1
    scene.assert_clean()


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_exceptions_and_all_that_led_to_them(exchange: str, scene: Scene) -> None:
    key = KEYS[exchange]
    credentials = connectors.Credentials(key.key, key.secret)
    connection = Connection(
        scene.server.base_url, LocalNonces(), NoLimits(), credentials=credentials, retries=1
    )
    scene.note(f"{connection!r} {connection} {credentials!r} {credentials}")
    raised = 0
    wrong = replace(credentials, secret=WRONG)
    for failing, changed in (
        [(fault, connection) for fault in FAILURES[exchange].values()]
        + [(None, replace(connection, credentials=wrong))]
        + [(None, replace(connection, base_url="http://127.0.0.1:1"))]
    ):
        scene.server.faults.clear()
        if failing is not None:
            scene.server.faults.add(replace(failing, times=None))
        connector = connectors.open_connector(exchange, changed)
        for dataset in ("account_trades", "account_transactions"):
            stream = Stream(dataset, account="main")
            try:
                if connector.offers[dataset].cursor is Cursor.PAGES:
                    connector.page(stream, None)
                else:
                    connector.fetch(stream, Window())
            except ExchangeError as error:
                raised += 1
                scene.note(told(error))
        scene.note(repr(connector))
        connector.close()
    assert raised > len(FAILURES[exchange])
    scene.server.exchange.nonces._highest.clear()
    scene.assert_clean()


def told(error: BaseException) -> str:
    """All that an exception and those behind it say, as any log would show it."""
    said = "".join(traceback.format_exception(error))
    seen: set[int] = set()
    chain: list[BaseException | None] = [error]
    while chain:
        one = chain.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        said += f"\n{one} {one!r} {one.args!r} {vars(one)!r} {getattr(one, '__notes__', '')}"
        for value in vars(one).values():
            said += f" {vars(value)!r}" if hasattr(value, "__dict__") else ""
        chain += [one.__cause__, one.__context__]
    return said


def test_dagster_keeps_nothing_secret(
    scene: Scene,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    repo_root: Path,
) -> None:
    """Its event log, run storage and compute logs; runs that fail, and one that goes well."""
    dagster_home = scene.place / "dagster"
    dagster_home.mkdir()
    shutil.copy(repo_root / "dagster.yaml", dagster_home)
    monkeypatch.setenv("DAGSTER_HOME", str(dagster_home))
    job = defs().resolve_job_def("everything")
    outcomes = []
    with dg.DagsterInstance.get() as instance:
        for stage in ("a refusal", "rows", "secret", "well"):
            scene.fresh(monkeypatch, "dagster")
            with monkeypatch.context() as here:
                if stage in FAILURES["wex"]:
                    scene.break_private_calls(stage, None)
                elif stage == "secret":
                    here.setenv("BITEXBIT_API_SECRET", WRONG)
                    here.setenv("WEX_API_SECRET", WRONG)
                result = job.execute_in_process(instance=instance, raise_on_error=False)
            outcomes.append(result.success)
            events = instance.all_logs(result.run_id)
            scene.note("\n".join(f"{e!r} {e.user_message}" for e in events))
    said = capfd.readouterr()
    scene.note(said.out + said.err)
    assert outcomes == [False, False, False, True]
    assert len([*(scene.place / "data" / "dagster").rglob("*.db")]) >= 3
    scene.assert_clean("SQLite", "DuckDB", "Parquet", "zstd")
