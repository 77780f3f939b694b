"""A database of its own for everything that commits: its rows stay, and no other test sees them."""

from collections.abc import Iterator

import pytest
from django.core.management import call_command
from pytest_django import DjangoDbBlocker

from tests.concurrency.databases import connected_to, own_database


@pytest.fixture(scope="session")
def committed_url(django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """The address of an empty, migrated database, for this process and those it starts."""
    with own_database("races") as url:
        with connected_to(url, django_db_blocker):
            call_command("migrate", interactive=False, verbosity=0)
        yield url


@pytest.fixture
def committed(committed_url: str, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """Lets a test and its threads commit to that database; make rows of your own, nothing is cleaned up."""
    with connected_to(committed_url, django_db_blocker):
        yield committed_url
