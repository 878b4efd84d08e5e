"""Rows to store, and the lake and the database as a plain reader sees them."""

import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

import warehouse
from schemas import DATASETS, RejectedRow, StreamId, dataset
from warehouse.costs import cost
from warehouse.intervals import Interval, Unshown
from warehouse.metastore import Metastore
from warehouse.metastore_backend import MARKER
from warehouse.metastore_file import FILE_NAME
from warehouse.recovery import is_changed
from warehouse.state import StreamState
from warehouse.store import Committed, Store

DAY = 86_400_000_000
NOON = int(datetime(2024, 8, 8, 12, tzinfo=UTC).timestamp()) * 1_000_000
"""Microseconds of 2024-08-08T12:00Z."""
TRADES = StreamId("x", "trades", "BTC-USD")
CANDLES = StreamId("x", "candles", "BTC-USD", timeframe="5m")
HOURLY = StreamId("x", "candles", "BTC-USD", timeframe="1h")
TICKERS = StreamId("x", "tickers")
FILLS = StreamId("x", "account_trades", account="main")
TRANSFERS = StreamId("x", "account_transactions", account="main")
STREAMS = (TRADES, CANDLES, TICKERS, FILLS, TRANSFERS)

Row = dict[str, Any]


def moment(us: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)


def row(stream: StreamId, key: int, time: int | None = None, **changes: Any) -> Row:
    """A whole row of ``stream`` without its path columns; ``key`` makes it unique."""
    at = moment(NOON + key if time is None else time)
    price = Decimal(100 + key % 7)
    match stream.dataset:
        case "trades":
            made: Row = {
                "trade_id": str(key),
                "timestamp": at,
                "side": "buy",
                "price": price,
                "amount": Decimal("0.5"),
            }
        case "candles":
            made = {"timeframe": stream.timeframe, "timestamp": at, "is_final": True}
            made |= dict.fromkeys(("open", "high", "low", "close", "volume"), price)
        case "tickers":
            made = {"symbol": "BTC-USD", "observed_at": at, "timestamp": at, "last": price}
        case "account_trades":
            made = {"symbol": "BTC-USD", "trade_id": str(key), "timestamp": at, "side": "sell"}
            made |= {"price": price, "amount": Decimal(1)}
        case "account_transactions":
            made = {"transaction_id": f"t{key}", "timestamp": at, "type": "deposit"}
            made |= {"currency": "BTC", "amount": price, "status": "pending", "description": ""}
        case other:
            raise KeyError(other)
    made |= changes
    declared = dataset(stream.dataset)
    if "cost" in declared.computed:
        price, amount = made["price"], made["amount"]
        made["cost"] = None if price is None or amount is None else cost(price, amount)
    return dict.fromkeys(declared.file_schema.names[:-1]) | made


def table(stream: StreamId, rows: Sequence[Row]) -> pa.Table:
    """Rows as a connector hands them over."""
    schema = dataset(stream.dataset).file_schema
    return pa.Table.from_pylist(list(rows), schema=schema.remove(len(schema) - 1))


def ids(*bounds: tuple[int, int]) -> StreamState:
    """A state in which the id ranges ``bounds`` (half-open) are proved."""
    return StreamState(tuple(Interval(low, high, low, high - 1, NOON) for low, high in bounds))


def lost(*bounds: tuple[int, int]) -> tuple[Unshown, ...]:
    """Stretches that count as lost."""
    return tuple(Unshown(low, high, NOON, NOON, 2, True) for low, high in bounds)


def store(
    home: Path,
    stream: StreamId,
    *parts: Iterable[Row],
    state: StreamState | None = None,
    rejected: Sequence[RejectedRow] = (),
) -> Committed:
    """One commit by a writer of its own, as a pull makes it."""
    rows = [table(stream, list(part)) for part in parts]
    with Store(home).open_stream(stream) as writer:
        return writer.commit(rows, state or writer.state(), rejected)


def copy_home(source: Path, target: Path) -> None:
    """A copy of a home, with a metastore of its own: its marker names that of ``source``."""
    shutil.copytree(source, target, symlinks=True)
    if (target / MARKER).exists():
        from warehouse.metastore_postgres import open_backend

        open_backend(source).copy_to(target / FILE_NAME)
        (target / MARKER).unlink()
        Metastore(target).close()  # it is moved


def parquet(home: Path) -> list[Path]:
    """What any reader's ``**/*.parquet`` finds."""
    return sorted((home / "lake").rglob("*.parquet"))


def lake(home: Path, name: str) -> list[Row]:
    """All rows of a dataset read file by file, path columns included, without ``ingested_at``."""
    paths = sorted((home / "lake" / name).rglob("*.parquet"))
    return [row for path in paths for row in rows_of_file(path)]


def hive(path: Path) -> dict[str, str]:
    """The columns that the path of a file of the lake gives: ``exchange=wex`` and the like."""
    pairs = (part.partition("=") for part in path.parts[path.parts.index("lake") + 2 : -1])
    return {k: unquote(v) for k, _, v in pairs}


def rows_of_file(path: Path) -> list[Row]:
    """All rows of one file of the lake, path columns included, without ``ingested_at``."""
    with path.open("rb") as source:
        rows = pq.read_table(source).drop_columns(["ingested_at"]).to_pylist()
    return [hive(path) | row for row in rows]


def duck(home: Path, name: str) -> list[Row]:
    """All rows of a table as published, without ``ingested_at``."""
    return list(
        warehouse.sql(f'SELECT * EXCLUDE (ingested_at) FROM "{name}"', home=home).to_pylist()
    )


def bag(rows: Iterable[Row]) -> "Counter[tuple[tuple[str, str], ...]]":
    """Rows as a multiset of exact text, whatever their order; a null is as good as no column."""
    return Counter(
        tuple(sorted((k, repr(_plain(v))) for k, v in r.items() if v is not None)) for r in rows
    )


def _plain(value: object) -> object:
    if isinstance(value, Decimal):  # -0 is the same number, and so is one with more zeros
        return abs(value.normalize()) if not value else value.normalize()
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value


def everything(home: Path) -> dict[str, "Counter[tuple[tuple[str, str], ...]]"]:
    """The lake's rows by dataset; of quarantine without the moment of the rejection."""
    found = {}
    for name in DATASETS:
        rows = lake(home, name)
        for one in rows:
            if name == "quarantine":
                del one["observed_at"]
        found[name] = bag(rows)
    return found


def assert_each_once(home: Path) -> None:
    """No key twice, over all files of a dataset."""
    for declared in DATASETS.values():
        keys = Counter(tuple(r[k] for k in declared.key) for r in lake(home, declared.name))
        assert [k for k, n in keys.items() if n > 1] == [], declared.name


def assert_recorded(home: Path, *streams: StreamId) -> None:
    """The metastore's files of ``streams`` (else all) are those on disk, as they are."""
    metastore = Metastore(home)
    records = [r for s in (streams or metastore.all_streams()) for r in metastore.files(s)]
    if not streams:
        assert {r.path for r in records} == {p.relative_to(home).as_posix() for p in parquet(home)}
    for record in records:
        path = home / record.path
        assert not is_changed(path, record)
        with path.open("rb") as source:
            assert pq.read_metadata(source).num_rows == record.rows


def assert_published(home: Path) -> None:
    """Publish; afterwards DuckDB holds just what the lake holds."""
    warehouse.publish(home)
    with warehouse.connect(home) as db:
        for name in DATASETS:
            found = db.sql(f'SELECT * EXCLUDE (ingested_at) FROM "{name}"').to_arrow_table()
            assert bag(found.to_pylist()) == bag(lake(home, name)), name
