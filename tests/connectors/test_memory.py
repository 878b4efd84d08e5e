"""No answer takes more memory than three times the largest one allowed, nor much time."""

import gzip
import re
import subprocess
import sys
import zlib
from collections.abc import Iterable
from pathlib import Path

import pytest

from connectors.wire import LARGEST
from tests.connectors.hostile import Play, Wire, answer, serving

MIB = 1024 * 1024
TRADE = b'{"id":%d,"date":1543252041327,"symbol":"BTC_USD","price":"1","amount":"1","type":"buy"}'
WIDE = "\N{GRINNING FACE}".encode()  # one of these makes all of a string take four bytes each


def packed(parts: list[bytes], encoding: str = "gzip") -> bytes:
    machine = zlib.compressobj(1, wbits=15 if encoding == "deflate" else 31)
    return b"".join([*map(machine.compress, parts), machine.flush()])


def sent(body: bytes, *headers: str, status: str = "200 OK") -> Play:
    return lambda wire: wire.send(answer(*headers, status=status) + body)


def zipped(*parts: bytes, status: str = "200 OK") -> Play:
    return sent(packed(list(parts)), "Content-Encoding: gzip", status=status)


def flood(status: str, *headers: str) -> Play:
    def play(wire: Wire) -> None:
        wire.send(answer(*headers, status=status))
        while True:
            wire.send(bytes(MIB))

    return play


def rows_of(size: int) -> list[bytes]:
    """Three rows of ``size`` bytes between good ones."""
    long = b'{"id":1,"note":"%b%b"}' % (WIDE, b"x" * size)
    return [b"[", b",".join([TRADE % 1, long, TRADE % 2, long, TRADE % 3, long]), b"]"]


Case = tuple[str, str, tuple[Play, ...]]
"""A name, a part of what the connector says, and what the server does."""


def public_cases() -> list[Case]:
    full, some = 63 * MIB, 8 * MIB
    zeros = packed([bytes(MIB)] * 200)
    too_large = "larger than 64 MiB"
    return [
        ("gzip", too_large, (sent(zeros, "Content-Encoding: gzip"),)),
        (
            "gzip in gzip",
            too_large,
            (sent(gzip.compress(zeros, 1), "Content-Encoding: gzip, x-gzip"),),
        ),
        (
            "deflate",
            too_large,
            (sent(packed([bytes(MIB)] * 80, "deflate"), "Content-Encoding: deflate"),),
        ),
        ("many layers", too_large, (sent(zeros, "Content-Encoding: " + "gzip, " * 5000),)),
        (
            "gzip name",
            too_large,
            (
                sent(
                    packed([b"\x1f\x8b\x08\x08\0\0\0\0\0\xff", b"n" * 80 * MIB]),
                    "Content-Encoding: gzip, gzip",
                ),
            ),
        ),
        ("flood", too_large, (flood("200 OK"),)),
        ("followed redirect", "0 rows", (flood("302 Found", "Location: /next"), sent(b"[]"))),
        ("odd redirect", too_large, (flood("302 Found", "Location: javascript:1"),)),
        (
            "packed redirect",
            too_large,
            (sent(zeros, "Content-Encoding: gzip", "Location: x:y", status="302 Found"),),
        ),
        ("a million rows", "more values", (sent(b"[" + b"{}," * 999_999 + b"{}]"),)),
        ("more empty rows", "more values", (zipped(b"[", b"{}," * (some // 3), b"{}]"),)),
        ("rows not asked for", "6,000 rows", (sent(listed(TRADE % i for i in range(6000))),)),
        ("numbers", "more values", (zipped(b"[", b"1," * (some // 2), b"1]"),)),
        ("depth", "more values", (zipped(b"[" * some),)),
        ("closed depth", "more values", (zipped(b"[" * (some // 2), b"]" * (some // 2)),)),
        ("a wide string", "0 rows, 1 rejected", (zipped(b'["', WIDE, b"x" * full, b'"]'),)),
        ("escapes", "0 rows, 1 rejected", (zipped(b'["', b'\\"' * (some // 2), b'"]'),)),
        ("an endless string", "no whole JSON", (zipped(b'["', b'\\"' * (some // 2)),)),
        ("spaces", "0 rows, 0 rejected", (zipped(b"[", b" " * some, b"]"),)),
        ("long rows", "3 rows, 3 rejected", (zipped(*rows_of(20 * MIB)),)),
        ("rows of a mebibyte", "rows of more than", (zipped(*wide_rows(60, MIB - 20)),)),
        ("wide texts", "0 rows, 4000 rejected", (zipped(*wide_rows(4000, 1900)),)),
        (
            "an error",
            "status 500",
            (zipped(b'{"error":"', WIDE, b"<script>" * (full // 8), b'"}', status="500 Internal"),),
        ),
        ("a page", "status 500", (zipped(b"<script>" * (some // 8), status="500 Internal"),)),
    ]


def private_cases() -> list[Case]:
    full = 63 * MIB
    return [
        (
            "rows that repeat the key",
            "1 rejected",
            (zipped(b'{"success":1,"return":{"1":"', b"My-Key-4711my-key-4711" * 2**18, b'"}}'),),
        ),
        (
            "a wide error",
            "account_trades|came|bytes|TradeHistory",
            (zipped(b'{"success":0,"error":"', WIDE, b"x" * full, b'"}'),),
        ),
        (
            "empty members",
            "more",
            (zipped(b'{"success":1,"return":{"1":', b'{},"2":' * (full // 7), b"{}}}"),),
        ),
    ]


def listed(rows: Iterable[bytes]) -> bytes:
    return b"[" + b",".join(rows) + b"]"


def wide_rows(number: int, size: int) -> list[bytes]:
    return [b"[", (b'{"a":"%b%b"},' % (WIDE, b"x" * size)) * (number - 1), b"{}]"]


def measured(exchange: str, dataset: str, cases: list[Case]) -> None:
    """Make the calls one by one in a process of their own."""
    played = [play for _, _, plays in cases for play in plays]
    with serving(sent(b"[]"), *played) as server:
        done = subprocess.run(
            [sys.executable, "-m", "tests.connectors.peak", server.base_url, exchange]
            + [dataset] * len(cases),
            capture_output=True,
            text=True,
            timeout=300,
            check=True,
            cwd=Path(__file__).parents[2],
        )
    for (name, says, _), line in zip(cases, done.stdout.splitlines()[1:], strict=True):
        peak, took, said = line.split("\t", 2)
        print(f"{name:30} {int(peak) // 1024:6} MiB {took} s {said[:110]}")
        assert re.search(says, said), (name, said)
        assert int(peak) * 1024 < 3 * LARGEST, (name, peak)
        assert float(took) < 5, name


@pytest.mark.slow
@pytest.mark.parametrize("every", [2, pytest.param(1, marks=pytest.mark.torture)])
def test_a_public_answer_takes_less_than_three_times_the_largest(every: int) -> None:
    """Each second case in ``make test``: one of any two that are alike."""
    measured("bitexbit", "trades", public_cases()[every - 1 :: every])


@pytest.mark.slow
def test_a_private_answer_takes_less_than_three_times_the_largest() -> None:
    measured("wex", "account_trades", private_cases())
