"""Feeds with keys, every way in which their calls fail, and a place where all that is said lies."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import sandbox
from pipelines.cli import main
from sandbox import KEYS, Fault
from tests.pipelines.secrets.search import Needles, search

FEED = """\
exchange: {exchange}
markets: [BTC-USD]
start: 2016-01-01
datasets: {{tickers: {{keep_raw: true}}, account_trades: {{}}, account_transactions: {{}}}}
"""
WRONG = "not-the-secret-that-belongs-to-this-key"
EXCHANGES = ("bitexbit", "wex")
STATUSES = (401, 403, 404, 429, 500, 503)
CALLS = {"bitexbit": ("/private/",), "wex": ("TradeHistory", "TransHistory")}


def failures(exchange: str) -> dict[str, Fault]:
    """Every way in which a private call may fail; in some the server repeats what it was sent."""
    key = KEYS[exchange]
    said = f"{key.key} {key.secret} {key.key.upper()}"
    bodies = {
        "a refusal": f'{{"success": 0, "error": "bad key: {said}", "detail": "{said}"}}',
        "rows": f'[{{"id": 1, "type": "{said}", "symbol": "BTC_USD"}}]',
        "rows by id": f'{{"success": 1, "return": {{"7": {{"type": "{said}", "pair": 1}}}}}}',
        "a web page": f"<html>{said}</html>",
        "no JSON": f"oops {said}",
        "half an answer": f'[{{"id": "{said}',
        "an object": f'{{"success": 1, "return": "{said}"}}',
        "a link": f'{{"results": [], "count": 9, "next": "http://x/?key={said}"}}',
    }
    return {
        **{str(s): Fault("status", status=s, retry_after=1) for s in STATUSES},
        "page": Fault("html", status=200),
        "page of an error": Fault("html", status=503),
        **{kind: Fault(kind) for kind in ("truncate", "cut", "reset", "empty", "malformed")},
        **{name: Fault("body", body=body.encode()) for name, body in bodies.items()},
    }


FAILURES = {name: failures(name) for name in EXCHANGES}


class Scene:
    """The sandbox, feeds of both exchanges with their keys, and a place where everything lies."""

    def __init__(self, server: sandbox.Served, place: Path, needles: Needles) -> None:
        self.server = server
        self.place = place
        self.needles = needles
        self.said = place / "said"

    def fresh(self, monkeypatch: pytest.MonkeyPatch, name: str) -> Path:
        """A home, and no fault and no open breaker, which would keep the next from showing."""
        self.server.faults.clear()
        home = self.place / "homes" / re.sub(r"\W", "-", name)
        shutil.rmtree(home / "breakers", ignore_errors=True)
        monkeypatch.setenv("TIDEMARK_HOME", str(home))
        return home

    def break_private_calls(self, failure: str, times: int | None) -> None:
        """The next ``times`` calls of each kind fail in this way."""
        for exchange, calls in CALLS.items():
            for call in calls:
                fault = replace(FAILURES[exchange][failure], path=call, times=times)
                self.server.faults.add(fault)

    def note(self, text: str) -> None:
        with self.said.open("a", encoding="utf-8") as file:
            file.write(text + "\n")

    def assert_clean(self, *kinds: str) -> None:
        assert self.needles.signatures  # how many: a crash of the program cuts a pull short
        found, searched = search(self.place, self.needles)
        assert found == []
        assert {*kinds, "bytes"} <= searched.keys()


def command(scene: Scene, capfd: pytest.CaptureFixture[str], *arguments: str) -> int:
    code = main(arguments)
    said = capfd.readouterr()
    scene.note(f"$ tidemark {arguments}: {code}\n{said.out}\n{said.err}")
    return code
