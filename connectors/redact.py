"""Masks secrets in messages, and removes control characters of a server's text."""

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote, quote_plus

import msgspec

MASK: Final = "***"
EXCERPT: Final = 200
_SIGNATURE: Final = re.compile(r"[0-9a-fA-F]{40,}")
_LONG_NUMBER: Final = re.compile(r"\d{5,}")
_TAGS: Final = re.compile(r"<(script|style)\b.*?</\1\s*>|<[^>]*>", re.DOTALL | re.IGNORECASE)
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\s]+")


def redact(text: str, secrets: Iterable[str]) -> str:
    """``text`` with every one of ``secrets`` masked, also where it is percent-encoded.

    Whatever looks like a signature goes too, and the numbers of a sentence about nonces: they may
    be those of an earlier call.
    """
    forms = {form for s in secrets if s for form in (s, quote(s, safe=""), quote_plus(s))}
    for form in sorted(forms, key=len, reverse=True):
        text = re.sub(re.escape(form), MASK, text, flags=re.IGNORECASE)
    text = _SIGNATURE.sub(MASK, text)
    return _LONG_NUMBER.sub(MASK, text) if "nonce" in text.lower() else text


def without(body: bytes, secrets: Iterable[str]) -> bytes:
    """``body`` with every one of ``secrets`` masked, where a server repeats one."""
    for secret in filter(None, secrets):
        body = re.sub(re.escape(secret.encode()), MASK.encode(), body, flags=re.IGNORECASE)
    return body


def excerpt(body: bytes, secrets: Iterable[str] = ()) -> str:
    """A server's answer, in one line of at most 200 characters, redacted.

    The text of ``detail``, ``error`` or ``message`` where the answer is such an object; of a web
    page the words without the markup.
    """
    text = _reason(body) or body[:20_000].decode("utf-8", "replace")
    if text.lstrip()[:1] == "<":
        text = _TAGS.sub(" ", text)
    # Masked before it is cut, so that no half of a secret is left at the end.
    text = _UNPRINTABLE.sub(" ", redact(text, secrets)).strip()
    return text if len(text) <= EXCERPT else text[: EXCERPT - 3] + "..."


def _reason(body: bytes) -> str | None:
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return None
    if isinstance(answer, dict):
        for key in ("detail", "error", "message"):
            if isinstance(answer.get(key), str):
                return str(answer[key])
    return None
