"""docs/operations.md: the programs take every command that it names, and its procedures are run."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import warehouse
from pipelines.feeds import cron
from tests.conftest import REPO
from tests.deploy.commands import DEPLOY, blocks, documented, ours, refusal, section
from tests.warehouse.tools import TRADES, everything, row, store
from warehouse.raw import RawResponse, RawWriter

CALLS = sorted({shlex.join([name, *rest]) for line in documented() for name, rest in ours(line)})
SYSTEMD, CONTAINERS = section("One machine with systemd"), section("Containers")
BACKUP, MOVING = section("Backup and restore"), section("Moving the home")
UPGRADE = section("Upgrade")


@pytest.mark.parametrize("call", CALLS)
def test_the_programs_take_the_command(call: str) -> None:
    name, *arguments = shlex.split(call)
    assert refusal(name, arguments) is None


def test_the_commands_are_found() -> None:
    assert {"tidemark backup /var/backups/tidemark/home", "dagster instance migrate"} <= set(CALLS)


def test_cron_lines() -> None:
    lines = "".join(blocks(section("Without Dagster"), "crontab")).splitlines()
    assert len(lines) > 3
    for line in lines:
        assert cron.problem(" ".join(line.split()[:5])) is None, line


# -- the procedures, in a folder that stands for / ------------------------------------------------

STUBS = {
    "sudo": 'while [ "$1" = -u ]; do shift 2; done; exec "$@"',
    "id": "echo tidemark",
    "install": 'for a; do shift; case "$a" in -o|-g) skip=1;; *) '
    '[ -n "$skip" ] || set -- "$@" "$a"; skip=;; esac; done; exec {real} "$@"',
    **dict.fromkeys(("systemctl", "chown", "apt-get", "useradd", "git", "make", "docker"), ":"),
}
BACKUP_OF_SQLITE = """
import sqlite3, sys
command, target = sys.argv[2].split()
assert command == ".backup"
sqlite3.connect(sys.argv[1]).backup(sqlite3.connect(target))
"""


class Machine:
    """A folder as the root of a machine on which the documented commands are run."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.stubs = root / "stubs"
        self.stubs.mkdir()
        for name, text in STUBS.items():
            self._script(self.stubs / name, text.replace("{real}", shutil.which("install") or ""))
        python = f'exec {sys.executable} -c {shlex.quote(BACKUP_OF_SQLITE)} "$@"'
        self._script(self.stubs / "sqlite3", python)
        clone = root / "opt" / "tidemark"
        shutil.copytree(DEPLOY, clone / "deploy")
        shutil.copytree(REPO / "pipelines" / "defs", clone / "pipelines" / "defs")
        programs = clone / ".venv" / "bin"
        programs.mkdir(parents=True)
        self._script(programs / "tidemark", f'exec {sys.executable} -m pipelines "$@"')
        self._script(programs / "dagster", ":")
        for folder in (
            "etc/systemd/system",
            "usr/local/bin",
            "var/lib",
            "var/backups",
            "srv",
            "tmp",
        ):
            (root / folder).mkdir(parents=True)

    def run(self, block: str) -> str:
        """Run one block as it stands, each line of it; what it wrote."""
        done = subprocess.run(
            ["sh", "-eu", "-c", self.here(block)],
            cwd=self.root / "opt" / "tidemark",
            env={
                "PATH": f"{self.stubs}:{self.root}/usr/local/bin:{os.environ['PATH']}",
                "PYTHONPATH": str(REPO),
            },
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{block}\n{done.stdout}{done.stderr}"
        return done.stdout

    def here(self, text: str) -> str:
        """``text`` with the paths of the machine below the folder."""
        return re.sub(r"(?<![\w./-])/(opt|etc|var|srv|usr/local|tmp)/", rf"{self.root}/\1/", text)

    def rewrite(self, path: str) -> None:
        file = self.root / path
        file.write_text(self.here(file.read_text()))

    @staticmethod
    def _script(path: Path, text: str) -> None:
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """After the installation, with a few rows collected."""
    machine = Machine(tmp_path)
    for block in blocks(SYSTEMD.partition("Then open")[0], "sh"):
        machine.run(block)
    machine.rewrite("etc/tidemark/tidemark.env")
    machine.rewrite("usr/local/bin/tidemark")
    home = tmp_path / "var/lib/tidemark"
    store(home, TRADES, [row(TRADES, key) for key in range(5)])
    RawWriter(home).append(TRADES, RawResponse(1, {}, b"{}"))
    warehouse.publish(home)
    return machine


def test_installation(machine: Machine) -> None:
    root = machine.root
    modes = {
        "etc/tidemark": 0o750,
        "etc/tidemark/keys.env": 0o640,
        "var/lib/tidemark": 0o700,
        "usr/local/bin/tidemark": 0o755,
    }
    assert {path: (root / path).stat().st_mode & 0o777 for path in modes} == modes
    assert (root / "var/lib/tidemark/dagster/dagster.yaml").is_file()
    assert (root / "etc/tidemark/feeds/bitexbit/defs.yaml").is_file()
    installed = {path.name for path in (root / "etc/systemd/system").iterdir()}
    assert {"tidemark.target", "tidemark-code.service", "tidemark-backup.timer"} <= installed
    postgres = blocks(SYSTEMD, "sh")[-1]
    machine.run("\n".join(line for line in postgres.splitlines() if "postgres create" not in line))
    linked = (root / "var/lib/tidemark/dagster/dagster.yaml").resolve()
    assert linked.name == "dagster-postgres.yaml"


def test_containers(machine: Machine) -> None:
    (block,) = blocks(CONTAINERS, "sh")
    machine.run(block)
    folder = machine.root / "opt/tidemark/deploy/containers"
    assert re.fullmatch(r"DAGSTER_PG_PASSWORD=\w{20,}\n", (folder / ".env").read_text())
    assert (folder / "keys.env").stat().st_mode & 0o777 == 0o600
    assert (folder / "feeds/bitexbit/defs.yaml").is_file()


@pytest.mark.slow
def test_backup_restore_and_drill(machine: Machine) -> None:
    home = machine.root / "var/lib/tidemark"
    before = everything(home)
    backup, restore, plain, drill, _ = blocks(BACKUP, "sh")
    assert "new or changed" in machine.run(backup)
    machine.run(plain)
    assert everything(machine.root / "var/backups/tidemark/plain") == before
    assert "verdict: everything agrees" in machine.run(restore)
    assert everything(home) == before
    assert "verdict: everything agrees" in machine.run(drill)
    assert not (machine.root / "tmp/drill").exists()


@pytest.mark.slow
def test_move_and_upgrade(machine: Machine) -> None:
    before = everything(machine.root / "var/lib/tidemark")
    (move,) = blocks(MOVING, "sh")
    moved = machine.root / "srv/tidemark"
    assert f"home: {moved}\n" in machine.run(move)
    assert everything(moved) == before
    machine.run(blocks(BACKUP, "sh")[0].splitlines()[0])
    upgrade, in_containers = blocks(UPGRADE, "sh")
    assert "docker compose" in in_containers
    assert "verdict: everything agrees" in machine.run(upgrade)
    assert everything(machine.root / "var/backups/tidemark/before-upgrade") == before
