"""The Dagster instance of a home: that of the demo is apart from that of real data."""

from pathlib import Path
from typing import Any, Final

import yaml

from warehouse.files import put

FOLDER: Final = "dagster"
SHIPPED: Final = Path(__file__).parents[1] / "dagster.yaml"
"""A link to that of the repository; the wheel has the file itself."""

_SHIPPED_PLACE: Final = "data/dagster"


def dagster_home(home: Path) -> Path:
    """``DAGSTER_HOME`` of the data in ``home``, with its ``dagster.yaml``."""
    folder = home / FOLDER
    folder.mkdir(exist_ok=True)
    shipped = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    put(folder / "dagster.yaml", yaml.safe_dump(_moved(shipped, folder)).encode())
    return folder


def _moved(value: Any, folder: Path) -> Any:
    """The settings with the places of the shipped ones below ``folder``."""
    if isinstance(value, dict):
        return {name: _moved(inner, folder) for name, inner in value.items()}
    if isinstance(value, str) and value.startswith(_SHIPPED_PLACE):
        return str(folder) + value.removeprefix(_SHIPPED_PLACE)
    return value
