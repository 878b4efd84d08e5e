"""What every test may use: a home of its own, a clean environment, and the recorded data."""

import gc
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests.examples import examples

if TYPE_CHECKING:
    from tests.postgres import Server
    from tests.pulled import Pulled
    from tests.warehouse.accounts import Accounts

# numpy's idle threads would take a tenth of a second of each of the many processes (pipelines).
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Each server of a test would have a thread of the kernel that polls for its files (libuv).
os.environ.setdefault("UV_USE_IO_URING", "0")

# A deadline would make a property false where the machine is busy.
settings.register_profile("tidemark", max_examples=examples(100), deadline=None)
settings.load_profile("tidemark")

MEMORY = Path("/dev/shm")
if "TMPDIR" not in os.environ and MEMORY.is_dir():
    # Tests write and sync tens of thousands of small files: in memory that takes a tenth less time.
    place = os.statvfs(MEMORY)
    if not place.f_flag & os.ST_NOEXEC and place.f_bavail * place.f_frsize > 2**31:
        os.environ["TMPDIR"] = str(MEMORY)
        tempfile.tempdir = None

REPO = Path(__file__).resolve().parent.parent
APART = (REPO / "tests" / "ui", REPO / "tests" / "spark")
"""They need a browser or Java, and minutes: `make test-ui`, `make test-spark`."""
ALL_ON_POSTGRES = os.environ.get("METASTORE") == "postgres"
OURS = re.compile(r"TIDEMARK_.*|DAGSTER_HOME|\w+_(API_KEY|API_SECRET|API_PASSPHRASE|BASE_URL)")


def pytest_collection_finish() -> None:
    """The garbage collector looks less often, and not at modules and collected tests: tests make
    many objects and few reference cycles."""
    gc.set_threshold(50_000, 10, 10)
    gc.freeze()


def pytest_unconfigure() -> None:
    """Hypothesis's hook in the garbage collector would outlive all modules, and keep DuckDB's
    types, of which its bindings then complain below the last line of pytest."""
    gc.callbacks.clear()
    gc.unfreeze()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave the folders of ``APART`` out, except where they are named."""
    named = [
        (config.invocation_params.dir / arg.partition("::")[0]).resolve() for arg in config.args
    ]
    out = collection_path in APART and not any(p.is_relative_to(collection_path) for p in named)
    return True if out else None


@pytest.fixture(scope="session")
def repo_root() -> Path:
    """The folder that holds pyproject.toml."""
    return REPO


@pytest.fixture(scope="session", autouse=True)
def clean_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No setting or key of the developer's own machine reaches a test, and none of ours stays.

    For the whole session: fixtures of a wider scope than a test pull as well.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if OURS.fullmatch(name):
                patch.delenv(name)
        patch.setenv("DAGSTER_DISABLE_TELEMETRY", "1")
        base = tmp_path_factory.getbasetemp()
        patch.setenv("XDG_STATE_HOME", str(base / "state"))
        patch.setenv("XDG_CACHE_HOME", str(of_all_workers(tmp_path_factory) / "cache"))
        yield


def of_all_workers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this session that pytest-xdist's workers share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def postgres() -> "Iterator[Server]":
    """A PostgreSQL of this session's own; skipped where it is not installed."""
    from tests.postgres import programs, serving

    folder = programs()
    if folder is None:
        pytest.skip("PostgreSQL is not installed (Debian: postgresql)")
    with serving(folder) as server:
        yield server


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Which metastore a test has: tests of ``both`` run on either, with METASTORE=postgres all
    that are not about the SQLite file on PostgreSQL alone."""
    markers = {marker.name for marker in metafunc.definition.iter_markers()}
    if ALL_ON_POSTGRES and "sqlite" not in markers:
        metafunc.parametrize("metastore", ["postgres"], indirect=True)
    elif "both" in markers and "sqlite" not in markers:
        other = pytest.param("postgres", marks=pytest.mark.engines)
        metafunc.parametrize("metastore", ["sqlite", other], indirect=True)


@pytest.fixture(autouse=True)
def metastore(request: pytest.FixtureRequest) -> Iterator[str]:
    """The database of the metastores of this test: ``sqlite`` or ``postgres``."""
    kind = str(getattr(request, "param", "sqlite"))
    if kind == "sqlite":
        yield kind
        return
    from warehouse.postgres import pools

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TIDEMARK_METASTORE", request.getfixturevalue("postgres").url)
        yield kind
    for pool in pools():
        pool.close()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty ``TIDEMARK_HOME``; the working directory is elsewhere, away from any ``.env``."""
    place = tmp_path / "home"
    place.mkdir()
    elsewhere = tmp_path / "cwd"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    monkeypatch.setenv("TIDEMARK_HOME", str(place))
    return place


@pytest.fixture(scope="session")
def pulled(tmp_path_factory: pytest.TempPathFactory) -> "Pulled":
    """A home that holds everything the sandbox exchange has; only for reading, and shared."""
    from tests.pulled import pull_everything

    return pull_everything(of_all_workers(tmp_path_factory) / "pulled")


@pytest.fixture
def accounts() -> "Iterator[Accounts]":
    """An account's tables and its ledger, in memory and empty."""
    from tests.warehouse.accounts import Accounts, catalog
    from tests.warehouse.database import session

    with session(catalog()) as db:
        yield Accounts(db)


@pytest.fixture(scope="session")
def shared_data(repo_root: Path) -> Path:
    """The folder of recorded exchange data beside the repository.

    Absent, the test is skipped at a developer's desk and fails under CI.
    """
    folder = repo_root.parent / "shared" / "data"
    if folder.is_dir():
        return folder
    message = f"no recorded data in {folder}"
    if os.environ.get("CI") == "true":
        pytest.fail(f"{message}; under CI it has to be there")
    pytest.skip(message)
