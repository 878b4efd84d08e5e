"""A folder of Parquet files that appears only when it is complete."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from schemas import ConfigError
from warehouse.views import views


def check_marts(out: Path) -> None:
    """Raise ``ConfigError`` where a folder of ``out`` holds something else than a mart's files."""
    for view in views().values():
        if view.schema == "marts":
            _check(out / view.name)


def _check(folder: Path) -> None:
    odd = next((p for p in sorted(folder.glob("*")) if p.suffix != ".parquet" or p.is_dir()), None)
    if folder.exists() and (odd or not folder.is_dir()):
        raise ConfigError(f"{odd or folder} is no file of a mart. Fix: another folder for --out")


@contextmanager
def placed(folder: Path) -> Iterator[Path]:
    """A folder to write to, which takes the place of ``folder`` at the end, if all went well."""
    building = folder.with_name(f".{folder.name}.building")
    shutil.rmtree(building, ignore_errors=True)
    building.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield building
        for path in building.glob(".*"):  # Hadoop's checksums
            path.unlink()
        _check(folder)
        shutil.rmtree(folder, ignore_errors=True)
        building.rename(folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)
