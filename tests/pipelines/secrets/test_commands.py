"""No key, secret or signature anywhere, whatever a command meets: in no file, log or message."""

import pytest

import connectors
from sandbox import KEYS
from tests.pipelines.secrets.scene import EXCHANGES, FAILURES, WRONG, Scene, command

pytestmark = pytest.mark.sqlite  # they look into the files of the home, and block them


@pytest.mark.slow
def test_the_command_line_at_every_stage_of_failure(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    scene.fresh(monkeypatch, "all-well")
    assert command(scene, capfd, "pull") == 0
    for failure in FAILURES["wex"]:
        scene.fresh(monkeypatch, "failing")
        scene.break_private_calls(failure, None)
        assert command(scene, capfd, "pull", "*/account_*") == 1, failure
    assert command(scene, capfd, "replay") == 1
    command(scene, capfd, "status")
    command(scene, capfd, "sql", "FROM quarantine")
    scene.assert_clean("Parquet", "SQLite", "DuckDB", "zstd")


def test_keys_that_are_refused(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for variable in ("BITEXBIT_API_SECRET", "WEX_API_SECRET"):
        monkeypatch.setenv(variable, WRONG)
    scene.fresh(monkeypatch, "wrong-secret")
    assert command(scene, capfd, "pull") == 1
    assert command(scene, capfd, "pull") == 1
    second = KEYS["wex:norights"]
    monkeypatch.setenv("WEX_API_KEY", second.key)
    monkeypatch.setenv("WEX_API_SECRET", second.secret)
    assert command(scene, capfd, "pull", "wex") == 1
    monkeypatch.delenv("WEX_API_SECRET")
    assert command(scene, capfd, "pull", "wex") == 2
    monkeypatch.setenv("WEX_API_SECRET", f"{second.secret}\n\N{BULLET}")
    assert command(scene, capfd, "pull", "wex") == 2
    monkeypatch.setenv("WEX_API_SECRET", second.secret)
    monkeypatch.setenv("WEX_BASE_URL", f"http://{second.key}:{second.secret}@127.0.0.1:1")
    assert command(scene, capfd, "pull", "wex") == 2
    scene.assert_clean("SQLite", "DuckDB")


def test_a_nonce_used_by_another_program(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    scene.fresh(monkeypatch, "nonce")
    command(scene, capfd, "pull", "*/account_trades")
    nonces = scene.server.exchange.nonces
    for name in EXCHANGES:
        key = KEYS[name].key
        nonces.spend(key, nonces.highest(key) + 10**5)
    command(scene, capfd, "pull", "*/account_*")
    nonces.spend(KEYS["wex"].key, 4_294_967_294)
    try:
        assert command(scene, capfd, "pull", "*/account_*") == 1
    finally:
        nonces._highest.clear()
    scene.assert_clean("SQLite", "zstd")


@pytest.mark.parametrize("error", [connectors.ContractError, ValueError])
def test_parsers_that_fail(
    error: type[Exception],
    scene: Scene,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def fails(body: bytes, *_: object) -> None:
        raise error(f"{body[:500]!r}")

    for name in EXCHANGES:
        for dataset in ("account_trades", "tickers"):
            monkeypatch.setattr(f"connectors.{name}.parse.{dataset}", fails)
    scene.fresh(monkeypatch, error.__name__)
    for failure in ("rows", "an object", "rows by id"):
        scene.break_private_calls(failure, 1)
        assert command(scene, capfd, "pull", "*/account_trades", "*/tickers") == 1
        assert command(scene, capfd, "replay") == 1
    scene.assert_clean("zstd")


def test_a_home_that_cannot_be_written(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for blocked in ("raw", "lake", "nonces", "locks", "metastore.sqlite"):
        home = scene.fresh(monkeypatch, f"blocked-{blocked}")
        home.mkdir(parents=True)
        if blocked == "metastore.sqlite":
            (home / blocked).mkdir()
        else:
            (home / blocked).write_text("in the way")
        assert command(scene, capfd, "pull", "*/account_*") == 1
    scene.assert_clean()
