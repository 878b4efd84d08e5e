"""One nonce sequence per key, for every process, home and program that uses the key."""

import json
import threading
from pathlib import Path

import pytest

from pipelines.exchanges.nonces import HomeNonces
from pipelines.exchanges.state_dir import place_name
from tests.pipelines.ingest.processes import started
from warehouse.errors import StorageError


def take(nonces: HomeNonces, at_least: int) -> int:
    with nonces.next(at_least) as nonce:
        return nonce


def test_it_rises_also_when_the_clock_steps_back(tmp_path: Path) -> None:
    clocks = (100, 100, 50, 200, 0)
    assert [take(HomeNonces(tmp_path, "key"), c) for c in clocks] == [100, 101, 102, 200, 201]


def test_homes_of_one_user_share_it_and_a_lost_file_costs_nothing(tmp_path: Path) -> None:
    shared = tmp_path / "user"
    one, two = (HomeNonces(tmp_path / name, "key", shared) for name in ("one", "two"))
    assert [take(one, 10), take(two, 5), take(one, 5)] == [10, 11, 12]
    (shared / "nonces" / "key").unlink()
    assert take(one, 5) == 13
    (tmp_path / "one" / "nonces" / "key").write_bytes(b"")  # torn by a power loss
    assert take(one, 5) == 14
    (tmp_path / "one" / "nonces" / "key").write_bytes(b"longer than any nonce is, and none")
    assert take(one, 5) == 15
    assert (tmp_path / "one" / "nonces" / "key").read_bytes() == b"15"
    assert take(HomeNonces(tmp_path / "one", "another", shared), 5) == 5


def test_it_jumps_above_what_another_program_used(tmp_path: Path) -> None:
    nonces = HomeNonces(tmp_path, "key")
    assert [take(nonces, at_least) for at_least in (501, 400, 901, 1)] == [501, 502, 901, 902]


def test_without_the_users_folder_the_home_serves(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    nonces = HomeNonces(tmp_path, "key", blocked)
    assert [take(nonces, 7), take(nonces, 7)] == [7, 8]
    with pytest.raises(StorageError, match="cannot lock"):
        take(HomeNonces(blocked, "key"), 1)


def test_an_error_of_the_request_lets_it_go(tmp_path: Path) -> None:
    nonces = HomeNonces(tmp_path, "key")
    with pytest.raises(ConnectionError), nonces.next(1):
        raise ConnectionError("the request's own, not the lock's")
    assert take(nonces, 1) == 2


def test_a_request_holds_it_against_other_threads(tmp_path: Path) -> None:
    one, two = HomeNonces(tmp_path, "key"), HomeNonces(tmp_path, "key")
    order: list[str] = []
    with one.next(1):

        def second() -> None:
            take(two, 1)
            order.append("second")

        other = threading.Thread(target=second)
        other.start()
        order.append("first")
    other.join(60)
    assert order == ["first", "second"]


def test_processes_share_it_and_a_killed_one_leaves_no_lock(tmp_path: Path) -> None:
    home, shared = str(tmp_path), str(tmp_path / "shared")
    other_home = str(tmp_path / "other")
    commands = [["nonces", h, shared, "60"] for h in (home, home, other_home)]
    with (
        started(["hold", "nonce", home], env={}) as (killed,),
        started(*commands, env={}) as others,
    ):
        for other in others:
            other.go()  # they wait for the first, which holds the sequence
        killed.kill()
        taken = [json.loads(other.finish()[1]) for other in others]
    every = sorted(nonce for one in taken for nonce in one)
    assert every == list(range(100, 280))
    assert all(one == sorted(one) for one in taken)


def test_a_name_tells_keys_and_places_apart_and_no_key() -> None:
    names = [
        place_name("wex", "https://wex.link", "secret-key"),
        place_name("wex", "https://wex.link", "other-key"),
        place_name("wex", "http://127.0.0.1:8000", "secret-key"),
        place_name("wex", "https://wex.link"),
    ]
    assert len(set(names)) == 4
    assert names[3] == "wex-wex.link"
    assert "secret" not in "".join(names)
