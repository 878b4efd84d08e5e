"""The page over HTTP: one file, under the names of this machine, and nothing else of the home."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from email.message import Message
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

from pipelines.cli import main
from pipelines.report import REPORT
from pipelines.report.serving import serving


@pytest.fixture
def port(home: Path) -> Iterator[int]:
    (home / "metastore.sqlite").write_bytes(b"secret")
    with serving(home, 0, "https://tidemark.example.org/report.html") as url:
        assert url.endswith(f"/{REPORT}")
        yield urlsplit(url).port or 0


class Answer(NamedTuple):
    status: int
    headers: Message
    body: bytes


def asked(port: int, path: str, method: str = "GET", host: str = "127.0.0.1") -> Answer:
    with closing(HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request(method, path, headers={"Host": host})
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())


def test_a_page_that_is_not_there_yet_is_named(port: int) -> None:
    answer = asked(port, "/report.html")
    assert answer.status == 404
    assert b"Fix: " in answer.body


@pytest.mark.parametrize("path", ["/", "/report.html", "/report.html?market=BTC-USD"])
def test_the_page_as_it_is_now(home: Path, port: int, path: str) -> None:
    for text in (b"first", b"newer"):
        (home / REPORT).write_bytes(text)
        answer = asked(port, path)
        assert (answer.status, answer.body) == (200, text)
    assert answer.headers["Cache-Control"] == "no-store"
    # behind a proxy Dagster has the same address: the page must not act there
    assert answer.headers["Content-Security-Policy"].startswith("sandbox allow-scripts")
    assert "allow-same-origin" not in answer.headers["Content-Security-Policy"]
    assert asked(port, path, "HEAD").body == b""


@pytest.mark.parametrize(
    "path",
    ["/metastore.sqlite", "/../home/metastore.sqlite", "/%2e%2e/x", "/lake/"],
)
def test_nothing_else_is_served(home: Path, port: int, path: str) -> None:
    (home / REPORT).write_bytes(b"page")
    answer = asked(port, path)
    assert answer.status == 404
    assert b"secret" not in answer.body


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:3001", 200),
        ("tidemark.example.org", 200),
        ("rebound.example.com", 403),
        ("", 403),
        ("[", 403),
    ],
)
def test_names_of_others_are_refused(home: Path, port: int, host: str, status: int) -> None:
    (home / REPORT).write_bytes(b"page")
    assert asked(port, "/report.html", host=host).status == status


def test_it_takes_no_other_method(port: int) -> None:
    assert asked(port, "/report.html", "POST").status == 501


def test_the_command_serves_until_it_is_stopped(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / REPORT).write_bytes(b"page")
    monkeypatch.setenv("TIDEMARK_REPORT_URL", "https://tidemark.example.org/report.html")
    # a test that runs in the background of a script ignores Ctrl-C, and so would the command
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "pipelines", "report", "--serve", "--port", "0"],
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[3],
            text=True,
        )
    finally:
        signal.signal(signal.SIGINT, before)
    with process:
        assert process.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:(\d+)/report\.html", process.stdout.readline())
        assert found
        for host in ("127.0.0.1", "tidemark.example.org"):
            assert asked(int(found[1]), "/report.html", host=host).body == b"page"
        assert asked(int(found[1]), "/report.html", host="rebound.example.com").status == 403
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0


@pytest.mark.parametrize("option", [["--quote", "EUR"], ["--market", "X-Y"], ["--out", "x"]])
def test_the_command_serves_only_what_is_there(
    option: list[str], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", "--serve", *option]) == 2
    assert "--serve" in capsys.readouterr().err
