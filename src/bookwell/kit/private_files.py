"""Files for their owner alone: keys, secrets, and the folder that holds them. Nobody else reads them, at no moment."""

import os
from pathlib import Path

__all__ = ["make_private_folder", "sync_folder", "write_private"]


def make_private_folder(folder: Path) -> None:
    """Make a folder that is not there, and those above it; all that are made can be entered by their owner alone.

    Raises:
        OSError: if it cannot be made, or is a file.
    """
    missing = [each for each in folder.parents if not each.exists()]
    for each in (*reversed(missing), folder):
        each.mkdir(mode=0o700, exist_ok=True)


def write_private(file: Path, content: bytes) -> None:
    """Write a file whole or not at all, in place of the one before; it is on the disk when this returns.

    Raises:
        OSError: if it cannot be written; the file before it stays.
    """
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(file)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    sync_folder(file.parent)


def sync_folder(folder: Path) -> None:
    """Put a folder's names onto the disk: only then a renamed file is there after a crash.

    Raises:
        OSError
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
