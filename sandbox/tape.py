"""Recorded trades as tapes: read from csv or csv.gz, or made up in bulk for measurements.

Columns, by any of the names in :data:`NAMES`: time (since 1970, in one of :data:`UNITS`), id,
price, amount, and the taker's side (``buy``/``sell``) or whether the buyer was the maker
(``true``/``false``).
"""

import csv
import gzip
import math
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Final

from sandbox.clock import wall_clock
from sandbox.errors import SandboxError
from sandbox.marketdata import MarketTape, exact
from sandbox.markets import UNIT

NAMES: Final[dict[str, tuple[str, ...]]] = {
    "time": ("time_ms", "trade_ms", "timestamp_ms", "time", "timestamp", "date"),
    "id": ("id", "trade_id", "agg_id", "tid"),
    "price": ("price", "rate"),
    "amount": ("amount", "qty", "quantity", "size"),
    "side": ("side", "type"),
    "buyer_is_maker": ("buyer_is_maker", "is_buyer_maker"),
}
"""What a column means, and the header names by which it is known."""

HELP: Final = (
    "csv or csv.gz with a header row; columns: "
    + "; ".join(f"{meaning} ({' or '.join(names)})" for meaning, names in NAMES.items())
    + ". Times in s, ms, µs or ns since 1970, which is recognised; of side and buyer_is_maker one "
    "is enough."
)

UNITS: Final[dict[str, int | Fraction]] = {
    "ms": 1,
    "s": 1000,
    "µs": Fraction(1, 1000),
    "ns": Fraction(1, 1_000_000),
}
"""Milliseconds in each unit of time."""
_EARLIEST: Final = 100_000_000_000
"""Milliseconds: 1973. Times between then and now are of one unit only, whatever their number."""
_LATEST: Final = 86_400_000
"""Milliseconds after now: a recording machine's clock may be ahead."""

_PLAIN: Final = re.compile(r"(0|[1-9]\d*)(\.\d{1,8})?")
_BUYS: Final = {
    "buyer_is_maker": {"true": False, "1": False, "t": False, "false": True, "0": True, "f": True},
    "side": {"buy": True, "bid": True, "sell": False, "ask": False},
}
"""Which words of which column mean that the taker buys; the first one that is there counts."""


def load(path: str | Path, market: str, columns: Mapping[str, str] | None = None) -> MarketTape:
    """The trades of ``path``, in the order of their ids, texts kept exactly.

    ``columns`` maps a meaning (``time``, ``id``, ``price``, ``amount``, ``side``,
    ``buyer_is_maker``) to a header name that is not among the known ones. Raises
    ``SandboxError`` with file, line and the fix.
    """
    rows: list[tuple[int, int | Fraction, int, int, bool, str, str]] = []
    with _open(Path(path)) as file:
        reader = csv.reader(file)
        header = next(reader, None)
        if header is None:
            raise SandboxError(f"tape {path} is empty. Fix: begin it with a header row")
        at = _columns(path, header, columns or {})
        time, ident, price, amount = at["time"], at["id"], at["price"], at["amount"]
        taker, buys = next((at[name], words) for name, words in _BUYS.items() if name in at)
        for row in reader:
            try:
                p, a = row[price], row[amount]
                if not (_PLAIN.fullmatch(p) and _PLAIN.fullmatch(a)):
                    raise ValueError(f"price {p!r}, amount {a!r}: plain decimals, at most 8 places")
                buy = buys[row[taker].lower()]
                rows.append((int(row[ident]), _number(row[time]), exact(p), exact(a), buy, p, a))
            except (ValueError, KeyError, IndexError) as error:
                raise SandboxError(
                    f"tape {path}, line {reader.line_num}: cannot read {','.join(row)[:120]!r} "
                    f"({error}). Fix: correct or remove the line"
                ) from None
    if any(rows[i][0] >= rows[i + 1][0] for i in range(len(rows) - 1)):
        rows.sort(key=lambda row: row[0])
    if not rows:
        raise SandboxError(f"tape {path} holds no trades. Fix: name a file with rows")
    scale = _milliseconds([row[1] for row in rows], header[time].endswith("_ms"))
    if scale is None:
        raise SandboxError(
            f"tape {path}: the times in column {header[time]!r} ({rows[0][1]} to {rows[-1][1]}) "
            "are not all of one unit (s, ms, µs or ns since 1970), or lie in the future. "
            "Fix: correct them"
        )
    tape = MarketTape(market)
    for trade_id, at_time, p_int, a_int, buy, p, a in rows:
        if tape.ids and trade_id == tape.ids[-1]:
            raise SandboxError(f"tape {path}: trade id {trade_id} appears twice")
        try:
            tape.add(trade_id, math.floor(at_time * scale), p_int, a_int, buy, (p, a))
        except OverflowError:
            raise SandboxError(f"tape {path}: trade {trade_id} is too large a number") from None
    return tape


def make(rows: int, market: str = "BTC-USD") -> MarketTape:
    """``rows`` invented trades, quickly: one every 50 ms on average, two thirds share a moment."""
    rng = Random(f"1:{rows}")
    tape = MarketTape(market)
    trade_id, ms, price = 1_000, 1_700_000_000_000, 61_800 * UNIT
    for _ in range(rows):
        bits = rng.getrandbits(32)
        trade_id += 1 + (bits & 7 == 0) * 3
        if bits >> 3 & 3 == 0:
            ms += (bits >> 5 & 511) * 25 // 32
        price = max(UNIT, price + ((bits >> 14 & 255) - 127) * 1_000_000)
        tape.add(trade_id, ms, price, ((bits >> 22) + 1) * 10_000, bool(bits >> 31))
    return tape


def _number(text: str) -> int | Fraction:
    return Fraction(text) if "." in text else int(text)


def _milliseconds(times: list[int | Fraction], said: bool) -> int | Fraction | None:
    """Milliseconds in one unit of ``times``; None where they are of none. ``said``: it is ms."""
    low, high, latest = min(times), max(times), wall_clock() + _LATEST
    for scale in UNITS.values():
        if low * scale >= _EARLIEST and high * scale <= latest:
            return scale
    return 1 if said and 0 <= low <= high <= latest else None


@contextmanager
def _open(path: Path) -> Iterator[Iterable[str]]:
    try:
        with open(path, "rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
        opener = gzip.open if packed else open
        with opener(path, "rt", encoding="utf-8", newline="") as file:
            yield file
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SandboxError(f"tape {path} cannot be read: {reason}") from None


def _columns(path: str | Path, header: list[str], given: Mapping[str, str]) -> dict[str, int]:
    unknown = sorted(set(given) - set(NAMES))
    if unknown:
        raise SandboxError(
            f"no such column meaning: {', '.join(unknown)}. Fix: use one of {', '.join(NAMES)}"
        )
    at = {}
    for meaning, names in NAMES.items():
        wanted = (given[meaning],) if meaning in given else names
        found = next((name for name in wanted if name in header), None)
        if found is not None:
            at[meaning] = header.index(found)
    missing = [m for m in ("time", "id", "price", "amount") if m not in at]
    if "side" not in at and "buyer_is_maker" not in at:
        missing.append("side")
    if missing:
        raise SandboxError(
            f"tape {path} has no column for {', '.join(missing)}; its header is "
            f"{','.join(header)!r}. Fix: name a column one of: "
            + "; ".join(m + ": " + ", ".join(NAMES[m]) for m in missing)
        )
    return at
