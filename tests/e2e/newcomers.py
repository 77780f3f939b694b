"""Readers with tokens and books with copies, straight into the database of a running `bookwell up`.

Registering 200 readers over HTTP would hash 200 passwords. Run as a program in the environment of that server; it
prints what it made as JSON.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.embedded import Up

__all__ = ["Newcomers", "settle"]

_PROJECT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Newcomers:
    """Access tokens of readers who may have `limit` reservations, and ids of books."""

    tokens: list[str]
    books: list[int]


def settle(up: Up, *, readers: int, limit: int, books: int, copies: int) -> Newcomers:
    """Add readers and books."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BOOKWELL_")} | {
        "BOOKWELL_DATA_DIR": str(up.folder),
        "BOOKWELL_LIBRARY_PORT": str(up.port),  # the issuer of tokens
        "DJANGO_SETTINGS_MODULE": "bookwell.library.config.settings",
    }
    numbers = [str(number) for number in (readers, limit, books, copies)]
    command = [sys.executable, "-m", "tests.e2e.newcomers", *numbers]
    made = subprocess.run(  # noqa: S603 -- our own command
        command, env=environment, cwd=_PROJECT, stdout=subprocess.PIPE, check=True, timeout=60
    )
    return Newcomers(**json.loads(made.stdout))


def _main(readers: int, limit: int, books: int, copies: int) -> None:
    import django  # noqa: PLC0415 -- only where this is the program

    django.setup()
    from tests.factories import BookFactory, PolicyFactory, ReaderFactory  # noqa: PLC0415 -- not before the set-up
    from tests.serving import token_of  # noqa: PLC0415 -- not before the set-up

    policy = PolicyFactory.create(max_open_reservations=limit)
    tokens = [token_of(ReaderFactory.create(policy=policy)) for _ in range(readers)]
    shelf = [BookFactory.create(copies=copies).pk for _ in range(books)]
    sys.stdout.write(json.dumps({"tokens": tokens, "books": shelf}))


if __name__ == "__main__":
    _main(*(int(number) for number in sys.argv[1:]))
