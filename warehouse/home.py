"""The default home, its metastore's address, and the user's folders outside any home."""

import os
from pathlib import Path
from typing import Final

METASTORE: Final = "TIDEMARK_METASTORE"


def home_of(home: Path | str | None) -> Path:
    """``home`` itself, else ``TIDEMARK_HOME``, else ``./data``."""
    return Path(home or os.environ.get("TIDEMARK_HOME") or "data").expanduser()


def metastore_url() -> str | None:
    """The address of PostgreSQL that ``TIDEMARK_METASTORE`` states; ``None``: SQLite.

    It may hold a password.
    """
    return os.environ.get(METASTORE, "").strip() or None


def user_folder(variable: str, usual: str) -> Path | None:
    """The user's own folder beyond any home, by the XDG ``variable``; it need not exist.

    ``usual``: where it lies in the user's directory if the variable is not set. ``None`` where the
    user has neither.
    """
    base = Path(os.environ.get(variable, ""))
    if not base.is_absolute():
        try:
            base = Path.home() / usual
        except RuntimeError:
            return None
    return base / "tidemark"
