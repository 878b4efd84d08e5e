"""Feeds with keys, every way in which their calls fail, and a folder with all that is written."""

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
    sent = f"{key.key} {key.secret} {key.key.upper()}"
    bodies = {
        "a refusal": f'{{"success": 0, "error": "bad key: {sent}", "detail": "{sent}"}}',
        "rows": f'[{{"id": 1, "type": "{sent}", "symbol": "BTC_USD"}}]',
        "rows by id": f'{{"success": 1, "return": {{"7": {{"type": "{sent}", "pair": 1}}}}}}',
        "a web page": f"<html>{sent}</html>",
        "no JSON": f"oops {sent}",
        "half an answer": f'[{{"id": "{sent}',
        "an object": f'{{"success": 1, "return": "{sent}"}}',
        "a link": f'{{"results": [], "count": 9, "next": "http://x/?key={sent}"}}',
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
    """The sandbox, feeds of both exchanges with their keys, and a folder with all they write."""

    def __init__(self, server: sandbox.Served, place: Path, needles: Needles) -> None:
        self.server = server
        self.place = place
        self.needles = needles
        self.written = place / "written"

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
        with self.written.open("a", encoding="utf-8") as file:
            file.write(text + "\n")

    def assert_clean(self, *kinds: str) -> None:
        assert self.needles.signatures  # how many: a crash of the program cuts a pull short
        found, searched = search(self.place, self.needles)
        assert found == []
        assert {*kinds, "bytes"} <= searched.keys()


def command(scene: Scene, capfd: pytest.CaptureFixture[str], *arguments: str) -> int:
    code = main(arguments)
    captured = capfd.readouterr()
    scene.note(f"$ tidemark {arguments}: {code}\n{captured.out}\n{captured.err}")
    return code
