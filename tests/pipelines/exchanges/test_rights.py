"""What a key may do beyond reading, as reported with the balances."""

import connectors
from pipelines.exchanges.rights import Snapshot, rights_of
from pipelines.ingest.checkpoint import dump
from schemas import StreamId

BALANCES = StreamId("wex", "balances", account="main")


def test_the_rights_that_collecting_does_not_take() -> None:
    found = rights_of(BALANCES, dump(Snapshot(("info", "trade"))))
    assert found is not None and found.excess == ("trade",)
    assert found.finding == (
        "wex: the key of account 'main' (WEX_API_KEY) has the right to trade, "
        "and collecting needs info alone"
    )
    needed = connectors.read_only_key("wex")
    assert needed is not None and needed.right == "info" and needed.how_to in found.fix
    assert "WEX_API_SECRET" in found.fix and "tidemark pull wex/balances" in found.fix


def test_what_reports_no_rights_has_none() -> None:
    assert rights_of(BALANCES, "") is None
    assert rights_of(BALANCES, "{}") is None
    assert (
        rights_of(StreamId("wex", "account_trades", account="main"), dump(Snapshot(("trade",))))
        is None
    )
    assert connectors.read_only_key("bitexbit") is None
    ours = rights_of(StreamId("bitexbit", "balances", account="x"), dump(Snapshot(("trade",))))
    assert ours is not None and ours.excess == ()  # no right is known to be too much
