"""Bulk files as Binance Vision has them: trades and candles by day, zipped, with checksums."""

import hashlib
import zipfile
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from sandbox.binance.public import repeated
from sandbox.binance.rows import first_id, native
from sandbox.candles import Candle
from sandbox.clock import DAY, MINUTE
from sandbox.errors import SandboxError
from sandbox.marketdata import MarketTape
from sandbox.markets import UNIT, text
from sandbox.paging import PagingProfile
from sandbox.world import World

MICROSECONDS_FROM: Final = 1_735_689_600_000
"""2025-01-01: times of files from here on are microseconds."""
_TIMEFRAME: Final = "1m"


def write(world: World, folder: Path) -> list[Path]:
    """Write every day that is over, of every market, below ``folder``; the zip files.

    ``spot/daily/trades/BTCUSD/BTCUSD-trades-2026-01-05.zip``, ``…/klines/BTCUSD/1m/…``, each with
    ``.CHECKSUM`` beside it. The same world gives the same bytes. Raises ``SandboxError``.
    """
    now = world.now()
    end = now - now % DAY
    found: list[Path] = []
    for market in world.markets:
        tape, name = world.tapes[market.symbol], native(market)
        if not len(tape) or not market.enabled:
            continue
        candles = world.candles(market.symbol, now, MINUTE, PagingProfile())
        every = repeated(candles, MINUTE, now)
        for day in range(tape.times[0] - tape.times[0] % DAY, end, DAY):
            date = f"{datetime.fromtimestamp(day / 1000, UTC):%Y-%m-%d}"
            rows = [c for c in every if day <= c.time < day + DAY]
            for kind, stem, lines in (
                (f"trades/{name}", f"{name}-trades-{date}", trades(tape, day, day + DAY)),
                (f"klines/{name}/{_TIMEFRAME}", f"{name}-{_TIMEFRAME}-{date}", klines(rows)),
            ):
                path = folder / "spot" / "daily" / kind / f"{stem}.zip"
                try:
                    zipped(path, lines)
                except OSError as error:
                    reason = error.strerror or str(error)
                    raise SandboxError(
                        f"cannot write {path}: {reason}. Fix: name another folder"
                    ) from None
                found.append(path)
    return found


def trades(tape: MarketTape, since: int, until: int) -> Iterator[str]:
    """The lines of the trades from ``since`` on, before ``until`` (milliseconds)."""
    places: Iterable[int] = range(bisect_left(tape.times, since), bisect_left(tape.times, until))
    if not tape.monotonic:
        places = (at for at, ms in enumerate(tape.times) if since <= ms < until)
    for at in places:
        price, amount = tape.texts(at)
        quote = text(tape.prices[at] * tape.amounts[at] // UNIT)  # cut, not rounded
        maker = "False" if tape.buys[at] else "True"
        time = _time(tape.times[at])
        yield f"{first_id(tape) + at},{price},{amount},{quote},{time},{maker},True"


def klines(candles: Iterable[Candle], length: int = MINUTE) -> Iterator[str]:
    """The lines of candles of ``length`` milliseconds."""
    for c in candles:
        figures = ",".join(text(v) for v in (c.open, c.high, c.low, c.close, c.volume))
        closed = int(_time(c.time + length)) - 1
        yield f"{_time(c.time)},{figures},{closed},0,0,0,0,0"


def _time(ms: int) -> str:
    return str(ms if ms < MICROSECONDS_FROM else ms * 1000)


def zipped(path: Path, lines: Iterable[str]) -> None:
    """Write one CSV file of ``lines`` as ``path``, with its checksum beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    member = zipfile.ZipInfo(f"{path.stem}.csv", date_time=(2020, 1, 1, 0, 0, 0))
    member.compress_type = zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, "".join(f"{line}\n" for line in lines))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    path.with_name(f"{path.name}.CHECKSUM").write_text(f"{digest}  {path.name}\n")
