"""A restore that was broken off: nothing starts on one half of a backup and an empty other half."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bookwell.kit.private_files import sync_folder

__all__ = ["RestoreUnfinished", "marked_as_unfinished", "refuse_unfinished_restore"]

_MARK = ".restoring"


class RestoreUnfinished(SystemExit):
    """A restore into this data folder has begun and never ended; the message is for the person who starts."""


@contextmanager
def marked_as_unfinished(folder: Path) -> Iterator[None]:
    """Leave a mark in the data folder until everything is done; whatever ends this earlier leaves it there.

    Raises:
        OSError
    """
    mark = folder / _MARK
    mark.touch(mode=0o600)
    sync_folder(folder)
    yield
    mark.unlink()


def refuse_unfinished_restore(folder: Path) -> None:
    """Let nobody bring databases up to date, and start on them, of which some are still what they were.

    Raises:
        RestoreUnfinished
    """
    mark = folder / _MARK
    if mark.exists():
        raise RestoreUnfinished(
            "A restore was broken off: some databases may be of the backup, and others not. Run `bookwell restore "
            f"BACKUP --force` again; or remove {mark.absolute()} to go on with what there is."
        )
