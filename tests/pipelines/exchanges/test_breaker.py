"""The circuit breaker: an exchange that is down or bans is not called, and is found well again."""

import threading
from contextlib import nullcontext
from pathlib import Path

import pytest

from connectors.errors import (
    AuthError,
    ContractError,
    NotAskedError,
    RateLimitedError,
    TransientError,
)
from pipelines.exchanges.breaker import FIRST_PAUSE, LONGEST_PAUSE, HomeBreaker

DOWN = TransientError("x: GET /a: status 503")


class Clock:
    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


class Pulls:
    """Makes breakers of one home; each ``begin`` is a new pull."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.clock = Clock()
        self.asked: list[str] = []

    def begin(self) -> HomeBreaker:
        self.clock.now += 0.001
        return HomeBreaker(self.home, "x", "x-host", self.clock)

    def ask(
        self, breaker: HomeBreaker, stream: str, error: Exception | None = None, public: bool = True
    ) -> None:
        def answer() -> None:
            self.asked.append(stream)
            self.clock.now += 0.001
            if error is not None:
                raise error

        breaker.call(stream, answer, public=public)

    def fail(self, breaker: HomeBreaker, *streams: str, error: Exception = DOWN) -> None:
        for stream in streams:
            with pytest.raises(type(error)):
                self.ask(breaker, stream, error)

    def refuses(self, breaker: HomeBreaker, stream: str = "any") -> str:
        before = list(self.asked)
        with pytest.raises(NotAskedError) as caught:
            self.ask(breaker, stream)
        assert self.asked == before
        return str(caught.value)


@pytest.fixture
def pulls(tmp_path: Path) -> Pulls:
    return Pulls(tmp_path)


def test_failures_of_several_streams_open_it_for_every_process(pulls: Pulls) -> None:
    one, two = pulls.begin(), pulls.begin()
    pulls.fail(one, "a", "b")
    pulls.fail(two, "c")
    for breaker in (one, two):
        message = pulls.refuses(breaker)
        assert "not asked: x is down since 2023-11-14 22:13:20Z" in message
        assert "next try after 2023-11-14 22:13:35Z" in message
        assert "status 503" in message


def test_one_bad_stream_never_opens_it(pulls: Pulls) -> None:
    breaker = pulls.begin()
    pulls.fail(breaker, *["a"] * 10)
    pulls.ask(breaker, "b")


def test_any_answer_in_between_counts_from_zero(pulls: Pulls) -> None:
    breaker = pulls.begin()
    for _ in range(5):
        pulls.fail(breaker, "a", "b")
        pulls.ask(breaker, "c")
        pulls.fail(breaker, "a", "b")
        pulls.fail(breaker, "d", error=ContractError("odd, but an answer"))
    pulls.ask(breaker, "c")
    assert list((pulls.home / "breakers").glob("*.json")) == []


def test_a_trial_follows_a_pause_that_grows(pulls: Pulls) -> None:
    breaker = pulls.begin()
    pulls.fail(breaker, "a", "b", "c")
    pause = FIRST_PAUSE
    for _ in range(8):
        pulls.clock.now += pause - 1
        pulls.refuses(breaker)
        pulls.clock.now += 2
        pulls.fail(breaker, "d")
        pulls.refuses(breaker)
        pause = min(pause * 2, LONGEST_PAUSE)
    pulls.clock.now += pause + 1
    pulls.ask(breaker, "e")
    pulls.ask(breaker, "a")
    pulls.fail(breaker, "a", "b")
    pulls.ask(breaker, "c")


def test_every_pull_may_try_once(pulls: Pulls) -> None:
    pulls.fail(pulls.begin(), "a", "b", "c")
    second = pulls.begin()
    pulls.fail(second, "a")
    pulls.refuses(second, "b")
    third = pulls.begin()
    pulls.ask(third, "a")
    pulls.ask(third, "b")


@pytest.mark.parametrize("status", [429, 403])
def test_a_ban_holds_also_for_later_pulls(pulls: Pulls, status: int) -> None:
    ban = RateLimitedError(f"status {status}", 3600)
    pulls.fail(pulls.begin(), "a", error=ban)
    assert "has banned us" in pulls.refuses(pulls.begin())
    pulls.clock.now += 3590
    pulls.refuses(pulls.begin())
    pulls.clock.now += 20
    pulls.ask(pulls.begin(), "a")


@pytest.mark.parametrize("fails", [False, True], ids=["answered", "failed"])
def test_what_was_asked_before_a_ban_does_not_lift_it(pulls: Pulls, fails: bool) -> None:
    one, two = pulls.begin(), pulls.begin()

    def meanwhile() -> None:
        pulls.fail(two, "b", error=RateLimitedError("status 429", 3600))
        if fails:
            raise DOWN

    with pytest.raises(TransientError) if fails else nullcontext():
        one.call("a", meanwhile)
    pulls.clock.now += 1800
    pulls.refuses(pulls.begin())


def test_a_short_retry_after_is_no_ban(pulls: Pulls) -> None:
    breaker = pulls.begin()
    pulls.fail(breaker, "a", error=RateLimitedError("status 429", 30))
    pulls.ask(breaker, "b")


def test_refused_public_calls_count_as_down_and_refused_keys_do_not(pulls: Pulls) -> None:
    breaker = pulls.begin()
    refused = AuthError("status 403")
    for stream in "abcd":
        with pytest.raises(AuthError):
            pulls.ask(breaker, stream, refused, public=False)
    pulls.fail(breaker, "a", "b", "c", error=refused)
    pulls.refuses(breaker)


def test_a_clock_that_steps_back_does_not_keep_it_open(pulls: Pulls) -> None:
    breaker = pulls.begin()
    pulls.fail(breaker, "a", "b", "c")
    pulls.clock.now -= 100_000
    pulls.ask(pulls.begin(), "a")


@pytest.mark.sqlite
def test_rubbish_in_its_file_and_a_home_that_cannot_be_written_stop_nothing(pulls: Pulls) -> None:
    folder = pulls.home / "breakers"
    folder.mkdir()
    (folder / "x-host.json").write_text("{torn")
    breaker = pulls.begin()
    pulls.ask(breaker, "a")
    folder.rmdir()
    folder.write_text("in the way")
    pulls.fail(breaker, "a", "b", "c", "d")


def test_streams_that_come_during_a_trial_wait_for_its_outcome(pulls: Pulls) -> None:
    pulls.fail(pulls.begin(), "a", "b", "c")
    breaker = pulls.begin()
    trying, go_on = threading.Event(), threading.Event()
    done: list[str] = []

    def trial() -> None:
        trying.set()
        assert go_on.wait(60)
        done.append("trial")

    first = threading.Thread(target=lambda: breaker.call("a", trial))
    first.start()
    assert trying.wait(60)
    second = threading.Thread(target=lambda: breaker.call("b", lambda: done.append("other")))
    second.start()
    go_on.set()
    first.join(60)
    second.join(60)
    assert done == ["trial", "other"]
