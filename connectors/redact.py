"""Masks secrets in messages, and removes control characters of a server's text."""

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final
from urllib.parse import quote, quote_plus

from connectors.jsontext import NotJsonError, decode

MASK: Final = "***"
EXCERPT: Final = 200
_LOOKED_AT: Final = 20_000
"""Characters of an answer of which an excerpt is made."""
_SIGNATURE: Final = re.compile(r"[0-9a-fA-F]{40,}")
_LONG_NUMBER: Final = re.compile(r"\d{5,}")
_TAG: Final = re.compile(r"<(/?[A-Za-z]*)[^<>]*+>?")
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\s]+")


def redact(text: str, secrets: Iterable[str]) -> str:
    """``text`` with every one of ``secrets`` masked, also where it is percent-encoded.

    Whatever looks like a signature goes too, and the numbers of a sentence about nonces: they may
    be those of an earlier call.
    """
    return _masked(text, _forms(secrets))


def _forms(secrets: Iterable[str]) -> list[str]:
    forms = {form for s in secrets if s for form in (s, quote(s, safe=""), quote_plus(s))}
    return sorted(forms, key=len, reverse=True)


def _masked(text: str, forms: Iterable[str]) -> str:
    for form in forms:
        text = re.sub(re.escape(form), MASK, text, flags=re.IGNORECASE)
    text = _SIGNATURE.sub(MASK, text)
    return _LONG_NUMBER.sub(MASK, text) if "nonce" in text.lower() else text


def printable(text: str) -> str:
    """A server's text in one line without control characters, fit for any message or file."""
    return _UNPRINTABLE.sub(" ", text.encode("utf-8", "backslashreplace").decode()).strip()


def masked(parts: Iterable[bytes], secrets: Iterable[str]) -> Iterator[bytes]:
    """A body in ``parts`` with every one of ``secrets`` masked, where a server repeats one."""
    words = sorted({secret.lower().encode() for secret in secrets if secret}, key=len)[::-1]
    if not words:
        yield from parts
        return
    held = b""
    for part in parts:
        held += part
        lower = held.lower()
        # hardly ever; each call has a signature of its own, and so a pattern
        if any(word in lower for word in words):
            pattern = b"|".join(map(re.escape, words))
            held = re.sub(pattern, MASK.encode(), held, flags=re.IGNORECASE)
        ready = max(0, len(held) - len(words[0]) + 1)  # the rest may be the beginning of one
        yield held[:ready]
        held = held[ready:]
    yield held


def excerpt(body: bytes, secrets: Iterable[str] = ()) -> str:
    """A server's answer, in one line of at most 200 characters, redacted.

    The text of ``detail``, ``error`` or ``message`` where the answer is such an object; of a web
    page the words without the markup.
    """
    forms = _forms(secrets)
    text = _reason(body) or body[: 2 * _LOOKED_AT].decode("utf-8", "replace")
    is_cut = len(text) > _LOOKED_AT
    # Masked before it is cut, so that no half of a secret is left at the end.
    text = _masked(text[:_LOOKED_AT], forms)
    if is_cut:
        text = text[: _LOOKED_AT - max(map(len, forms), default=0)]
    if text.lstrip()[:1] == "<":
        text = _words(text)
    text = printable(text)
    return text if len(text) <= EXCERPT else text[: EXCERPT - 3] + "..."


def _words(page: str) -> str:
    """The text of a web page, without markup, scripts and styles."""
    found: list[str] = []
    at = 0
    hidden: str | None = None
    for tag in _TAG.finditer(page):
        name = tag[1].lower()
        if hidden is None:
            found.append(page[at : tag.start()])
            hidden = name if name in ("script", "style") else None
        elif name == f"/{hidden}":
            hidden = None
        at = tag.end()
    if hidden is None:
        found.append(page[at:])
    return " ".join(found)


def _reason(body: bytes) -> str | None:
    try:
        answer = decode(Any, body)
    except NotJsonError:
        return None
    if isinstance(answer, dict):
        for key in ("detail", "error", "message"):
            if isinstance(answer.get(key), str):
                return str(answer[key])
    return None
