"""Where everything is stored, for those who do not say it."""

import os
from pathlib import Path


def home_of(home: Path | str | None) -> Path:
    """``home`` itself, else ``TIDEMARK_HOME``, else ``./data``."""
    return Path(home or os.environ.get("TIDEMARK_HOME") or "data").expanduser()
