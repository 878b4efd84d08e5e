"""Any paging, any split, late and changing rows, any crash: the same rows, once each."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import warehouse
from pipelines.ingest import StreamReport
from pipelines.ingest.windows.evidence import LEAST_CAP
from tests.examples import examples
from tests.pipelines.ingest.crash_injection import CrashInjection
from tests.pipelines.ingest.windows.history import (
    KINDS,
    Event,
    Past,
    check,
    exchange_of,
    pull,
    rows_of,
    state_of,
)
from tests.pipelines.ingest.windows.model import Behaviour, is_settled

QUIET = 3
"""Pulls with no event after which all has to be well."""


@dataclass(frozen=True)
class Planned:
    """One pull of some of the streams. ``lives``: at which step it dies; ``start``: in rows.

    ``quiet``: pulls before it during which nothing happens.
    """

    events: tuple[Event, ...]
    lives: int | None
    start: int
    lookback: int | None
    every: int
    skips: int
    publishes: bool
    quiet: int = 0


QUIETLY = Planned((), None, 0, None, 1, 2, False)

behaviours = st.builds(
    Behaviour,
    keeps=st.sampled_from(["newest", "oldest"]),
    cap=st.integers(2, 25),
    lower_inclusive=st.booleans(),
    upper_inclusive=st.booleans(),
    unit=st.sampled_from(["ms", "s"]),
    order=st.sampled_from([1, -1]),
    shows_open=st.booleans(),
    sorts_by_time=st.booleans(),
)
events = st.builds(
    Event,
    when=st.integers(0, 5),
    kind=st.sampled_from(["new", "late", "change"]),
    at=st.lists(st.integers(0, 999), min_size=2, max_size=12).map(tuple),
) | st.builds(
    Event, when=st.integers(0, 9), kind=st.just("paging"), at=st.just(()), behaviour=behaviours
)
plans = st.builds(
    Planned,
    events=st.lists(events, min_size=1, max_size=5).map(tuple),
    lives=st.none() | st.integers(0, 150),
    start=st.sampled_from([-60, 0, 13]),
    lookback=st.sampled_from([None, None, 7, 30]),
    every=st.sampled_from([1, 1, 3]),
    skips=st.integers(0, 2),
    publishes=st.sampled_from([False, False, True]),
    quiet=st.sampled_from([0, 0, 1, 2]),
)
exchanges = st.tuples(
    st.sampled_from(sorted(KINDS)), behaviours, st.integers(1, 4), st.integers(0, 60)
)


@example(  # a gap that a later answer of the same pull closes is no problem
    made=[("fills forward", Behaviour("newest", 2, order=1, sorts_by_time=False), 1, 3)],
    pulls=[Planned((Event(5, "new", (0, 0)),), None, -60, None, 1, 1, False)],
)
@settings(
    max_examples=examples(20),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    made=st.lists(exchanges, min_size=1, max_size=2, unique_by=lambda one: KINDS[one[0]][0]),
    pulls=st.lists(plans, min_size=1, max_size=5),
)
def test_any_history_ends_in_the_same_lake(
    made: list[tuple[str, Behaviour, int, int]],
    pulls: list[Planned],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    home = tmp_path_factory.mktemp("home")
    streams = [exchange_of(*one) for one in made]
    for plan in pulls:
        for _ in range(plan.quiet):
            _pull_all(home, streams, replace(QUIETLY, start=plan.start))
        _pull_all(home, streams, plan)
    wanted = min(plan.start for plan in pulls)
    for _ in range(QUIET):
        _pull_all(home, streams, replace(QUIETLY, start=wanted))
    if any(plan.publishes for plan in pulls):
        warehouse.publish(home)
        report = warehouse.verify(home)
        assert not report.findings, report.findings
    for exchange in streams:
        _compare(home, tmp_path_factory.mktemp("fresh"), exchange, wanted)


def _pull_all(home: Path, streams: list[Past], plan: Planned) -> None:
    with CrashInjection(-1 if plan.lives is None else plan.lives) as crash:
        for number, exchange in enumerate(streams):
            if number == plan.skips or crash.dead:
                continue
            exchange.coming = list(plan.events)
            exchange.happen(0)
            start = _time(exchange, plan.start)
            at_first = dict(exchange.states)
            newest = [k for k in exchange.shown(exchange.stream) if exchange.time_of(k) >= start]
            report = _pulled(home, exchange, start, plan)
            assert not report.lost_found and not report.quarantined
            if any(event.kind == "paging" for event in plan.events):
                continue  # what it cannot fetch now, a later pull does
            if report.error and _holds_few(exchange):
                continue
            assert report.error is None or _few_moments(exchange, report.error), report.error
            held = rows_of(home, exchange)
            for key in newest[-_promised(exchange, plan) :]:
                assert key in held, f"the look-back did not find {key}"
                state = state_of(exchange, key, held[key])
                assert state is not None and state >= at_first.get(key, 0), f"{key} is not current"
        if plan.publishes:
            warehouse.publish(home)
    for exchange in streams:
        exchange.happen(10**9)
        check(home, exchange)


def _pulled(home: Path, exchange: Past, start: int, plan: Planned) -> StreamReport:
    """A pull, and those that follow one which ended early: caps of two rows take many requests."""
    for _ in range(20):
        report = pull(home, exchange, start, plan.lookback, plan.every)
        if "this pull ended early" not in (report.error or ""):
            break
    return report


def _holds_few(exchange: Past) -> bool:
    """Whether answers hold fewer rows than those of any exchange known: claims hold, no more."""
    return exchange.behaviour.cap < LEAST_CAP


def _few_moments(exchange: Past, error: str) -> bool:
    """Whether ``error`` says that the newest answer is of one or two moments, as it is.

    Rows without integer ids: what the answer may have left out there cannot be asked for.
    """
    times = sorted(exchange.time_of(key) for key in exchange.shown(exchange.stream))
    newest = times[-exchange.behaviour.cap :]
    return "rows of one or two moments" in error and len({*newest}) <= 2


def _promised(exchange: Past, plan: Planned) -> int:
    """How many of the newest rows the last pull read again."""
    cap = min([exchange.behaviour.cap, *(head.limit for head in exchange.requests[:1])])
    if exchange.stream.dataset == "candles":
        return max(3, plan.lookback or 0)
    if exchange.behaviour.sorts_by_time:  # a late row may lie at the cut between two answers
        return cap - exchange.share
    return max(cap, plan.lookback or 0)


def _time(exchange: Past, rows: int) -> int:
    return exchange.time_of(exchange.first + rows * exchange.unit)


def _compare(home: Path, fresh: Path, exchange: Past, wanted: int) -> None:
    """The home holds what a new one gets in one go, but for what the look-backs do not promise."""
    start = _time(exchange, wanted)
    error = _pulled(fresh, exchange, start, QUIETLY).error
    if error and _holds_few(exchange):
        return
    assert error is None or _few_moments(exchange, error), error
    expected, held = rows_of(fresh, exchange), check(home, exchange)
    for key, row in expected.items():
        if exchange.time_of(key) < start or key in exchange.excused:
            continue
        assert key in held, f"{key} is missing"
        if not (key in exchange.amended and is_settled(held[key])):
            assert held[key] == row
    truth = [k for k in exchange.shown(exchange.stream) if exchange.time_of(k) >= start]
    assert set(truth) <= expected.keys()
