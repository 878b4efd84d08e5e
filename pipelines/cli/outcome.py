"""The last lines of a command that stores: what is new, and what needs attention."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from pipelines.output.console import say, warn
from pipelines.output.exits import PARTLY_FAILED
from schemas.wording import count

if TYPE_CHECKING:
    from pipelines.publishing import PublishReport


class Outcome(Protocol):
    """What a pull or a replay did."""

    @property
    def ok(self) -> bool: ...
    @property
    def notices(self) -> Sequence[str]: ...
    @property
    def errors(self) -> Sequence[str]: ...


def say_added(added: int, published: "PublishReport") -> None:
    """How many rows are new, and where to find them."""
    done = "published to" if published.published else "nothing changed, nothing to publish:"
    say(f"{count(added, 'new row')}; {done} {published.path}")


def finish(outcome: Outcome) -> int:
    """Report on stderr what needs attention, failures last, and return the exit code."""
    for notice in outcome.notices:
        warn(f"notice: {notice}")
    if outcome.ok:
        return 0
    warn("failed (everything else is stored):")
    for error in outcome.errors:
        warn(f"  {error}")
    return PARTLY_FAILED
