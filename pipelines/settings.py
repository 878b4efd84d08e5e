"""Settings: from the environment and ``.env``.

==================================  ==========================  ================================
name                                default                     meaning
==================================  ==========================  ================================
``TIDEMARK_HOME``                   ``./data``                  everything the pipeline stores
``<EXCHANGE>_BASE_URL``             the connector's             host root; the API's paths follow
``<EXCHANGE>_API_KEY/_SECRET``      –                           account ``main``
``<EXCHANGE>_API_PASSPHRASE``       –                           where keys have one: Coinbase, OKX
``<EXCHANGE>_<ACCOUNT>_API_KEY/…``  –                           any other account
``TIDEMARK_METASTORE``              SQLite in the home          ``postgresql://user@host/db``
``TIDEMARK_FEEDS``                  ``pipelines/defs``          the feeds (``./feeds`` with pip)
``TIDEMARK_LOOKUPS``                ``200``                     single orders that one pull asks for
``TIDEMARK_UMASK``                  ``077``                     rights that new files do not give
``TIDEMARK_ALLOW_HTTP``             –                           ``1``: keys may go over ``http://``
``TIDEMARK_UNPACED``                –                           ``1``: no waits on this machine
``TIDEMARK_PUBLISH``                ``duckdb``                  ``duckdb,iceberg``: both
``TIDEMARK_ICEBERG_CATALOG``        SQLite in the home          ``postgresql://…`` (secret)
``TIDEMARK_ICEBERG_WAREHOUSE``      a folder of the home        a folder or ``s3://bucket/prefix``
``TIDEMARK_ICEBERG_NAMESPACE``      ``tidemark``                one for each home in a catalog
``TIDEMARK_ICEBERG_KEEP_HOURS``     ``24``                      superseded snapshots
``AWS_…``                           –                           keys, region, endpoint of ``s3://``
``TIDEMARK_VIEWS_ABOVE_ROWS``       –                           larger tables are views on the lake
``TIDEMARK_EXECUTOR``               ``in_process``              one of ``EXECUTORS``, for runs
``TIDEMARK_TICK_SECONDS``           ``40``                      time of a scheduled run
``TIDEMARK_BACKFILL_SECONDS``       ``600``                     time of a piece of a back-fill
``TIDEMARK_KEEP_RUNS_HOURS``        ``2``                       successful runs in Dagster
``TIDEMARK_KEEP_FAILED_DAYS``       ``30``                      other runs in Dagster
``TIDEMARK_ALERT_WEBHOOK``          –                           alerts go to this address (secret)
``TIDEMARK_ALERT_EMAIL``            –                           alerts go to these mailboxes
``TIDEMARK_ALERT_SMTP``             ``smtp://localhost``        by ``smtp(s)://user:password@host``
``TIDEMARK_UI_URL``                 –                           Dagster's page, linked in alerts
``TIDEMARK_REPORT_URL``             –                           where the report is served
==================================  ==========================  ================================

A variable of the environment wins over the same name in ``.env``; an empty value counts as not
set. Keys and secrets appear in no message and no ``repr``.
"""

import io
import os
import re
import stat
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from pipelines.output.console import warn
from pipelines.output.formatting import with_fix
from schemas import TABLES, ConfigError
from warehouse.home import METASTORE
from warehouse.paths import LAKE, PARTIAL

if TYPE_CHECKING:
    from connectors.base import Credentials
    from warehouse.iceberg.target import IcebergTarget

DEFAULT_HOME: Final = "./data"
HOME: Final = "TIDEMARK_HOME"
UMASK: Final = "TIDEMARK_UMASK"
ALLOW_HTTP: Final = "TIDEMARK_ALLOW_HTTP"
UNPACED: Final = "TIDEMARK_UNPACED"
EXECUTOR: Final = "TIDEMARK_EXECUTOR"
IN_PROCESS: Final = "in_process"
CELERY: Final = "celery"
EXECUTORS: Final = (IN_PROCESS, "multiprocess", CELERY)
SECRET_SUFFIXES: Final = (
    *("_API_KEY", "_API_SECRET", "_API_PASSPHRASE"),
    *("_ALERT_WEBHOOK", "_ALERT_SMTP", "_METASTORE"),
    *("_ICEBERG_CATALOG", "_SECRET_ACCESS_KEY", "_SESSION_TOKEN"),
)
"""How the names of variables end that hold keys and secrets."""
VIEWS_ABOVE_ROWS: Final = "TIDEMARK_VIEWS_ABOVE_ROWS"
PUBLISH: Final = "TIDEMARK_PUBLISH"
DUCKDB: Final = "duckdb"
ICEBERG: Final = "iceberg"
CATALOG: Final = "TIDEMARK_ICEBERG_CATALOG"
WAREHOUSE: Final = "TIDEMARK_ICEBERG_WAREHOUSE"
NAMESPACE: Final = "TIDEMARK_ICEBERG_NAMESPACE"
KEEP_HOURS: Final = "TIDEMARK_ICEBERG_KEEP_HOURS"
_ODD: Final = re.compile("[?#%]")
"""What readers of a URL take for something else than a part of a path."""
_STORAGE: Final = {
    "s3.access-key-id": ("AWS_ACCESS_KEY_ID",),
    "s3.secret-access-key": ("AWS_SECRET_ACCESS_KEY",),
    "s3.session-token": ("AWS_SESSION_TOKEN",),
    "s3.region": ("AWS_REGION", "AWS_DEFAULT_REGION"),
    "s3.endpoint": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
}
"""The variables of an object store by pyiceberg's property; the names are those of AWS's own
programs, so that keys that they find elsewhere (a profile, the machine's role) work as well."""
ALERT_WEBHOOK: Final = "TIDEMARK_ALERT_WEBHOOK"
ALERT_EMAIL: Final = "TIDEMARK_ALERT_EMAIL"
ALERT_SMTP: Final = "TIDEMARK_ALERT_SMTP"
UI_URL: Final = "TIDEMARK_UI_URL"
REPORT_URL: Final = "TIDEMARK_REPORT_URL"


@dataclass(frozen=True)
class Settings:
    """``home``: absolute folder of everything stored. It need not exist: :meth:`prepare_home`."""

    home: Path
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Every variable that is set and not empty; it holds secrets."""

    def base_url(self, exchange: str) -> str:
        """The host root of ``exchange``, without a slash at the end.

        Raises ``ConfigError`` for what is no ``http(s)://host``.
        """
        import connectors  # many commands call no exchange

        value = self.variables.get(connectors.base_url_variable(exchange))
        if value is None:
            return connectors.default_base_url(exchange)
        return connectors.checked_base_url(exchange, value)

    def credentials(self, exchange: str, account: str) -> "Credentials | None":
        """The account's key; ``None`` where none is set (then only public data can be had).

        Raises ``ConfigError`` where a part of it is not set, and for what is no key.
        """
        import connectors
        from connectors.base import Credentials

        names = connectors.key_variables(exchange, account)
        parts = {name: self.variables[name] for name in names if name in self.variables}
        if not parts:
            return None
        if len(parts) < len(names):
            missing = next(name for name in names if name not in parts)
            raise ConfigError(
                with_fix(
                    f"{missing} is not set, but {next(iter(parts))} is",
                    f"set {missing} too (environment or .env), or unset {' and '.join(parts)} to "
                    "collect public data only",
                )
            )
        found = Credentials(*parts.values())
        connectors.check_key(exchange, account, found)
        return found

    def number(self, name: str, default: int, most: int = 1_000_000) -> int:
        """A setting that is a whole number from 1 on. Raises ``ConfigError`` for another."""
        text = self.variables.get(name, str(default))
        if not (text.isascii() and text.isdecimal() and 0 < int(text) <= most):
            raise ConfigError(
                with_fix(
                    f"{name} is {text!r}, not a whole number from 1 to {most}",
                    f"{name}={default}, or leave it out",
                )
            )
        return int(text)

    @property
    def umask(self) -> int:
        """The rights that new files and folders do not give. Raises ``ConfigError``."""
        text = self.variables.get(UMASK, "077")
        if not re.fullmatch("0{0,2}[0-7]{2}", text):
            raise ConfigError(
                with_fix(
                    f"{UMASK} is {text!r}, not the three octal digits of a umask that leaves this "
                    "user all rights",
                    f"{UMASK}=077 (this user only), or {UMASK}=027 (the group may read)",
                )
            )
        return int(text, 8)

    @property
    def executor(self) -> str:
        """How Dagster executes the steps of a run: one of ``EXECUTORS``. Raises ``ConfigError``."""
        text = self.variables.get(EXECUTOR, IN_PROCESS)
        if text not in EXECUTORS:
            fix = f"{EXECUTOR}={', '.join(EXECUTORS[:-1])} or {EXECUTORS[-1]}, or leave it out"
            raise ConfigError(with_fix(f"{EXECUTOR} is {text!r}, which is no executor", fix))
        return text

    @property
    def views_above(self) -> int:
        """Tables with more rows are views on lake files; 0: none. Raises ``ConfigError``."""
        if VIEWS_ABOVE_ROWS not in self.variables:
            return 0
        return self.number(VIEWS_ABOVE_ROWS, 50_000_000, 10**12)

    @property
    def iceberg(self) -> "IcebergTarget | None":
        """Where Iceberg tables are published; ``None``: nowhere. Raises ``ConfigError``."""
        targets = {t.strip() for t in self.variables.get(PUBLISH, DUCKDB).split(",")}
        if not {DUCKDB} <= targets <= {DUCKDB, ICEBERG}:
            found = self.variables[PUBLISH]
            fix = f"{PUBLISH}={DUCKDB}, or {PUBLISH}={DUCKDB},{ICEBERG}"
            raise ConfigError(with_fix(f"{PUBLISH} is {found!r}: DuckDB is always published", fix))
        if ICEBERG not in targets:
            return None
        if find_spec("pyiceberg") is None:
            fix = "pip install 'tidemark[iceberg]'"
            raise ConfigError(with_fix(f"{PUBLISH} names {ICEBERG}, which needs pyiceberg", fix))
        from warehouse.iceberg.target import IcebergTarget

        namespace = self.variables.get(NAMESPACE, "tidemark")
        if not re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", namespace):
            what = f"{NAMESPACE} is {namespace!r}, not one word of letters, digits and _"
            raise ConfigError(with_fix(what, f"{NAMESPACE}=tidemark, or leave it out"))
        storage = {
            name: next(self.variables[v] for v in variables if v in self.variables)
            for name, variables in _STORAGE.items()
            if any(v in self.variables for v in variables)
        }
        keep = self.number(KEEP_HOURS, 24)
        return IcebergTarget(
            self._iceberg_catalog(), self._iceberg_warehouse(), namespace, keep, storage
        )

    def _iceberg_catalog(self) -> str:
        default = f"sqlite:///{self.home / ICEBERG / 'catalog.sqlite'}"
        url = self.variables.get(CATALOG, default)
        scheme, separator, rest = url.partition("://")
        drivers = {"postgres": "postgresql+psycopg", "postgresql": "postgresql+psycopg"}
        scheme = drivers.get(scheme, scheme)
        known = {"sqlite", *drivers.values()}
        is_sound = bool(separator) and scheme in known and _says_where(scheme, rest)
        if not is_sound or (url == default and _ODD.search(url)):
            what = f"{CATALOG} is no address of a database"  # which may have a password
            if url == default:
                what = f"{HOME} is {self.home}, and no catalog can lie below a path with ? # or %"
            fix = f"{CATALOG}=sqlite:////folder/catalog.sqlite or postgresql://user@host/database"
            raise ConfigError(with_fix(what, fix))
        return f"{scheme}://{rest}"

    def _iceberg_warehouse(self) -> str:
        place = self.variables.get(WAREHOUSE, str(self.home / ICEBERG / "warehouse"))
        scheme, separator, _ = place.partition("://")
        if not separator:
            place = f"file://{Path(place).expanduser().absolute()}"
        if (separator and scheme not in ("s3", "file")) or _ODD.search(place):
            what = (
                f"{WAREHOUSE} is {place}: neither a folder nor s3://bucket/prefix (without ? # %)"
            )
            raise ConfigError(with_fix(what, f"{WAREHOUSE}=s3://bucket/prefix, or a folder"))
        return place.rstrip("/")

    @property
    def allows_http(self) -> bool:
        """Whether keys may be sent to another machine unencrypted. Raises ``ConfigError``."""
        return self._switch(ALLOW_HTTP)

    def is_unpaced(self, exchange: str) -> bool:
        """Whether ``exchange`` is called without waits: only one on this machine ever is.

        Raises ``ConfigError``.
        """
        from connectors.hosts import is_this_machine

        host = urlsplit(self.base_url(exchange)).hostname or ""
        return self._switch(UNPACED) and is_this_machine(host)

    def _switch(self, name: str) -> bool:
        text = self.variables.get(name, "0")
        if text not in ("0", "1"):
            fix = f"{name}=1, or leave it out"
            raise ConfigError(with_fix(f"{name} is {text!r}, neither 0 nor 1", fix))
        return text == "1"

    def prepare_home(self) -> Path:
        """Create ``home``, prove that files can be written in it, and close it to other users.

        What ``TIDEMARK_UMASK`` takes from new files is taken from the folder itself, where it is
        new, empty or holds data of Tidemark. Raises ``ConfigError`` where it cannot be used, and
        for wrong settings of what is published from it: a pull ends then before its first request.
        """
        _ = self.views_above, self.iceberg
        from warehouse.metastore_backend import has_metastore  # with it SQLite
        from warehouse.metastore_file import FILE_NAME

        self._check_path()
        try:
            self.home.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.home) as probe:
                probe.write(b"?")
            self._check_lake()
            if has_metastore(self.home) or not any(self.home.iterdir()):
                _restrict(self.home, self.umask)
            if METASTORE in self.variables and (self.home / FILE_NAME).exists():
                warn(
                    f"notice: {METASTORE} is set: the metastore of {self.home} moves to PostgreSQL "
                    f"now, and {FILE_NAME} is kept as {FILE_NAME}.moved"
                )
        except (FileExistsError, NotADirectoryError):
            blocking = next(
                (p for p in (self.home, *self.home.parents) if p.exists() and not p.is_dir()),
                self.home,
            )
            raise ConfigError(
                with_fix(
                    f"{HOME} is {self.home}, but {blocking} is a file",
                    f"point {HOME} at a folder, or move that file away",
                )
            ) from None
        except PermissionError:
            raise ConfigError(
                with_fix(
                    f"{HOME} is {self.home}, which this user may not write",
                    f"give this user the right to write there, or point {HOME} at another folder",
                )
            ) from None
        except OSError as error:
            raise ConfigError(
                with_fix(
                    f"{HOME} is {self.home}, which cannot be written: {error.strerror or error}",
                    f"point {HOME} at a folder on a disk with free space",
                )
            ) from None
        return self.home

    def _check_path(self) -> None:
        """Readers of the lake take a folder ``exchange=x`` above it for a column."""
        columns = {name for table in TABLES.values() for name in table.schema.names}
        for part in self.home.parts:
            if part.partition("=")[0] in columns and "=" in part:
                raise ConfigError(
                    with_fix(
                        f"{HOME} is {self.home}, and readers of Parquet take {part!r} in it for "
                        "the value of a column",
                        f"point {HOME} at a folder without '=' in its path",
                    )
                )

    def _check_lake(self) -> None:
        """A file gets its name by a rename, which works within one file system only."""
        lake, partial = self.home / LAKE, self.home / PARTIAL
        beside = partial if partial.exists() else self.home
        if lake.exists() and lake.stat().st_dev != beside.stat().st_dev:
            raise ConfigError(
                with_fix(
                    f"{lake} lies on another file system than {beside}, where files are written "
                    "before they get their name",
                    f"point {HOME} at a folder on the other file system, and move everything there",
                )
            )


def load_settings(
    env: Mapping[str, str] | None = None, dotenv: Path | None = Path(".env")
) -> Settings:
    """Read ``dotenv`` (where it exists) and ``env`` (default: the process's own), which wins.

    A relative ``TIDEMARK_HOME`` is taken from the working folder. With the process's own
    environment, ``TIDEMARK_UMASK`` and ``TIDEMARK_METASTORE`` hold for this process and its
    children from here on, and a ``dotenv`` that other users can read is reported. Raises
    ``ConfigError`` for a ``.env`` that cannot be read.
    """
    merged = {**_read_dotenv(dotenv), **(os.environ if env is None else env)}
    variables = {name: value.strip() for name, value in merged.items() if value.strip()}
    home = Path(variables.get(HOME, DEFAULT_HOME)).expanduser()
    settings = Settings(home.absolute(), variables)
    if env is None:
        os.umask(settings.umask)
        if METASTORE in variables:
            os.environ[METASTORE] = variables[METASTORE]  # for the storage, and for children
        if dotenv is not None:
            _report_exposed(dotenv.absolute(), settings.umask)
    return settings


def _says_where(scheme: str, rest: str) -> bool:
    """Whether the address of a catalog means the same database in every folder and process."""
    if scheme == "sqlite":
        return rest.startswith("//")  # else a relative path, or SQLite's memory
    try:
        return urlsplit(f"{scheme}://{rest}").port != 0
    except ValueError:  # a port that is no number
        return False


def _restrict(folder: Path, umask: int) -> None:
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & umask:
        with suppress(OSError):  # of another user, or on a file system without modes
            folder.chmod(mode & ~umask)


def contradicted(dotenv: Path = Path(".env")) -> list[str]:
    """The names that ``dotenv`` sets otherwise than the environment does, which wins here.

    Dagster's own processes read the same file, and there the file wins.
    """
    return sorted(
        n for n, value in _read_dotenv(dotenv).items() if os.environ.get(n, value) != value
    )


@cache
def _report_exposed(dotenv: Path, umask: int) -> None:
    """Report, once, a file of keys that more users can read than ``umask`` allows."""
    try:
        mode = stat.S_IMODE(dotenv.stat().st_mode)
    except OSError:
        return
    readable = mode & umask & 0o044
    if readable and _has_modes(dotenv.parent):
        warn(
            with_fix(
                f"warning: {dotenv} can be read by other users (mode {mode:03o})",
                f"chmod {mode & ~umask:03o} {dotenv}",
            )
        )


def _has_modes(folder: Path) -> bool:
    """Whether the file system of ``folder`` keeps the modes of files, as far as can be found."""
    try:
        with tempfile.NamedTemporaryFile(dir=folder) as probe:
            return not stat.S_IMODE(os.fstat(probe.fileno()).st_mode) & 0o077
    except OSError:
        return True


def _read_dotenv(path: Path | None) -> dict[str, str]:
    if path is None or not path.is_file():
        return {}
    from dotenv.parser import parse_stream

    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"cannot read {path}: it is not text in UTF-8") from None
    values: dict[str, str] = {}
    # The parser itself, and not dotenv_values: it gives the line of a mistake, and takes a secret
    # with ``${`` in it literally.
    for binding in parse_stream(io.StringIO(text)):
        if binding.error:
            raise ConfigError(
                f"{path}:{_line(binding.original.string, binding.original.line)}: "
                "cannot read this line. Fix: write NAME=value"
            )
        if binding.key and binding.value is not None:
            values[binding.key] = binding.value
    return values


def _line(text: str, first: int) -> int:
    """The line of the statement itself: ``text`` begins with the empty lines before it."""
    return first + text[: len(text) - len(text.lstrip())].count("\n")
