"""How the page writes exact numbers and times."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Context, Decimal

from markupsafe import Markup

from pipelines.output.formatting import number

EXACT = Context(prec=200)
"""Wide enough for any product and sum of the warehouse's decimals."""
NOTHING = Markup('<span class="none">–</span>')


def exact(value: Decimal | None, least: int = 8, places: int = 0) -> Markup:
    """Every digit, at least ``least`` decimals, filled up with faint zeros to ``places``.

    The plain text is in ``<data value>``, for those who copy it from there.
    """
    if value is None:
        return NOTHING
    whole, _, decimals = f"{value:,f}".partition(".")
    shown = decimals.rstrip("0").ljust(least, "0")
    return Markup('<data value="{}"{}>{}{}</data>').format(
        number(value),
        Markup(" class=down") if value < 0 else "",
        f"{whole}.{shown}" if shown else whole,
        Markup("<i>{}</i>").format("0" * (places - len(shown))) if places > len(shown) else "",
    )


def places(rows: Iterable[Mapping[str, Decimal | None]], column: str) -> int:
    """How many decimals the longest figure of a column has."""
    return max((len(_decimals(v)) for r in rows if (v := r[column]) is not None), default=0)


def _decimals(value: Decimal) -> str:
    return f"{value:f}".partition(".")[2].rstrip("0")


def when(value: datetime | None, form: str = "%Y-%m-%d %H:%M") -> Markup:
    """A time in UTC, to the minute."""
    if value is None:
        return NOTHING
    moment = value.astimezone(UTC)
    iso = moment.isoformat(timespec="seconds").replace("+00:00", "Z")
    return Markup('<time datetime="{}">{}</time>').format(iso, moment.strftime(form))


def total(values: list[Decimal]) -> Decimal:
    """The exact sum."""
    found = Decimal(0)
    for value in values:
        found = EXACT.add(found, value)
    return found


def milliseconds(value: datetime) -> int:
    """Since 1970, for drawing."""
    return int(value.timestamp() * 1000)
