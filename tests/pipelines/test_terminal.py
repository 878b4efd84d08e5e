"""Output on terminals of any encoding, and text that an exchange could have written to harm one."""

import io
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.cli import main
from pipelines.output.console import data_out, print_table, say, use_terminal, warn
from pipelines.output.formatting import visible

HOSTILE = "\x1b]0;owned\x07\x9b2J\x00\r\u202e\u2028"


@given(st.text())
def test_what_is_visible_commands_no_terminal(text: str) -> None:
    shown = visible(text, keep="")
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 or c in "\u202e\u2066\u2028" for c in shown)
    assert shown == text or len(shown) > len(text)


def test_every_line_is_made_visible(capsys: pytest.CaptureFixture[str]) -> None:
    say(f"one{HOSTILE}\ntwo\t3")
    warn(HOSTILE)
    print_table((f"a{HOSTILE}",), [(f"b{HOSTILE}\n| c |",)])
    captured = capsys.readouterr()
    for text in (captured.out, captured.err):
        assert not set(HOSTILE) & set(text) - set("]0;owned2J")
    assert captured.out.startswith("one\\x1b]0;owned\\x07\\x9b2J\\x00\\r\\u202e\\u2028\ntwo\t3\n")
    assert len(captured.out.splitlines()) == 2 + 3  # a cell stays one line


class Stream(io.TextIOWrapper):
    """A stream of bytes in an encoding, as a process has it."""

    def __init__(self, encoding: str, terminal: bool) -> None:
        super().__init__(io.BytesIO(), encoding, write_through=True)
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal

    @property
    def bytes(self) -> bytes:
        assert isinstance(self.buffer, io.BytesIO)
        return self.buffer.getvalue()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
@pytest.mark.parametrize("terminal", [True, False])
def test_a_terminal_of_any_encoding_is_written_to(
    encoding: str, terminal: bool, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, err = Stream(encoding, terminal), Stream(encoding, terminal)
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    use_terminal()
    say("newest row – 3 × … ü 漢")
    warn("⠋ –")
    print_table(("a –",), [("–",)])
    first = out.bytes.decode(encoding).splitlines()[0]
    expected = {
        "ascii": "newest row - 3 x ... \\xfc \\u6f22",
        "latin-1": "newest row - 3 × ... ü \\u6f22",
        "cp1252": "newest row – 3 × … ü \\u6f22",
        "utf-8": "newest row – 3 × … ü 漢",
    }
    assert first == expected[encoding]
    assert main(["status"]) == 0


def test_data_for_a_file_are_utf_8_whatever_the_terminal_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = Stream("ascii", terminal=False)
    monkeypatch.setattr(sys, "stdout", out)
    print("漢\x1b", file=data_out(), end="")
    assert out.bytes == "漢\x1b".encode()
