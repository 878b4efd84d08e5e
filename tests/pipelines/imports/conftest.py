"""The command, and files of a market to give to it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

import warehouse
from pipelines.cli import main
from sandbox.binance import dump
from tests.pipelines.ingest.reference_model import table

Row = tuple[object, ...]
Import = Callable[..., "Outcome"]


@dataclass(frozen=True)
class Outcome:
    """What one call of the command said."""

    code: int
    out: str
    err: str


@pytest.fixture
def run(home: Path, capsys: pytest.CaptureFixture[str]) -> Import:
    """``run(paths…, market="BTC-USDT", exchange="binance", "--dry-run")``."""

    def call(*words: object, market: str = "BTC-USDT", exchange: str = "binance") -> Outcome:
        capsys.readouterr()
        given = ["import", *map(str, words), "--exchange", exchange, "--market", market]
        code = main(given)
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return Outcome(code, said.out, said.err)

    return call


def line(number: int, ms: int | None = None, price: str = "61000.5", amount: str = "0.1") -> str:
    """A trade as Binance Vision writes it."""
    at = 1_723_161_600_000 + number if ms is None else ms
    return f"{number},{price},{amount},1.0,{at},True,True"


def vision(folder: Path, lines: Iterable[str], name: str = "BTCUSDT-trades-2024-08-09") -> Path:
    """A zip file of Binance Vision with its checksum."""
    path = folder / f"{name}.zip"
    dump.zipped(path, lines)
    return path


def text_file(path: Path, lines: Iterable[str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{one}\n" for one in lines))
    return path


def held(home: Path, columns: str, name: str = "trades") -> list[Row]:
    return table(home, f"SELECT {columns} FROM {name} ORDER BY ALL")


def complete(home: Path, symbol: str = "BTC-USDT") -> list[tuple[int, int]]:
    """The ids that count as complete, both ends inclusive."""
    rows = warehouse.coverage(home).to_pylist()
    return [
        (r["lower"], r["upper"])
        for r in rows
        if (r["dataset"], r["stream"], r["state"]) == ("trades", symbol, "complete")
    ]


def quarantined(home: Path) -> list[str]:
    return [str(reason) for (reason,) in table(home, "SELECT reason FROM quarantine ORDER BY 1")]
