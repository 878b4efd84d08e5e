"""The commands that documents and units name, and whether the programs know them."""

import re
import shlex
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

import click
import typer
from click.testing import CliRunner

from pipelines.cli.app import app
from tests.conftest import REPO

DEPLOY = REPO / "deploy"
OPERATIONS = (REPO / "docs" / "operations.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`((?:sudo |tidemark |dagster|docker |systemctl )[^`…]+)`")
PROGRAMS = ("tidemark", "dagster", "dagster-daemon", "dagster-webserver")


def section(title: str) -> str:
    """From one heading of docs/operations.md to the next."""
    return OPERATIONS.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def blocks(text: str, language: str) -> list[str]:
    return [body for _, kind, body in BLOCK.findall(text) if kind == language]


def documented() -> list[str]:
    """Every command line of docs/operations.md, of blocks and within sentences."""
    lines = [line for block in blocks(OPERATIONS, "sh") for line in block.splitlines()]
    cron = [line.split(None, 5)[5] for line in "".join(blocks(OPERATIONS, "crontab")).splitlines()]
    sentences = BLOCK.sub("", OPERATIONS)
    found = [*lines, *cron, *(" ".join(text.split()) for text in INLINE.findall(sentences))]
    return [line.strip() for line in found if line.strip()]


def ours(line: str) -> Iterator[tuple[str, list[str]]]:
    """The calls of Tidemark's and Dagster's programs within a command line."""
    words = shlex.shlex(line, posix=True, punctuation_chars=True)
    words.commenters = ""
    part: list[str] = []
    for word in [*words, ";"]:
        if set(word) <= set(";|&<>()"):
            call = _unwrapped(part)
            if call and Path(call[0]).name in PROGRAMS:
                yield Path(call[0]).name, call[1:]
            part = []
        else:
            part.append(word)


def _unwrapped(words: list[str]) -> list[str]:
    """Without settings before it, and without a program that only starts another."""
    match words:
        case ["sudo", "-u", _, *rest] | ["sudo" | "env" | "exec", *rest]:
            return _unwrapped(rest)
        case ["flock", "-n", _, *rest] | ["docker", "compose", "exec", _, *rest]:
            return _unwrapped(rest)
        case ["docker", "compose", "run", "--rm", _, *rest]:
            return _unwrapped(rest)
        case [first, *rest] if "=" in first:
            return _unwrapped(rest)
    return words


def refusal(program: str, arguments: list[str]) -> str | None:
    """Why ``program`` would not take ``arguments``: it parses them all before it shows its help."""
    done = CliRunner().invoke(_command(program), [*arguments, "--help"])
    return None if done.exit_code == 0 else done.output or repr(done.exception)


@cache
def _command(program: str) -> click.Command:
    if program == "tidemark":
        return typer.main.get_command(app)
    module = {
        "dagster": "dagster._cli",
        "dagster-daemon": "dagster._daemon.cli",
        "dagster-webserver": "dagster_webserver.cli",
    }[program]
    found = import_module(module).cli
    assert isinstance(found, click.Command)
    return found
