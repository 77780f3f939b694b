"""A data folder for one program at a time: `bookwell up`, or a restore. SQLite's writers would starve one another."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["folder_to_ourselves"]


@contextmanager
def folder_to_ourselves(folder: Path, *, refusal: Exception) -> Iterator[None]:
    """Keep others out of a data folder; the kernel frees it however this process ends.

    Raises:
        OSError
        refusal: if another program has it.
    """
    with (folder / ".up.lock").open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise refusal from None
        yield
