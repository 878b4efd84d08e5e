"""How long a pull may take. What is left goes on with the next pull."""

import time
from dataclasses import dataclass, field

from connectors.base import Cursor
from schemas import TidemarkError


class OutOfTimeError(TidemarkError):
    """The time of a pull is over. What was received is stored."""


@dataclass(frozen=True)
class Budget:
    """The time of one pull, which begins with this object.

    ``seconds``: of the whole pull. ``stream_seconds``: of each stream, so that none keeps the
    others waiting. ``whole_walks``: a history of numbered pages is read to its end all the same,
    since it cannot be continued in the middle. No pull with a budget waits for a stream that
    another pull holds.
    """

    seconds: float
    stream_seconds: float
    whole_walks: bool = False
    began: float = field(default_factory=time.monotonic)

    @property
    def left(self) -> float:
        """Seconds left for the whole pull; negative when it is over."""
        return self.began + self.seconds - time.monotonic()

    def stream_ends_at(self, cursor: Cursor) -> float | None:
        """When a stream that begins now has to end (``time.monotonic``); ``None`` = never."""
        if cursor is Cursor.PAGES and self.whole_walks:
            return None
        return time.monotonic() + min(self.left, self.stream_seconds)
