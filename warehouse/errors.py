"""What can go wrong between memory and disk."""

from pathlib import Path

from schemas import TidemarkError


class StorageError(TidemarkError):
    """Something could not be stored or read. What was stored before is whole."""


def from_os_error(error: OSError, doing: str, path: Path) -> StorageError:
    """``StorageError`` for a failed file operation, with the mend for the usual causes."""
    import errno

    mend = {
        errno.ENOSPC: "the disk is full: free some space and pull again",
        errno.EDQUOT: "the disk quota is used up: free some space and pull again",
        errno.EROFS: "the file system is read-only: point TIDEMARK_HOME at a writable folder",
        errno.EACCES: "permission denied: make the folder writable for this user, "
        "or point TIDEMARK_HOME elsewhere",
        errno.EPERM: "not permitted: make the folder writable for this user, "
        "or point TIDEMARK_HOME elsewhere",
    }.get(error.errno or 0, error.strerror or str(error))
    return StorageError(f"{doing} {path}: {mend}")
