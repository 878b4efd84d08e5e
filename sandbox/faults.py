"""A script of things that go wrong: which requests, how often, and how.

``Faults([Fault("status", status=502, path="/public/trades", times=3)])`` breaks the next three
calls of that path. Rules are tried in order and the first that matches is used up.
"""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal, TypeAlias

from sandbox.jsontext import decode, encode

Kind = Literal[
    "status",  # an error status with the dialect's own body
    "refusal",  # the dialect's refusal that says ``text``, with ``status`` where it has several
    "html",  # an HTML page, with ``status`` (200 and 503 occur)
    "truncate",  # half of the body, then the connection closes
    "cut",  # half of the body as if it were whole (valid HTTP, broken JSON)
    "reset",  # the connection is reset before any answer
    "hang",  # no answer for ``seconds``, then a reset
    "drip",  # the right answer, in small pieces over ``seconds``
    "empty",  # 200 with an empty body
    "body",  # 200 with ``body``
    "stale",  # the answer that this path and market gave last time
    "duplicate",  # some rows twice
    "shuffle",  # rows in a random order
    "malformed",  # one row spoilt, or those that ``rows`` names
    "swap",  # the first of the bytes ``swap[0]`` by ``swap[1]``: no JSON need come of it
]
ROW_KINDS = ("duplicate", "shuffle", "malformed")
PAGE = b"<html><head><title>502 Bad Gateway</title></head><body><h1>Sorry</h1></body></html>"


@dataclass(frozen=True)
class Fault:
    """``path``: a part of the path, or the name of a tapi method; empty = every request.

    ``after``: how many matching requests pass unharmed first; ``times``: how many are then hit
    (None = all). ``spoil``: field and value (JSON text) of the ``malformed`` row, by default a
    price that is no number; ``id`` is the key where rows are members of an object. ``rows``: which
    rows, in the order of the answer; None = one at random.
    """

    kind: Kind
    status: int = 503
    path: str = ""
    after: int = 0
    times: int | None = 1
    retry_after: int | None = None
    seconds: float = 5.0
    body: bytes = b""
    seed: int = 0
    spoil: tuple[str, str] | None = None
    rows: slice | None = None
    text: str = ""
    swap: tuple[bytes, bytes] = (b"", b"")


@dataclass(frozen=True)
class Request:
    """What a script may look at; ``call`` is the path, or the tapi method."""

    number: int
    method: str
    path: str
    call: str
    query: dict[str, str]


Script: TypeAlias = Callable[[Request], Fault | None]


@dataclass
class _Rule:
    fault: Fault
    passed: int = 0
    hit: int = 0


@dataclass
class Faults:
    """The script: rules, a callable, or both (the callable is asked first)."""

    rules: Iterable[Fault] = ()
    script: Script | None = None
    log: list[tuple[Request, Fault]] = field(default_factory=list)
    """Every fault that was played."""

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._rules = [_Rule(fault) for fault in self.rules]

    def add(self, *faults: Fault) -> None:
        """More rules, after those that are there."""
        with self._lock:
            self._rules += [_Rule(fault) for fault in faults]

    def clear(self) -> None:
        """No faults from now on."""
        with self._lock:
            self._rules.clear()
            self.script = None

    def pick(self, request: Request) -> Fault | None:
        """The fault for this request, if any."""
        with self._lock:
            fault = self.script(request) if self.script else None
            fault = fault or self._from_rules(request)
            if fault:
                self.log.append((request, fault))
            return fault

    def _from_rules(self, request: Request) -> Fault | None:
        for rule in self._rules:
            fault = rule.fault
            if fault.path not in request.path and fault.path != request.call:
                continue
            if fault.times is not None and rule.hit >= fault.times:
                continue
            if rule.passed < fault.after:
                rule.passed += 1
                continue
            rule.hit += 1
            return fault
        return None


def spoil_rows(body: bytes, fault: Fault) -> bytes:
    """Duplicate, shuffle or spoil the rows of an answer; one without rows stays as it is."""
    try:
        answer = decode(body)
    except ValueError:
        return body
    rng = Random(fault.seed)
    if isinstance(answer, list):
        answer = _spoil_list(answer, fault, rng)
    elif isinstance(answer, dict):
        _spoil_inside(answer, fault, rng)
    return encode(answer).encode()


def _spoil_inside(answer: dict[str, Any], fault: Fault, rng: Random) -> None:
    for name, value in answer.items():
        if isinstance(value, list):
            answer[name] = _spoil_list(value, fault, rng)
        elif (
            isinstance(value, dict)
            and _holds_objects(value)
            and not all(map(_holds_objects, value.values()))
        ):
            keys = list(value)
            if fault.kind == "malformed":
                hit = [rng.choice(keys)] if fault.rows is None else keys[fault.rows]
                answer[name] = dict(_spoil_member(k, value[k], k in hit, fault) for k in keys)
            else:
                rng.shuffle(keys)
                answer[name] = {key: value[key] for key in keys}
        elif isinstance(value, dict):
            _spoil_inside(value, fault, rng)


def _holds_objects(value: dict[str, Any]) -> bool:
    """Whether every member is an object: so are rows, and what holds rows by a name."""
    return bool(value) and all(isinstance(v, dict) for v in value.values())


def _spoil_member(key: str, row: Any, hit: bool, fault: Fault) -> tuple[str, Any]:
    if hit and fault.spoil is not None and fault.spoil[0] == "id":
        return f"{decode(fault.spoil[1])}?{key}", row  # several unreadable keys must differ
    if hit:
        _spoil_row(row, fault)
    return key, row


def _spoil_list(rows: list[Any], fault: Fault, rng: Random) -> list[Any]:
    rows = list(rows)
    if fault.kind == "shuffle":
        rng.shuffle(rows)
    elif fault.kind == "duplicate" and rows:
        for _ in range(min(3, len(rows))):
            rows.insert(rng.randrange(len(rows) + 1), rng.choice(rows))
    elif fault.kind == "malformed" and rows:
        for row in rows[fault.rows] if fault.rows is not None else [rng.choice(rows)]:
            _spoil_row(row, fault)
    return rows


def _spoil_row(row: Any, fault: Fault) -> None:
    if isinstance(row, list):
        row[1] = "n/a"
    elif isinstance(row, dict):
        price = next((name for name in ("price", "rate", "amount") if name in row), None)
        if fault.spoil is not None:
            name = "tid" if fault.spoil[0] == "id" and "tid" in row else fault.spoil[0]
            row[name] = decode(fault.spoil[1])
        elif price is not None:
            row[price] = "n/a"
