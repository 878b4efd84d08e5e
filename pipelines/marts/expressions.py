"""Expressions of DuckDB in words that Spark knows: one rule for each kind of node.

A rule is given a node whose parts have been rewritten before it.
"""

from collections.abc import Callable
from typing import Final

from sqlglot import exp

from schemas import TidemarkError


class TranslationError(TidemarkError):
    """A view says something that Spark cannot be told."""


def plain(node: exp.Expr) -> exp.Expr:
    """``node`` by the rule of its kind; itself where there is none."""
    known = _EXPRESSIONS.get(type(node))
    return known(node) if known else node


def _anonymous(node: exp.Expr) -> exp.Expr:
    name = node.name.lower()
    if name in _RENAMED:
        return exp.Anonymous(this=_RENAMED[name], expressions=node.expressions)
    return node


_RENAMED: Final = {
    "epoch_us": "unix_micros",
    "make_timestamptz": "timestamp_micros",
    "arg_max_null": "max_by",
    "error": "raise_error",
}


def _add(node: exp.Expr) -> exp.Expr:
    """A moment and ``to_microseconds(n)``."""
    step = node.expression
    if isinstance(step, exp.Anonymous) and step.name.lower() == "to_microseconds":
        micros = exp.func("unix_micros", node.this)
        return exp.func("timestamp_micros", exp.Add(this=micros, expression=step.expressions[0]))
    return node


def _edge(node: exp.Expr) -> exp.Expr:
    """``first`` and ``last`` of an order."""
    if not isinstance(node.this, exp.Order):
        return node
    keys: list[exp.Expr] = []
    for key in node.this.expressions:
        null = exp.Is(this=key.this.copy(), expression=exp.Null())
        is_first = key.args.get("nulls_first")
        keys += [exp.Not(this=null) if is_first else null, key.this]
    name = "min_by" if isinstance(node, exp.First) else "max_by"
    return exp.Anonymous(
        this=name, expressions=[node.this.this, exp.Anonymous(this="struct", expressions=keys)]
    )


def _array(node: exp.Expr) -> exp.Expr:
    """A list in the order of its own values: Spark sorts it once it is made."""
    order = node.this
    if not isinstance(order, exp.Order):
        return node
    if [key.this for key in order.expressions] != [order.this]:
        raise TranslationError(f"a list in another order than its own: {node.sql('duckdb')}")
    return exp.Anonymous(this="sort_array", expressions=[exp.ArrayAgg(this=order.this)])


def _filter(node: exp.Expr) -> exp.Expr:
    """The filter of a sorted list belongs to the list."""
    call = node.this
    if isinstance(call, exp.Anonymous) and call.name == "sort_array":
        inner = exp.Filter(this=call.expressions[0], expression=node.expression)
        return exp.Anonymous(this="sort_array", expressions=[inner])
    return node


def _at(node: exp.Expr) -> exp.Expr:
    """The n-th of a list, from 1 on or from its end; sqlglot counts from 0."""
    place = exp.Add(this=node.expressions[0], expression=exp.Literal.number(1))
    index = exp.cast(place, "INT")
    return exp.Anonymous(this="try_element_at", expressions=[node.this, index])


def _try(node: exp.Expr) -> exp.Expr:
    def safe(inner: exp.Expr) -> exp.Expr:
        if isinstance(inner, exp.Cast):
            return exp.TryCast(this=inner.this, to=inner.args["to"])
        name = _SAFE.get(type(inner))
        if name is None:
            return inner
        return exp.Anonymous(this=name, expressions=[inner.this, inner.expression])

    return exp.Paren(this=node.this.transform(safe))


_SAFE: Final[dict[type[exp.Expr], str]] = {
    exp.Add: "try_add",
    exp.Sub: "try_subtract",
    exp.Mul: "try_multiply",
}


def _seconds(node: exp.Expr) -> exp.Expr:
    """``date_diff('second', …)``: the seconds that begin in between."""
    ends = [exp.func("unix_micros", end) for end in (node.this, node.expression)]
    later, earlier = (exp.IntDiv(this=e, expression=exp.Literal.number(1000000)) for e in ends)
    return exp.Paren(this=exp.Sub(this=later, expression=earlier))


def _left(node: exp.Expr) -> exp.Expr:
    """``left(x, -1)``: all but the last character."""
    if not isinstance(node.expression, exp.Neg):
        return node
    length = exp.Sub(this=exp.Length(this=node.this.copy()), expression=node.expression.this)
    return exp.Anonymous(this="substring", expressions=[node.this, exp.Literal.number(1), length])


def _trunc(node: exp.Expr) -> exp.Expr:
    """Digits cut off after some decimals: Spark rounds down or up to them."""
    decimals = node.args.get("decimals")
    if decimals is None:
        return node
    down, up = (
        exp.Anonymous(this=name, expressions=[node.this.copy(), decimals.copy()])
        for name in ("floor", "ceil")
    )
    negative = exp.LT(this=node.this.copy(), expression=exp.Literal.number(0))
    return exp.If(this=negative, true=up, false=down)


def _full_match(node: exp.Expr) -> exp.Expr:
    pattern = exp.Literal.string(f"^(?:{node.expression.name})$")
    return exp.Anonymous(this="regexp_like", expressions=[node.this, pattern])


def _type(node: exp.Expr) -> exp.Expr:
    if node.this in (exp.DataType.Type.INT128,):
        return exp.DataType.build("DECIMAL(38, 0)")
    return node


def _shift(node: exp.Expr) -> exp.Expr:
    return exp.BitwiseRightShift(this=node.this, expression=exp.cast(node.expression, "INT"))


_EXPRESSIONS: Final[dict[type[exp.Expr], Callable[[exp.Expr], exp.Expr]]] = {
    exp.Anonymous: _anonymous,
    exp.Add: _add,
    exp.First: _edge,
    exp.Last: _edge,
    exp.ArrayAgg: _array,
    exp.Filter: _filter,
    exp.Bracket: _at,
    exp.Try: _try,
    exp.RegexpFullMatch: _full_match,
    exp.DateDiff: _seconds,
    exp.Left: _left,
    exp.Trunc: _trunc,
    exp.DataType: _type,
    exp.BitwiseRightShift: _shift,
}
