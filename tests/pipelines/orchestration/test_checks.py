"""Asset checks: red where something is wrong, and only there; skipped where they cannot run."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

import warehouse
from pipelines.feeds import Feed, load_feeds
from pipelines.orchestration.checks import asset_checks, check_definitions, last_evaluations
from pipelines.orchestration.code import all_definitions
from pipelines.orchestration.looking import Look
from pipelines.orchestration.quick_checks import quick_checks
from schemas import DATASETS, RejectedRow, StreamId
from tests.warehouse.tools import DAY, NOON, Row, ids, moment, parquet, row, store
from warehouse.intervals import Interval, Unshown
from warehouse.state import StreamState

FEED = """type: pipelines.components.ExchangeFeed
attributes:
  exchange: bitexbit
  markets: [BTC-USD]
  start: 2024-01-01
  datasets: {{{datasets}}}
"""
TRANSFERS = StreamId("bitexbit", "account_transactions", account="main")
FILLS = StreamId("bitexbit", "account_trades", account="main")
BALANCES = StreamId("bitexbit", "balances", account="main")


def feeds_of(folder: Path, datasets: str) -> list[Feed]:
    (folder / "feeds" / "one").mkdir(parents=True, exist_ok=True)
    text = FEED.format(datasets=datasets)
    (folder / "feeds" / "one" / "defs.yaml").write_text(text)
    return load_feeds(folder / "feeds")


def job_of(folder: Path, datasets: str, only: str | None = None) -> dg.JobDefinition:
    """A job that evaluates every check of one feed, or those called ``only``."""
    found = asset_checks(feeds_of(folder, datasets))
    keys = [key for check in found for key in check.check_keys if only in (None, key.name)]
    targets = {key.asset_key for check in found for key in check.check_keys}
    return dg.Definitions(
        assets=[dg.AssetSpec(key) for key in targets],
        asset_checks=found,
        jobs=[dg.define_asset_job("check", dg.AssetSelection.checks(*keys))],
    ).resolve_job_def("check")


def evaluations(
    instance: dg.DagsterInstance, folder: Path, datasets: str, only: str | None = None
) -> dict[str, dg.AssetCheckEvaluation]:
    """The results of all checks that could run, by asset and name."""
    result = job_of(folder, datasets, only).execute_in_process(instance=instance)
    assert result.success
    return {
        f"{e.asset_key.to_user_string()}:{e.check_name}": e
        for e in result.get_asset_check_evaluations()
    }


def evaluate(
    instance: dg.DagsterInstance, folder: Path, name: str = "reconciles"
) -> tuple[bool, str | None, Mapping[str, Any]]:
    found = evaluations(instance, folder, "balances: {}, account_trades: {}", name)
    evaluation = found[f"warehouse/balances:{name}"]
    values = {key: value.value for key, value in evaluation.metadata.items()}
    assert evaluation.severity.value == ("WARN" if name == "keys_only_read" else "ERROR")
    return evaluation.passed, evaluation.description, values


def rows_of(evaluation: dg.AssetCheckEvaluation) -> list[dict[str, Any]]:
    found = evaluation.metadata["failing rows"]
    assert isinstance(found, dg.TableMetadataValue)
    return [dict(record.data) for record in found.records]


def give(home: Path, amount: str, seen: int, checked_at: int) -> None:
    """A deposit of 100 BTC, and ``amount`` as observed at ``seen``; all histories pulled at
    ``checked_at``."""
    state = StreamState(checked_at=checked_at)
    deposit = row(TRANSFERS, 1, NOON, amount=Decimal(100), status="ok")
    store(home, TRANSFERS, [deposit], state=state)
    store(home, FILLS, [], state=state)
    at = {"currency": "BTC", "observed_at": moment(seen), "reserved": Decimal(0)}
    balance: Row = at | {"available": Decimal(amount)}
    store(home, BALANCES, [balance], state=StreamState(unit="none"))
    warehouse.publish(home)


def test_without_balances_none_of_them_is_checked(tmp_path: Path) -> None:
    found = asset_checks(feeds_of(tmp_path, "account_trades: {}"))
    names = {key.name for check in found for key in check.check_keys}
    assert not names & {"reconciles", "keys_only_read"}


def test_green_before_anything_was_collected(
    instance: dg.DagsterInstance, home: Path, tmp_path: Path
) -> None:
    passed, text, _ = evaluate(instance, tmp_path)
    assert passed and text == "0 balances compared with the history"


def test_green_where_all_agrees(instance: dg.DagsterInstance, home: Path, tmp_path: Path) -> None:
    give(home, "100", NOON + DAY, checked_at=NOON + 2 * DAY)
    passed, text, values = evaluate(instance, tmp_path)
    assert passed and text == "1 balance compared with the history"
    assert values["compared"] == 1 and values["unexplained"] == 0


def test_red_where_a_difference_is_unexplained(
    instance: dg.DagsterInstance, home: Path, tmp_path: Path
) -> None:
    give(home, "99", NOON + DAY, checked_at=NOON + 2 * DAY)
    # a trade, so that the history counts as held
    trade = row(FILLS, 1, NOON, symbol="ETH-USD", amount=Decimal(0), cost=Decimal(0))
    store(home, FILLS, [trade])
    warehouse.publish(home)
    passed, text, values = evaluate(instance, tmp_path)
    assert not passed and text and "reconciliation WHERE NOT explained" in text
    (shown,) = values["failing rows"].records
    assert shown.data["difference"] == "1.000000000000000000"
    assert shown.data["account"] == "bitexbit/main"


def test_an_observation_newer_than_the_history_waits(
    instance: dg.DagsterInstance, home: Path, tmp_path: Path
) -> None:
    give(home, "99", NOON + DAY, checked_at=NOON + DAY - 1)
    trade = row(FILLS, 1, NOON, symbol="ETH-USD", amount=Decimal(0), cost=Decimal(0))
    store(home, FILLS, [trade])
    warehouse.publish(home)
    passed, _, values = evaluate(instance, tmp_path)
    assert passed
    assert values["waiting for the next pull of the history"] == 1


def key(home: Path, exchange: str, rights: str) -> None:
    """The last response with balances reported ``rights``, in JSON."""
    stream = StreamId(exchange, "balances", account="main")
    store(home, stream, [], state=StreamState(unit="none", checkpoint=f'{{"rights":{rights}}}'))


def test_a_key_that_may_do_more_than_read_is_warned_of(
    instance: dg.DagsterInstance, home: Path, tmp_path: Path
) -> None:
    def judge() -> tuple[bool, str | None, Mapping[str, Any]]:
        return evaluate(instance, tmp_path, "keys_only_read")

    assert judge() == (True, "keys with reported rights: 0; none may do more than read", {})
    store(home, BALANCES, [], state=StreamState(unit="none"))
    key(home, "wex", '["info","trade","withdraw"]')
    passed, text, values = judge()
    assert not passed and text
    assert (
        "wex: the key of account 'main' (WEX_API_KEY) has the right to trade and withdraw" in text
    )
    assert "set WEX_API_KEY and WEX_API_SECRET" in text
    assert values == {"wex/main": "info, trade, withdraw"}
    key(home, "wex", '["info"]')
    assert judge() == (
        True,
        "keys with reported rights: 1; none may do more than read",
        {"wex/main": "info"},
    )


TRADES = StreamId("bitexbit", "trades", "BTC-USD")
ALL = "trades: {schedule: '*/5 * * * *'}, candles: {}, tickers: {}, account_trades: {}"


def test_a_check_that_cannot_run_neither_passes_nor_fails(
    instance: dg.DagsterInstance, home: Path, tmp_path: Path
) -> None:
    found = evaluations(instance, tmp_path, ALL)
    assert set(found) == {"bitexbit/account_trades:key_present"}
    key = dg.AssetCheckKey(dg.AssetKey(["warehouse", "trades"]), "unique_keys")
    assert last_evaluations(instance, [key]) == {}


def test_every_check_of_a_whole_home_passes(
    instance: dg.DagsterInstance, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BITEXBIT_API_KEY", "key")
    monkeypatch.setenv("BITEXBIT_API_SECRET", "secret")
    now = int(datetime.now(UTC).timestamp()) * 1_000_000
    for stream in (TRADES, FILLS):
        state = StreamState((Interval(1, 4, 1, 3, NOON + 1),), checked_at=now)
        store(home, stream, [row(stream, key) for key in (1, 2, 3)], state=state)
    warehouse.publish(home)
    found = evaluations(instance, tmp_path, "trades: {schedule: '* * * * *'}, account_trades: {}")
    assert {name: e.description for name, e in found.items() if not e.passed} == {}
    each = {"no_gaps", "nothing_lost", "quarantine_empty", "pulled_in_time"}
    assert set(found) == {
        *(
            f"bitexbit/{dataset}:{name}"
            for dataset in ("trades", "account_trades")
            for name in each
        ),
        *(f"warehouse/{d}:{n}" for d in ("trades", "account_trades") for n in TABLE_CHECKS),
        *("bitexbit/account_trades:key_present", "marts/health:verify"),
    }


TABLE_CHECKS = ("schema", "unique_keys")


def test_gaps_and_losses_between_held_rows(
    instance: dg.DagsterInstance, home: Path, tmp_path: Path
) -> None:
    now = int(datetime.now(UTC).timestamp()) * 1_000_000
    unshown = (
        Unshown(0, 10, now, now, lost=True),  # before anything held: shown at no contact
        Unshown(20, 30, now - 8 * DAY, now, lost=True),
        Unshown(40, 45, now - DAY, now, lost=True),
    )
    state = replace(ids((10, 20), (30, 40), (45, 50), (60, 70)), unshown=unshown)
    store(home, TRADES, [row(TRADES, 10)], state=state)
    found = evaluations(instance, tmp_path, "trades: {}")
    gaps, lost = found["bitexbit/trades:no_gaps"], found["bitexbit/trades:nothing_lost"]
    assert not gaps.passed and gaps.severity is dg.AssetCheckSeverity.WARN
    assert rows_of(gaps) == [{"stream": "BTC-USD", "stretch": "ids 50..59"}]
    assert not lost.passed and lost.severity is dg.AssetCheckSeverity.ERROR
    (shown,) = rows_of(lost)
    assert (shown["stream"], shown["stretch"]) == ("BTC-USD", "ids 40..44")
    assert lost.metadata["lost ever"].value == 2


def test_history_still_to_fetch_is_no_gap(
    instance: dg.DagsterInstance, home: Path, tmp_path: Path
) -> None:
    store(home, TRADES, [row(TRADES, 10)], state=ids((10, 20)))
    gaps = evaluations(instance, tmp_path, "trades: {}")["bitexbit/trades:no_gaps"]
    assert gaps.passed and gaps.metadata["older history still to fetch"].value == 1


def test_rows_in_quarantine_are_shown(
    instance: dg.DagsterInstance, home: Path, tmp_path: Path
) -> None:
    payload = "<script>alert(1)</script>" + "x" * 400
    store(home, TRADES, [row(TRADES, 1)], rejected=[RejectedRow("price is no number", payload)])
    warehouse.publish(home)
    check = evaluations(instance, tmp_path, "trades: {}")["bitexbit/trades:quarantine_empty"]
    assert not check.passed and check.severity is dg.AssetCheckSeverity.WARN
    (shown,) = rows_of(check)
    assert shown["reason"] == "price is no number"
    assert shown["payload"] == payload[:300] + "…"


def test_the_account_that_is_late_is_named(
    instance: dg.DagsterInstance, home: Path, tmp_path: Path
) -> None:
    now = int(datetime.now(UTC).timestamp()) * 1_000_000
    other = replace(FILLS, account="desk")
    store(home, FILLS, [row(FILLS, 1)], state=StreamState(checked_at=now))
    store(home, other, [row(other, 1)], state=StreamState(checked_at=now - DAY, remark="refused"))
    for folder, account in (("one", "main"), ("two", "desk")):
        (tmp_path / "feeds" / folder).mkdir(parents=True)
        text = FEED.format(datasets="account_trades: {schedule: '@hourly'}")
        text = text.replace("  markets", f"  account: {account}\n  markets")
        (tmp_path / "feeds" / folder / "defs.yaml").write_text(text)
    look = Look(load_feeds(tmp_path / "feeds"))
    by_name = {
        c.spec.name: c for c in quick_checks(look.feeds) if c.spec.asset_key.path[0] != "warehouse"
    }
    late = by_name["pulled_in_time"].evaluate(look)
    assert not late.passed and "1 stream of 2 not pulled in time: desk" in (late.description or "")
    keys = by_name["key_present"].evaluate(look)
    assert not keys.passed
    assert "no usable key for main, desk" in (keys.description or "")


def test_a_table_of_another_schema(
    instance: dg.DagsterInstance, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(home, TRADES, [row(TRADES, 1)])
    warehouse.publish(home)
    with duckdb.connect(str((home / warehouse.LINK).resolve())) as db:
        db.execute("ALTER TABLE trades ALTER price TYPE DOUBLE")
        db.execute("INSERT INTO trades FROM trades")
    found = evaluations(instance, tmp_path, "trades: {}")
    schema, unique = found["warehouse/trades:schema"], found["warehouse/trades:unique_keys"]
    assert rows_of(schema) == [
        {"place": "6", "contracted": "price decimal128(38, 12)", "published": "price double"}
    ]
    assert not unique.passed
    (shown,) = rows_of(unique)
    assert shown == {"exchange": "bitexbit", "symbol": "BTC-USD", "trade_id": "1", "rows": "2"}


def test_candles_are_held_against_the_trades(
    instance: dg.DagsterInstance, home: Path, tmp_path: Path
) -> None:
    candles = StreamId("bitexbit", "candles", "BTC-USD", timeframe="5m")
    made = row(TRADES, 1, NOON, price=Decimal(100)), row(TRADES, 2, NOON + DAY, price=Decimal(1))
    store(home, TRADES, made, state=ids((0, 3)))
    odd = row(candles, 1, NOON, low=Decimal(200))
    store(home, candles, [odd, row(candles, 2, NOON + 60_000_000)])
    warehouse.publish(home)
    found = evaluations(instance, tmp_path, "trades: {}, candles: {}")
    matching = found["bitexbit/candles:candles_match_trades"]
    assert not matching.passed and matching.severity is dg.AssetCheckSeverity.WARN
    assert {r["verdict"] for r in rows_of(matching)} == {"different", "unfounded"}
    irregular = found["bitexbit/candles:candles_regular"]
    assert not irregular.passed and len(rows_of(irregular)) == 2


def test_verify_is_a_check(instance: dg.DagsterInstance, home: Path, tmp_path: Path) -> None:
    store(home, TRADES, [row(TRADES, 1)])
    (file,) = parquet(home)
    file.write_bytes(b"damaged")
    check = evaluations(instance, tmp_path, "trades: {}")["marts/health:verify"]
    assert not check.passed
    assert any(file.name in r["where"] for r in rows_of(check))


def test_the_sensor_records_what_changed(
    instance: dg.DagsterInstance, home: Path, tmp_path: Path
) -> None:
    def tick() -> set[str]:
        (sensor,) = check_definitions(feeds_of(tmp_path, "trades: {}")).sensors or []
        assert isinstance(sensor, dg.SensorDefinition)
        with dg.build_sensor_context(instance) as context:
            events = sensor.evaluate_tick(context).asset_events
        for event in events:
            instance.report_runless_asset_event(event)
        assert all(isinstance(e, dg.AssetCheckEvaluation) for e in events)
        return {e.check_name for e in events if isinstance(e, dg.AssetCheckEvaluation)}

    assert tick() == set()
    store(home, TRADES, [row(TRADES, 10)], state=ids((10, 20)))
    assert tick() == {"no_gaps", "nothing_lost", "quarantine_empty", "pulled_in_time"}
    assert tick() == set()
    store(home, TRADES, [row(TRADES, 30)], state=ids((10, 20), (30, 40)))
    assert tick() == {"no_gaps"}
    key = dg.AssetCheckKey(dg.AssetKey(["bitexbit", "trades"]), "no_gaps")
    assert not last_evaluations(instance, [key])[key].passed
    # a run that evaluates it comes between: the newest of both counts
    store(home, TRADES, [row(TRADES, 25)], state=ids((10, 40)))
    assert evaluations(instance, tmp_path, "trades: {}")["bitexbit/trades:no_gaps"].passed
    assert tick() == set()
    assert last_evaluations(instance, [key])[key].passed


def test_runs_that_pull_evaluate_no_check_but_of_balances(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    feeds_of(tmp_path, "trades: {}, balances: {}, account_trades: {}")
    monkeypatch.setenv("TIDEMARK_FEEDS", str(tmp_path / "feeds"))
    definitions = all_definitions()
    names = [job.name for job in definitions.jobs or []]
    found = {
        name: {
            key.name
            for key in definitions.resolve_job_def(name).asset_layer.asset_graph.asset_check_keys
        }
        for name in (*names, "checks")
    }
    every = found.pop("checks")
    assert set().union(*found.values()) == {"reconciles"}
    assert {"verify", "unique_keys", "no_gaps", "reconciles"} <= every


def test_a_market_may_be_named_as_the_exchange_does(
    instance: dg.DagsterInstance, home: Path, tmp_path: Path
) -> None:
    markets = StreamId("bitexbit", "markets")
    bitcoin = {"symbol": "BTC-USD", "native_symbol": "XBT_USD", "base": "BTC", "quote": "USD"}
    known = dict.fromkeys(DATASETS["markets"].file_schema.names[:-1]) | bitcoin | {"active": True}
    store(home, markets, [known], state=StreamState(unit="none"))
    store(home, TRADES, [row(TRADES, 10)], state=ids((10, 20)))
    warehouse.publish(home)
    feeds_of(tmp_path, "trades: {}")
    file = tmp_path / "feeds" / "one" / "defs.yaml"
    file.write_text(file.read_text().replace("BTC-USD", "XBT_USD"))
    look = Look(load_feeds(tmp_path / "feeds"))
    assert [status.stream for status in look.streams("bitexbit", "trades")] == [TRADES]
