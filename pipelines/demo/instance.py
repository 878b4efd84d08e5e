"""The Dagster instance of the demo: in the demo's home, apart from that of real data."""

from pathlib import Path
from typing import Final

import yaml

from warehouse.files import put

FOLDER: Final = "dagster"
SHIPPED: Final = Path(__file__).parents[2] / "dagster.yaml"
_PLACES: Final = ("storage", "local_artifact_storage", "compute_logs")
"""What the shipped settings say of places; without it, everything is stored beside the file."""


def dagster_home(home: Path) -> Path:
    """``DAGSTER_HOME`` of the demo whose data is in ``home``, with its ``dagster.yaml``."""
    folder = home / FOLDER
    folder.mkdir(exist_ok=True)
    shipped = yaml.safe_load(SHIPPED.read_text(encoding="utf-8")) if SHIPPED.is_file() else {}
    settings = {name: value for name, value in shipped.items() if name not in _PLACES}
    quiet = {"telemetry": {"enabled": False}, "nux": {"enabled": False}}
    put(folder / "dagster.yaml", yaml.safe_dump({**quiet, **settings}).encode())
    return folder
