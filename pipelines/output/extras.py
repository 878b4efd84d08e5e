"""Optional packages: the extras that ``pyproject.toml`` declares for single commands."""

from importlib.util import find_spec
from typing import Final

from pipelines.output.formatting import with_fix
from schemas import ConfigError

_PACKAGES: Final = {
    "report": ("jinja2", "markupsafe"),
    "celery": ("dagster_celery", "redis"),
}


def missing(extra: str) -> list[str]:
    """The packages of ``extra`` that are not installed. Nothing is imported."""
    return [name for name in _PACKAGES[extra] if find_spec(name) is None]


def require(extra: str) -> None:
    """Raises ``ConfigError`` where ``extra`` is not installed."""
    absent = missing(extra)
    if absent:
        verb = "is" if len(absent) == 1 else "are"
        problem = f"{' and '.join(absent)} {verb} not installed"
        raise ConfigError(with_fix(problem, f"pip install 'tidemark[{extra}]'"))
