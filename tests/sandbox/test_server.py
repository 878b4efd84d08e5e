"""The server itself: where it listens, its clock, its mistakes, and the command."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

import sandbox
from sandbox import ManualClock, SandboxError, World, run, serve
from sandbox.__main__ import main


def test_the_date_header_follows_the_clock(http: httpx.Client, clock: ManualClock) -> None:
    assert http.get("/api/3/info").headers["date"] == "Thu, 01 Jan 2026 00:00:00 GMT"
    clock.advance(90)
    assert http.get("/api/3/info").headers["date"] == "Thu, 01 Jan 2026 00:01:30 GMT"


def test_it_listens_on_loopback_and_tells_the_settings(served: sandbox.Served) -> None:
    assert served.base_url == f"http://127.0.0.1:{served.port}"
    assert served.env["WEX_BASE_URL"] == served.env["BITEXBIT_BASE_URL"] == served.base_url
    assert served.env["WEX_API_KEY"] == sandbox.KEYS["wex"].key


def test_a_taken_port_is_a_clear_mistake(served: sandbox.Served) -> None:
    with pytest.raises(SandboxError, match=f"{served.port}.*--port"):
        run(served.port)
    world = World(clock=ManualClock("2026-01-01"))
    with pytest.raises(SandboxError), serve(world, port=served.port):
        raise AssertionError("served twice")
    assert main(["--port", str(served.port)]) == 2
    assert main(["--port", "99999999"]) == 2


def test_other_mistakes_of_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--port", "0", "--tape", str(tmp_path / "none.csv")]) == 2
    assert "none.csv" in capsys.readouterr().err
    assert main(["--port", "0", "--epoch", "yesterday"]) == 2
    assert "yesterday" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["--help"])
    help_text = capsys.readouterr().out
    assert "buyer_is_maker" in help_text and "trade_ms" in help_text


def test_the_command_serves_until_interrupted(repo_root: Path) -> None:
    command = [sys.executable, "-m", "sandbox", "--port", "0", "--epoch", "2026-01-01",
               "--now", "2026-01-01"]  # fmt: skip
    environment = {k: v for k, v in os.environ.items() if not k.startswith("COV")}
    with subprocess.Popen(
        command, cwd=repo_root, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            lines = list(iter(process.stdout.readline, "Stop with Ctrl-C.\n"))
            url = lines[0].split(" on ")[1].split()[0]
            assert f"  export BITEXBIT_BASE_URL={url}\n" in lines
            assert any(line.startswith("  export WEX_API_SECRET=") for line in lines)
            answer = httpx.get(f"{url}/api/v2/public/trades?symbol=BTC_USD&limit=3", timeout=60)
            assert len(answer.json()) == 3
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)
    assert process.returncode == 0
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(url.rsplit(":", 1)[1]))) != 0
