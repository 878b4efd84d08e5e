"""The rights of files, for tests."""

import stat
from pathlib import Path


def loose(folder: Path, umask: int = 0o077) -> dict[str, str]:
    """What is below ``folder``, and itself, with rights that ``umask`` takes."""
    found = [folder, *(p for p in folder.rglob("*") if not p.is_symlink())]
    modes = {p: stat.S_IMODE(p.stat().st_mode) for p in found}
    return {str(p): f"{mode:o}" for p, mode in modes.items() if mode & umask}
