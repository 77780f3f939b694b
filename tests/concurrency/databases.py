"""Databases that tests have to themselves, and Django's connections turned to one of them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db import connection
from pytest_django import DjangoDbBlocker

from tests.infrastructure import drop_database, new_database

__all__ = ["connected_to", "own_database"]


@contextmanager
def own_database(name: str) -> Iterator[str]:
    """The address of an empty database of the kind under test; on SQLite it is a file of that name."""
    if connection.vendor == "sqlite":
        yield f"sqlite:///{Path(os.environ['BOOKWELL_DATA_DIR']) / name}.sqlite3"
        return
    url = new_database(os.environ["BOOKWELL_LIBRARY_DATABASE_URL"])
    try:
        yield url
    finally:
        drop_database(url)


@contextmanager
def connected_to(url: str, blocker: DjangoDbBlocker) -> Iterator[None]:
    """Let every thread's next connection go to that database meanwhile."""
    name = url.removeprefix("sqlite:///") if url.startswith("sqlite") else url.rpartition("/")[2]
    before = connection.settings_dict["NAME"]
    with blocker.unblock():
        connection.close()
        connection.settings_dict["NAME"] = name
        try:
            yield
        finally:
            connection.close()
            connection.settings_dict["NAME"] = before
