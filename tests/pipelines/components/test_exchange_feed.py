"""The component: what Dagster makes of a feed's file is what the command line makes of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from click import ClickException
from dagster.components.testing import create_defs_folder_sandbox
from dagster.components.testing.utils import DefsFolderSandbox
from dagster_shared.yaml_utils import parse_yaml_with_source_position
from jsonschema import Draft202012Validator

from pipelines.components import ExchangeFeed
from pipelines.demo.exchange import DEMO_FEEDS
from pipelines.feeds import FEEDS_ROOT, load_feeds
from tests.conftest import REPO
from tests.feeds import write_feed

pytestmark = [
    pytest.mark.filterwarnings("ignore::pydantic.PydanticDeprecatedSince20"),
    pytest.mark.filterwarnings("ignore::dagster.BetaWarning"),
]
"""Of Dagster, about itself."""

FEED = """\
exchange: wex
markets: ["{{ env.COIN }}-USD", ETH-USD]
start: "{{ env('SINCE', '2016-01-01') }}"
datasets:
  trades: {schedule: "*/5 * * * *", lookback: "{{ env.LOOKBACK }}"}
  candles: {timeframes: "{{ env.FRAMES.split(',') }}"}
  tickers:
  account_trades: {keep_raw: true}
"""


@pytest.fixture
def project(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DefsFolderSandbox]:
    """A project of Dagster that holds no feed yet; settings are read from ``.env``."""
    Path(".env").write_text("COIN=BTC\nLOOKBACK=2000\nFRAMES=5m,1h\n")
    with create_defs_folder_sandbox() as sandbox:
        monkeypatch.setenv("TIDEMARK_FEEDS", str(sandbox.defs_folder_path))
        yield sandbox


def built(project: DefsFolderSandbox, name: str) -> dg.Definitions:
    with project.build_component_tree() as tree:
        return tree.build_defs(project.defs_folder_path / name)


def assets(defs: dg.Definitions) -> set[str]:
    return {key.to_user_string() for key in defs.resolve_all_asset_keys()}


def test_dagster_and_the_command_line_read_the_same(
    project: DefsFolderSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_feed(project.defs_folder_path, FEED, "wex")
    seen: list[Any] = []
    real = ExchangeFeed.feed

    def noted(self: ExchangeFeed, context: dg.ComponentLoadContext) -> Any:
        seen.append(real(self, context))
        return seen[-1]

    monkeypatch.setattr(ExchangeFeed, "feed", noted)
    defs = built(project, "wex")
    (read,) = load_feeds()
    (resolved,) = seen
    assert resolved.markets == ("BTC-USD", "ETH-USD")
    assert resolved.datasets["trades"].lookback == 2000
    assert resolved.datasets["candles"].timeframes == ("5m", "1h")
    assert resolved == read  # lines of the datasets included
    assert assets(defs) == {f"wex/{name}" for name in read.datasets}


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("exchange: wex", "exchange: wexx", 3, "unknown exchange 'wexx'"),
        ("ETH-USD", "all", 4, "all is no market of a list"),
        ("2016-01-01", "2016-13-01", 5, "is not a date like"),
        ("trades:", "trade:", 7, "unknown dataset 'trade'"),
        ('"*/5 * * * *"', '"61 * * * *"', 7, "minute '61' is not within 0-59"),
        ("keep_raw: true", "lookback: 0", 10, "lookback '0' is not a whole number"),
        ("{{ env.COIN }}", "{{ env.NONE }}", 4, "NONE is not set"),
    ],
)
def test_a_mistake_has_its_file_and_line(
    project: DefsFolderSandbox, old: str, new: str, line: int, message: str
) -> None:
    write_feed(project.defs_folder_path, FEED.replace(old, new, 1), "wex")
    found = mistake(project, "wex")
    assert message in found
    assert f"wex/defs.yaml:{line}" in found


def mistake(project: DefsFolderSandbox, name: str) -> str:
    """The error of the feed ``name``, with those that led to it."""
    with pytest.raises(Exception) as caught:
        built(project, name)
    texts: list[str] = []
    error: BaseException | None = caught.value
    while error is not None:
        texts.append(str(error))
        error = error.__cause__ or error.__context__
    return "\n".join(texts)


def test_two_feeds_collect_nothing_twice(project: DefsFolderSandbox) -> None:
    for name in ("wex", "again"):
        write_feed(project.defs_folder_path, FEED, name)
    assert "is collected already by" in mistake(project, "wex")


def test_scaffolding_writes_a_file_that_loads(project: DefsFolderSandbox) -> None:
    path = project.scaffold_component(ExchangeFeed, "wex")
    more = {"exchange": "wex", "markets": "LTC-USD,XRP-USD", "start": "2018-01-01"}
    project.scaffold_component(ExchangeFeed, "more", scaffold_params=more)
    assert "\n  # History is wanted" in (path / "defs.yaml").read_text()
    feeds = {feed.name: feed for feed in load_feeds()}
    assert feeds["wex"].markets == ("BTC-USD",)
    assert feeds["more"].markets == ("LTC-USD", "XRP-USD")
    assert "wex/balances" in assets(built(project, "wex"))
    with pytest.raises(ClickException, match="unknown exchange 'nowhere'"):
        project.scaffold_component(ExchangeFeed, "x", scaffold_params={"exchange": "nowhere"})
    assert not (project.defs_folder_path / "x").exists()


SCHEMA = ExchangeFeed.model().model_json_schema()


def problems(attributes: object) -> list[str]:
    """What ``dg check yaml`` finds."""
    return [e.message for e in Draft202012Validator(SCHEMA).iter_errors(attributes)]


SHIPPED = [
    *FEEDS_ROOT.glob("*/defs.yaml"),
    *DEMO_FEEDS.glob("*/defs.yaml"),
    *(REPO / "examples").glob("feeds/*/defs.yaml"),
]


@pytest.mark.parametrize("path", sorted(SHIPPED), ids=lambda p: p.parent.name)
def test_dg_check_yaml_takes_the_shipped_feeds(path: Path) -> None:
    document = parse_yaml_with_source_position(path.read_text(), str(path)).value
    assert problems(document["attributes"]) == []


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"markets": "all"},
        {"markets": "{{ env.MARKETS.split(',') }}"},
        {"start": "2016-01-01T02:00:00+02:00"},
        {"start": "2016-01-01 12:30:00"},
        {"exchange": "{{ env.EXCHANGE }}"},
        {"account": "desk-2"},
        {"datasets": {"account_trades": None}},
        {"datasets": {"trades": {"schedule": "@daily", "lookback": 10, "keep_raw": True}}},
        {"datasets": {"trades": {"schedule": "0 9-17 * * mon-fri"}}},
        {"datasets": {"candles": {"timeframes": ["5m"]}}},
        {"datasets": {"candles": {"timeframes": "{{ env.FRAMES.split(',') }}"}}},
    ],
    ids=str,
)
def test_dg_check_yaml_takes_every_right_feed(changed: dict[str, Any]) -> None:
    feed = {"exchange": "wex", "markets": ["BTC-USD"], "start": "2016-01-01",
            "datasets": {"trades": {}}}  # fmt: skip
    assert problems({**feed, **changed}) == []


@pytest.mark.parametrize(
    "changed",
    [
        {"exchange": "wexx"},
        {"market": ["BTC-USD"]},
        {"markets": "BTC-USD"},
        {"markets": []},
        {"markets": ["BTC-USD", "BTC-USD"]},
        {"account": "../up"},
        {"start": "01.01.2016"},
        {"start": None},
        {"datasets": {}},
        {"datasets": {"trade": {}}},
        {"datasets": {"quarantine": {}}},
        {"datasets": {"trades": {"schedul": "@daily"}}},
        {"datasets": {"trades": {"schedule": "* * *"}}},
        {"datasets": {"trades": {"lookback": 0}}},
        {"datasets": {"candles": {"timeframes": ["60m"]}}},
    ],
    ids=str,
)
def test_dg_check_yaml_refuses_every_wrong_feed(changed: dict[str, Any]) -> None:
    feed = {"exchange": "wex", "markets": ["BTC-USD"], "start": "2016-01-01",
            "datasets": {"trades": {}}}  # fmt: skip
    assert problems({**feed, **changed})


def test_every_attribute_is_documented_with_an_example() -> None:
    described = ExchangeFeed.get_description()
    assert described is not None and "Example:" in described and "dg scaffold defs" in described
    for schema in (SCHEMA, SCHEMA["$defs"]["DatasetOptionsModel"]):
        for name, field in schema["properties"].items():
            assert field.get("description"), name
            assert field.get("examples"), name
