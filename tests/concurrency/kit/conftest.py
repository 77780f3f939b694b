"""An outbox of its own, in the table that Django makes, for tests whose relays would take everybody's rows."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection
from pytest_django import DjangoDbBlocker
from sqlalchemy import Engine, text

from bookwell.kit.adapters.sqlalchemy import engine_of, writing
from tests.infrastructure import drop_database, new_database


def _new_database() -> str:
    if connection.vendor == "sqlite":
        return f"sqlite:///{Path(os.environ['BOOKWELL_DATA_DIR']) / 'outbox.sqlite3'}"
    return new_database(os.environ["BOOKWELL_LIBRARY_DATABASE_URL"])


def _connect_to(name: str) -> str:
    before: str = connection.settings_dict["NAME"]
    connection.close()
    connection.settings_dict["NAME"] = name
    return before


def _name_of(url: str) -> str:
    return url.removeprefix("sqlite:///") if url.startswith("sqlite") else url.rpartition("/")[2]


@pytest.fixture(scope="session")
def outbox_url(django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """A database with Django's table `outbox` alone."""
    from bookwell.library.plumbing.models import OutboxRow  # noqa: PLC0415 -- Django is set up after conftests

    url = _new_database()
    with django_db_blocker.unblock():
        before = _connect_to(_name_of(url))
        with connection.schema_editor() as editor:
            editor.create_model(OutboxRow)
        _connect_to(before)
    yield url
    if not url.startswith("sqlite"):
        drop_database(url)


@pytest.fixture
def outbox_engine(outbox_url: str, django_db_blocker: DjangoDbBlocker) -> Iterator[Engine]:
    """SQLAlchemy's way to that outbox, which is empty; Django's connections go there, too."""
    engine = engine_of(outbox_url, connections=5)
    with writing(engine) as session:
        session.execute(text("DELETE FROM outbox"))
    with django_db_blocker.unblock():
        before = _connect_to(_name_of(outbox_url))
        yield engine
        _connect_to(before)
    engine.dispose()
