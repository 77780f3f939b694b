"""What of this machine stops a command, in one line for the person who gave it: folders, disks, embedded databases."""

import errno
import sqlite3
from collections.abc import Iterator

__all__ = ["line_of"]

_OF_DISKS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
_OF_FILES = frozenset({errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR})
_OF_SQLITE = frozenset(
    {
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_READONLY,
    }
)
_KIND = 0xFF
"""Of SQLite's codes the last eight bits; those before tell more of the same."""


def line_of(error: BaseException) -> str | None:
    """What to tell of an error that a file, a disk or an embedded database is behind; None of any other.

    Those are for who wrote the program, and their place in it is worth more than a line.
    """
    for each in _reasons(error):
        if isinstance(each, OSError) and (each.errno in _OF_DISKS or (each.filename and each.errno in _OF_FILES)):
            return f"{each.filename or 'A file'} cannot be used: {each.strerror}"
        if isinstance(each, sqlite3.Error) and getattr(each, "sqlite_errorcode", 0) & _KIND in _OF_SQLITE:
            return f"A database of the data folder cannot be used: {each}"
    return None


def _reasons(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what it was raised from, as far as it goes."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
