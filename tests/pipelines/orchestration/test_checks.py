"""The asset check on balances: red where a difference is unexplained, and only there."""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg

import warehouse
from pipelines.feeds import load_feeds
from pipelines.orchestration.checks import account_checks
from pipelines.orchestration.specs import table_key
from schemas import StreamId
from tests.warehouse.tools import DAY, NOON, Row, moment, row, store
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


def checks(folder: Path, datasets: str) -> list[dg.AssetChecksDefinition]:
    (folder / "feeds" / "one").mkdir(parents=True, exist_ok=True)
    (folder / "feeds" / "one" / "defs.yaml").write_text(FEED.format(datasets=datasets))
    return account_checks(load_feeds(folder / "feeds"))


def evaluate(
    instance: dg.DagsterInstance, folder: Path, name: str = "reconciles"
) -> tuple[bool, str | None, Mapping[str, Any]]:
    found = dg.Definitions(
        assets=[dg.AssetSpec(table_key("balances"))],
        asset_checks=checks(folder, "balances: {}, account_trades: {}"),
        jobs=[dg.define_asset_job("check", dg.AssetSelection.all_asset_checks())],
    )
    result = found.resolve_job_def("check").execute_in_process(instance=instance)
    evaluation = next(e for e in result.get_asset_check_evaluations() if e.check_name == name)
    values = {key: value.value for key, value in evaluation.metadata.items()}
    assert evaluation.severity.value == ("WARN" if name == "keys_only_read" else "ERROR")
    return evaluation.passed, evaluation.description, values


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


def test_nothing_to_check_without_balances(tmp_path: Path) -> None:
    assert checks(tmp_path, "account_trades: {}") == []


def test_green_before_anything_was_collected(
    instance: dg.DagsterInstance, home: Path, tmp_path: Path
) -> None:
    passed, text, _ = evaluate(instance, tmp_path)
    assert passed and text == "0 balances compared with the history"


def test_green_where_all_agrees(instance: dg.DagsterInstance, home: Path, tmp_path: Path) -> None:
    give(home, "100", NOON + DAY, checked_at=NOON + 2 * DAY)
    passed, text, values = evaluate(instance, tmp_path)
    assert passed and text == "1 balances compared with the history"
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
    (shown,) = values["differences"].records
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
