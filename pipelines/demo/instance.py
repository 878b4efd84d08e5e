"""The Dagster instance of the demo: in the demo's home, apart from that of real data."""

from pathlib import Path
from typing import Any, Final

import yaml

from warehouse.files import put

FOLDER: Final = "dagster"
SHIPPED: Final = Path(__file__).parents[2] / "dagster.yaml"
"""Of a clone. Without it Dagster's own defaults hold, which store everything beside the file."""

_SHIPPED_PLACE: Final = "data/dagster"
_QUIET: Final = {"telemetry": {"enabled": False}, "nux": {"enabled": False}}


def dagster_home(home: Path) -> Path:
    """``DAGSTER_HOME`` of the demo whose data is in ``home``, with its ``dagster.yaml``."""
    folder = home / FOLDER
    folder.mkdir(exist_ok=True)
    shipped = yaml.safe_load(SHIPPED.read_text(encoding="utf-8")) if SHIPPED.is_file() else _QUIET
    put(folder / "dagster.yaml", yaml.safe_dump(_moved(shipped, folder)).encode())
    return folder


def _moved(value: Any, folder: Path) -> Any:
    """The settings with the places of the shipped ones below ``folder``."""
    if isinstance(value, dict):
        return {name: _moved(inner, folder) for name, inner in value.items()}
    if isinstance(value, str) and value.startswith(_SHIPPED_PLACE):
        return str(folder) + value.removeprefix(_SHIPPED_PLACE)
    return value
