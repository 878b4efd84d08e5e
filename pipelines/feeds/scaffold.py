"""The text of a new feed's file: everything that its exchange offers, with comments.

``tidemark init`` and ``dg scaffold defs`` write it.
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import connectors
from connectors.base import Cursor
from pipelines.feeds.feed import COMPONENT_TYPE, Feed, feed_of
from pipelines.feeds.folder import overlaps
from pipelines.output.formatting import instant, with_fix
from schemas import DATASETS, ConfigError
from schemas.timeframes import USUAL

EVERY_MINUTE: Final = "* * * * *"
FIVE_MINUTES: Final = "*/5 * * * *"
QUARTER_HOUR: Final = "*/15 * * * *"
HOURLY: Final = "0 * * * *"
DAILY: Final = "0 0 * * *"
SCHEDULES: Final = {
    "trades": FIVE_MINUTES,
    "candles": FIVE_MINUTES,
    "tickers": EVERY_MINUTE,
    "account_trades": QUARTER_HOUR,
    "account_transactions": QUARTER_HOUR,
    "account_orders": QUARTER_HOUR,
    "balances": HOURLY,
    "trading_fees": DAILY,
    "public_orders": HOURLY,
    "order_books": QUARTER_HOUR,
    "markets": DAILY,
    "currencies": DAILY,
}
"""How often each dataset is pulled where nobody says otherwise; others: hourly."""
_OF_CURSOR: Final = {
    Cursor.NEWEST: "The exchange shows only its newest rows: pull often enough that two answers "
    "overlap.",
    Cursor.DERIVED: "The exchange has none; these are built from its trades.",
    Cursor.LOOKUP: "One that is not open is shown by its id alone: a request each, a limited "
    "number a pull.",
}
_OF_DATASET: Final = {
    "account_transactions": "Deposits and withdrawals, where the server has them.",
    "public_orders": "Everybody's orders, and what of them rests in the book.",
    "markets": "All that the exchange lists, whatever markets are named above.",
}

_HEAD: Final = """\
# What is collected from {exchange}. `tidemark pull` and Dagster read this same file; a mistake in
# it is named with its line before anything is asked of the exchange. A value may come from the
# environment or .env: "{{{{ env.NAME }}}}", or "{{{{ env('NAME', 'default') }}}}".
type: {component}

attributes:
  # The connector, and the label that the account's rows carry. Its key is read from
  # {key};
  # without them only public data is collected.
  exchange: {exchange}
  account: {account}

  # BASE-QUOTE in upper case or as the exchange names it, or the word all. Account data is always
  # the whole account.
  markets: {markets}

  # History is wanted back to here (UTC). What is missing is fetched, newest first.
  start: {start}

  # Datasets that are left out are not collected. A schedule is a cron expression in UTC, in quotes;
  # in Dagster it is off until you switch it on. More options of a dataset: `lookback: 2000` reads
  # more rows again, `keep_raw: true` archives the responses as they came.
  datasets:
"""


def new_feed(
    path: Path,
    exchange: str,
    others: Sequence[Feed],
    markets: Sequence[str] | None = ("BTC-USD",),
    start: str = "2016-01-01",
    account: str = "main",
) -> str:
    """The text of the file ``path``: a feed of all that ``exchange`` offers.

    ``markets``: ``None`` = all. Datasets that one of ``others`` collects are commented out. Raises
    ``ConfigError`` for values that no feed can have, and where nothing is left to collect.
    """
    attributes: dict[str, Any] = {
        "exchange": exchange,
        "account": account,
        "markets": "all" if markets is None else [name.strip() for name in markets],
        "start": start,
        "datasets": {name: {} for name in _offered(exchange)},
    }
    feed = feed_of(path, attributes, lambda _: 0)
    taken = {job.dataset: other.feed.name for job, other in overlaps([*others, feed])}
    if set(feed.datasets) <= set(taken):
        raise ConfigError(
            with_fix(
                f"all of this is collected already by {', '.join(sorted(set(taken.values())))}",
                "name other markets or another account",
            )
        )
    return _text(feed, taken)


def _offered(exchange: str) -> list[str]:
    """The datasets that can be collected; of an unknown exchange all, so that it is refused."""
    known = connectors.offers(exchange) if connectors.is_known(exchange) else DATASETS
    return [name for name in DATASETS if name in known and name != "quarantine"]


def _text(feed: Feed, taken: Mapping[str, str]) -> str:
    lines = [
        _HEAD.format(
            exchange=feed.exchange,
            component=COMPONENT_TYPE,
            key=connectors.key_settings(feed.exchange, feed.account),
            account=feed.account,
            markets="all" if feed.markets is None else f"[{', '.join(map(_quoted, feed.markets))}]",
            start=instant(feed.start).partition(" 00:00:00Z")[0],
        )
    ]
    offers = connectors.offers(feed.exchange)
    frames = ", ".join(_usual(feed.exchange))
    for name in feed.datasets:
        comments = [_OF_CURSOR.get(offers[name].cursor), _OF_DATASET.get(name)]
        if name in taken:
            comments = [f"Collected already by the feed {taken[name]}."]
        lines += [f"    # {comment}\n" for comment in comments if comment]
        more = f", timeframes: [{frames}]" if name == "candles" else ""
        mark = "# " if name in taken else ""
        lines.append(f'    {mark}{name}: {{schedule: "{SCHEDULES.get(name, HOURLY)}"{more}}}\n')
    return "".join(lines)


def _usual(exchange: str) -> tuple[str, ...]:
    """The usual timeframes of those that the exchange has; all of them where it has none."""
    candles = connectors.offers(exchange).get("candles")
    theirs = candles.timeframes if candles else ()
    return tuple(name for name in USUAL if name in theirs) or USUAL


def _quoted(market: str) -> str:
    """``market`` as YAML takes it for text."""
    is_plain = re.fullmatch("[A-Za-z][A-Za-z0-9]*[-_/.][A-Za-z0-9]+", market)
    return market if is_plain else json.dumps(market)
