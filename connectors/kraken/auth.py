"""Signing, as documented: HMAC-SHA512 over path and SHA-256 of nonce and body, in base64.

The secret is base64. The body is signed exactly as sent, and begins with the nonce: milliseconds,
which rise for the life of the key. A key that was once used with microseconds takes no smaller one.
"""

import base64
import hashlib
import hmac
from dataclasses import replace
from typing import Final

from connectors.base import Credentials
from connectors.http import Request
from connectors.secret import decoded

MAX_NONCE: Final = 2**63 - 1


def signature(secret: str, path: str, nonce: int | str, body: str) -> str:
    """``API-Sign`` of one call; ``path`` begins with ``/0/private/``."""
    digest = hashlib.sha256(f"{nonce}{body}".encode()).digest()
    made = hmac.new(decoded(secret), path.encode() + digest, hashlib.sha512)
    return base64.b64encode(made.digest()).decode()


def sign(request: Request, credentials: Credentials, nonce: int) -> Request:
    """``request`` as it is sent: a POST whose form begins with the nonce."""
    body = f"nonce={nonce}&{request.form}" if request.form else f"nonce={nonce}"
    sign_ = signature(credentials.secret, request.path, nonce, body)
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "API-Key": credentials.key,
        "API-Sign": sign_,
    }
    return replace(request, content=body.encode(), headers=headers, secrets=(sign_, str(nonce)))
