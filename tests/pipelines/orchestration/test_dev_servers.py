"""A second development server on one Dagster storage is refused, whatever ended the first one."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipelines.orchestration.dev_servers import refuse_second
from schemas import ConfigError

ROOT = Path(__file__).parents[3]
LOAD = """
import sys
from pipelines.orchestration.dev_servers import refuse_second
refuse_second()
print("loaded", flush=True)
sys.stdin.read()
"""


@contextmanager
def server(folder: Path, group: int = 0) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that has loaded the definitions; ``group`` 0 = in a process group of its own."""
    with subprocess.Popen(
        [sys.executable, "-c", LOAD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "DAGSTER_IS_DEV_CLI": "1"},
        process_group=group,
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == b"loaded\n"
        yield process
        process.kill()


def test_a_second_server_is_refused(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = tmp_path / "storage"
    monkeypatch.setenv("DAGSTER_HOME", str(storage))
    refuse_second()  # commands that load the definitions are no servers
    assert not storage.exists()
    with server(home) as first:
        monkeypatch.setenv("DAGSTER_IS_DEV_CLI", "1")
        with pytest.raises(ConfigError, match="another Dagster development server") as found:
            refuse_second()
        assert str(storage) in str(found.value) and "Fix: stop one of them" in str(found.value)
        monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "other"))
        refuse_second()  # another storage
        monkeypatch.setenv("DAGSTER_HOME", str(storage))
        with server(home, first.pid):  # a code server or run of the same one
            pass
    refuse_second()  # its locks ended with it
    assert len(list((storage / "servers").glob("*.lock"))) == 1


def test_the_shipped_settings_store_below_data(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_IS_DEV_CLI", "1")
    refuse_second()
    assert list(Path("data/dagster/servers").glob("*.lock"))
