"""Where processes of one user find what they share beyond a home: rate limits, nonces.

The limit is the address's and the nonce the key's, so two homes must not count apart. The folder
is ``$XDG_STATE_HOME/tidemark`` (``~/.local/state/tidemark`` where that is not set); it holds
numbers only; losing it costs a refused call at most. Where it cannot be
written, the home takes its place.
"""

import hashlib
import platform
import re
from pathlib import Path
from urllib.parse import urlsplit

from warehouse.home import user_folder


def state_folder() -> Path | None:
    """The user's folder, which need not exist; ``None`` where the user has none."""
    return user_folder("XDG_STATE_HOME", ".local/state")


def limits_folder(folder: Path) -> Path:
    """Of one machine: a home folder may be shared by several, each with its own address."""
    return folder / "limits" / re.sub(r"[^A-Za-z0-9.-]", "_", platform.node() or "machine")


def place_name(exchange: str, base_url: str, key: str = "") -> str:
    """A file name for one exchange at one address (and one key, of which a hash is used)."""
    place = urlsplit(base_url).netloc.rpartition("@")[2].lower()
    name = f"{exchange}-{place}" if place else exchange
    if key:
        name += f"-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
    return re.sub(r"[^A-Za-z0-9.-]", "_", name)
