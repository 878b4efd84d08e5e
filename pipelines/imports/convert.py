"""The values of a file as columns of a dataset: exact, or the row is rejected with the reason.

Each kind of column has a fast way for whole columns of the usual form, and for all other values the
careful conversions of ``connectors.exact``, value by value.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from connectors import exact
from connectors.columns import are_plain
from connectors.exact import InvalidValue
from pipelines.imports.batches import Batch
from pipelines.imports.formats import Format, same_exchange, same_market
from schemas import Dataset, RejectedRow
from schemas.declare import PRICE, TEXT, TIME

_PLAIN: Final = r"^[0-9]{1,26}(\.[0-9]{1,12})?$"
_ID: Final = r"^(0|[1-9][0-9]{0,17})$"
_WHOLE: Final = r"^[0-9]{9,18}$"
_ZONE: Final = r"(Z|\+00(:?00)?)?$"
_ISO: Final = r"^(19|20)[0-9]{2}(-[0-9]{2}){2}[T ][0-9]{2}(:[0-9]{2}){2}(\.[0-9]{1,9})?" + _ZONE
_DIGITS: Final = {"double": 15, "float": 6, "halffloat": 3}
"""A float tells texts of so many digits apart; one of more was calculated."""
_LONGEST_ID: Final = 200
_SIDES: Final = {"buy": "buy", "sell": "sell", "bid": "buy", "ask": "sell", "b": "buy", "s": "sell"}
_MAKERS: Final = {"true": "sell", "false": "buy", "1": "sell", "0": "buy"}
"""The taker's side where the buyer was the maker."""
_FLAGS: Final = {"true": True, "false": False, "1": True, "0": False}

One = Callable[[Any], Any]
Reasons = dict[int, str]
"""Why a row cannot be stored, by its index."""


@dataclass(frozen=True)
class Converted:
    """``table``: the rows that fit, with the columns of the dataset that files hold. ``lines``: of
    each. ``others``: the number of rows of other markets or timeframes, which are left out.
    """

    table: pa.Table
    lines: np.ndarray[tuple[int], np.dtype[np.int64]]
    rejected: list[RejectedRow]
    others: int = 0


@dataclass(frozen=True)
class Target:
    """What rows are for. ``numbers``: whether ids are whole numbers. ``source``: the file's digest,
    of reference trades. ``now``: microseconds; a candle that ends later is open.
    """

    declared: Dataset
    exchange: str
    symbol: str
    timeframe: str | None
    step: int
    numbers: bool
    source: str
    now: int

    @property
    def owners(self) -> Mapping[str, Callable[[str], bool]]:
        """Of the columns that say whose a row is: whether a value is of this stream."""
        return {
            "exchange": lambda named: same_exchange(named, self.exchange),
            "symbol": self.symbol.__eq__,
            "native_symbol": lambda spelled: same_market(spelled, self.symbol),
            "timeframe": lambda name: name == self.timeframe,
        }


def convert(batch: Batch, form: Format, target: Target, label: str, *, last: bool) -> Converted:
    """The rows of ``batch`` as the dataset declares them. ``last``: no rows follow."""
    given, lines, others = _ours(batch, target)
    reasons: Reasons = {}
    columns: dict[str, pa.Array] = {}
    for name, make in _COLUMNS[target.declared.name].items():
        columns[name] = make(given, lines, form, target, reasons)
    if form.empties:
        _leave_out_empties(columns, reasons)
    if last and form.last_is_open and len(lines):
        final = columns["is_final"].to_numpy(zero_copy_only=False).copy()
        final[-1] = False
        columns["is_final"] = pa.array(final)
    table = pa.table(columns)
    rejected = list(batch.rejected)
    if reasons:
        for index, reason in sorted(reasons.items()):
            values = [_shown(array[index]) for array in given.values()]
            if not any(values):  # an empty line
                continue
            payload = ",".join(values)
            where = f"{label}, line {lines[index]}"
            rejected.append(RejectedRow(f"{where}: the row's {reason}", payload))
        keep = np.ones(len(lines), dtype=bool)
        keep[list(reasons)] = False
        table, lines = table.filter(pa.array(keep)), lines[keep]
    return Converted(table, lines, rejected, others)


def _ours(
    batch: Batch, target: Target
) -> tuple[Mapping[str, pa.Array], np.ndarray[tuple[int], np.dtype[np.int64]], int]:
    """The rows of the market and timeframe asked for, where a file holds several."""
    keep: pa.Array | None = None
    for name, is_ours in target.owners.items():
        if name in batch.columns:
            texts = _texts(batch.columns[name])
            found = [value for value in pc.unique(texts).to_pylist() if value and is_ours(value)]
            same = pc.is_in(texts, value_set=pa.array(found, TEXT))
            keep = same if keep is None else pc.and_(keep, same)
    if keep is None or pc.all(keep, min_count=0).as_py():
        return batch.columns, batch.lines, 0
    mine = keep.to_numpy(zero_copy_only=False)
    columns = {name: column.filter(keep) for name, column in batch.columns.items()}
    return columns, batch.lines[mine], int((~mine).sum())


def _shown(value: pa.Scalar) -> str:
    try:
        found = value.as_py()
    except (OverflowError, ValueError):  # a time beyond those of Python
        found = value.cast(pa.int64()).as_py()
    return "" if found is None else str(found)


# -- kinds of columns ------------------------------------------------------------------------------


def _texts(values: pa.Array) -> pa.Array:
    """Values as text."""
    return values if pa.types.is_string(values.type) else values.cast(TEXT)


def _careful(
    texts: pa.Array, usual: pa.Array, made: pa.Array, one: One, name: str, reasons: Reasons
) -> pa.Array:
    """``made``, with the values that are not ``usual`` converted one by one."""
    mask = pc.invert(pc.fill_null(usual, False))
    values: list[Any] = []
    for index in pc.indices_nonzero(mask).to_pylist():
        value = texts[index].as_py()
        try:
            values.append(one(value if value != "" else None))
        except InvalidValue as error:
            reasons.setdefault(index, f"{name} {error}")
            values.append(None)
    return pc.replace_with_mask(made, mask, pa.array(values, made.type))


def _price(values: pa.Array, form: Format, name: str, reasons: Reasons) -> pa.Array:
    """An exact ``decimal128(38, 12)``."""
    if pa.types.is_decimal(values.type) and not values.null_count:
        try:
            return values.cast(PRICE)
        except pa.ArrowInvalid:
            pass
    texts = _texts(values)
    if form.floats or pa.types.is_floating(values.type):
        digits = _DIGITS.get(str(values.type), _DIGITS["double"])
        texts = _told_apart(texts, digits, name, reasons)
    if not texts.null_count and are_plain(texts):
        try:
            return texts.cast(PRICE)
        except pa.ArrowInvalid:  # two points, or more digits than fit
            pass
    usual = pc.match_substring_regex(texts, _PLAIN)
    made = pc.if_else(pc.fill_null(usual, False), texts, "0").cast(PRICE)
    return _careful(texts, usual, made, exact.price, name, reasons)


def _told_apart(texts: pa.Array, most: int, name: str, reasons: Reasons) -> pa.Array:
    """Rejects floats with more digits than one of their kind can tell apart."""
    mantissa = pc.replace_substring_regex(texts, "[eE].*$|[.-]", "")
    digits = pc.utf8_length(pc.utf8_rtrim(pc.utf8_ltrim(mantissa, "0"), "0"))
    for index in pc.indices_nonzero(pc.fill_null(pc.greater(digits, most), False)).to_pylist():
        reasons.setdefault(
            index, f"{name} has more digits than a float tells apart: {texts[index].as_py()}"
        )
    return texts


def _time(values: pa.Array, name: str, reasons: Reasons) -> pa.Array:
    """Microseconds since 1970, of whatever unit each row has."""
    moments = _moments(values)
    numbers = pc.fill_null(moments, 0).to_numpy(zero_copy_only=False)
    inside = (numbers >= exact.EARLIEST_US) & (numbers < exact.LATEST_US)
    if inside.all():
        return moments
    made, usual = pc.fill_null(moments, 0), pa.array(inside)
    return _careful(_texts(values), usual, made, exact.time_us, name, reasons)


def _moments(values: pa.Array) -> pa.Array:
    """Microseconds of the values that are written as usual; 0 or null for all others."""
    if pa.types.is_timestamp(values.type):
        numbers = values.cast(pa.int64())
        if values.type.unit == "ns":
            return pc.divide(numbers, 1000)
        times = {"s": 1_000_000, "ms": 1000, "us": 1}[values.type.unit]
        most = exact.LATEST_US // times
        inside = pc.and_(pc.greater(numbers, -most), pc.less(numbers, most))
        return pc.multiply(pc.if_else(inside, numbers, 0), times)  # 0: that is no time
    if pa.types.is_integer(values.type):
        return _of_any_unit(values.cast(pa.int64(), safe=False))
    texts = _texts(values)
    try:
        if not texts.null_count and are_plain(texts):
            return _of_any_unit(texts.cast(pa.int64()))
        if pc.all(pc.match_substring_regex(texts, _ISO), min_count=0).as_py():
            plain = pc.replace_substring_regex(texts, _ZONE, "").cast(pa.timestamp("ns"))
            return pc.divide(plain.cast(pa.int64()), 1000)
    except pa.ArrowInvalid:  # a fraction of a second, or no such day
        pass
    usual = pc.fill_null(pc.match_substring_regex(texts, _WHOLE), False)
    return _of_any_unit(pc.if_else(usual, texts, "0").cast(pa.int64()))


def _of_any_unit(whole: pa.Array) -> pa.Array:
    """Seconds, milliseconds, microseconds or nanoseconds, told apart row by row; 0: of none."""
    numbers = pc.fill_null(whole, 0).to_numpy(zero_copy_only=False)
    made = np.zeros(len(numbers), np.int64)
    for times, over in ((1_000_000, 1), (1000, 1), (1, 1), (1, 1000)):
        low, high = exact.EARLIEST_US * over // times, exact.LATEST_US * over // times
        inside = (numbers >= low) & (numbers < high)
        made[inside] = numbers[inside] * times // over
    return pa.array(made)


def _word(
    values: pa.Array, choices: Mapping[str, Any], name: str, type_: pa.DataType, reasons: Reasons
) -> pa.Array:
    texts = _texts(values)
    at = pc.index_in(pc.utf8_lower(texts), pa.array([*choices], TEXT))
    made = pa.array([*choices.values()], type_).take(at)
    if not made.null_count:
        return made

    def refuse(value: Any) -> Any:
        if value is None:
            raise InvalidValue("is missing")
        raise InvalidValue(f"is none of {', '.join(choices)}: {exact.shown(value)}")

    return _careful(texts, pc.is_valid(at), made, refuse, name, reasons)


def _trade_id(values: pa.Array, numbers: bool, reasons: Reasons) -> pa.Array:
    texts = _texts(values)
    usual = pc.match_substring_regex(texts, _ID)
    if pc.all(usual, min_count=0).as_py() and not texts.null_count:
        return texts

    def one(value: Any) -> str:
        if numbers or value is None:
            return str(exact.identity(value))
        if len(value) > _LONGEST_ID:
            raise InvalidValue(f"is longer than an id: {exact.shown(value)}")
        return exact.text(value)

    return _careful(texts, usual, texts, one, "trade_id", reasons)


# -- datasets --------------------------------------------------------------------------------------

Given = Mapping[str, pa.Array]
Numbers = np.ndarray[tuple[int], np.dtype[np.int64]]


def _side(given: Given, form: Format, reasons: Reasons) -> pa.Array:
    if "side" in given:
        return _word(given["side"], _SIDES, "side", TEXT, reasons)
    return _word(given["buyer_is_maker"], _MAKERS, "buyer_is_maker", TEXT, reasons)


def _optional_side(
    given: Given, lines: Numbers, form: Format, target: Target, reasons: Reasons
) -> pa.Array:
    if given.keys() & {"side", "buyer_is_maker"}:
        return _side(given, form, reasons)
    return pa.nulls(len(lines), TEXT)


def _moment(
    given: Given, lines: Numbers, form: Format, target: Target, reasons: Reasons
) -> pa.Array:
    return _time(given["timestamp"], "timestamp", reasons).cast(TIME)


def _final(
    given: Given, lines: Numbers, form: Format, target: Target, reasons: Reasons
) -> pa.Array:
    if "is_final" in given:
        found = given["is_final"]
        if pa.types.is_boolean(found.type):
            return found
        return _word(found, _FLAGS, "is_final", pa.bool_(), reasons)
    opened = _time(given["timestamp"], "timestamp", {})
    return pc.fill_null(pc.less_equal(opened, target.now - target.step), False)


def _figure(name: str) -> "Make":
    return lambda given, lines, form, target, reasons: _price(given[name], form, name, reasons)


def _reference_id(
    given: Given, lines: Numbers, form: Format, target: Target, reasons: Reasons
) -> pa.Array:
    if "trade_id" not in given:
        return pa.nulls(len(lines), TEXT)
    texts = _texts(given["trade_id"])
    return pc.if_else(pc.equal(texts, ""), pa.scalar(None, TEXT), texts)


Make = Callable[[Given, Numbers, Format, Target, Reasons], pa.Array]

_COLUMNS: Final[Mapping[str, Mapping[str, Make]]] = {
    "trades": {
        "trade_id": lambda g, _, f, t, r: _trade_id(g["trade_id"], t.numbers, r),
        "timestamp": _moment,
        "side": lambda g, _, f, t, r: _side(g, f, r),
        "price": _figure("price"),
        "amount": _figure("amount"),
    },
    "reference_trades": {
        "source": lambda g, lines, f, t, r: pa.repeat(t.source, len(lines)),
        "row_number": lambda g, lines, f, t, r: pa.array(lines),
        "reference_id": _reference_id,
        "timestamp": _moment,
        "side": _optional_side,
        "price": _figure("price"),
        "amount": _figure("amount"),
    },
    "candles": {
        "timeframe": lambda g, lines, f, t, r: pa.repeat(t.timeframe, len(lines)),
        "timestamp": _moment,
        **{name: _figure(name) for name in ("open", "high", "low", "close", "volume")},
        "is_final": _final,
    },
}
"""How each column that files of a dataset hold is made."""


def _leave_out_empties(columns: Mapping[str, pa.Array], reasons: Reasons) -> None:
    """Ids that Binance emptied when a file was made again: they are no trades."""
    zero = pa.scalar(0).cast(PRICE)
    empty = pc.and_(pc.equal(columns["price"], zero), pc.equal(columns["amount"], zero))
    for index in pc.indices_nonzero(pc.fill_null(empty, False)).to_pylist():
        reasons.setdefault(index, "price and amount are 0: an id that was emptied, no trade")
