"""Files as batches of rows: text, Feather, Parquet and JSON, a few megabytes at a time.

Values of text files stay text; no float is made of them.
"""

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from pyarrow import ipc

from pipelines.imports.formats import CSV, Format, Head
from pipelines.imports.sources import FileError, Lines, Source, UnknownFormatError
from pipelines.output.formatting import with_fix
from schemas import RejectedRow

_BLOCK: Final = 8 << 20
_ROWS: Final = 64 * 1024
_LONGEST_ROW: Final = 8 << 20
_PARQUET: Final = b"PAR1"
_ARROW: Final = b"ARROW1"
_OLD_FEATHER: Final = b"FEA1"
_NO_END: Final = "the last line has no end: it may be cut off"


@dataclass(frozen=True)
class Batch:
    """Some rows. ``columns``: by meaning (see ``Format.columns``), in the file's own types.

    ``lines``: of each row, where the file has lines; else its number, counted from 1.
    ``rejected``: rows that cannot be split into columns. ``read_bytes``: of the text, so far.
    """

    columns: Mapping[str, pa.Array]
    lines: np.ndarray[tuple[int], np.dtype[np.int64]]
    rejected: list[RejectedRow] = field(default_factory=list)
    read_bytes: int = 0

    @property
    def size(self) -> int:
        """The number of rows in ``columns``."""
        return len(self.lines)


def head_of(source: Source) -> Head:
    """The beginning of a file. Raises ``FileError`` for one that holds nothing to import."""
    begin = source.head()
    if begin.startswith((_PARQUET, _ARROW)):
        return Head("table", tuple(_schema(source).names))
    if begin.startswith(_OLD_FEATHER):
        raise FileError(
            with_fix(f"{source.label} is a Feather file of version 1", "write it as version 2")
        )
    text = begin.decode("utf-8-sig", errors="replace")
    lines = [row.rstrip("\r") for row in text.split("\n") if row.strip()][:20]
    if not lines:
        raise FileError(with_fix(f"{source.label} is empty", "leave it out"))
    if text.lstrip().startswith("["):
        return Head("json", first=next(_json_rows(source, source.chunks()), None))
    if "\0" in text:
        raise UnknownFormatError(
            with_fix(
                f"{source.label} is no file of rows that can be imported",
                "name CSV (also in zip or gzip), JSON, Feather or Parquet",
            )
        )
    delimiter = max(",;\t", key=lines[0].count)
    is_header = not lines[0].lstrip("-\"'")[:1].isdigit()
    names = next(csv.reader(lines[:1], delimiter=delimiter)) if is_header else []
    rows = lines[1:] if is_header else lines
    return Head("text", tuple(n.strip() for n in names), tuple(rows), delimiter)


def first_value(source: Source, form: Format, head: Head, meaning: str) -> str | None:
    """The first row's value of a column, as text; ``None`` without rows."""
    return next(iter(_first_values(source, form, head, meaning)), None)


def lacks(source: Source, form: Format, head: Head, meaning: str) -> bool:
    """Whether a column has no value in any of the first rows."""
    return not any(_first_values(source, form, head, meaning))


def _first_values(source: Source, form: Format, head: Head, meaning: str) -> list[str]:
    for batch in batches(source, form, head):
        if batch.size:
            found = batch.columns[meaning].to_pylist()
            return [str(value or "") for value in found]
    return []


def batches(source: Source, form: Format, head: Head) -> Iterator[Batch]:
    """The rows of ``source``. Raises ``FileError`` where it cannot be read (further)."""
    if head.container == "table":
        return _table_batches(source, form)
    if head.container == "json":
        return _json_batches(source, form)
    return _text_batches(source, form, head)


# -- text ------------------------------------------------------------------------------------------


def _text_batches(source: Source, form: Format, head: Head) -> Iterator[Batch]:
    names = list(head.columns or form.layout)
    rejected: list[RejectedRow] = []
    skipped: list[int] = []

    def on_invalid(row: pa_csv.InvalidRow) -> str:
        skipped.append(row.number)
        if row.text.strip():
            reason = f"it has {row.actual_columns} columns, not {row.expected_columns}"
            rejected.append(_rejected(source, row.number, reason, row.text))
        return "skip"

    lines = Lines(source.chunks(), source.label)
    chosen = {meaning: name for meaning, name in form.columns.items() if name in names}
    try:
        reader = pa_csv.open_csv(
            pa.PythonFile(lines, "r"),
            pa_csv.ReadOptions(
                use_threads=False,
                block_size=_BLOCK,
                column_names=names,
                skip_rows=1 if head.columns else 0,
            ),
            pa_csv.ParseOptions(
                delimiter=head.delimiter,
                quote_char='"' if form.name == CSV else False,  # a stray one would swallow rows
                invalid_row_handler=on_invalid,
                ignore_empty_lines=False,
            ),
            pa_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                strings_can_be_null=False,
                include_columns=list(dict.fromkeys(chosen.values())),
            ),
        )
        first = 0
        for found in reader:
            columns = {meaning: found.column(name) for meaning, name in chosen.items()}
            numbers = _line_numbers(first, found.num_rows, skipped, bool(head.columns))
            yield Batch(columns, numbers, [*rejected], lines.read_bytes)
            rejected.clear()
            first += found.num_rows
    except pa.ArrowInvalid as error:
        raise FileError(
            with_fix(f"{source.label} cannot be read as rows of text: {error}", "correct the file")
        ) from None
    if lines.rest.strip():
        number = first + len(skipped) + bool(head.columns) + 1
        text = lines.rest.decode("utf-8", errors="replace")
        rejected.append(_rejected(source, number, _NO_END, text))
    if rejected:
        none = {meaning: pa.array([], pa.string()) for meaning in chosen}
        yield Batch(none, np.empty(0, np.int64), rejected, lines.read_bytes)


def _line_numbers(
    first: int, rows: int, skipped: list[int], header: bool
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """The lines of the good rows ``first`` to ``first + rows``; ``skipped``: lines of others."""
    numbers = np.arange(first, first + rows, dtype=np.int64) + 1 + header
    if skipped:
        before = np.array(skipped, np.int64) - np.arange(len(skipped))
        numbers += np.searchsorted(before, numbers, side="right")
    return numbers


def _rejected(source: Source, line: int, reason: str, text: str) -> RejectedRow:
    return RejectedRow(f"{source.label}, line {line}: {reason}", text)


# -- Feather and Parquet ---------------------------------------------------------------------------


def _schema(source: Source) -> pa.Schema:
    with _table_file(source) as file:
        return file.schema_arrow if isinstance(file, pq.ParquetFile) else file.schema


def _table_file(source: Source) -> Any:
    if source.packed:
        raise FileError(
            with_fix(f"{source.label} is packed, which this format cannot be", "unpack it first")
        )
    try:
        with source.path.open("rb") as file:
            is_parquet = file.read(4) == _PARQUET
        if is_parquet:
            return pq.ParquetFile(source.path, page_checksum_verification=True)
        return ipc.open_file(pa.memory_map(str(source.path)))
    except (OSError, ValueError, pa.ArrowException) as error:  # ValueError: names in no UTF-8
        raise _damaged(source, error) from None


def _damaged(source: Source, error: Exception) -> FileError:
    return FileError(
        with_fix(f"{source.label} is damaged or cut off: {error}", "download or write it again")
    )


def _table_batches(source: Source, form: Format) -> Iterator[Batch]:
    size = source.path.stat().st_size
    with _table_file(source) as file:
        schema = file.schema_arrow if isinstance(file, pq.ParquetFile) else file.schema
        chosen = {meaning: name for meaning, name in form.columns.items() if name in schema.names}
        for name in chosen.values():
            if pa.types.is_nested(schema.field(name).type):
                raise FileError(
                    with_fix(
                        f"{source.label}: its column {name} holds {schema.field(name).type}",
                        "write it with one value in each row",
                    )
                )
        first = 0
        try:
            for found, share in _record_batches(file, [*dict.fromkeys(chosen.values())]):
                found.validate(full=True)  # Arrow trusts what it reads
                columns = {meaning: found.column(name) for meaning, name in chosen.items()}
                numbers = np.arange(first, first + found.num_rows, dtype=np.int64) + 1
                yield Batch(columns, numbers, read_bytes=int(size * share))
                first += found.num_rows
        except (OSError, ValueError, pa.ArrowException) as error:
            raise _damaged(source, error) from None


def _record_batches(file: Any, names: list[str]) -> Iterator[tuple[pa.RecordBatch, float]]:
    """The rows, and how much of the file is read with them."""
    if isinstance(file, pq.ParquetFile):
        rows = 0
        for found in file.iter_batches(batch_size=_ROWS, columns=names):
            rows += found.num_rows
            yield found, rows / file.metadata.num_rows
        return
    for number in range(file.num_record_batches):
        whole = file.get_batch(number).select(names)
        for start in range(0, whole.num_rows, _ROWS):
            yield whole.slice(start, _ROWS), (number + 1) / file.num_record_batches


# -- JSON ------------------------------------------------------------------------------------------


class _Counted:
    """Chunks of bytes; ``size``: of those taken so far."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self.size = 0

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        chunk = next(self._chunks)
        self.size += len(chunk)
        return chunk


def _json_rows(source: Source, chunks: Iterator[bytes]) -> Iterator[Any]:
    """The members of one list; numbers that are no integers as their text."""
    decoder = json.JSONDecoder(parse_float=str, parse_constant=str)
    text, at, ended = "", 0, False
    pending = b""
    begun = False
    while True:
        while at < len(text) and text[at] in " \t\r\n,[" and not (begun and text[at] == "["):
            begun = begun or text[at] == "["
            at += 1
        if at < len(text) and text[at] == "]":
            return
        try:
            row, end = decoder.raw_decode(text, at)
            if end >= len(text) and not ended:
                raise ValueError  # a number may go on
        except RecursionError:
            raise FileError(
                with_fix(f"{source.label} has lists in lists without end", "name a file of rows")
            ) from None
        except ValueError:
            if len(text) > _LONGEST_ROW:
                raise FileError(
                    with_fix(f"{source.label} has a row of over 8 MB", "name a file of rows")
                ) from None
            chunk = next(chunks, None)
            if chunk is None and (ended or not pending):
                raise FileError(
                    with_fix(
                        f"{source.label} breaks off, or is no JSON list of rows",
                        "download or write it again",
                    )
                ) from None
            ended = chunk is None
            pending += chunk or b""
            cut = len(pending) if ended else _whole_characters(pending)
            text, at = text[at:] + pending[:cut].decode("utf-8-sig", errors="replace"), 0
            pending = pending[cut:]
            continue
        yield row
        at = end


def _whole_characters(data: bytes) -> int:
    """How many bytes of ``data`` are whole UTF-8 characters."""
    for back in range(1, min(4, len(data)) + 1):
        if data[-back] >= 0xC0:
            return len(data) - back
        if data[-back] < 0x80:
            break
    return len(data)


def _json_batches(source: Source, form: Format) -> Iterator[Batch]:
    chunks = _Counted(source.chunks())
    rows, first = _json_rows(source, chunks), 0
    while found := list(islice(rows, _ROWS)):
        good: list[list[Any]] = []
        numbers: list[int] = []
        rejected: list[RejectedRow] = []
        for number, row in enumerate(found, first + 1):
            values = _values(row, form)
            if values is None:
                reason = f"{source.label}, row {number}: it has other members than the rows before"
                rejected.append(RejectedRow(reason, json.dumps(row)))
                continue
            good.append(values)
            numbers.append(number)
        columns = {
            meaning: pa.array([_text(row[at]) for row in good], pa.string())
            for at, meaning in enumerate(form.columns)
        }
        yield Batch(columns, np.array(numbers, np.int64), rejected, chunks.size)
        first += len(found)


def _values(row: Any, form: Format) -> list[Any] | None:
    """The values of one row in the order of ``form.columns``."""
    if isinstance(row, list) and len(row) == len(form.layout):
        return [row[form.layout.index(name)] for name in form.columns.values()]
    if isinstance(row, dict):  # of ccxt, with the exchange's own text under "info"
        info = row.get("info")
        own = info if isinstance(info, dict) else {}
        texts = {"price": own.get("p", own.get("price")), "amount": own.get("q", own.get("qty"))}
        if {*form.columns.values()} <= row.keys():
            return [texts.get(m) or row[name] for m, name in form.columns.items()]
    return None


def _text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, str):  # half of a character has no bytes
        return value.encode(errors="backslashreplace").decode()
    return str(value) if isinstance(value, int) else json.dumps(value)
