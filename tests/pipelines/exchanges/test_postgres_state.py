"""Rate limits and nonces of workers on several machines: each with connections of its own."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from connectors.pace import SECOND, Allowance
from pipelines.exchanges.postgres_state import PostgresLimits, PostgresNonces, PostgresTexts
from tests.postgres import Dropping, Server
from warehouse.home import METASTORE
from warehouse.leases import pool_of_home
from warehouse.metastore import Metastore
from warehouse.postgres import Pool, address_of

pytestmark = pytest.mark.engines


@pytest.fixture
def pool(postgres: Server, home: Path, monkeypatch: pytest.MonkeyPatch) -> Pool:
    monkeypatch.setenv(METASTORE, postgres.url)
    Metastore(home).close()
    return pool_of_home(home)


def _worker(pool: Pool, url: str) -> Pool:
    """What another machine has."""
    return Pool(address_of(url), pool.schema)


def _together(workers: int, work: Callable[[int], None]) -> None:
    failures: list[BaseException] = []

    def guarded(number: int) -> None:
        try:
            work(number)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(n,)) for n in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures


def test_calls_of_all_workers_are_spaced_when_they_are_sent(pool: Pool, postgres: Server) -> None:
    allowance, calls, left = Allowance(50), 12, list[int]()
    proxy = Dropping(postgres.url, delay=0.004)  # one of them is far away

    def work(number: int) -> None:
        mine = _worker(pool, proxy.url if number == 0 else postgres.url)
        limits = PostgresLimits(mine)
        for _ in range(calls):
            limits.wait("spaced", allowance)
            left.append(time.monotonic_ns())
            limits.sent("spaced", allowance)
        mine.close()

    _together(3, work)
    proxy.close()
    assert len(left) == 3 * calls
    left.sort()
    for first, tenth in zip(left, left[9:], strict=False):
        late = 2 * SECOND / 50  # a call may leave late, on a busy machine or a long way
        assert tenth - first > 9 * SECOND / 50 - late
    assert left[-1] - left[0] > (3 * calls - 1) * SECOND / 50


def test_a_hold_is_for_all_workers(pool: Pool, postgres: Server) -> None:
    slept: list[float] = []
    PostgresLimits(pool).hold("held", 100)
    other = _worker(pool, postgres.url)

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        raise TimeoutError

    with pytest.raises(TimeoutError):
        PostgresLimits(other, sleep).wait("held", Allowance(1000))
    assert 99 < slept[0] <= 100
    PostgresLimits(other, sleep).wait("another", Allowance(1000))
    other.close()


def test_no_nonce_is_given_twice_and_each_is_answered_before_the_next(
    pool: Pool, postgres: Server
) -> None:
    given: list[int] = []
    under_way: list[int] = []

    def work(_: int) -> None:
        mine = _worker(pool, postgres.url)
        nonces = PostgresNonces(mine, "key")
        for _ in range(20):
            with nonces.next(5) as nonce:
                under_way.append(nonce)
                assert len(under_way) == 1
                given.append(nonce)
                under_way.clear()
        mine.close()

    _together(3, work)
    assert given == [*range(5, 65)]
    with PostgresNonces(pool, "key").next(1000) as nonce:
        assert nonce == 1000
    with PostgresNonces(pool, "another").next(1) as nonce:
        assert nonce == 1


def test_a_nonce_of_who_was_cut_off_is_not_given_again(pool: Pool, postgres: Server) -> None:
    mine = _worker(pool, postgres.url)
    first = PostgresNonces(mine, "cut off").next(7)
    assert first.__enter__() == 7
    ending = (
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks"
        " WHERE locktype = 'advisory' AND pid <> pg_backend_pid()"
    )
    pool.run(lambda db: db.execute(ending))
    with PostgresNonces(pool, "cut off").next(7) as nonce:
        assert nonce == 8
    first.__exit__(None, None, None)
    with PostgresNonces(pool, "cut off").next(7) as nonce:
        assert nonce == 9


def test_texts(pool: Pool) -> None:
    texts = PostgresTexts(pool)
    assert texts.read("a") is None and texts.names() == []
    texts.write("b", b"{}")
    texts.write("a", b"1")
    texts.write("a", b"2")
    assert texts.names() == ["a", "b"] and texts.read("a") == b"2"
    texts.remove("a")
    texts.remove("a")
    assert texts.names() == ["b"]


def test_who_waits_for_a_nonce_waits_on_where_its_session_ends(
    pool: Pool, postgres: Server
) -> None:
    given: list[int] = []
    mine = _worker(pool, postgres.url)

    def work() -> None:
        with PostgresNonces(mine, "waited for").next(1) as nonce:
            given.append(nonce)

    def waiting() -> int:
        """The session that waits for a lock, once there is one."""
        query = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        while True:
            found = pool.run(lambda db: db.execute(query).fetchall())
            if found:
                return int(found[0][0])

    waiter = threading.Thread(target=work)
    with PostgresNonces(pool, "waited for").next(1) as nonce:
        given.append(nonce)
        waiter.start()
        first = waiting()
        pool.run(lambda db: db.execute(f"SELECT pg_terminate_backend({first}, 5000)".encode()))
        assert waiting() != first
    waiter.join()
    mine.close()
    assert given == [1, 2]
