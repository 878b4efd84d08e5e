"""Signing, as documented: HMAC-SHA256 over time, method, path with query, and body, in base64.

The key of the HMAC is the secret decoded from base64. The time is in seconds and must lie within
30 seconds of the exchange's own; there is no nonce.
"""

import base64
import hashlib
import hmac
from dataclasses import replace

from connectors.base import Credentials
from connectors.http import Request
from connectors.secret import decoded


def signature(secret: str, message: str) -> str:
    """``CB-ACCESS-SIGN`` of one call."""
    made = hmac.new(decoded(secret), message.encode(), hashlib.sha256)
    return base64.b64encode(made.digest()).decode()


def sign(request: Request, credentials: Credentials, at: int) -> Request:
    """``request``, a GET, with the four headers that sign it; ``at``: microseconds since 1970."""
    seconds = f"{at // 1_000_000}.{at // 1000 % 1000:03d}"
    target = f"{request.path}?{request.query}" if request.query else request.path
    signed = signature(credentials.secret, f"{seconds}{request.method}{target}")
    headers = {
        "CB-ACCESS-KEY": credentials.key,
        "CB-ACCESS-SIGN": signed,
        "CB-ACCESS-TIMESTAMP": seconds,
        "CB-ACCESS-PASSPHRASE": credentials.passphrase or "",
    }
    return replace(request, headers=headers, secrets=(signed,))
