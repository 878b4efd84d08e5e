import os
from pathlib import Path

import pytest

from pipelines.cli.app import secrets
from pipelines.feeds import feeds_root
from pipelines.settings import Settings, load_settings
from schemas import ConfigError
from warehouse.home import METASTORE


@pytest.fixture(autouse=True)
def urls(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"bitexbit": "https://bitexbit.com", "wex": "https://wex.link"}
    monkeypatch.setattr("connectors.default_base_url", known.__getitem__, raising=False)


def settings(**variables: str) -> Settings:
    return load_settings(variables, dotenv=None)


def test_defaults() -> None:
    found = settings()
    assert found.home == Path.cwd() / "data"
    assert found.base_url("bitexbit") == "https://bitexbit.com"
    assert found.base_url("wex") == "https://wex.link"
    assert found.credentials("wex", "main") is None


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(
        "# comment\nexport TIDEMARK_HOME=/from/file\nNAMED='quo ted'\nWEX_API_KEY='key'\n"
        "WEX_API_SECRET=a${HOME}b\nWEX_BASE_URL=\n"
    )
    found = load_settings({"TIDEMARK_HOME": "/from/env"}, file)
    assert found.home == Path("/from/env")
    assert found.base_url("wex") == "https://wex.link"  # empty counts as not set
    key = found.credentials("wex", "main")
    assert key is not None
    assert (key.key, key.secret) == ("key", "a${HOME}b")
    assert found.variables["NAMED"] == "quo ted"
    assert "WEX_API_KEY" not in os.environ


def test_an_empty_variable_unsets_what_the_file_says(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("WEX_API_KEY=k\nWEX_API_SECRET=s\n")
    empty = {"WEX_API_KEY": "", "WEX_API_SECRET": ""}
    assert load_settings(empty, file).credentials("wex", "main") is None


def test_a_line_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text('A=1\n\nB="never closed\nC=s3cr3t\n')
    with pytest.raises(ConfigError) as caught:
        load_settings({}, file)
    assert str(caught.value) == f"{file}:3: cannot read this line. Fix: write NAME=value"


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_bytes(b"A=\xff\xfe")
    with pytest.raises(ConfigError, match="not text in UTF-8"):
        load_settings({}, file)


def test_accounts_do_not_share_keys() -> None:
    found = settings(
        WEX_API_KEY="k", WEX_API_SECRET="s", WEX_DESK_API_KEY="dk", WEX_DESK_API_SECRET="ds"
    )
    main, desk = found.credentials("wex", "main"), found.credentials("wex", "desk")
    assert main is not None and desk is not None
    assert (main.key, desk.key) == ("k", "dk")
    assert found.credentials("wex", "other") is None


def test_no_repr_shows_a_secret() -> None:
    found = settings(WEX_API_KEY="visible-key", WEX_API_SECRET="visible-secret")
    assert "visible" not in f"{found!r} {found} {found.credentials('wex', 'main')!r}"


HALF = "\nFix: set {0} too (environment or .env), or unset {1} to collect public data only"


@pytest.mark.parametrize(
    ("variables", "account", "message"),
    [
        (
            {"WEX_API_KEY": "hush"},
            "main",
            "WEX_API_SECRET is not set, but WEX_API_KEY is"
            + HALF.format("WEX_API_SECRET", "WEX_API_KEY"),
        ),
        (
            {"WEX_DESK_API_SECRET": "hush"},
            "desk",
            "WEX_DESK_API_KEY is not set, but WEX_DESK_API_SECRET is"
            + HALF.format("WEX_DESK_API_KEY", "WEX_DESK_API_SECRET"),
        ),
        (
            {"WEX_API_KEY": "k", "WEX_API_SECRET": "hu\nsh"},
            "main",
            "WEX_API_SECRET holds characters that no key has (line breaks, letters outside ASCII)"
            "\nFix: copy it again from the exchange",
        ),
    ],
)
def test_mistaken_credentials(variables: dict[str, str], account: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        settings(**variables).credentials("wex", account)
    assert str(caught.value) == message
    assert "hush" not in message


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000"),
        ("https://proxy.example/exchange", "https://proxy.example/exchange"),
        ("http://[::1]:80", "http://[::1]:80"),
    ],
)
def test_base_urls(value: str, expected: str) -> None:
    assert settings(WEX_BASE_URL=value).base_url("wex") == expected


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("wex.link", "WEX_BASE_URL is 'wex.link', not an address like https://host"),
        ("ftp://wex.link", "WEX_BASE_URL is 'ftp://wex.link', not an address like https://host"),
        ("https://", "WEX_BASE_URL is 'https://', not an address like https://host"),
        (
            "https://me:hush@wex.link",
            "WEX_BASE_URL holds a user name or password, which is not used",
        ),
        (
            "http://wex.link:99999",
            "WEX_BASE_URL is not a web address: Port out of range 0-65535",
        ),
    ],
)
def test_mistaken_base_urls(value: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        settings(WEX_BASE_URL=value).base_url("wex")
    assert str(caught.value) == f"{message}\nFix: WEX_BASE_URL=https://wex.link"


@pytest.mark.parametrize("path", ["/api/v2/", "/tapi", "/api/3", "?x=1"])
def test_a_base_url_with_the_path_of_the_api(path: str) -> None:
    with pytest.raises(ConfigError, match="not the host root alone") as caught:
        settings(WEX_BASE_URL=f"https://wex.link{path}").base_url("wex")
    assert str(caught.value).endswith("\nFix: WEX_BASE_URL=https://wex.link")


def test_home_is_created(tmp_path: Path) -> None:
    home = tmp_path / "a" / "b"
    assert settings(TIDEMARK_HOME=str(home)).prepare_home() == home
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("inside", ["", "deeper/still"])
def test_a_home_that_is_a_file(tmp_path: Path, inside: str) -> None:
    file = tmp_path / "file"
    file.touch()
    home = file / inside if inside else file
    with pytest.raises(ConfigError) as caught:
        settings(TIDEMARK_HOME=str(home)).prepare_home()
    assert str(caught.value) == (
        f"TIDEMARK_HOME is {home}, but {file} is a file\n"
        "Fix: point TIDEMARK_HOME at a folder, or move that file away"
    )


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (PermissionError(13, "Permission denied"), "which this user may not write"),
        (OSError(30, "Read-only file system"), "cannot be written: Read-only file system"),
    ],
)
def test_a_home_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, words: str
) -> None:
    # Raised by hand, because the superuser may write everywhere.
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with pytest.raises(ConfigError) as caught:
        settings(TIDEMARK_HOME=str(tmp_path)).prepare_home()
    assert words in str(caught.value)
    assert "Fix: " in str(caught.value)


@pytest.mark.parametrize("part", ["exchange=x", "symbol=", "price=1"])
def test_a_home_that_readers_take_for_a_column_is_refused(tmp_path: Path, part: str) -> None:
    home = tmp_path / part / "home"
    with pytest.raises(ConfigError, match="for the value of a column\nFix: ") as caught:
        settings(TIDEMARK_HOME=str(home)).prepare_home()
    assert part in str(caught.value) and not home.exists()


def test_other_signs_of_equality_are_fine(tmp_path: Path) -> None:
    settings(TIDEMARK_HOME=str(tmp_path / "a=b")).prepare_home()


def test_a_lake_on_another_file_system_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    home = tmp_path / "home"
    home.mkdir()
    (home / "lake").symlink_to(elsewhere)
    assert settings(TIDEMARK_HOME=str(home)).prepare_home() == home
    real = Path.stat

    def of_two_disks(path: Path, **how: bool) -> os.stat_result:
        found = list(real(path, **how))
        found[2] += path.name == "lake"  # st_dev
        return os.stat_result(found)

    monkeypatch.setattr(Path, "stat", of_two_disks)
    with pytest.raises(ConfigError, match="another file system") as caught:
        settings(TIDEMARK_HOME=str(home)).prepare_home()
    assert "Fix: point TIDEMARK_HOME at a folder on the other" in str(caught.value)


def test_the_feeds_may_be_named_in_the_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (Path.cwd() / ".env").write_text("TIDEMARK_FEEDS=my/feeds\n")
    monkeypatch.delenv("TIDEMARK_FEEDS", raising=False)
    assert feeds_root() == Path("my/feeds")
    monkeypatch.setenv("TIDEMARK_FEEDS", "/others")
    assert feeds_root() == Path("/others")


def test_the_metastore_named_in_the_file_holds_for_this_process_and_its_children(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "postgresql://me:s3cr3t-word@db/lake"
    monkeypatch.setenv(METASTORE, "")
    Path(".env").write_text(f"{METASTORE}={url}\n")
    Path(".env").chmod(0o600)
    load_settings()
    assert os.environ[METASTORE] == "", "an empty variable unsets what the file says"
    monkeypatch.delenv(METASTORE)
    settings = load_settings()
    assert os.environ[METASTORE] == url
    assert "s3cr3t-word" not in repr(settings)
    monkeypatch.setenv(METASTORE, "postgresql://other/lake")
    assert load_settings().variables[METASTORE] == "postgresql://other/lake"
    assert secrets({METASTORE: url}) == [url, "s3cr3t-word"]


def test_a_home_that_moves_to_postgresql_is_told(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home.mkdir(parents=True, exist_ok=True)
    there = settings(TIDEMARK_HOME=str(home), TIDEMARK_METASTORE="postgresql://user:s3cret@host/db")
    there.prepare_home()
    assert capsys.readouterr().err == ""
    (home / "metastore.sqlite").write_bytes(b"")
    there.prepare_home()
    said = capsys.readouterr().err
    assert said.startswith(f"notice: TIDEMARK_METASTORE is set: the metastore of {home} moves to")
    assert "kept as metastore.sqlite.moved" in said
    assert "s3cret" not in said
