"""Optional packages: the extras that ``pyproject.toml`` declares."""

from collections.abc import Iterator
from contextlib import contextmanager

from pipelines.output.formatting import with_fix
from schemas import ConfigError


@contextmanager
def extra(name: str) -> Iterator[None]:
    """The block needs the extra ``name``. Raises ``ConfigError`` where a package is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ConfigError(
            with_fix(f"{error.name} is not installed", f"pip install 'tidemark[{name}]'")
        ) from error
