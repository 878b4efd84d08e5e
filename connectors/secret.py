"""Secrets of keys that are written in base64."""

import base64
import re


def decoded(secret: str) -> bytes:
    """The bytes of ``secret``; of one that is mistyped some others, which the exchange refuses."""
    letters = re.sub(r"[^A-Za-z0-9+/]", "", secret)
    if len(letters) % 4 == 1:
        letters = letters[:-1]
    return base64.b64decode(letters + "=" * (-len(letters) % 4))
