"""Rate limits shared by processes: evenly spaced whatever clocks, crashes and folders do."""

import logging
import statistics
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from connectors.pace import Allowance
from pipelines.exchanges import limits as module
from pipelines.exchanges.limits import MARGIN, SharedLimits
from pipelines.exchanges.state_dir import limits_folder, state_folder
from sandbox import Limits, serve
from tests.pipelines.ingest.processes import started
from tests.worlds import world_at

SECOND = 1_000_000_000
OVERLOAD = 20
"""Calls that a busy machine may send late and so too close together."""
SLOW = 0.01
"""Calls a second: a busy machine dawdles no such pause away."""


class Timer:
    """A monotonic clock that only sleeping moves. ``slept``: every wait in seconds."""

    def __init__(self, now: int = 5 * SECOND) -> None:
        self.now = now
        self.slept: list[float] = []

    def limits(self, folder: Path, boot: bytes = b"one") -> SharedLimits:
        return SharedLimits([folder], self.slept.append, lambda: self.now, boot)


def test_calls_are_spaced_evenly_in_the_order_in_which_they_ask(tmp_path: Path) -> None:
    timer = Timer()
    one, two = timer.limits(tmp_path), timer.limits(tmp_path)  # as two processes
    for limits in (one, two, two, one):
        limits.wait("bucket", Allowance(2))
    assert timer.slept == pytest.approx([n * 0.5 * MARGIN for n in (1, 2, 3)])
    one.wait("another/bucket", Allowance(2))
    timer.now += 10 * SECOND
    two.wait("bucket", Allowance(2))
    assert len(timer.slept) == 3  # both were free


@pytest.mark.parametrize("state", [b"", b"short", b"\xff" * 24, b"x" * 99], ids=repr)
def test_rubbish_in_the_file_holds_nobody_up(tmp_path: Path, state: bytes) -> None:
    timer = Timer()
    (tmp_path / "bucket").write_bytes(state)
    timer.limits(tmp_path).wait("bucket", Allowance(1))
    assert timer.slept == []
    timer.limits(tmp_path).wait("bucket", Allowance(1))
    assert timer.slept == pytest.approx([MARGIN])


def test_a_restart_of_the_machine_resets_the_limiter(tmp_path: Path) -> None:
    before = Timer(now=90_000 * SECOND)
    before.limits(tmp_path).wait("bucket", Allowance(1))
    after = Timer(now=89_990 * SECOND)
    after.limits(tmp_path, boot=b"two").wait("bucket", Allowance(1))
    assert after.slept == []


def test_a_moment_out_of_reach_is_not_waited_for(tmp_path: Path) -> None:
    Timer(now=90_000 * SECOND).limits(tmp_path).wait("bucket", Allowance(1))
    after = Timer(now=20 * SECOND)  # another boot that could not be recognised
    after.limits(tmp_path).wait("bucket", Allowance(1))
    assert after.slept == []


def test_steps_of_the_clock_do_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    limits = SharedLimits([tmp_path], slept.append)
    for moment in (2e9, 1e9, 3e9):
        monkeypatch.setattr(time, "time", lambda moment=moment: moment)
        limits.wait("bucket", Allowance(SLOW))
    assert len(slept) == 2
    assert max(slept) <= 2 * MARGIN / SLOW


def test_a_killed_holder_leaves_no_lock(tmp_path: Path) -> None:
    with started(["hold", "limit", str(tmp_path)], env={}) as (other,):
        other.kill()
    slept: list[float] = []
    SharedLimits([tmp_path], slept.append).wait("bucket", Allowance(1000))
    assert slept == []


def test_without_a_folder_each_process_keeps_the_limits_and_says_so_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_warned", threading.Event())
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    slept: list[float] = []
    monkeypatch.setattr(module._local, "_sleep", slept.append)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            limits = SharedLimits([blocked / "a", blocked / "b"])
            limits.wait("only in this test", Allowance(SLOW))
    (warning,) = caplog.messages
    assert str(blocked / "b") in warning
    assert len(slept) == 1


def test_the_next_folder_takes_the_place_of_one_that_cannot_be_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    timer = Timer()
    limits = SharedLimits([blocked, tmp_path / "home"], timer.slept.append, lambda: timer.now)
    limits.wait("bucket", Allowance(2))
    timer.limits(tmp_path / "home", boot=limits._boot).wait("bucket", Allowance(2))
    assert len(timer.slept) == 1
    assert caplog.messages == []


def test_a_free_call_costs_far_less_than_a_millisecond(tmp_path: Path) -> None:
    limits = SharedLimits([tmp_path])
    costs = []
    for _ in range(300):
        begun = time.thread_time()  # what others take from a busy machine is no cost of a call
        limits.wait("bucket", Allowance(1e9))
        costs.append(time.thread_time() - begun)
    assert statistics.median(costs) < 0.001


def test_the_folder_is_the_users_and_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/somewhere")
    folder = state_folder()
    assert folder == Path("/somewhere/tidemark")
    assert limits_folder(folder).parent == folder / "limits"
    monkeypatch.setenv("XDG_STATE_HOME", "not/absolute")
    monkeypatch.setenv("HOME", "/me")
    assert state_folder() == Path("/me/.local/state/tidemark")


@dataclass
class Strict(Limits):
    """The sandbox's limits, which also note when each call came, and how many were refused."""

    came: dict[int, list[float]] = field(default_factory=dict)
    refused: int = 0

    def allow(self, bucket: str, per_second: int) -> bool:
        self.came.setdefault(per_second, []).append(time.monotonic())
        allowed = super().allow(bucket, per_second)
        self.refused += not allowed
        return allowed


@pytest.fixture
def strict() -> Iterator[tuple[Strict, dict[str, str]]]:
    limits = Strict()
    with serve(world_at(), limits=limits) as server:
        yield limits, server.env


@pytest.mark.slow
def test_several_processes_together_keep_to_the_limits(
    strict: tuple[Strict, dict[str, str]], tmp_path: Path
) -> None:
    limits, env = strict
    command = ["calls", "bitexbit", "60", "3"]
    homes = [{"TIDEMARK_HOME": str(tmp_path / name)} for name in "abc"]
    with (
        started(command, env={**env, **homes[0]}) as first,
        started(command, env={**env, **homes[1]}) as second,
        started(command, env={**env, **homes[2]}) as third,
    ):
        others = [*first, *second, *third]
        for other in others:
            other.go()
        for other in others:
            code, _, err = other.finish()
            assert code == 0, err
    # without common limits, over a hundred are
    assert limits.refused <= OVERLOAD
    for allowed, came in limits.came.items():
        assert came[-1] - came[0] > 0.95 * (len(came) - 1) / allowed
    assert {allowed: len(came) >= 9 for allowed, came in limits.came.items()} == {2: 1, 100: 1}


def test_a_late_wake_in_one_process_moves_the_call_of_another(tmp_path: Path) -> None:
    timer = Timer()
    begun = timer.now

    def went(late: float) -> float:
        def sleep(seconds: float) -> None:
            timer.now += round((seconds + late) * SECOND)

        SharedLimits([tmp_path], sleep, lambda: timer.now, b"one").wait("bucket", Allowance(2))
        return (timer.now - begun) / SECOND

    spacing = 0.5 * MARGIN
    assert [went(0), went(0.4), went(0)] == pytest.approx([0, spacing + 0.4, 2 * spacing + 0.4])


def test_a_call_counts_from_when_it_left(tmp_path: Path) -> None:
    timer = Timer()
    timer.limits(tmp_path).wait("bucket", Allowance(2))
    timer.now += round(0.4 * SECOND)  # until the connection was there
    timer.limits(tmp_path).sent("bucket", Allowance(2))
    timer.limits(tmp_path).wait("bucket", Allowance(2))
    assert timer.slept == pytest.approx([0.5 * MARGIN])


def test_a_call_that_costs_more_keeps_the_others_longer(tmp_path: Path) -> None:
    timer = Timer()
    timer.limits(tmp_path).wait("weight", Allowance(100), 25)
    timer.limits(tmp_path).wait("weight", Allowance(100))
    assert timer.slept == pytest.approx([0.25 * MARGIN])


def test_processes_share_a_burst(tmp_path: Path) -> None:
    timer = Timer()
    for _ in range(5):
        timer.limits(tmp_path).wait("counter", Allowance(0.5, burst=3))
        timer.limits(tmp_path).sent("counter", Allowance(0.5, burst=3))
    assert timer.slept == pytest.approx([n * 2 * MARGIN - 6 for n in (3, 4)])


def test_a_rest_holds_for_every_process(tmp_path: Path) -> None:
    timer = Timer()
    timer.limits(tmp_path).hold("bucket", 30)
    timer.limits(tmp_path).wait("bucket", Allowance(1000, burst=100))
    assert timer.slept == pytest.approx([30])
