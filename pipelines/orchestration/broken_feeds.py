"""What stands for a feed whose file has a mistake: an asset that fails with file and line.

Dagster loads a code location whole or not at all. So the other feeds stay, and this one is one red
asset, ``feeds/<name>``, until its file is right and the code location is loaded again.
"""

from collections.abc import Sequence
from functools import partial
from typing import Final

import dagster as dg

from pipelines.feeds import BrokenFeed, feeds_root
from pipelines.orchestration.looking import Check, Look
from pipelines.orchestration.specs import OWNERS
from pipelines.output.console import warn
from pipelines.output.formatting import visible, with_fix

FEEDS: Final = "feeds"


def broken_definitions(broken: Sequence[BrokenFeed]) -> dg.Definitions:
    """The asset of each; each mistake is written to the terminal too."""
    for feed in broken:
        warn(f"feed not loaded: {_text(feed)}")
    return dg.Definitions(assets=[_asset(feed) for feed in broken])


def broken_check(feed: BrokenFeed) -> Check:
    """Fails: the sensor of the checks records it, so that it is red without being run."""
    spec = dg.AssetCheckSpec("loads", asset=_key(feed), description="The feed's file is right.")
    return Check(spec, partial(_fails, feed))


def _key(feed: BrokenFeed) -> dg.AssetKey:
    parts = feed.path.parent.absolute().relative_to(feeds_root().absolute()).parts
    return dg.AssetKey([FEEDS, *parts])


def _asset(feed: BrokenFeed) -> dg.AssetsDefinition:
    @dg.asset(
        key=_key(feed),
        group_name=FEEDS,
        kinds={"yaml"},
        owners=OWNERS,
        description=f"The feed's file has a mistake; nothing of it is collected.\n\n```text\n"
        f"{_text(feed).replace('```', '')}\n```\n\nMend the file, then reload the code location.",
    )
    def broken() -> None:
        raise dg.Failure(_text(feed), allow_retries=False)

    return broken


def _fails(feed: BrokenFeed, look: Look) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=False,
        description=with_fix(_text(feed), "correct the file, then reload the code location"),
    )


def _text(feed: BrokenFeed) -> str:
    return visible(str(feed.error))
