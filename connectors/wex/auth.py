"""Signing, as documented: HMAC-SHA512 over the urlencoded POST body, hexadecimal.

The body holds ``method`` and ``nonce``. The nonce rises with every call and never past 4294967294,
for the life of the key: epoch seconds fit, milliseconds do not.
"""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode

from connectors.base import Credentials

MAX_NONCE: Final = 4_294_967_294


def body(method: str, nonce: int, parameters: Mapping[str, str]) -> str:
    """The urlencoded body of one call."""
    return urlencode({"method": method, "nonce": str(nonce), **parameters})


def signature(secret: str, body_: str) -> str:
    """``Sign`` of one call."""
    return hmac.new(secret.encode(), body_.encode(), hashlib.sha512).hexdigest()


def headers(credentials: Credentials, body_: str) -> dict[str, str]:
    """The headers of a signed POST."""
    return {
        "Content-Type": "application/x-www-form-urlencoded",
        "Key": credentials.key,
        "Sign": signature(credentials.secret, body_),
    }
