"""The systemd units: what they start exists, what they write is theirs, and systemd reads them."""

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.conftest import REPO
from tests.deploy.commands import DEPLOY, PROGRAMS, refusal

UNITS = sorted(
    p for p in (DEPLOY / "systemd").iterdir() if p.suffix in (".service", ".timer", ".target")
)
SERVICES = [p for p in UNITS if p.suffix == ".service"]
NAMES = [p.name for p in SERVICES]
RUNNING = {"tidemark-code.service", "tidemark-daemon.service", "tidemark-webserver.service"}
PROGRAM = "/opt/tidemark/.venv/bin/"


def read(unit: Path) -> dict[str, list[str]]:
    """The values of a unit by ``Section.Key``."""
    found: dict[str, list[str]] = {}
    section = ""
    for line in unit.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            name, equals, value = line.partition("=")
            assert equals, f"{unit.name}: {line}"
            found.setdefault(f"{section}.{name}", []).append(value)
    return found


@pytest.mark.parametrize("unit", SERVICES, ids=NAMES)
def test_the_program_takes_what_the_unit_gives_it(unit: Path) -> None:
    settings = read(unit)
    (start,) = settings["Service.ExecStart"]
    path, *arguments = shlex.split(start)
    assert path.startswith(PROGRAM) and (name := path.removeprefix(PROGRAM)) in PROGRAMS
    assert refusal(name, arguments) is None
    for before in settings.get("Service.ExecStartPre", []):
        name, *arguments = shlex.split(before.removeprefix(PROGRAM))
        assert refusal(name, arguments) is None
    for after in settings.get("Service.ExecStartPost", []):
        called = re.findall(rf"{PROGRAM}(\S+) ([^>]*?) >", after)
        assert called and all(refusal(n, shlex.split(rest)) is None for n, rest in called)


@pytest.mark.parametrize("unit", SERVICES, ids=NAMES)
def test_all_run_as_one_user_who_writes_only_the_home(unit: Path) -> None:
    settings = read(unit)
    one = {
        "Service.User": "tidemark",
        "Service.UMask": "0077",
        "Service.StateDirectory": "tidemark",
        "Service.WorkingDirectory": "/var/lib/tidemark",
        "Service.ProtectSystem": "strict",
        "Service.ProtectHome": "yes",
        "Service.NoNewPrivileges": "yes",
        "Service.CapabilityBoundingSet": "",
    }
    assert {key: settings[key] for key in one} == {key: [value] for key, value in one.items()}
    writes = settings.get("Service.ReadWritePaths", [])
    assert writes == (["/var/backups/tidemark"] if "backup" in unit.name else [])
    sees_keys = "-/etc/tidemark/keys.env" in settings["Service.EnvironmentFile"]
    assert sees_keys == (unit.name in ("tidemark-code.service", "tidemark-health.service"))


def test_the_target_starts_and_stops_all_three() -> None:
    (wants,) = read(DEPLOY / "systemd" / "tidemark.target")["Unit.Wants"]
    assert set(wants.split()) == RUNNING
    for name in RUNNING:
        settings = read(DEPLOY / "systemd" / name)
        assert settings["Unit.PartOf"] == ["tidemark.target"]
        assert settings["Service.Restart"] == ["always"]
    for timer in (p for p in UNITS if p.suffix == ".timer"):
        assert timer.with_suffix(".service") in SERVICES


@pytest.mark.parametrize("folder", ["systemd", "containers"])
def test_page_and_daemon_find_the_code_server(folder: str) -> None:
    workspace = yaml.safe_load((DEPLOY / folder / "workspace.yaml").read_text())
    ((server,),) = [entry.values() for entry in workspace["load_from"]]
    project = tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["dg"]
    name = project["project"]["code_location_name"]
    assert server["location_name"] == name, "schedules are recorded under this name"
    if folder == "systemd":
        started = read(DEPLOY / folder / "tidemark-code.service")["Service.ExecStart"][0]
    else:
        compose = yaml.safe_load((DEPLOY / folder / "compose.yaml").read_text())
        assert server["host"] in compose["services"]
        started = " ".join(compose["services"][server["host"]]["command"])
    assert f"--port {server['port']} " in started
    assert f"--module-name {project['project']['code_location_target_module']} " in started
    assert f"--location-name {name} " in started


def test_the_examples_of_settings_name_settings_that_there_are() -> None:
    folder = DEPLOY / "systemd"
    settings = (folder / "tidemark.env.example").read_text() + (
        folder / "keys.env.example"
    ).read_text()
    names = set(re.findall(r"^#?([A-Z_]+)=", settings, re.MULTILINE))
    read_by_dagster = set(re.findall(r"env: (\w+)", (DEPLOY / "dagster-postgres.yaml").read_text()))
    assert {name for name in names if name.startswith("DAGSTER_PG_")} == read_by_dagster
    readme = (REPO / "README.md").read_text(encoding="utf-8")
    for name in names - read_by_dagster - {"DAGSTER_HOME", "XDG_STATE_HOME"}:
        assert name in readme or re.fullmatch(r"(BITEXBIT|WEX)_API_(KEY|SECRET)", name)


def test_systemd_itself_finds_nothing(tmp_path: Path) -> None:
    """Where systemd is installed: some machines for tests have none, the tests above hold there."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        return
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in PROGRAMS:
        (programs / name).symlink_to(sys.executable)
    for unit in UNITS:
        text = unit.read_text(encoding="utf-8").replace(PROGRAM, f"{programs}/")
        (tmp_path / unit.name).write_text(text)
    done = subprocess.run(
        [analyze, "verify", "--man=no", *(str(tmp_path / unit.name) for unit in UNITS)],
        capture_output=True,
        text=True,
    )
    said = [
        line for line in done.stderr.splitlines() if str(tmp_path) in line or "tidemark" in line
    ]
    assert (done.returncode, said) == (0, []), done.stderr
