"""The SQL of ``warehouse/sql`` in Spark's words: one view at a time, from the same files.

sqlglot translates. What it does not know of DuckDB is put here into what Spark understands:

- ``ASOF`` joins become range joins: each row of the right side holds from its own moment to the
  next one of the same key.
- ``first(x ORDER BY …)`` becomes ``min_by`` of a struct whose nulls lie where DuckDB sorts them.
- Macros are written out where they are called. Those that calculate with integers of 128 bits,
  which Spark does not have, and functions on texts that Spark words differently are left to DuckDB,
  which runs in Spark's own workers (``pipelines.marts.duckdb_functions``).
- ``TRY(…)`` becomes the ``try_`` function of each operation in it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from sqlglot import exp, parse_one
from sqlglot.errors import ErrorLevel, SqlglotError

from pipelines.marts.duckdb_functions import DuckdbFunction
from pipelines.marts.expressions import TranslationError, plain
from warehouse.views import View, views

_LEFT_TO_DUCKDB: Final = ("ratio", "pro_rata", "cost")
"""Macros of exact division and multiplication: 128 bits."""


@dataclass(frozen=True)
class Translation:
    """A query for Spark, and the functions that it calls."""

    query: str
    functions: tuple[DuckdbFunction, ...]


def wanted_views() -> Iterator[View]:
    """Every mart and every view that one reads, each after what it reads."""
    needed: set[str] = set()
    for view in reversed(list(views().values())):
        if view.schema == "marts" or view.key in needed:
            needed |= {*view.sources}
    for view in views().values():
        if not view.is_macro and (view.schema == "marts" or view.key in needed):
            yield view


def table_name(schema: str, name: str) -> str:
    """The name under which Spark knows a table or view: its temporary views have no schemas."""
    return f"{schema}__{name}"


def declared(view: View) -> str:
    """The columns of ``view`` and their types, as Spark names them."""
    types = (exp.DataType.build(c.type, dialect="duckdb") for c in view.columns)
    named = zip(view.columns, types, strict=True)
    return ", ".join(f"`{c.name}` {_rewritten(of, plain).sql('spark')}" for c, of in named)


def translate(view: View) -> Translation:
    """The query of ``view`` for Spark, with its columns as they are declared.

    Raises ``TranslationError``.
    """
    functions: dict[str, DuckdbFunction] = {}
    try:
        tree = _expanded(parse_one(view.body, dialect="duckdb"))
        for step in (_qualify, _by_name, _asof, _window, _table, plain):
            tree = _rewritten(tree, step)
        tree = _rewritten(tree, lambda node: _left_to_duckdb(node, functions))
        columns = ", ".join(f'CAST("{c.name}" AS {c.type}) AS "{c.name}"' for c in view.columns)
        outer = _rewritten(parse_one(f"SELECT {columns}", dialect="duckdb"), plain)
        body = tree.sql("spark", unsupported_level=ErrorLevel.RAISE, pretty=True)
        query = f"{outer.sql('spark')} FROM (\n{body}\n)"
    except SqlglotError as error:
        raise TranslationError(
            f"{view.key} cannot be said in Spark's SQL: {error}. Fix: --engine duckdb"
        ) from error
    return Translation(query, tuple(functions.values()))


def _rewritten(tree: exp.Expr, step: Callable[[exp.Expr], exp.Expr]) -> exp.Expr:
    """``tree`` with ``step`` of each of its nodes in its place, the inner ones first."""
    for node in reversed(list(tree.walk())):
        new = step(node)
        if new is node:
            continue
        if node is tree:
            tree = new
        else:
            node.replace(new)
    return tree


# -- macros ---------------------------------------------------------------------------------------


@cache
def _body(macro: str) -> exp.Expr:
    return parse_one(views()[f"{macro}()"].body, dialect="duckdb")


def _expanded(tree: exp.Expr) -> exp.Expr:
    """``tree`` with every call of a macro replaced by what the macro says."""
    return _rewritten(tree, _call)


def _call(node: exp.Expr) -> exp.Expr:
    call = _called(node)
    if call is None or call.name in _LEFT_TO_DUCKDB:
        return node
    if call.name == "utc":  # of a TIMESTAMP, in a session in UTC
        return exp.Paren(this=call.expressions[0])
    parameters = views()[f"{call.name}()"].parameters
    given = {p.name: a for p, a in zip(parameters, call.expressions, strict=True)}

    def fill(inner: exp.Expr) -> exp.Expr:
        if isinstance(inner, exp.Column) and not inner.table and inner.name in given:
            return exp.Paren(this=given[inner.name].copy())
        return inner

    filled = _expanded(_rewritten(_body(call.name).copy(), fill))
    if isinstance(node, exp.Table):
        return exp.Subquery(this=filled, alias=node.args.get("alias"))
    return exp.Paren(this=filled)


def _called(node: exp.Expr) -> exp.Anonymous | None:
    """The call of a macro that ``node`` is, in an expression or as a table."""
    call = node.expression if isinstance(node, exp.Dot) else node.this
    in_main = isinstance(node, exp.Dot) or (isinstance(node, exp.Table) and node.db == "main")
    return call if in_main and isinstance(call, exp.Anonymous) else None


def _left_to_duckdb(node: exp.Expr, functions: dict[str, DuckdbFunction]) -> exp.Expr:
    """A call that DuckDB makes: of a function with the arguments that are no constants."""
    call = _called(node)
    macros: Sequence[str] = ()
    if call is not None:
        macros, returns = _LEFT_TO_DUCKDB, views()[f"{call.name}()"].returns.split()[0]
    elif isinstance(node, exp.RegexpExtract):
        names = node.args.get("group")
        returns = "VARCHAR"
        if isinstance(names, exp.Array):
            fields = ", ".join(f'"{name.name}" VARCHAR' for name in names.expressions)
            returns = f"STRUCT({fields})"
    elif isinstance(node, exp.RegexpLike):
        returns = "BOOLEAN"
    elif isinstance(node, exp.Anonymous) and node.name.lower() == "printf":
        returns = "VARCHAR"
    else:
        return node
    whole = node.copy()
    inner = _called(whole) or whole
    arguments: list[exp.Expr] = []
    for child in list(inner.iter_expressions()):
        if child.find(exp.Column):
            arguments.append(child.copy())
            child.replace(exp.column(f"a{len(arguments) - 1}"))
    function = DuckdbFunction.of(
        whole.sql("duckdb"),
        exp.DataType.build(returns, dialect="duckdb").sql("spark"),
        tuple(views()[f"{name}()"].statement() for name in macros),
    )
    functions[function.name] = function
    return exp.Anonymous(this=function.name, expressions=arguments)


# -- joins and set operations ---------------------------------------------------------------------


def _asof(node: exp.Expr) -> exp.Expr:
    if not isinstance(node, exp.Join) or node.method != "ASOF":
        return node
    right = node.this
    alias = right.alias_or_name
    keys: list[exp.Expr] = []
    bound: tuple[type[exp.Expr], exp.Expr, exp.Column] | None = None
    for condition in node.args["on"].flatten():
        mine, other = condition.expression, condition.this
        kind: type[exp.Expr] = type(condition)
        if not (isinstance(mine, exp.Column) and mine.table == alias):
            mine, other = other, mine
            kind = _TURNED.get(kind, kind)
        if kind is exp.EQ:
            keys.append(exp.column(mine.name))
        else:
            bound = (kind, other, mine)
    if bound is None:
        raise TranslationError(f"an ASOF join without a comparison: {node.sql('duckdb')}")
    kind, other, column = bound
    # the moment at which the next row of the key takes over; of equal moments one row is left
    reach = "lead" if kind in (exp.GT, exp.GTE) else "lag"
    window = exp.Window(
        this=exp.func(reach, exp.column(column.name)),
        partition_by=keys,
        order=exp.Order(expressions=[exp.Ordered(this=exp.column(column.name), nulls_first=False)]),
    )
    source = right.copy()
    source.set("alias", exp.TableAlias(this=exp.to_identifier("asof_rows")))
    rows = exp.select("*", exp.alias_(window, "asof_bound")).from_(source)
    limit = exp.column("asof_bound", table=alias)
    beyond = exp.or_(
        exp.Is(this=limit, expression=exp.Null()),
        _OPPOSITE[kind](this=other.copy(), expression=limit.copy()),
    )
    return exp.Join(
        this=exp.Subquery(this=rows, alias=exp.TableAlias(this=exp.to_identifier(alias))),
        side=node.args.get("side"),
        on=exp.and_(node.args["on"], exp.Paren(this=beyond)),
    )


_TURNED: Final[dict[type[exp.Expr], type[exp.Expr]]] = {
    exp.GT: exp.LT,
    exp.GTE: exp.LTE,
    exp.LT: exp.GT,
    exp.LTE: exp.GTE,
}
_OPPOSITE: Final[dict[type[exp.Expr], Callable[..., exp.Expr]]] = {
    exp.GT: exp.LTE,
    exp.GTE: exp.LT,
    exp.LT: exp.GTE,
    exp.LTE: exp.GT,
}


def _by_name(node: exp.Expr) -> exp.Expr:
    """``UNION ALL BY NAME`` of whole views: their declared columns in one order."""
    if not isinstance(node, exp.Union) or not node.args.get("by_name"):
        return node
    names: list[str] | None = None
    for select in node.find_all(exp.Select):
        source = select.args["from_"].this
        view = views().get(source.name)
        if view is None or not select.is_star:
            raise TranslationError(f"UNION BY NAME of other than views: {node.sql('duckdb')}")
        names = names or [c.name for c in view.columns]
        select.set("expressions", [exp.column(n) for n in names])
    node.set("by_name", False)
    return node


def _qualify(node: exp.Expr) -> exp.Expr:
    """A condition on windows: they become columns, on which a query around it decides.

    A window that names columns of the query's own sources belongs beside them; one that names the
    query's results, around it. (sqlglot would take the source ``b.symbol`` for a result that is
    called ``symbol``.)
    """
    if not isinstance(node, exp.Select) or not node.args.get("qualify"):
        return node
    inner, condition = node.copy(), node.args["qualify"].this.copy()
    inner.set("qualify", None)
    names: list[exp.Expr] = []
    around: list[exp.Expr] = []
    for window in list(condition.find_all(exp.Window)):
        name = exp.column(f"window_{len(names)}")
        names.append(name)
        given = exp.alias_(window.copy(), name.name)
        if any(column.table for column in window.find_all(exp.Column)):
            inner.append("expressions", given)
        else:
            around.append(given)
        window.replace(name.copy())
    rows: exp.Expr = exp.Subquery(
        this=inner, alias=exp.TableAlias(this=exp.to_identifier("inner_"))
    )
    if around:
        whole = exp.select("*", *around).from_(rows)
        rows = exp.Subquery(this=whole, alias=exp.TableAlias(this=exp.to_identifier("outer_")))
    return exp.select(exp.Star(except_=names) if names else "*").from_(rows).where(condition)


def _table(node: exp.Expr) -> exp.Expr:
    if not isinstance(node, exp.Table) or not node.db:
        return node
    alias = exp.TableAlias(this=exp.to_identifier(node.alias_or_name))
    return exp.Table(
        this=exp.to_identifier(table_name(node.db, node.name)),
        alias=alias,
    )


def _window(node: exp.Expr) -> exp.Expr:
    """Spark has no FILTER in windows; and no hint that a CTE is to be kept."""
    if isinstance(node, exp.CTE):
        node.set("materialized", None)
    if isinstance(node, exp.Window) and isinstance(node.this, exp.Filter):
        call, condition = node.this.this, node.this.expression.this
        what = exp.Literal.number(1) if isinstance(call.this, exp.Star) else call.this
        call.set("this", exp.Case(ifs=[exp.If(this=condition, true=what)]))
        node.set("this", call)
    return node
