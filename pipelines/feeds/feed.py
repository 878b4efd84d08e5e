"""What a feed is, and every rule of the ``defs.yaml`` that declares one."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

import connectors
from connectors.base import Cursor, Paging
from pipelines.feeds import cron
from pipelines.feeds.document import Fields, Value, did_you_mean, of_plain, read, shown
from pipelines.feeds.shard import Shard
from pipelines.feeds.template import render
from pipelines.settings import load_settings
from schemas import DATASETS, TIMEFRAMES, ConfigError, dataset
from schemas.timeframes import USUAL

COMPONENT_TYPE: Final = "pipelines.components.ExchangeFeed"
FILE_NAME: Final = "defs.yaml"

_FILE_KEYS: Final = (
    "type",
    "attributes",
    "template_vars_module",
    "requirements",
    "post_processing",
)
_FEED_KEYS: Final = (
    *("exchange", "account", "markets", "account_markets", "shards", "start", "datasets"),
)
MOST_SHARDS: Final = 100
_SPEC_KEYS: Final = ("schedule", "timeframes", "lookback", "keep_raw")
_ACCOUNT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_NO_TEXT: Final = re.compile(
    r"[0-9_-]+|[0-9]+e-?[0-9]+|[0-9]+[dfl]|0[xob][0-9a-f_]+|[0-9]{4}-[0-9]{2}-[0-9]{2}.*"
    r"|true|false|yes|no|on|off|null|none|nan|nat|na|inf|infinity",
    re.IGNORECASE,
)
"""What readers of hive folders (pandas, Polars, Spark) take for a number, a date or nothing."""


@dataclass(frozen=True)
class DatasetSpec:
    """How one dataset is collected. ``line``: its line in the file."""

    name: str
    schedule: str | None
    """Cron expression in UTC, or none."""
    timeframes: tuple[str, ...]
    """Of candles; empty for every other dataset."""
    lookback: int | None
    """How much below the head every pull reads again: rows, or candles. ``None`` = the default."""
    keep_raw: bool | None
    line: int


@dataclass(frozen=True)
class Feed:
    """One folder of :func:`~pipelines.feeds.feeds_root`. ``name``: the folder's; ``path``: its
    ``defs.yaml``.
    """

    name: str
    path: Path
    exchange: str
    account: str
    markets: tuple[str, ...] | None
    """``BASE-QUOTE`` or the exchange's own name each; ``None`` = all that it lists."""
    start: datetime
    """History is wanted back to here (UTC)."""
    datasets: dict[str, DatasetSpec]
    account_markets: tuple[str, ...] | Literal["all"] | None = None
    """Where account data is asked for market by market: these; ``None`` = those of the feed, and
    every listed one between currencies that the account held.
    """
    shards: int = 1
    """In so many parts Dagster pulls the markets, each in a step of its own."""
    shard: Shard | None = None
    """The only one of these parts that is pulled; ``None`` = all."""

    @property
    def has_undivided(self) -> bool:
        """Whether what belongs to no market is pulled."""
        return self.shard is None or self.shard.is_first


@dataclass(frozen=True)
class Job:
    """One dataset of one feed: the smallest thing that can be pulled."""

    feed: Feed
    spec: DatasetSpec

    @property
    def exchange(self) -> str:
        return self.feed.exchange

    @property
    def dataset(self) -> str:
        return self.spec.name

    @property
    def name(self) -> str:
        """``bitexbit/trades``: as it is selected."""
        return f"{self.feed.name}/{self.spec.name}"


def jobs(feeds: Sequence[Feed]) -> list[Job]:
    """Every dataset of every feed, in the order of the files."""
    return [Job(feed, spec) for feed in feeds for spec in feed.datasets.values()]


def load_feed(path: Path, variables: Mapping[str, str] | None = None) -> Feed | None:
    """The feed of one ``defs.yaml``; ``None`` where the file declares another component.

    ``variables``: what ``{{ env.NAME }}`` finds; default: those of the settings.
    """
    documents = read(path)
    if not documents:
        raise ConfigError(f"{shown(path)}:1: the file is empty; begin with type: {COMPONENT_TYPE}")
    document, *others = documents
    file = document.mapping("the file")
    kind = file.required("type", COMPONENT_TYPE)
    name = kind.text("type")
    if name != COMPONENT_TYPE:
        if name.casefold().endswith("feed") or did_you_mean(name, [COMPONENT_TYPE], 0.85):
            kind.fail(f"unknown type {name!r}; did you mean {COMPONENT_TYPE!r}?")
        return None
    if others:
        others[0].fail("a feed is the only one of its file. Fix: give this one a folder of its own")
    document.mapping("the file", _FILE_KEYS)
    env = load_settings().variables if variables is None else variables
    attributes = file.required("attributes", "{exchange: …}")
    return _feed(path, attributes.rendered(partial(render, variables=env)))


def feed_of(
    path: Path, attributes: Mapping[str, Any], line: Callable[[Sequence[str | int]], int]
) -> Feed:
    """The feed of these attributes, as a YAML reader gave them; ``path``: of their file.

    ``line``: of the attribute to which these keys and indices lead, for messages.
    """
    return _feed(path, of_plain(path, attributes, line))


def _feed(path: Path, attributes: Value) -> Feed:
    fields = attributes.mapping("attributes", _FEED_KEYS)
    exchange = _exchange(fields.required("exchange", "bitexbit"))
    account = fields.get("account")
    datasets = _datasets(exchange, fields.required("datasets", "{trades: {}}"))
    if "markets" in fields or any(dataset(name).is_of_markets for name in datasets):
        markets = _markets(fields.required("markets", "[BTC-USD]"))
    else:
        markets = ()
    return Feed(
        name=path.parent.name,
        path=path,
        exchange=exchange,
        account="main" if account is None else _account(account),
        markets=markets,
        start=_start(fields.required("start", "2016-01-01")),
        datasets=datasets,
        account_markets=_account_markets(exchange, fields),
        shards=_number(fields.get("shards"), "shards", MOST_SHARDS) or 1,
    )


def _exchange(value: Value) -> str:
    name = value.text("exchange")
    known = connectors.names()
    if not connectors.is_known(name):
        if name.startswith(connectors.THROUGH_CCXT):
            try:
                connectors.dialect_of(name)
            except ConfigError as error:
                value.fail(str(error))
        hint = did_you_mean(name, known)
        value.fail(f"unknown exchange {name!r}{hint or '; known are ' + ', '.join(known)}")
    return name


def _account(value: Value) -> str:
    name = value.text("account")
    if not _ACCOUNT.fullmatch(name):
        value.fail(f"account {name!r} is not a label of letters, digits, '-' and '_'")
    if _NO_TEXT.fullmatch(name):
        value.fail(
            f"account {name!r} is no text to programs that read the lake (pandas, Polars, Spark): "
            "they take it for a number, a date or nothing, and different accounts for one. "
            f"Fix: write for example account-{name}"
        )
    return name


def _markets(value: Value, key: str = "markets") -> tuple[str, ...] | None:
    if value.members is None and value.text(key) == "all":
        return None
    found: list[str] = []
    for item in value.items(key, "[BTC-USD, ETH-USD], or the word all"):
        name = item.text("a market")
        if name == "all":
            item.fail(f"all is no market of a list. Fix: write {key}: all")
        if not name or not name.isprintable():
            item.fail(f"market {name!r} is no name; write for example BTC-USD")
        if name in found:
            item.fail(f"market {name!r} appears twice")
        found.append(name)
    return tuple(found)


def _account_markets(exchange: str, fields: Fields) -> tuple[str, ...] | Literal["all"] | None:
    value = fields.get("account_markets")
    if value is None:
        return None
    if not any(offer.per_market for offer in connectors.offers(exchange).values()):
        fields.key("account_markets").fail(
            f"{exchange} gives account data of all markets at once. Fix: leave account_markets out"
        )
    return _markets(value, "account_markets") or "all"


def _start(value: Value) -> datetime:
    text = value.text("start")
    try:
        start = datetime.fromisoformat(text)
    except ValueError:
        value.fail(f"start {text!r} is not a date like 2016-01-01")
    start = start.replace(tzinfo=UTC) if start.tzinfo is None else start.astimezone(UTC)
    if start > datetime.now(UTC):
        value.fail(f"start {text!r} is in the future")
    return start


def _datasets(exchange: str, value: Value) -> dict[str, DatasetSpec]:
    offers = {n: o for n, o in connectors.offers(exchange).items() if n in DATASETS}
    fields = value.mapping("datasets")
    offered = f"{exchange} offers {', '.join(sorted(offers))}"
    for name in fields:
        if name in offers:
            continue
        if name in DATASETS and name != "quarantine":
            fields.key(name).fail(f"{exchange} does not offer {name!r}; {offered}")
        hint = did_you_mean(name, offers) or ";"
        fields.key(name).fail(f"unknown dataset {name!r}{hint} {offered}")
    if not fields.found:
        value.fail(f"datasets is empty; {offered}")
    return {name: _spec(name, offers[name], fields) for name in fields}


def _spec(name: str, offer: Paging, datasets: Fields) -> DatasetSpec:
    key, value = datasets.found[name]
    fields = value.mapping(name, _SPEC_KEYS)
    is_candles = "timeframe" in dataset(name).key
    if "timeframes" in fields and not is_candles:
        fields.key("timeframes").fail(f"{name} has no timeframes; only candles has")
    if "lookback" in fields and offer.cursor is Cursor.SNAPSHOT:
        fields.key("lookback").fail(f"{name} is a snapshot, without history to look back on")
    return DatasetSpec(
        name=name,
        schedule=_schedule(fields.get("schedule")),
        timeframes=_timeframes(fields.get("timeframes"), offer) if is_candles else (),
        lookback=_number(fields.get("lookback"), "lookback", 1_000_000),
        keep_raw=_bool(fields.get("keep_raw")),
        line=key.line,
    )


def _schedule(value: Value | None) -> str | None:
    if value is None:
        return None
    text = value.text("schedule")
    wrong = cron.problem(text)
    if wrong:
        value.fail(f"schedule {text!r} is not cron: {wrong}")
    return text


def _timeframes(value: Value | None, offer: Paging) -> tuple[str, ...]:
    if value is None:
        return offer.timeframes or USUAL
    found: list[str] = []
    for item in value.items("timeframes", "[5m, 1h]"):
        name = item.text("a timeframe")
        if name not in TIMEFRAMES:
            item.fail(f"unknown timeframe {name!r}; known are {', '.join(TIMEFRAMES)}")
        if name in found:
            item.fail(f"timeframe {name!r} appears twice")
        found.append(name)
    return tuple(found)


def _number(value: Value | None, name: str, most: int) -> int | None:
    if value is None:
        return None
    text = value.text(name)
    if not (text.isascii() and text.isdecimal() and len(text) <= 9 and 0 < int(text) <= most):
        value.fail(f"{name} {text!r} is not a whole number from 1 to {most}")
    return int(text)


def _bool(value: Value | None) -> bool | None:
    if value is None:
        return None
    text = value.text("keep_raw")
    if text not in ("true", "false"):
        value.fail(f"keep_raw {text!r} is neither true nor false")
    return text == "true"
