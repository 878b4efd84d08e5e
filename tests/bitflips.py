"""Flip single bits in a home, one at a time, and see what ``verify`` says of each.

``python -m tests.bitflips --flips 1000 --seed 1``; with ``--start 500`` only what comes after the
first 500 of them. A flip is *found* (and healed, or named), or it
is *harmless*: every reader gives the right values. What is neither is *unseen*, and a failure. So
is whatever ``verify``, ``rebuild``, ``status`` and a pull's writer raise beyond ``StorageError``,
and a right value that is gone after the printed advice was followed.
"""

import argparse
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import warehouse
from schemas import DATASETS, RejectedRow, StreamId
from tests.warehouse.healthy import flip
from tests.warehouse.tools import (
    CANDLES,
    DAY,
    FILLS,
    NOON,
    TICKERS,
    TRADES,
    TRANSFERS,
    bag,
    duck,
    lake,
    row,
    store,
)
from warehouse import raw
from warehouse.coverage_table import coverage_rows
from warehouse.intervals import Interval
from warehouse.metastore import Metastore
from warehouse.raw import RawResponse, RawWriter
from warehouse.state import StreamState

PLACES = ("lake", "metastore.sqlite", "raw", "versions")
Rows = dict[str, "Counter[tuple[tuple[str, str], ...]]"]


@dataclass
class Figures:
    """How many flips there were of which outcome, by place; what must not be."""

    outcomes: "Counter[tuple[str, str]]" = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)


def fill(home: Path) -> None:
    """Rows of several datasets, coverage, responses; all published and verified."""
    for stream in (TRADES, StreamId("x", "trades", "ETH-USD")):
        rows = [row(stream, k, NOON + k * DAY // 40) for k in range(120)]
        run = Interval(0, 120, 0, 119, NOON, NOON + 119 * DAY // 40)
        state = StreamState((run,), newest_at=run.last_at, checked_at=run.last_at)
        store(home, stream, rows, state=state, rejected=[RejectedRow("odd", '{"id": "x"}')])
    for stream in (FILLS, TICKERS):
        store(home, stream, [row(stream, k) for k in range(50)])
    store(home, TRANSFERS, [row(TRANSFERS, k, transaction_id=str(k)) for k in range(20)])
    low = NOON - NOON % DAY
    candles = [row(CANDLES, 0, low + k * 300_000_000) for k in range(100)]
    covered = Interval(low, low + 100 * 300_000_000, low, low + 99 * 300_000_000, low)
    newest = low + 99 * 300_000_000
    store(home, CANDLES, candles, state=StreamState((covered,), unit="time", newest_at=newest))
    writer = RawWriter(home)
    for number in range(30):
        body = repr([number] * 50).encode()
        writer.append(TRADES, RawResponse(NOON + number, {"path": "/trades"}, body))
    warehouse.publish(home)
    assert warehouse.verify(home).ok
    Metastore(home).close()


def lake_rows(home: Path) -> Rows:
    return {name: bag(lake(home, name)) for name in DATASETS}


def duck_rows(home: Path) -> Rows:
    return {name: bag(duck(home, name)) for name in (*DATASETS, "coverage")}


def responses(home: Path) -> list[RawResponse]:
    """The archive as its reader gives it. Raises ``ValueError`` where it reports damage."""
    found = []
    for stream in raw.streams(home):
        for path in raw.days(home, stream):
            scan = raw.scan(path)
            if scan.torn or scan.damaged:
                raise ValueError("torn or damaged")
            found += [raw.load(path, spot) for spot in scan.spots]
    return found


def coverage(home: Path) -> set[tuple[object, ...]]:
    metastore = Metastore(home)
    try:
        rows = coverage_rows(metastore).drop_columns(["ingested_at"]).to_pylist()
        return {tuple(r.values()) for r in rows}
    finally:
        metastore.close()


def bitflips(
    folder: Path,
    flips: int,
    seed: int,
    places: Iterable[str] = PLACES,
    report: Callable[[str], None] = lambda _: None,
    start: int = 0,
) -> Figures:
    """Flip ``flips`` bits, spread evenly over ``places``, each in a home of its own.

    The first ``start`` are left out; the others are the same without them.
    """
    figures = Figures()
    sound = folder / "sound"
    sound.mkdir()
    fill(sound)
    wanted = Wanted(lake_rows(sound), duck_rows(sound), responses(sound), coverage(sound))
    chosen = list(places)
    for number in range(start, flips):
        rng = random.Random(f"{seed}/{number}")
        home = folder / "home"
        shutil.copytree(sound, home, symlinks=True)
        place = chosen[number % len(chosen)]
        files = _files(home, place)
        path = rng.choices(files, [f.stat().st_size for f in files])[0]
        at, bit = _position(rng, path), rng.randrange(8)
        flip(path, at, bit)
        name = f"{path.relative_to(home)} byte {at} bit {bit}"
        known = len(figures.failures)
        outcome = _outcome(home, wanted, name, figures)
        figures.outcomes[place, outcome] += 1
        shutil.rmtree(home)
        report(f"{number + 1}: {outcome}: {name}")
        for failure in figures.failures[known:]:
            report(f"  {failure}")
    return figures


@dataclass(frozen=True)
class Wanted:
    """What readers gave before the flip."""

    lake: Rows
    duck: Rows
    responses: list[RawResponse]
    coverage: set[tuple[object, ...]]


def _files(home: Path, place: str) -> list[Path]:
    if place == "versions":
        return [(home / warehouse.LINK).resolve()]
    found = [home / place] if (home / place).is_file() else sorted((home / place).rglob("*"))
    return [p for p in found if p.is_file()]


def _position(rng: random.Random, path: Path) -> int:
    """Any byte; three times of four one that is not 0, of which databases have whole pages."""
    content = path.read_bytes()
    at = rng.randrange(len(content))
    if rng.random() < 0.75:
        for _ in range(1000):
            if content[at]:
                break
            at = rng.randrange(len(content))
    return at


def _outcome(home: Path, wanted: Wanted, name: str, figures: Figures) -> str:
    harmless = _is_harmless(home, wanted, name, figures)
    try:
        result = warehouse.verify(home)
    except warehouse.StorageError as error:
        figures.failures.append(f"{name}: verify ended with {error}")
        return "ended"
    except Exception as error:
        figures.failures.append(f"{name}: verify raised {error!r}")
        return "CRASHED"
    outcome = "unseen"
    if result.of("error"):
        outcome = "found"
    elif result.of("healed"):
        outcome = "healed"
    elif harmless:
        outcome = "harmless"
    if outcome == "unseen":
        figures.failures.append(f"{name}: UNSEEN")
    if not result.ok:
        _follow_advice(home, name, figures)
    _compare(home, wanted, name, figures)
    return outcome


def _is_harmless(home: Path, wanted: Wanted, name: str, figures: Figures) -> bool:
    """Whether readers give what they gave; those that need no metastore must not crash either."""
    try:
        with suppress(warehouse.StorageError):
            warehouse.status(home)
        same = coverage(home) == wanted.coverage
    except warehouse.StorageError:
        return False
    except Exception as error:
        figures.failures.append(f"{name}: status raised {error!r}")
        return False
    try:
        return (
            same
            and lake_rows(home) == wanted.lake
            and duck_rows(home) == wanted.duck
            and responses(home) == wanted.responses
        )
    except Exception:  # whatever a reader raises is its report
        return False


def _follow_advice(home: Path, name: str, figures: Figures) -> None:
    try:
        if not warehouse.rebuild(home).ok:
            figures.failures.append(f"{name}: not healed by rebuild")
    except Exception as error:
        figures.failures.append(f"{name}: rebuild raised {error!r}")


def _compare(home: Path, wanted: Wanted, name: str, figures: Figures) -> None:
    """Afterwards: every row that was right is there, and nothing is claimed that was not."""
    try:
        if lake_rows(home) != wanted.lake:
            figures.failures.append(f"{name}: the lake has other rows")
        found = duck_rows(home)
        for table, rows in wanted.duck.items():
            if found[table] != rows and table != "coverage":
                figures.failures.append(f"{name}: DuckDB has other rows in {table}")
        more = {c for c in coverage(home) - wanted.coverage if c[-1] == "complete"}
        if more:
            figures.failures.append(f"{name}: claims {more}")
        left = [r for r in responses(home) if r not in wanted.responses]
        if left:
            figures.failures.append(f"{name}: responses that never were")
        store(home, TRADES, [row(TRADES, 1000, NOON + DAY)])
        if not warehouse.verify(home).ok:
            figures.failures.append(f"{name}: verify finds more after a commit")
    except Exception as error:
        figures.failures.append(f"{name}: afterwards {error!r}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flips", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--place", action="append", choices=PLACES)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = bitflips(
            Path(folder),
            asked.flips,
            asked.seed,
            asked.place or PLACES,
            lambda line: print(line, flush=True),
            asked.start,
        )
    for (place, outcome), number in sorted(figures.outcomes.items()):
        print(f"{place}: {number} {outcome}")
    print(f"failures: {len(figures.failures)}")
    for failure in figures.failures:
        print(f"  {failure}")
    return 1 if figures.failures else 0


if __name__ == "__main__":
    sys.exit(main())
