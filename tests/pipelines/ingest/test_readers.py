"""Readers in other processes while pulls run: no load fails, no row twice, no count goes down."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox import Served
from tests.matrix import TORTURE
from tests.pipelines.ingest.conftest import run, settings_for
from tests.pipelines.ingest.processes import started
from tests.pipelines.ingest.reference_model import tape_of, trades_of
from tests.pipelines.ingest.worker import READERS

PULLS = 2


@pytest.mark.slow
@pytest.mark.parametrize(
    "kinds", [[*READERS][::2], pytest.param([*READERS], marks=TORTURE)], ids=["some", "all"]
)
def test_readers_of_every_kind_while_pulls_run(
    kinds: list[str], exchange: Served, home: Path, feeds: Callable[[str], Path]
) -> None:
    root = feeds(
        "exchange: bitexbit\nstart: 2016-01-01\nmarkets: [BTC-USD, ETH-USD]\ndatasets: {trades: {}}"
    )
    settings = settings_for(exchange, home)
    run(settings, feeds_root=root)
    with started(*(["read", how, str(home)] for how in kinds), env={}) as workers:
        for worker in workers:
            worker.go()
        for _ in range(PULLS):
            exchange.advance(300)
            assert run(settings, feeds_root=root).errors == []
        reported = {
            how: json.loads(worker.finish()[1]) for how, worker in zip(kinds, workers, strict=True)
        }
    for how, seen in reported.items():
        assert seen["reads"] > 0, how
        assert seen["wrong"] == [], how
        # Polars alone asks for a file's size and opens it afterwards: where a pull has replaced it
        # in between, it says that this is no Parquet, and a second try reads it
        native = how == "polars on the lake"
        assert [e for e in seen["errors"] if not (native and "out of spec" in e)] == [], how
    assert trades_of(home, "bitexbit", "BTC-USD") == tape_of(exchange, "BTC-USD")
