"""Exit codes and messages that every command shares."""

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.cli import main
from pipelines.cli.app import scrub, secrets
from pipelines.cli.commands import COMMANDS
from schemas import ConfigError, TidemarkError


def raising(error: BaseException) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


@pytest.fixture
def status_raises(monkeypatch: pytest.MonkeyPatch, home: Path) -> Callable[[BaseException], int]:
    """Runs ``tidemark status`` with an error in its first step."""

    def run(error: BaseException) -> int:
        monkeypatch.setattr("pipelines.settings.load_settings", raising(error))
        return main(["status"])

    return run


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    out = capsys.readouterr().out
    assert "Examples:" in out
    assert f"  tidemark {command}" in out


def test_the_version_is_that_of_the_package(
    capsys: pytest.CaptureFixture[str], repo_root: Path
) -> None:
    assert main(["--version"]) == 0
    project = tomllib.loads((repo_root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert capsys.readouterr().out == f"tidemark {project['version']}\n"


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(f"\n  {command} " in out for command in COMMANDS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pul"], "No such command 'pul'"),
        (["sql"], "Missing argument 'QUERY'"),
        (["sql", "SELECT 1", "--format", "xml"], "'xml' is not one of 'table', 'csv', 'json'"),
        (["status", "--verbose"], "No such option '--verbose'"),
        (["sandbox", "--port", "http"], "'http' is not a valid int"),
    ],
)
def test_wrong_usage_is_two(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert message in captured.err
    assert "Fix: tidemark" in captured.err
    assert "Traceback" not in captured.err


def test_no_command_shows_the_help_and_is_two(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "Commands:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"),
    [(ConfigError("wrong here\nFix: do that"), 2), (TidemarkError("failed there"), 1)],
)
def test_our_errors_are_one_message(
    error: TidemarkError,
    code: int,
    status_raises: Callable[[BaseException], int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert status_raises(error) == code
    assert capsys.readouterr().err == f"tidemark: {error}\n"


def test_ctrl_c_is_calm(
    status_raises: Callable[[BaseException], int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_raises(KeyboardInterrupt()) == 130
    assert capsys.readouterr().err == "stopped; everything fetched so far is stored\n"


def test_a_defect_shows_its_traceback_without_secrets(
    status_raises: Callable[[BaseException], int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("WEX_API_SECRET", "s3cr3t-of-mine")
    assert status_raises(ValueError("sent s3cr3t-of-mine to nobody")) == 1
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert "ValueError: sent *** to nobody" in err
    assert "s3cr3t-of-mine" not in err


def test_our_errors_are_scrubbed_too(
    status_raises: Callable[[BaseException], int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("BITEXBIT_DESK_API_KEY", "key-of-mine")
    assert status_raises(TidemarkError("refused key-of-mine")) == 1
    assert capsys.readouterr().err == "tidemark: refused ***\n"


def test_secrets_are_found_in_the_file_too(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("WEX_API_KEY=longer-than-the-other\nTIDEMARK_HOME=data\n", encoding="utf-8")
    found = secrets({"WEX_API_SECRET": "longer", "PATH": "/bin"}, file)
    assert found == ["longer-than-the-other", "longer"]
    assert scrub("longer-than-the-other longer /bin", found) == "*** *** /bin"
