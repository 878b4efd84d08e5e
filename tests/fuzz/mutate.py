"""What a hostile server makes of an answer: its body, its headers, its status."""

import gzip
import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

TOKENS: Sequence[bytes] = (
    *(b"NaN", b"Infinity", b"-Infinity", b".5", b"5.", b"-.5", b"+1", b"01", b"0x10", b"1e5"),
    *(b"1e999999999", b"-0", b"-0.0", b"1e-400", b"9" * 30, b"9" * 5000, b"-1", b"1.5", b"1E+2"),
    *(
        b"null",
        b"true",
        b"false",
        b"undefined",
        b"None",
        b"nan",
        b"[]",
        b"{}",
        b"[[]]",
        b'{"a":{}}',
    ),
    *(b"[" * 3000, b"[" * 3000 + b"]" * 3000, b'{"a":' * 1500, b"[1,2,3]", b'{"code":{"a":[1]}}'),
    *(b'""', b'"\\ud83d"', b'"\\udc00\\ud83d"', b'"\\u0000"', b'"\xff\xfe"', b'"\xc3"', b'"\n"'),
    *(b'"\\u202e\\u001b[31m"', b'"a\\tb"', b'"\\x"', b'"=1+1"', b'"true"', b'"1"', b'"0"', b'"10"'),
    *(b'"../../../tapi_x"', b'"btc_usd#"', b'"btc\\nusd"', b'"\xc3\xa4_usd"', b'"%2e%2e"', b'"_"'),
    *(b'"a?b=c&d"', b'"BTC_USD.e"', b'"btc_usd"', b'"ETH_USD"', b'"' + b"x" * 70_000 + b'"', b'"'),
    *(b'"http://[::x"', b'"http://a/\\u0007?limit=1"', b'"https://x/?' + b"y" * 70_000 + b'"'),
    *(b'"https://x/?limit=2&offset=2"', b'"javascript:1"', b"1543252041327", b"1543252041", b"0"),
    *(b"1543252041327000", b"1543252041327000001", b'"2018-11-26T17:20:41.327Z"', b"\xef\xbb\xbf"),
    *(b'"2018-13-45T99:99:99"', b"253402300800", b"-62135596800", b"9223372036854775808", b","),
    *(b"9223372036854775807", b'"0.000000000001"', b'"1e-13"', b'"99999999999999999999999999.1"'),
    *(b":", b"}", b"]", b"\\", b"/**/", b"\x00", b"\xff", b"'a'", b"\xed\xa0\x80", b"  \t\r\n"),
)
BODIES: Sequence[bytes] = (
    *(b"", b" ", b"null", b"[]", b"{}", b"0", b'"x"', b"NaN", b"[", b"{", b'"', b"]", b"}", b","),
    *(
        b"<html>down</html>",
        b"<script>" * 3000,
        b"<" * 20_000,
        b"\xef\xbb\xbf[]",
        b"\xff\xfe[\x00]",
    ),
    *(
        b"[" * 100_000,
        b"[" * 50_000 + b"]" * 50_000,
        b'{"a":' * 50_000,
        b"[" + b"{}," * 7000 + b"{}]",
    ),
    *(b"[" + b"1," * 90_000 + b"1]", b'{"error":"invalid nonce 99999999999"}', b'{"error":{}}'),
    *(b'{"success":0,"error":"no trades"}', b'{"success":0,"error":"invalid order"}'),
    *(b'{"success":0,"error":"\\ud83d"}', b'{"success":1,"return":NaN}', b'{"success":1}'),
    *(b'{"detail":"' + b"<script>" * 3000 + b'"}', b'{"error":null}', b'{"success":[],"error":1}'),
    *(
        b'{"success":0,"error":"invalid nonce parameter; on key:4294967294, you sent:1"}',
        b"[[],[]]",
    ),
    *(b'{"success":0,"error":"' + b"x" * 30_000 + b'"}', b"[null]", b"[[[]]]", b'[{"id":1}]'),
)
STATUSES = (
    200,
    200,
    200,
    200,
    204,
    206,
    301,
    302,
    304,
    307,
    400,
    401,
    403,
    404,
    418,
    429,
    500,
    503,
)
HEADERS: Sequence[tuple[str, str]] = (
    ("Location", "javascript:1"),
    ("Location", "http://[::x"),
    ("Location", "//" + "a" * 70_000),
    ("Location", "http://xn--/"),
    ("Location", "http://127.0.0.1:99999/"),
    ("Location", "\x07"),
    ("Location", "/tapi_x"),
    ("Location", "http://" + "a" * 64 + ".127.0.0.1/"),
    ("Content-Encoding", "gzip"),
    ("Content-Encoding", "br"),
    ("Content-Encoding", "zstd, deflate"),
    ("Content-Encoding", "utf-8"),
    ("Content-Encoding", "gzip, " * 50),
    ("Date", "Sat, 10 Jan 2026 20:00:00 GMT"),
    ("Date", "Mon, 01 Jan 0001 00:00:00 +2359"),
    ("Date", "Fri, 31 Dec 9999 23:59:59 -2359"),
    ("Date", "x" * 5000),
    ("Date", "\xff"),
    ("Age", "999999999999"),
    ("Retry-After", "9" * 40),
    ("Retry-After", "Fri, 31 Dec 9999 23:59:59 -2359"),
    ("Retry-After", "-1"),
    ("Content-Type", "text/html"),
    ("Content-Type", "\xff\x00"),
    ("Set-Cookie", "a=b; expires=x; domain=\xff"),
)
_VALUE = re.compile(rb'"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|true|false|null')


@dataclass(frozen=True)
class Answer:
    """What the server sends. ``body``: as it goes over the wire."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def answer(rng: Random, seeds: Sequence[bytes]) -> Answer:
    """One mutated answer; most are right but for one thing."""
    body = rng.choice(BODIES) if rng.random() < 0.08 else rng.choice(seeds)
    for _ in range(rng.choice((0, 1, 1, 1, 2, 3, 8))):
        body = rng.choice(_WAYS)(rng, body)
    status = rng.choice(STATUSES) if rng.random() < 0.15 else 200
    headers = rng.sample(HEADERS, rng.choice((0, 0, 0, 0, 0, 1, 2)))
    if rng.random() < 0.05:
        encoding, pack = rng.choice((("gzip", gzip.compress), ("deflate", zlib.compress)))
        headers, body = [("Content-Encoding", encoding)], pack(body)
        if rng.random() < 0.5:
            body = _flip(rng, body)
    return Answer(status, tuple(headers), body)


def _at(rng: Random, body: bytes) -> int:
    return rng.randrange(len(body) + 1)


def _flip(rng: Random, body: bytes) -> bytes:
    if not body:
        return body
    at = rng.randrange(len(body))
    return body[:at] + bytes([body[at] ^ (1 << rng.randrange(8))]) + body[at + 1 :]


def _insert(rng: Random, body: bytes) -> bytes:
    at = _at(rng, body)
    return body[:at] + rng.choice(TOKENS) + body[at:]


def _cut(rng: Random, body: bytes) -> bytes:
    return body[: _at(rng, body)]


def _remove(rng: Random, body: bytes) -> bytes:
    at = _at(rng, body)
    return body[:at] + body[at + rng.choice((1, 1, 2, 5, 40)) :]


def _repeat(rng: Random, body: bytes) -> bytes:
    at = _at(rng, body)
    return body[:at] + body[at : at + rng.choice((1, 10, 200))] * 2 + body[at:]


def _replace(rng: Random, body: bytes) -> bytes:
    """A key or value by an odd one: the mutation that gets furthest."""
    spots = list(_VALUE.finditer(body))
    if not spots:
        return body
    spot = rng.choice(spots)
    other = rng.choice(TOKENS) if rng.random() < 0.8 else rng.choice(spots)[0]
    return body[: spot.start()] + other + body[spot.end() :]


def _inside(rng: Random, body: bytes) -> bytes:
    """Odd bytes within a string."""
    spots = [spot for spot in _VALUE.finditer(body) if spot[0][:1] == b'"']
    if not spots:
        return body
    at = rng.choice(spots).start() + 1
    return body[:at] + rng.choice(TOKENS).strip(b'"') + body[at:]


_WAYS: Sequence[Callable[[Random, bytes], bytes]] = (
    *(_replace, _replace, _replace, _replace, _inside, _inside),
    *(_insert, _insert, _flip, _cut, _remove, _repeat),
)
