"""``tidemark address``: shown in part, stored nowhere, and a clear message where there is none."""

from pathlib import Path

import pytest

import connectors
from pipelines.cli import main
from pipelines.cli.address import masked
from sandbox import Served


@pytest.fixture
def server(exchange: Served, home: Path, monkeypatch: pytest.MonkeyPatch) -> Served:
    for name, value in exchange.env.items():
        monkeypatch.setenv(name, value)
    return exchange


def test_an_address_is_masked_unless_asked_for_in_full(
    server: Served, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["address", "wex", "btc"]) == 0
    shown = capsys.readouterr().out.strip()
    assert main(["address", "wex", "BTC", "--full"]) == 0
    whole = capsys.readouterr().out.strip()
    assert whole.startswith("1SANDBOX") and len(whole) > 30
    assert shown == masked(whole) == f"{whole[:5]}…{whole[-4:]}"
    kept = [p for p in home.rglob("*") if p.is_file() and whole.encode() in p.read_bytes()]
    assert kept == []


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["wex", "XXX"], 1, "invalid coin name"),
        (["bitexbit", "BTC"], 2, "bitexbit has no call that gives an address"),
        (["mtgox", "BTC"], 2, f"there are: {', '.join(connectors.names())}"),
        (["wex", "BTC", "--account", "desk"], 2, "WEX_DESK_API_KEY and WEX_DESK_API_SECRET"),
    ],
)
def test_what_cannot_be_had_is_reported(
    arguments: list[str],
    code: int,
    message: str,
    server: Served,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["address", *arguments]) == code
    assert message in capsys.readouterr().err


def test_a_short_address_shows_almost_nothing() -> None:
    assert masked("1abc") == "1a…"
