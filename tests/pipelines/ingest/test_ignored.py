"""Servers that take a bound and do not apply it, over HTTP: reported, no proof."""

from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest

from pipelines.cli import main
from sandbox import Served
from schemas import StreamId
from tests.matrix import thinned
from tests.pipelines.ingest.conftest import only_pull, settings_for
from tests.warehouse.tools import lake, moment
from warehouse.metastore import Metastore

MARKET = "markets: [BTC-USD]\nstart: 2016-01-01\n"
MOST = 30
"""Requests of one pull: a few for each page of the history, no more."""
CASES = [
    (StreamId("bitexbit", "trades", "BTC-USD"), ("since_id", "until_id")),
    (StreamId("bitexbit", "candles", "BTC-USD", timeframe="1h"), ("since", "until")),
    (StreamId("wex", "account_transactions", account="main"), ("from_id", "end_id")),
]


def ids_of(server: Served, exchange: str, dataset: str) -> set[int]:
    """The ids (or candle openings in microseconds) that the exchange has."""
    world, now = server.world, server.world.now()
    if dataset == "trades":
        tape = world.tapes["BTC-USD"]
        return {tape.ids[i] for i in world.visible("BTC-USD", now, server.paging)}
    if dataset == "candles":
        return {c.time * 1000 for c in world.candles("BTC-USD", now, 3_600_000, server.paging)}
    account = world.accounts["alpha" if exchange == "bitexbit" else "beta"]
    if dataset == "account_transactions":
        return {t.id for t in account.visible_transactions(now)}
    return {fill.trade_id for _, fill in account.fills(now)}


def feed_of(exchange: str, dataset: str) -> str:
    spec = "{timeframes: [1h]}" if dataset == "candles" else "{}"
    return f"exchange: {exchange}\n{MARKET}datasets: {{{dataset}: {spec}}}"


@pytest.mark.parametrize(
    ("stream", "bounds"), thinned(CASES, 2), ids=[f"{s.exchange}-{s.dataset}" for s, _ in CASES]
)
def test_an_ignored_bound_is_reported_and_claims_nothing(
    stream: StreamId,
    bounds: tuple[str, str],
    standing: Served,
    tmp_path: Path,
    feeds: Callable[[str], Path],
) -> None:
    name, dataset = stream.exchange, stream.dataset
    root = feeds(feed_of(name, dataset))
    keeps = ("newest", "oldest") if name == "bitexbit" else ("newest",)
    cap = 30 if dataset == "candles" else 400
    recognised = 0
    for end, ignored in product(keeps, (bounds[:1], bounds[1:], bounds)):
        home = tmp_path / f"{end} {' '.join(ignored)}"
        standing.switch(ignored=frozenset(ignored), limit_keeps=end, page_cap=cap, retention=2000)
        there = ids_of(standing, name, dataset)
        for _ in range(2):
            standing.log.clear()
            report = only_pull(settings_for(standing, home), feeds_root=root)
            assert len(standing.log.entries) <= MOST
            key = {"candles": "timestamp", "account_transactions": "transaction_id"}
            rows = [r[key.get(dataset, "trade_id")] for r in lake(home, dataset)]
            held = {k for k in there if (moment(k) if dataset == "candles" else str(k)) in rows}
            assert len(rows) == len(set(rows)) == len(held) > 0
            for interval in Metastore(home).state(stream).complete:
                assert {k for k in there if k in interval} <= held
            if held != there:
                (error,) = report.errors
                assert "the exchange ignores " in error and "claimed, nothing else" in error
                recognised += 1
    assert recognised >= 2


def test_the_command_ends_with_1(
    standing: Served,
    home: Path,
    feeds: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    standing.switch(ignored=frozenset({"since_id", "until_id"}))
    for variable, value in standing.env.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setenv("TIDEMARK_FEEDS", str(feeds(feed_of("bitexbit", "trades"))))
    assert main(["pull"]) == 1
    said = "".join(capsys.readouterr())
    assert "the exchange ignores the id bounds" in said and "Traceback" not in said
