"""Sandbox worlds whose history is made once in a process and copied for each test."""

import gc
import io
import pickle
from functools import cache
from operator import attrgetter
from typing import Any
from unittest.mock import patch

from sandbox import ManualClock, World
from sandbox.book import Fill
from sandbox.clock import DAY, HOUR, to_ms
from sandbox.engine import Engine
from sandbox.markets import MARKETS, Market

EPOCH = "2026-01-10T00:00:00"


@cache
def _history(seed: int, epoch: int, days: float, hours_ahead: int) -> bytes:
    """An engine that has made everything up to ``hours_ahead`` hours after ``epoch``.

    A copy takes a tenth of the time.
    """
    with patch("sandbox.engine.HISTORY", int(days * DAY)):
        engine = Engine(seed, epoch)
    engine.extend(epoch + hours_ahead * HOUR)
    stored = io.BytesIO()
    _Pickler(stored, pickle.HIGHEST_PROTOCOL).dump(engine)
    return stored.getvalue()


class _Pickler(pickle.Pickler):
    def reducer_override(self, made: Any) -> Any:
        """Markets are those there are, and not copied; fills are made in the fastest way."""
        if isinstance(made, Market):
            return _market, (MARKETS.index(made),)
        return (Fill, _FIELDS(made)) if isinstance(made, Fill) else NotImplemented


def _market(number: int) -> Market:
    return MARKETS[number]


_FIELDS = attrgetter(*Fill.__dataclass_fields__)


def world_at(epoch: str = EPOCH, seed: int = 7, days: float = 1, hours_ahead: int = 0) -> World:
    """``World(seed, epoch)`` with a clock that stands at ``epoch`` until a test moves it.

    ``days``: how long the history before ``epoch`` is. One makes a third of the work of the
    sandbox's own three, and is enough where the number of rows is no matter.
    ``hours_ahead``: what is made of the time after ``epoch``, for a test that lets it pass; the
    clock hides them until then.
    """
    history = _history(seed, to_ms(epoch), days, hours_ahead)
    gc.disable()  # nothing here is garbage, and looking for it takes longer than the copy
    try:
        copied = pickle.loads(history)
    finally:
        gc.enable()
    with patch("sandbox.world.Engine", lambda seed, epoch: copied):
        return World(seed, epoch, ManualClock(epoch))
