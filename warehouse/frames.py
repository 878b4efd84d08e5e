"""Hand a result over as Arrow, pandas or Polars, with decimals kept as decimals."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import pyarrow as pa

from schemas import ConfigError

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

    PandasFrame: TypeAlias = pd.DataFrame
    PolarsFrame: TypeAlias = pl.DataFrame

As = Literal["arrow", "pandas", "polars"]
"""Which library's table one gets."""
_CHOICES: Final = ("arrow", "pandas", "polars")


class _NoPandas:
    """A finder of modules that finds everything but pandas."""

    def find_spec(self, name: str, _path: Sequence[str] | None, _target: object = None) -> None:
        """Raises ``ImportError`` for pandas; leaves all else to the finders after it."""
        if name == "pandas":
            raise ImportError("pandas is imported when a frame is asked for")


def spare_pandas() -> None:
    """Let pyarrow work without pandas until the first frame. For a process of our own.

    At its first array pyarrow imports pandas (0.15 s, 25 MiB), only to recognise its columns. It
    remembers that there was none, and imports pandas after all where a table becomes a frame.
    """
    finder = _NoPandas()
    sys.meta_path.insert(0, finder)
    try:
        pa.array([])
    finally:
        sys.meta_path.remove(finder)


def check(as_: str) -> None:
    """Raises ``ConfigError`` for an unknown library."""
    if as_ not in _CHOICES:
        raise ConfigError(f"as_={as_!r} is not one of {', '.join(_CHOICES)}")


def hand_over(table: pa.Table, as_: As) -> "pa.Table | PandasFrame | PolarsFrame":
    """``table`` itself, a pandas frame of Arrow-backed columns, or a Polars frame.

    The libraries are imported only when asked for.
    """
    check(as_)
    if as_ == "pandas":
        import pandas as pd

        return table.to_pandas(types_mapper=pd.ArrowDtype)
    if as_ == "polars":
        try:
            import polars as pl
        except ImportError as error:
            raise ConfigError(
                "as_=\"polars\" needs Polars. Fix: pip install 'tidemark[polars]'"
            ) from error
        return pl.DataFrame(table)
    return table
