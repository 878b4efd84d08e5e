"""The raw response archive: responses as received, a file per stream and UTC day, only appended to.

``raw/<exchange>/<dataset>/<stream>/<day>.jsonl.zst`` is plain zstd, one frame per response, one
line of JSON in each: ``zstd -dc`` and DuckDB's ``read_json`` read it as it is. Each frame follows a
skippable one (RFC 8878, 3.1.2) with the response's time, the lengths and a checksum, so that
responses are found without decompressing, and records torn by a crash are recognised and skipped.
"""

import base64
import mmap
import os
import struct
import threading
import zlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

import msgspec
import pyarrow as pa

from schemas import StreamId
from schemas.times import to_datetime
from warehouse.errors import StorageError, from_os_error
from warehouse.files import beside, make_folder, sync_folder
from warehouse.locks import exclusive, guarded
from warehouse.paths import parse_stream_name, quoted, stream_name

RAW: Final = "raw"
SUFFIX: Final = ".jsonl.zst"
_LEVEL: Final = 3
_NUMBERS: Final = struct.Struct("<qII")
"""Time (µs), length of the frame, length of the line."""
_CHECKSUM: Final = struct.Struct("<I")
"""CRC-32 of the numbers and the frame."""
_SIZE: Final = _NUMBERS.size + _CHECKSUM.size
_MARK: Final = struct.pack("<II", 0x184D2A5E, _SIZE)
"""Magic and size of the skippable frame."""


class Spot(NamedTuple):
    """Where one response lies in a file. ``at``: when it came, in microseconds since 1970."""

    at: int
    offset: int
    stored: int
    plain: int


@dataclass(frozen=True)
class Scan:
    """What a file holds. ``whole``: its length up to the end of the last whole response.

    ``torn``: bytes after that (a write that broke off); ``damaged``: bytes between responses;
    ``is_last_damaged``: the bytes at the end are as many as a response has, so no write broke off.
    """

    spots: tuple[Spot, ...]
    whole: int
    torn: int
    damaged: int
    is_last_damaged: bool = False


@dataclass(frozen=True)
class RawResponse:
    """One response. ``about``: what was asked, and all besides the body, as JSON values."""

    at: int
    about: Mapping[str, Any]
    body: bytes


class RawWriter:
    """Appends responses. Safe for several threads and processes."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._ends: dict[Path, int] = {}
        self._one_at_a_time = threading.Lock()

    def append(self, stream: StreamId, response: RawResponse) -> None:
        """Put one response on disk. Raises ``StorageError``; the file then is as it was before."""
        path = folder(self._home, stream) / f"{to_datetime(response.at):%Y-%m-%d}{SUFFIX}"
        record = encode(response)
        with self._one_at_a_time, lock(self._home, stream):
            try:
                with guarded(self._home, *_lock_name(stream)):
                    self._append(path, record)
            except OSError as error:
                raise from_os_error(error, "cannot record the response in", path) from error

    def _append(self, path: Path, record: bytes) -> None:
        make_folder(path.parent)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            size = os.fstat(handle).st_size
            if size and self._ends.get(path) != size:
                # cut off what a crash tore, so that the file stays one that every tool reads
                size = scan(path).whole
                os.ftruncate(handle, size)
            try:
                os.lseek(handle, size, os.SEEK_SET)
                left = memoryview(record)
                while left:
                    left = left[os.write(handle, left) :]
                os.fsync(handle)
            except OSError:
                os.ftruncate(handle, size)
                raise
        finally:
            os.close(handle)
        if not size:
            sync_folder(path.parent)
        self._ends[path] = size + len(record)


def encode(response: RawResponse) -> bytes:
    """One record: the skippable frame and the frame."""
    came = f"{to_datetime(response.at):%Y-%m-%dT%H:%M:%S.%fZ}"
    line: dict[str, Any] = {"received_at": came, **response.about}
    try:
        line["body"] = response.body.decode()
    except UnicodeDecodeError:
        line["body_base64"] = base64.b64encode(response.body).decode()
    plain = msgspec.json.encode(line) + b"\n"
    stored: bytes = pa.Codec("zstd", _LEVEL).compress(plain, asbytes=True)
    numbers = _NUMBERS.pack(response.at, len(stored), len(plain))
    return _MARK + numbers + _CHECKSUM.pack(zlib.crc32(stored, zlib.crc32(numbers))) + stored


def scan(path: Path) -> Scan:
    """Find the whole responses of a file, in the order in which they were written."""
    spots: list[Spot] = []
    whole = damaged = 0
    with path.open("rb") as source:
        size = os.fstat(source.fileno()).st_size
        if not size:
            return Scan((), 0, 0, 0)
        with mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ) as content:
            at = content.find(_MARK)
            while at >= 0:
                spot = _spot(content, at)
                if spot is None:
                    at = content.find(_MARK, at + 1)
                    continue
                damaged += at - whole
                spots.append(spot)
                whole = spot.offset + spot.stored
                at = content.find(_MARK, whole)
            is_last_damaged = _is_as_long_as_it_says(content, whole)
    return Scan(tuple(spots), whole, size - whole, damaged, is_last_damaged)


def put_whole(home: Path, stream: StreamId, path: Path, content: bytes, found: Scan) -> bytes:
    """Leave only the whole responses of a file that holds ``content``; what it then holds.

    Called with the lock of ``stream``. Raises ``StorageError``.
    """
    start = len(_MARK) + _SIZE
    kept = b"".join(content[s.offset - start : s.offset + s.stored] for s in found.spots)
    temporary = beside(path)
    try:
        with temporary.open("wb") as sink:
            sink.write(kept)
            sink.flush()
            os.fsync(sink.fileno())
        with guarded(home, *_lock_name(stream)):
            os.replace(temporary, path)
        sync_folder(path.parent)
    except OSError as error:
        raise from_os_error(error, "cannot write", path) from error
    return kept


def lock(home: Path, stream: StreamId) -> AbstractContextManager[None]:
    """The lock under which the responses of a stream are written."""
    return exclusive(home, *_lock_name(stream))


def _lock_name(stream: StreamId) -> tuple[str, ...]:
    return RAW, quoted(stream.exchange), f"{stream.dataset}.{stream_name(stream)}"


def load(path: Path, spot: Spot) -> RawResponse:
    """The response at ``spot``. Raises ``StorageError``."""
    try:
        with path.open("rb") as source:
            source.seek(spot.offset)
            stored = source.read(spot.stored)
        plain = pa.Codec("zstd").decompress(stored, spot.plain, asbytes=True)
        line: dict[str, Any] = msgspec.json.decode(plain)
        text, encoded = line.pop("body", None), line.pop("body_base64", "")
        body = base64.b64decode(encoded) if text is None else text.encode()
        return RawResponse(spot.at, line, body)
    except (OSError, pa.ArrowException, ValueError, AttributeError) as error:
        raise StorageError(
            f"cannot read the response recorded at byte {spot.offset} of {path}: {error}. "
            "Fix: restore the file from a backup"
        ) from error


def folder(home: Path, stream: StreamId) -> Path:
    """Where the responses of a stream lie."""
    return home / RAW / quoted(stream.exchange) / stream.dataset / stream_name(stream)


def days(home: Path, stream: StreamId) -> list[Path]:
    """The files of a stream, oldest day first."""
    return sorted(folder(home, stream).glob(f"*{SUFFIX}"))


def streams(home: Path) -> Iterator[StreamId]:
    """Every stream of which responses are recorded, in alphabetical order."""
    for place in sorted((home / RAW).glob("*/*/*")):
        exchange, dataset, name = place.parts[-3:]
        stream = parse_stream_name(unquote(exchange), dataset, name)
        if stream is not None and place.is_dir() and days(home, stream):
            yield stream


def _spot(content: mmap.mmap, start: int) -> Spot | None:
    begin = start + len(_MARK)
    if begin + _SIZE > len(content):
        return None
    numbers = content[begin : begin + _NUMBERS.size]
    at, stored, plain = _NUMBERS.unpack(numbers)
    (checksum,) = _CHECKSUM.unpack_from(content, begin + _NUMBERS.size)
    begin += _SIZE
    end = begin + stored
    if end > len(content) or zlib.crc32(content[begin:end], zlib.crc32(numbers)) != checksum:
        return None
    return Spot(at, begin, stored, plain)


def _is_as_long_as_it_says(content: mmap.mmap, start: int) -> bool:
    """Whether what begins at ``start`` ends where its own numbers say, at the end of the file."""
    begin = start + len(_MARK)
    if begin + _SIZE > len(content):
        return False
    _, stored, _ = _NUMBERS.unpack(content[begin : begin + _NUMBERS.size])
    return bool(begin + _SIZE + stored == len(content))
