"""Bulk files of the sandbox are what its Binance dialect serves, and the same every time."""

import hashlib
import zipfile
from itertools import pairwise
from pathlib import Path

import pytest

from sandbox import ManualClock, SandboxError, World, write_dump
from sandbox.binance import dump
from sandbox.marketdata import MarketTape
from tests.worlds import world_at


def lines(path: Path) -> list[str]:
    with zipfile.ZipFile(path) as archive:
        (member,) = archive.namelist()
        assert member == f"{path.stem}.csv"
        return archive.read(member).decode().splitlines()


def test_past_days_of_every_market(tmp_path: Path) -> None:
    world = world_at(days=2)
    paths = dump.write(world, tmp_path)
    trades = [p for p in paths if p.parent == tmp_path / "spot" / "daily" / "trades" / "BTCUSD"]
    assert paths and len(trades) == len(paths) / (2 * 4)  # trades and candles of four markets
    ids = [int(one.split(",")[0]) for path in sorted(trades) for one in lines(path)]
    assert ids == list(range(1, len(ids) + 1))
    for path in paths:
        said = path.with_name(path.name + ".CHECKSUM").read_text()
        assert said == f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
    candles = next(p for p in paths if p.name.startswith("BTCUSD-1m-"))
    opened = [int(one.split(",")[0]) for one in lines(candles)]
    assert {b - a for a, b in pairwise(opened)} == {60_000_000}


def test_the_same_world_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        dump.write(world_at(days=1), tmp_path / name)
    found = [
        {p.relative_to(tmp_path / n): p.read_bytes() for p in (tmp_path / n).rglob("*.zip")}
        for n in ("a", "b")
    ]
    assert found[0] == found[1] != {}


def test_microseconds_from_2025_on(tmp_path: Path) -> None:
    tape = MarketTape("BTC-USD")
    for number, ms in enumerate((dump.MICROSECONDS_FROM - 1, dump.MICROSECONDS_FROM), 7):
        tape.add(number, ms, 10**8, 10**8, number == 7)
    clock = ManualClock(dump.MICROSECONDS_FROM + 2 * 86_400_000)
    paths = dump.write(World.replay({"BTC-USD": tape}, clock), tmp_path)
    old, new = [lines(p) for p in paths if "trades" in p.name][:2]
    assert old == ["7,1.00000000,1.00000000,1.00000000,1735689599999,False,True"]
    assert new == ["8,1.00000000,1.00000000,1.00000000,1735689600000000,True,True"]


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "spot").write_text("")
    with pytest.raises(SandboxError, match="Fix: name another folder"):
        write_dump(tmp_path)
