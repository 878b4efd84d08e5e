"""How the page writes numbers and times: short to read, exact on hover."""

from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal

from markupsafe import Markup

from pipelines.output.formatting import age, number

EXACT = Context(prec=200)
"""Wide enough for any product and sum of the warehouse's decimals."""
NOTHING = Markup('<span class="none">–</span>')
MONEY, AMOUNT = 5, 8
"""How many digits figures have where they matter: of money, and of amounts and prices."""
LEAST, MOST = 2, 8
"""How many decimals a figure has at least and at most."""


def rounded(value: Decimal, digits: int = AMOUNT) -> Decimal:
    """``value`` with ``digits`` digits, but never fewer than 2 decimals nor more than 8.

    What would become 0 is cut to its first two digits instead.
    """
    places = min(max(digits - 1 - value.adjusted(), LEAST), MOST) if value else LEAST
    short = value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN, EXACT)
    return short if short or not value else Context(prec=2).plus(value)


def readable(value: Decimal, digits: int = AMOUNT) -> str:
    """``1,234.50``, ``0.00692841``; ``1e-12`` for what is too small to be written in 8 decimals."""
    short = rounded(value, digits)
    if value and value.adjusted() < -MOST and short.adjusted() < -MOST:
        return f"{short.normalize():e}"
    whole, _, decimals = f"{short:,f}".partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(LEAST, '0')}"


def figure(value: Decimal | None, digits: int = AMOUNT, signed: bool = False) -> Markup:
    """A figure to read; the exact one in ``<data value>``, and shown on hover if it differs."""
    if value is None:
        return NOTHING
    exact, shown = number(value), readable(value, digits)
    return Markup('<data value="{}"{}{}>{}{}</data>').format(
        exact,
        "" if Decimal(exact) == rounded(value, digits) else Markup(' title="{}"').format(exact),
        Markup(' class="{}"').format("down" if value < 0 else "up")
        if value < 0 or (signed and value)
        else "",
        "+" if signed and value > 0 else "",
        shown,
    )


def money(value: Decimal | None, signed: bool = False) -> Markup:
    """A value in the page's currency."""
    return figure(value, MONEY, signed)


def percent(rate: Decimal | None, signed: bool = False) -> Markup:
    """A fraction as percent, to two decimals."""
    if rate is None:
        return NOTHING
    scaled = EXACT.multiply(rate, Decimal(100))
    shown = scaled.quantize(Decimal("0.01"), ROUND_HALF_EVEN, EXACT)
    sign = Markup(' class="{}"').format("down" if shown < 0 else "up") if shown and signed else ""
    text = f"{shown:+,f}" if signed and shown else f"{shown or abs(shown):,f}"  # never -0
    return Markup('<data value="{}"{}>{} %</data>').format(f"{rate:.8f}", sign, text)


def plain(value: Decimal) -> str:
    """A value for charts: rounded, without grouping."""
    return number(rounded(value, MONEY))


def when(value: datetime | None, form: str = "%Y-%m-%d %H:%M") -> Markup:
    """A time in UTC, to the minute."""
    if value is None:
        return NOTHING
    return Markup('<time datetime="{}">{}</time>').format(
        _iso(value), value.astimezone(UTC).strftime(form)
    )


def ago(value: datetime, now: datetime) -> Markup:
    """How long ago ``value`` was; counts up while the page is open."""
    return Markup('<time data-age datetime="{}" title="{} UTC">{}</time>').format(
        _iso(value), value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S"), age(now - value)
    )


def total(values: list[Decimal]) -> Decimal:
    """The exact sum."""
    found = Decimal(0)
    for value in values:
        found = EXACT.add(found, value)
    return found


def milliseconds(value: datetime) -> int:
    """Since 1970, for drawing."""
    return int(value.timestamp() * 1000)


def microseconds(span: timedelta) -> int:
    """The length of a span."""
    return span // timedelta(microseconds=1)


def _iso(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
