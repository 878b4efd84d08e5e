"""``tidemark replay``: without any network, with clear messages and the contracted exit codes."""

import re
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.cli import main
from schemas import StreamId
from tests.feeds import write_feed
from tests.pipelines.conftest import served
from tests.pipelines.ingest.conftest import run, settings_for
from warehouse import raw

FILLS = StreamId("bitexbit", "account_trades", account="main")
FEED = (
    "exchange: bitexbit\nmarkets: [BTC-USD]\nstart: 2016-01-01\n"
    "datasets: {tickers: {}, account_trades: {}}"
)
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def tidemark(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    def run(*arguments: str) -> tuple[int, str, str]:
        with monkeypatch.context() as offline:
            offline.setattr(socket.socket, "connect", _refuse)
            offline.setattr(socket, "getaddrinfo", _refuse)
            code = main(arguments)
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return code, captured.out, captured.err

    return run


def _refuse(*_: object) -> None:
    raise AssertionError("a replay asks nobody")


@pytest.fixture(scope="module")
def pulled_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A feed ``mine`` in ``feeds``, and what it pulled in ``home``."""
    place = tmp_path_factory.mktemp("pulled")
    root = write_feed(place / "feeds", FEED, "mine")
    with served(days=3) as server:
        assert run(settings_for(server, place / "home"), feeds_root=root).ok
    return place


@pytest.fixture
def pulled(pulled_once: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The kept answers of a home of one's own."""
    shutil.copytree(pulled_once / "home", home, symlinks=True, dirs_exist_ok=True)
    monkeypatch.setenv("TIDEMARK_FEEDS", str(pulled_once / "feeds"))
    (path,) = raw.days(home, FILLS)
    return path


def test_nothing_kept(home: Path, tidemark: Run) -> None:
    code, out, err = tidemark("replay")
    assert (code, out) == (2, "")
    assert f"no responses were recorded in {home / 'raw'}" in err and "keep_raw: true" in err


def test_a_selection_of_which_nothing_is_kept(pulled: Path, tidemark: Run) -> None:
    code, out, err = tidemark("replay", "mine/tickers")
    assert (code, out) == (2, "")
    assert "'mine/tickers'" in err and "bitexbit/account_trades" in err and "Fix:" in err


@pytest.mark.parametrize(
    "pattern", [(), ("bitexbit",), ("bitexbit/account_trades",), ("*/acc*",), ("mine",)]
)
def test_a_replay_says_what_it_did(pattern: tuple[str, ...], pulled: Path, tidemark: Run) -> None:
    code, out, err = tidemark("replay", *pattern)
    assert code == 0
    assert "| bitexbit/account_trades |" in out
    assert "0 new rows; nothing changed, nothing to publish" in out
    assert re.search(r"bitexbit/account_trades main: 1,\d+ rows, \d+ responses, done", err)


def test_no_feed_need_be_there(
    pulled: Path, tidemark: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEMARK_FEEDS", str(tmp_path / "gone"))
    assert tidemark("replay", "bitexbit")[0] == 0
    code, _, err = tidemark("replay", "mine")
    assert code == 2 and "gone" in err


def test_a_torn_end_is_a_notice(pulled: Path, tidemark: Run) -> None:
    with pulled.open("ab") as file:
        file.write(pulled.read_bytes()[:100])
    code, _, err = tidemark("replay")
    assert code == 0
    assert "notice:" in err and "torn" in err


def test_damage_and_answers_that_cannot_be_read_are_one(pulled: Path, tidemark: Run) -> None:
    writer = raw.RawWriter(pulled.parents[4])
    first = raw.load(pulled, raw.scan(pulled).spots[0])
    for body in (b'{"not": "rows"}', b"[{", first.body):
        writer.append(FILLS, raw.RawResponse(first.at, first.about, body))
    spot = raw.scan(pulled).spots[0]
    content = bytearray(pulled.read_bytes())
    content[spot.offset] ^= 0xFF
    pulled.write_bytes(content)
    code, out, err = tidemark("replay")
    assert code == 1
    assert "published" in out or "nothing changed" in out
    assert "cut off" in err  # `[{`
    last = err.splitlines()[-1]
    assert "cannot be read" in last and "damaged" in last and str(pulled) in last


def test_a_record_of_something_else_is_reported(pulled: Path, tidemark: Run) -> None:
    raw.RawWriter(pulled.parents[4]).append(FILLS, raw.RawResponse(10**15, {"path": "/"}, b""))
    code, _, err = tidemark("replay")
    assert code == 1 and "is no response" in err


def test_what_changed_is_reported(
    pulled: Path, tidemark: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from connectors.bitexbit import parse

    real = parse.account_trades
    monkeypatch.setattr(
        parse,
        "account_trades",
        lambda body, names: real(body.replace(b'"fee_symbol":"USD"', b'"fee_symbol":"BTC"'), names),
    )
    code, out, _ = tidemark("replay")
    assert code == 0
    assert "parsed differently now and replaced" in out and "published to" in out
    code, out, _ = tidemark("replay")
    assert "nothing changed" in out and "differently" not in out


def test_help(tidemark: Run) -> None:
    code, out, _ = tidemark("replay", "--help")
    assert code == 0 and "keep_raw" in out
