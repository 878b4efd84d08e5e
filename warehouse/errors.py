"""Errors of storage, and their messages for failed file operations."""

from pathlib import Path

from schemas import TidemarkError


class StorageError(TidemarkError):
    """Rows or records could not be stored or read. What was stored before is whole."""


class InUseError(StorageError):
    """Another process holds a lock that is not waited for."""


def from_os_error(error: OSError, doing: str, path: Path) -> StorageError:
    """``StorageError`` for a failed file operation, with a fix for the usual causes."""
    import errno

    writable = "Fix: make the folder writable for this user, or point TIDEMARK_HOME elsewhere"
    what = {
        errno.ENOSPC: "the disk is full. Fix: free some space and try again",
        errno.EDQUOT: "the disk quota is used up. Fix: free some space and try again",
        errno.EROFS: "the file system is read-only. Fix: point TIDEMARK_HOME at a writable folder",
        errno.EXDEV: "a folder of the home is a link to another file system. "
        "Fix: point TIDEMARK_HOME at a folder there, and move everything to it",
        errno.EACCES: f"permission denied. {writable}",
        errno.EPERM: f"not permitted. {writable}",
    }.get(error.errno or 0, error.strerror or str(error))
    return StorageError(f"{doing} {path}: {what}")
