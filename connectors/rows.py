"""From decoded rows to a canonical page: fast where all is as usual, row by row where it is not.

A :class:`Layout` says how one exchange's rows become one dataset. :func:`read` first builds whole
columns; the moment anything is unusual, it starts over with each row's own text, keeps the good
rows and returns the others as :class:`~schemas.RejectedRow`, with the reason and the text
exactly as received.

What an answer may cost is bounded: by the number of rows, and by their bytes. Rows beyond are
refused with the answer; a single row that is too long is rejected alone.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from operator import attrgetter
from typing import Any, Final, NamedTuple, TypeVar

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from connectors.base import Page
from connectors.columns import Kind, as_stored
from connectors.errors import ContractError
from connectors.exact import InvalidValue
from connectors.jsontext import (
    NotJsonError,
    Text,
    decode,
    decode_object,
    decode_row,
    elements,
    repeated_key,
)
from connectors.redact import printable
from schemas import RejectedRow, dataset

Constant = str | int
T = TypeVar("T", bound=msgspec.Struct)

MOST_ROWS: Final = 5_000
"""Rows of one answer that are read unless a layout says otherwise: documented are up to 1,000."""
_LONGEST_ROW: Final = 1024 * 1024
_LONGEST_ROWS: Final = 8 * 1024 * 1024
"""Bytes of all rows together that are read one by one."""
_KEPT: Final = 64 * 1024
"""Bytes that are kept of a row that is too long."""
_LONGEST_REASON: Final = 500
_COLON: Final = np.uint8(ord(":"))


@dataclass(frozen=True)
class Column:
    """One canonical column: where its value is in a decoded row, and of what kind it is."""

    name: str
    get: Callable[[Any], Any]
    kind: Kind
    required: bool = True
    source: str | None = None
    """The field of the row that ``get`` gives, where it does nothing else."""


@dataclass(frozen=True)
class Layout:
    """How the rows of one answer become rows of ``dataset``.

    ``key``: the columns that distinguish the rows of one answer, the most selective first.
    ``position``: the column (ids or times) that pages are made by. ``fields``: JSON keys that every
    row has once, so that a row with one of them twice is noticed. ``besides``: all other fields of
    a row as documented; where every row has them all, the keys need not be looked for one by one.
    ``constants``: columns that are the same in all rows. ``most_rows``: the most that are read of
    one answer.
    """

    dataset: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    position: str
    fields: tuple[bytes, ...] = ()
    constants: Mapping[str, Constant] = field(default_factory=dict)
    most_rows: int = MOST_ROWS
    besides: tuple[str, ...] = ()

    def with_columns(self, *columns: Column) -> "Layout":
        """The same with more columns."""
        return replace(self, columns=(*self.columns, *columns))


def column(name: str, source: str, kind: Kind, required: bool = True) -> Column:
    """The canonical column ``name`` from the field ``source``."""
    return Column(name, attrgetter(source), kind, required, source)


def nullable(kind: Kind, sources: Mapping[str, str]) -> tuple[Column, ...]:
    """Columns of one kind that may be null. ``sources``: the field of each canonical column."""
    return tuple(column(name, source, kind, False) for name, source in sources.items())


def observed(
    dataset_: str, columns: tuple[Column, ...], key: str, at: int, fields: tuple[bytes, ...] = ()
) -> Layout:
    """The layout of a snapshot's rows, all of them observed ``at`` (microseconds)."""
    return Layout(dataset_, columns, (key,), "observed_at", fields, {"observed_at": at})


class RowText(NamedTuple):
    """One row as received. ``payload``: for quarantine; ``value``: the part to decode."""

    payload: Text
    value: Text
    key: str | None = None


@dataclass(frozen=True)
class Source:
    """The rows of one answer, decoded at once or one by one.

    ``rows``: decoded at once, or None where the answer was too unusual for that. ``texts``: each
    row's own text. ``one``: decodes one of those; raises ``NotJsonError`` or
    :class:`InvalidValue`. ``body``: the whole answer, for the count of keys. ``ordered``: whether
    the rows are one list, so that each has a place. ``keyed``: whether each is the value of a key.
    """

    body: bytes
    rows: Sequence[Any] | None
    texts: Callable[[], Sequence[RowText]]
    one: Callable[[RowText], Any]
    ordered: bool = False
    keyed: bool = False

    @classmethod
    def of_texts(
        cls, body: bytes, texts: Sequence[RowText], one: Callable[[RowText], Any]
    ) -> "Source":
        """The source of few rows, each decoded by itself from the start."""
        try:
            rows: list[Any] | None = [one(text) for text in texts]
        except (NotJsonError, InvalidValue):
            rows = None
        return cls(body, rows, lambda: texts, one)


@dataclass(frozen=True)
class Built:
    """Canonical columns before they become a table: ids and times are still int64."""

    dataset: str
    columns: Mapping[str, pa.Array]
    positions: pa.Int64Array
    rejected: Sequence[RejectedRow] = ()

    def with_column(self, name: str, values: pa.Array) -> "Built":
        """The same with one more column."""
        return replace(self, columns={**self.columns, name: values})

    def page(self) -> Page:
        """The page of the dataset's ``connector_schema``; columns that were not filled are null."""
        schema: Final = dataset(self.dataset).connector_schema
        columns = self.columns
        rows = len(self.positions)
        arrays = [
            as_stored(columns[f.name], f.type) if f.name in columns else pa.nulls(rows, f.type)
            for f in schema
        ]
        table = pa.Table.from_arrays(arrays, schema=schema)
        return Page(table, self.positions, self.rejected)


def decoded(type_: Any, body: Text) -> Any:
    """All rows of ``body`` at once, or None where they have to be looked at one by one."""
    try:
        return decode(type_, body)
    except NotJsonError:
        return None


def object_of(type_: type[T], body: Text, what: str) -> T:
    """The object that ``body`` is, ``what`` in a message. Raises ``ContractError``."""
    try:
        return decode_object(type_, body)
    except NotJsonError as error:
        raise ContractError(f"not {what} ({error})") from None


@cache
def _holder(name: str) -> Any:
    return msgspec.defstruct("Holder", [(name, msgspec.Raw)])


def member_of(body: Text, name: str, what: str) -> bytes:
    """The member ``name`` of the object ``body``, as received. Raises ``ContractError``."""
    return bytes(getattr(object_of(_holder(name), body, what), name))


def list_of(body: Text, what: str) -> list[RowText]:
    """The rows of an array, called ``what`` where it is none. Raises ``ContractError``."""
    try:
        return [RowText(text, text) for text in elements(body)]
    except NotJsonError as error:
        raise ContractError(f"{what} are not a list ({error})") from None


def rows_of(body: bytes, model: Any) -> Source:
    """The array ``body`` of objects (or arrays). Raises ``ContractError`` where it is none."""
    return Source(
        body,
        decoded(list[model], body),
        lambda: list_of(body, "the rows"),
        lambda text: decode_row(model, text.value),
        ordered=True,
    )


def nothing(dataset_: str) -> Page:
    """A page without rows."""
    schema = dataset(dataset_).connector_schema
    return Page(schema.empty_table(), pa.array([], pa.int64()))


def read(layout: Layout, source: Source, keep: Callable[[Any], bool] | None = None) -> Built:
    """The canonical columns of ``source``. ``keep``: which rows are wanted at all.

    Raises ``ContractError`` where there are more rows than are read.
    """
    if source.rows is not None:
        check_number(layout, len(source.rows))
        rows = source.rows if keep is None else [row for row in source.rows if keep(row)]
        try:
            if not _has_keys_once(layout, source, source.rows):
                raise InvalidValue("a key too many or too few")
            return _at_once(layout, rows)
        except (InvalidValue, RecursionError):
            pass
    return _one_by_one(layout, source, keep)


def check_number(layout: Layout, rows: int) -> None:
    """Raise ``ContractError`` where an answer has more rows than are read."""
    if rows > layout.most_rows:
        raise ContractError(f"{rows:,} rows, of which no more than {layout.most_rows:,} are read")


def _has_keys_once(layout: Layout, source: Source, rows: Sequence[Any]) -> bool:
    """Whether no row has one of ``layout.fields`` twice.

    Every required key is there, or the columns are invalid: nulls are. Are there no more colons
    than keys, none of them appears twice.
    """
    keys = len(layout.fields) + len(layout.besides) + source.keyed
    if _colons(source.body) == keys * len(rows) and all(
        None not in list(map(attrgetter(name), rows)) for name in layout.besides
    ):
        return True
    return all(source.body.count(b'"%b"' % f) == len(rows) for f in layout.fields)


def _colons(body: bytes) -> int:
    """The number of colons; ``bytes.count`` takes six times as long for a byte this frequent."""
    return int(np.count_nonzero(np.frombuffer(body, np.uint8) == _COLON))


def _at_once(layout: Layout, rows: Sequence[Any]) -> Built:
    fields = _by_field(rows)
    columns = {
        c.name: c.kind.many(fields.get(c.source) or list(map(c.get, rows)), c.required)
        for c in layout.columns
    }
    _add_constants(columns, layout, len(rows))
    first = columns[layout.key[0]]
    if pc.count_distinct(first, mode="all").as_py() != len(first):
        raise InvalidValue("a row came twice")
    return Built(layout.dataset, columns, columns[layout.position])


def _by_field(rows: Sequence[Any]) -> Mapping[str | None, Sequence[Any]]:
    """The values of each field; nothing where rows are no structs. Half the time of a getter's."""
    if not rows or not isinstance(rows[0], msgspec.Struct):
        return {}
    values = zip(*map(msgspec.structs.astuple, rows), strict=True)
    return dict(zip(rows[0].__struct_fields__, values, strict=True))


def _one_by_one(layout: Layout, source: Source, keep: Callable[[Any], bool] | None) -> Built:
    good: dict[tuple[Any, ...], dict[str, Any]] = {}
    rejected: list[RejectedRow] = []

    def reject(
        reason: str, text: RowText, values: Mapping[str, Any], *, is_stored: bool = False
    ) -> None:
        # Rows left out and rows that came twice have no place: what is kept is counted.
        index = len(good) + len(rejected) if source.ordered else None
        rejected.append(
            RejectedRow(
                printable(reason)[:_LONGEST_REASON],
                bytes(text.payload[:_KEPT] if _is_long(text) else text.payload).decode(
                    "utf-8", "backslashreplace"
                ),
                _position(layout, values),
                index,
                _symbol(layout, source, text, values),
                is_stored,
            )
        )

    texts = source.texts()
    check_number(layout, len(texts))
    if sum(len(t.payload) for t in texts if not _is_long(t)) > _LONGEST_ROWS:
        raise ContractError(f"rows of more than {_LONGEST_ROWS:,} bytes")
    for text in texts:
        values: dict[str, Any] = {}
        try:
            row = _decoded(source, text)
            if keep is not None and not keep(row):
                continue
            left_out = _convert(layout, row, values)
        except InvalidValue as error:
            reject(str(error), text, values)
            continue
        if left_out:
            reject(left_out, text, values, is_stored=True)
        key = tuple(values[name] for name in layout.key)
        before = good.setdefault(key, values)
        if before != values:
            reason = f"{layout.key[0]} {key[0]} came twice in one answer, with different content"
            reject(reason, text, values)
    columns = {
        c.name: pa.array([values[c.name] for values in good.values()], c.kind.type)
        for c in layout.columns
    }
    _add_constants(columns, layout, len(good))
    return Built(layout.dataset, columns, columns[layout.position], tuple(rejected))


def _is_long(text: RowText) -> bool:
    return len(text.payload) > _LONGEST_ROW


def _decoded(source: Source, text: RowText) -> Any:
    if _is_long(text):
        digest = hashlib.sha256(text.payload).hexdigest()
        raise InvalidValue(
            f"the row is {len(text.payload):,} bytes long (SHA-256 {digest}), too long to be read; "
            f"its first {_KEPT:,} bytes are kept"
        )
    twice = repeated_key(text.value)
    if twice is not None:
        raise InvalidValue(f"the key {twice!r} appears twice in the row")
    try:
        return source.one(text)
    except NotJsonError as error:
        raise InvalidValue(f"the row is not as documented: {error}") from None


def _convert(layout: Layout, row: Any, values: dict[str, Any]) -> str:
    """Fill ``values``. Raises one :class:`InvalidValue` for all columns that are invalid.

    A row of a list of markets or currencies does not go without being listed for a value that may
    be null: it is null then, and the problem is returned.
    """
    in_list = dataset(layout.dataset).is_reference
    problems: list[str] = []
    left_out: list[str] = []
    for column in layout.columns:
        try:
            value = column.get(row)
            optional = value is None and not column.required
            values[column.name] = None if optional else column.kind.one(value)
        except (InvalidValue, RecursionError) as error:
            problem = error if isinstance(error, InvalidValue) else "is nested too deeply"
            if in_list and not column.required:
                values[column.name] = None
                left_out.append(f"{column.name} {problem}")
            else:
                problems.append(f"{column.name} {problem}")
    if problems:
        raise InvalidValue("; ".join(problems + left_out))
    return "; ".join(left_out)


def _known(layout: Layout, name: str, values: Mapping[str, Any]) -> Any:
    return layout.constants.get(name, values.get(name))


def _symbol(layout: Layout, source: Source, text: RowText, values: Mapping[str, Any]) -> str | None:
    """The market of a row that is rejected, where that much of it can be read."""
    found = _known(layout, "symbol", values)
    column = next((c for c in layout.columns if c.name == "symbol"), None)
    if found is None and column is not None and not _is_long(text):
        is_keyed = text.key is not None and layout.key[0] == "symbol"
        try:
            found = column.kind.one(text.key if is_keyed else column.get(source.one(text)))
        except (InvalidValue, NotJsonError, ContractError, RecursionError):
            return None
    return found if isinstance(found, str) else None


def _position(layout: Layout, values: Mapping[str, Any]) -> int | None:
    found = _known(layout, layout.position, values)
    return found if isinstance(found, int) else None


def _add_constants(columns: dict[str, pa.Array], layout: Layout, rows: int) -> None:
    for name, value in layout.constants.items():
        type_ = pa.string() if isinstance(value, str) else pa.int64()
        columns[name] = pa.repeat(pa.scalar(value, type_), rows)
