"""Signing, as documented: HMAC-SHA512 over the urlencoded POST body, hexadecimal.

The body holds ``method`` and ``nonce``. The nonce rises with every call and never past 4294967294,
for the life of the key: epoch seconds fit, milliseconds do not.
"""

import hashlib
import hmac
from dataclasses import replace
from typing import Final

from connectors.base import Credentials
from connectors.http import Request

MAX_NONCE: Final = 4_294_967_294


def signature(secret: str, body: str) -> str:
    """``Sign`` of one call."""
    return hmac.new(secret.encode(), body.encode(), hashlib.sha512).hexdigest()


def sign(request: Request, credentials: Credentials, nonce: int) -> Request:
    """``request`` (its form holds ``method``) as it is sent: a signed POST."""
    body = f"{request.form}&nonce={nonce}"
    sign_ = signature(credentials.secret, body)
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Key": credentials.key,
        "Sign": sign_,
    }
    secrets = (credentials.key, credentials.secret, sign_, str(nonce))
    return replace(request, content=body.encode(), headers=headers, secrets=secrets)
