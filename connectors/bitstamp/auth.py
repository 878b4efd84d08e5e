"""Signing, as documented for v2: HMAC-SHA256 over the whole request, hexadecimal, in a header.

A nonce is any text of 36 characters that was not used for 150 seconds, so that several programs may
share a key. The time is in milliseconds and must be near the exchange's own.
"""

import hashlib
import hmac
import uuid
from dataclasses import replace
from typing import Final

from connectors.base import Credentials
from connectors.http import Request

_FORM: Final = "application/x-www-form-urlencoded"


def signature(secret: str, message: str) -> str:
    """``X-Auth-Signature`` of one call."""
    return hmac.new(secret.encode(), message.encode(), hashlib.sha256).hexdigest()


def signed(request: Request, credentials: Credentials, at_ms: int, nonce: str) -> Request:
    """``request``, a POST, as it is sent: without a form it has no body, and names no type of one.

    The host is part of what is signed: the one that is addressed.
    """
    content_type = _FORM if request.form else ""
    target = f"{request.host}{request.path}{request.query}"
    message = f"BITSTAMP {credentials.key}{request.method}{target}{content_type}"
    made = signature(credentials.secret, f"{message}{nonce}{at_ms}v2{request.form}")
    headers = {
        "X-Auth": f"BITSTAMP {credentials.key}",
        "X-Auth-Signature": made,
        "X-Auth-Nonce": nonce,
        "X-Auth-Timestamp": str(at_ms),
        "X-Auth-Version": "v2",
    }
    if content_type:
        headers["Content-Type"] = content_type
    body = request.form.encode() if request.form else None
    return replace(request, content=body, headers=headers, secrets=(made, nonce))


def sign(request: Request, credentials: Credentials, at: int) -> Request:
    """``request`` with a nonce of its own; ``at``: microseconds since 1970."""
    return signed(request, credentials, at // 1000, str(uuid.uuid4()))
