"""Signing, as documented: HMAC-SHA256 over path, nonce and body, hexadecimal.

The path is without its query (the query string is not signed); the body of a GET is empty.
"""

import hashlib
import hmac
from dataclasses import replace

from connectors.base import Credentials
from connectors.http import Request


def signature(secret: str, path: str, nonce: int) -> str:
    """``X-Signature`` of one call."""
    return hmac.new(secret.encode(), f"{path}{nonce}".encode(), hashlib.sha256).hexdigest()


def sign(request: Request, credentials: Credentials, nonce: int) -> Request:
    """``request``, a GET, with the three headers that sign it."""
    headers = {
        "X-API-Key": credentials.key,
        "X-Nonce": str(nonce),
        "X-Signature": signature(credentials.secret, request.path, nonce),
    }
    return replace(request, headers=headers, secrets=(*headers.values(), credentials.secret))
