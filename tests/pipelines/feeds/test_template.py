"""Templates in feeds: values from the environment and .env, and what is wrong with one."""

from pathlib import Path

import pytest

from pipelines.feeds import Feed, load_feeds
from schemas import ConfigError
from tests.feeds import write_feed

FEED = """\
exchange: bitexbit
account: main
markets: {markets}
start: {start}
datasets: {{trades: {{lookback: "{lookback}"}}, account_trades: {{keep_raw: "{raw}"}}}}
"""
PLAIN = {"markets": "[BTC-USD]", "start": "2016-01-01", "lookback": "5", "raw": "true"}
FIRST = 2
"""The line of the file before that of ``exchange``."""


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def load(root: Path, **changes: str) -> Feed:
    (feed,) = load_feeds(write_feed(root, FEED.format(**{**PLAIN, **changes})))
    return feed


@pytest.mark.parametrize(
    ("markets", "expected"),
    [
        ("['{{ env.COIN }}-USD', ETH-USD]", ("BTC-USD", "ETH-USD")),
        ("\"{{ env.COINS.split(',') }}\"", ("BTC-USD", "LTC-USD")),
        ("\"{{ env('NONE', 'all') }}\"", None),
        ("[\"{{ env('NONE', 'XRP-USD') }}\"]", ("XRP-USD",)),
        ("\"{{ ['BTC-USD'] if env.COIN == 'BTC' else 'all' }}\"", ("BTC-USD",)),
    ],
)
def test_markets(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    markets: str,
    expected: tuple[str, ...] | None,
) -> None:
    monkeypatch.setenv("COIN", "BTC")
    monkeypatch.setenv("COINS", "BTC-USD,LTC-USD")
    assert load(tmp_path / "feeds", markets=markets).markets == expected


def test_a_variable_of_the_file_of_settings(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SINCE=2019-05-01\nLOOKBACK=2000\nRAW=false\n")
    feed = load(
        tmp_path / "feeds",
        start="'{{ env.SINCE }}'",
        lookback="{{ env.LOOKBACK }}",
        raw="{{ env.RAW }}",
    )
    assert feed.start.year == 2019
    assert feed.datasets["trades"].lookback == 2000
    assert feed.datasets["account_trades"].keep_raw is False


@pytest.mark.parametrize(
    ("markets", "message"),
    [
        ("['{{ env.NOT_SET }}']", "NOT_SET is not set. Fix: set it (environment or .env), or give"),
        ("['{{ env.WEX_API_SECRET }}']", "WEX_API_SECRET is a secret and cannot be used in a feed"),
        ("[\"{{ env('WEX_API_KEY', 'x') }}\"]", "WEX_API_KEY is a secret"),
        ("['{{ project_root }}']", "'project_root' is undefined. Fix: {{ env.NAME }}"),
        ("['{{ env.COIN']", "unexpected"),
        ("['{{ 1 / 0 }}']", "division by zero"),
        ("['{{ env.COIN }} ']", None),
        ('"{{ env.COIN }}"', "markets must be a list"),
    ],
)
def test_mistakes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, markets: str, message: str | None
) -> None:
    monkeypatch.setenv("COIN", "BTC")
    monkeypatch.setenv("WEX_API_SECRET", "s3cr3t")
    if message is None:
        assert load(tmp_path / "feeds", markets=markets).markets == ("BTC",)
        return
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "feeds", markets=markets)
    text = str(caught.value)
    assert text.startswith(f"feeds/one/defs.yaml:{FIRST + 3}: ")
    assert message in text and "s3cr3t" not in text


def test_names_are_no_templates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only values are: Dagster renders no keys either."""
    monkeypatch.setenv("WHAT", "trades")
    text = FEED.format(**PLAIN).replace("{trades:", "{'{{ env.WHAT }}':")
    with pytest.raises(ConfigError, match=r"unknown dataset '\{\{ env.WHAT }}'"):
        load_feeds(write_feed(tmp_path / "feeds", text))
