"""Image and compose file: what they name exists, what they start is taken, nothing is open."""

import re
import subprocess
import sys
from importlib.metadata import version
from typing import Any

import pytest
import yaml

from tests.conftest import REPO
from tests.deploy.commands import DEPLOY, PROGRAMS, refusal
from tests.test_repo import closure, declared, normal

FOLDER = DEPLOY / "containers"
COMPOSE: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"] == "tidemark"}
DOCKERFILE = (FOLDER / "Dockerfile").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", OURS)
def test_a_service_of_ours(name: str) -> None:
    service = OURS[name]
    program, *arguments = service["command"]
    assert program in PROGRAMS and refusal(program, arguments) is None
    (how, probe, *rest) = service["healthcheck"]["test"]
    assert how == "CMD"
    assert refusal(probe, rest) is None if probe in PROGRAMS else "/server_info" in rest[-1]
    assert service["read_only"] and service["cap_drop"] == ["ALL"] and service["init"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["stop_grace_period"] == "90s", "a pull ends cleanly"
    assert "dagster:/var/lib/dagster" in service["volumes"], "output of runs, for the page"


def test_only_the_code_server_sees_keys_and_data() -> None:
    assert {name for name, service in SERVICES.items() if "env_file" in service} == {"code"}
    homes = {n for n, s in SERVICES.items() if any(v.startswith("home:") for v in s["volumes"])}
    assert homes == {"code"}


def test_nothing_is_published_beyond_this_machine() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports == ["127.0.0.1:3000:3000"]
    assert "network_mode" not in (FOLDER / "compose.yaml").read_text()


def test_what_is_mounted_exists() -> None:
    for service in SERVICES.values():
        for mount in service["volumes"]:
            source = mount.partition(":")[0]
            if not source.startswith("."):
                assert source in COMPOSE["volumes"]
            elif source not in ("./feeds", "./backup"):  # the user's
                assert (FOLDER / source).is_file(), source
    assert COMPOSE["services"]["postgres"]["image"].startswith("postgres:"), "a version is named"
    build = OURS["code"]["build"]
    assert (FOLDER / build["context"]).resolve() == REPO
    assert (REPO / build["dockerfile"]).is_file()


def test_what_the_image_is_built_from_is_let_in() -> None:
    ignored = (FOLDER / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    let_in = {line[1:] for line in ignored if line.startswith("!")}
    assert "*" in ignored and all((REPO / name).exists() for name in let_in)
    project = (REPO / "pyproject.toml").read_text(encoding="utf-8")
    packages = set(re.findall(r'^    "(\w+)", "\w+\.\*",$', project, re.MULTILINE))
    assert {"pipelines", "warehouse"} < packages <= let_in
    assert {"README.md", "LICENSE"} <= let_in, "pyproject.toml names them"
    for words in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE):
        assert all(word == "." or word in let_in for word in words.split())


def test_the_image_runs_as_a_user_without_rights() -> None:
    assert re.findall(r"^USER (.+)$", DOCKERFILE, re.MULTILINE) == ["10001:10001"]
    assert not re.search(r"API_(KEY|SECRET)|PASSWORD", DOCKERFILE)
    for name in ("TIDEMARK_HOME", "TIDEMARK_FEEDS", "DAGSTER_HOME", "XDG_STATE_HOME"):
        assert f"{name}=/" in DOCKERFILE


def test_it_holds_the_versions_of_the_lock_without_the_tools_for_development() -> None:
    written = subprocess.run(
        [sys.executable, str(FOLDER / "pinned.py"), "report", "server"],
        cwd=REPO,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    lock = (REPO / "requirements.lock").read_text(encoding="utf-8")
    pins = dict(re.findall(r"^([a-z0-9.-]+)(?:\[[^]]*\])?==([^ ;]+)", written, re.MULTILINE))
    assert all(line in lock for line in written.splitlines())
    assert all("--hash=sha256:" in block for block in re.split(r"\n(?=[a-z0-9])", written))
    dependencies, extras = declared(REPO)
    assert pins.keys() >= closure(dependencies + extras["report"]).keys()
    assert "dagster-postgres" in pins and "psycopg2-binary" in pins
    for package in ("dagster", "duckdb", "pyarrow"):
        assert pins[normal(package)] == version(package)
    assert not pins.keys() & {
        "pytest",
        "mypy",
        "ruff",
        "dlt",
        "hypothesis",
        "beancount",
        "bittytax",
    }
