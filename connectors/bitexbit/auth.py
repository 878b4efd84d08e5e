"""Signing, as documented: HMAC-SHA256 over path, nonce and body, hexadecimal.

The path is without its query (the query string is not signed); the body of a GET is empty.
"""

import hashlib
import hmac

from connectors.base import Credentials


def signature(secret: str, path: str, nonce: int, body: str = "") -> str:
    """``X-Signature`` of one call."""
    payload = f"{path}{nonce}{body}"
    return hmac.new(secret.encode(), payload.encode(), hashlib.sha256).hexdigest()


def headers(credentials: Credentials, path: str, nonce: int) -> dict[str, str]:
    """The three headers of a signed GET."""
    return {
        "X-API-Key": credentials.key,
        "X-Nonce": str(nonce),
        "X-Signature": signature(credentials.secret, path, nonce),
    }
