"""Files as streams of bytes: archives and their members, compression, checksums, broken-off ends.

Nothing is read whole, but for the directory of a zip file.
"""

import hashlib
import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipelines.output.formatting import with_fix
from schemas import ConfigError, TidemarkError

_CHUNK: Final = 1 << 20
_LONGEST_LINE: Final = 1 << 20
_LOCAL: Final = b"PK\x03\x04"
_GZIP: Final = b"\x1f\x8b"
_LOCAL_SIZE: Final = 30
CHECKSUM: Final = ".CHECKSUM"
_BAD_ZIP: Final = (
    *(zipfile.BadZipFile, lzma.LZMAError),
    *(RuntimeError, ValueError, EOFError, OverflowError),
)
"""What ``zipfile`` raises for archives that are damaged, encrypted or of another kind."""
_SHA256: Final = re.compile(r"\b[0-9a-fA-F]{64}\b")
_AGAIN: Final = "download the file again"


class FileError(TidemarkError):
    """A file that cannot be imported, or not whole: what, where, and the fix."""


class UnknownFormatError(FileError):
    """A file that is none of bulk data; in a folder of such files it is left out."""


@dataclass(frozen=True)
class Source:
    """One table of rows: a file, or a member of a zip archive.

    ``packed``: ``gzip``, ``zip``, ``torn zip`` (its directory, at the end, is missing), or empty.
    """

    path: Path
    member: str = ""
    packed: str = ""
    number: int = 0
    """Of the member: an archive may have several of one name."""

    @property
    def name(self) -> str:
        """The name that says what it holds, without the suffix of a compression."""
        return Path(self.member or self.path).name.removesuffix(".gz").removesuffix(".zip")

    @property
    def label(self) -> str:
        """How messages name it."""
        alone = not self.member or Path(self.member).stem == self.path.stem
        return self.path.name if alone else f"{self.path.name}/{self.member}"

    def head(self, size: int = 1 << 16) -> bytes:
        """Its first bytes, unpacked."""
        found = b""
        for chunk in self.chunks():
            found += chunk
            if len(found) >= size:
                break
        return found[:size]

    def chunks(self, torn: "Torn | None" = None) -> Iterator[bytes]:
        """Its bytes, unpacked. ``torn`` is marked where it ends too early.

        Raises ``FileError`` where it cannot be read or is damaged.
        """
        torn = torn or Torn()
        try:
            yield from _READERS[self.packed](self, torn)
        except (OSError, zlib.error, *_BAD_ZIP) as e:
            reason = getattr(e, "strerror", None) or str(e)
            raise FileError(with_fix(f"{self.path} cannot be read: {reason}", _AGAIN)) from None


@dataclass
class Torn:
    """Whether a compressed file ends before its own end."""

    early: bool = False


@dataclass(frozen=True)
class Content:
    """What one reading of a file shows. ``size``: bytes, unpacked. ``digest``: SHA-256 of the file,
    ``content``: of what it holds, unpacked. ``verified``: whether a checksum beside it agrees
    (``None``: there is none). ``torn``: it breaks off.
    """

    size: int
    digest: str
    content: str
    verified: bool | None
    torn: bool


def sources(path: Path) -> list[Source]:
    """What ``path`` holds: itself, or the members of a zip archive. Raises ``ConfigError``."""
    if path.exists() and not path.is_file():  # a pipe waits for a writer, and is read but once
        raise ConfigError(
            with_fix(f"cannot read {path}: it is no file", "write its rows to a file, name that")
        )
    try:
        with path.open("rb") as file:
            start = file.read(4)
    except OSError as error:
        raise ConfigError(
            with_fix(f"cannot read {path}: {error.strerror or error}", "name a file that exists")
        ) from None
    if start.startswith(_GZIP):
        return [Source(path, packed="gzip")]
    if start != _LOCAL:
        return [Source(path)]
    try:
        with zipfile.ZipFile(path) as archive:
            members = [*enumerate(archive.infolist())]
    except _BAD_ZIP:
        return [Source(path, packed="torn zip")]
    return [
        Source(path, one.filename, "zip", number)
        for number, one in members
        if not (one.is_dir() or is_beside(one.filename))
    ]


def is_beside(name: str) -> bool:
    """Whether a file of this name only stands beside files of rows: a checksum, macOS' notes."""
    path = Path(name)
    return name.endswith(CHECKSUM) or path.name.startswith(".") or "__MACOSX" in path.parts


def inspect(
    source: Source, on_bytes: Callable[[int], None] | None = None, *, verify: bool = True
) -> Content:
    """Read ``source`` once, before a row of it is used.

    So a damaged file stores nothing: a zip member and a gzip file carry a checksum of their own,
    and ``NAME.CHECKSUM`` beside the file holds its SHA-256. Raises ``FileError`` where one does not
    agree, unless ``verify`` is false (for ``NAME.CHECKSUM``).
    """
    try:
        with source.path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise FileError(
            with_fix(f"cannot read {source.path}: {error.strerror or error}", _AGAIN)
        ) from None
    verified = _compared(source.path, digest) if verify else None
    if not source.packed:
        return Content(source.path.stat().st_size, digest, digest, verified, torn=False)
    torn, content, size = Torn(), hashlib.sha256(), 0
    for chunk in source.chunks(torn):
        content.update(chunk)
        size += len(chunk)
        if on_bytes is not None:
            on_bytes(size)
    return Content(size, digest, content.hexdigest(), verified, torn.early)


def _compared(path: Path, digest: str) -> bool | None:
    beside = path.with_name(path.name + CHECKSUM)
    try:
        said = _SHA256.findall(beside.read_text(encoding="utf-8", errors="replace"))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise FileError(
            with_fix(
                f"cannot read {beside}: {error.strerror or error}",
                "put the checksum there; --ignore-checksum imports the file without it",
            )
        ) from None
    if not said:
        raise FileError(
            with_fix(
                f"{beside} holds no SHA-256: nothing of {path.name} is imported",
                "put the file's checksum there; --ignore-checksum imports the file without it",
            )
        )
    if digest not in {one.lower() for one in said}:  # a list may name other files, too
        raise FileError(
            with_fix(
                f"{path} does not have the checksum that {beside.name} says: nothing of it is "
                "imported",
                f"{_AGAIN}, with its checksum; --ignore-checksum imports it as it is",
            )
        )
    return True


class Lines(io.RawIOBase):
    """Whole lines of text as a file to read from; what stands behind the last line end is ``rest``.

    A line without an end may be the beginning of a longer one. A byte order mark is left out; bytes
    that are no UTF-8 become escapes.
    ``read_bytes``: how many bytes were handed out.
    """

    def __init__(self, chunks: Iterator[bytes], label: str) -> None:
        self._chunks = chunks
        self._label = label
        self._left = memoryview(b"")
        self.rest = b""
        self.read_bytes = 0
        self._started = False
        self._blank = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        while not self._left:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            if not self._started:
                self._started = True
                chunk = chunk.removeprefix(b"\xef\xbb\xbf")
            self._blank = 0 if chunk.strip() else self._blank + len(chunk)
            if self._blank > _LONGEST_LINE:
                raise FileError(
                    with_fix(f"{self._label} has over 1 MB of blank lines", "name a file of rows")
                )
            end = chunk.rfind(b"\n") + 1
            if not end and len(self.rest) + len(chunk) > _LONGEST_LINE:
                raise FileError(
                    with_fix(f"{self._label} has a line of over 1 MB", "name a file of rows")
                )
            whole = self.rest + chunk[:end] if end else b""
            self.rest = chunk[end:] if end else self.rest + chunk
            self._left = memoryview(whole if whole.isascii() else _valid(whole))
        size = min(len(buffer), len(self._left))
        buffer[:size] = self._left[:size]
        self._left = self._left[size:]
        self.read_bytes += size
        return size


def _valid(text: bytes) -> bytes:
    """``text`` in UTF-8; bytes that are none as escapes, which no conversion takes for a value."""
    return text.decode("utf-8", errors="backslashreplace").encode()


def _plain(source: Source, _: Torn) -> Iterator[bytes]:
    with source.path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def _gzip(source: Source, torn: Torn) -> Iterator[bytes]:
    """All members of a gzip file, one behind the other."""
    unpacker, begun = zlib.decompressobj(31), False
    with source.path.open("rb") as file:
        left = b""
        while chunk := left or file.read(_CHUNK):
            found = unpacker.decompress(chunk, _CHUNK)
            left, begun = unpacker.unconsumed_tail, True
            if unpacker.eof:
                left = unpacker.unused_data.lstrip(b"\0")
                unpacker, begun = zlib.decompressobj(31), False
            if found:
                yield found
    torn.early = begun


def _zip(source: Source, _: Torn) -> Iterator[bytes]:
    with (
        zipfile.ZipFile(source.path) as archive,
        archive.open(archive.infolist()[source.number]) as file,
    ):
        while chunk := file.read(_CHUNK):
            yield chunk


def _torn_zip(source: Source, torn: Torn) -> Iterator[bytes]:
    """The first member of an archive whose end is missing, as far as it goes."""
    torn.early = True
    with source.path.open("rb") as file:
        header = file.read(_LOCAL_SIZE)
        method = int.from_bytes(header[8:10], "little")
        file.seek(sum(int.from_bytes(header[at : at + 2], "little") for at in (26, 28)), 1)
        if method not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or len(header) < _LOCAL_SIZE:
            raise zipfile.BadZipFile("it is no whole zip archive")
        unpacker = zlib.decompressobj(-15)
        left = b""
        while chunk := left or file.read(_CHUNK):
            if method == zipfile.ZIP_STORED:
                yield chunk
                continue
            found = unpacker.decompress(chunk, _CHUNK)
            left = unpacker.unconsumed_tail
            if found:
                yield found
            if unpacker.eof:
                return


_READERS: Final[dict[str, Callable[[Source, Torn], Iterator[bytes]]]] = {
    "": _plain,
    "gzip": _gzip,
    "zip": _zip,
    "torn zip": _torn_zip,
}
