"""A database of its own for everything that commits: its rows stay, and no other test sees them."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection
from pytest_django import DjangoDbBlocker

from tests.infrastructure import drop_database, new_database

_URL = "BOOKWELL_LIBRARY_DATABASE_URL"


def _new_database() -> str:
    if connection.vendor == "sqlite":
        return f"sqlite:///{Path(os.environ['BOOKWELL_DATA_DIR']) / 'races.sqlite3'}"
    return new_database(os.environ[_URL])


def _connect_to(name: str) -> str:
    """Let every thread's next connection go to that database; answers the one before."""
    before: str = connection.settings_dict["NAME"]
    connection.close()
    connection.settings_dict["NAME"] = name
    return before


def _name_of(url: str) -> str:
    return url.removeprefix("sqlite:///") if url.startswith("sqlite") else url.rpartition("/")[2]


@pytest.fixture(scope="session")
def committed_url(django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """The address of an empty, migrated database, for this process and those it starts."""
    url = _new_database()
    with django_db_blocker.unblock():
        before = _connect_to(_name_of(url))
        call_command("migrate", interactive=False, verbosity=0)
        _connect_to(before)
    yield url
    if not url.startswith("sqlite"):
        drop_database(url)


@pytest.fixture
def committed(committed_url: str, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """Lets a test and its threads commit to that database; make rows of your own, nothing is cleaned up."""
    with django_db_blocker.unblock():
        before = _connect_to(_name_of(committed_url))
        yield committed_url
        _connect_to(before)
