"""An outbox of its own, in the table that Django makes, for tests whose relays would take everybody's rows."""

from collections.abc import Iterator

import pytest
from django.db import connection
from pytest_django import DjangoDbBlocker
from sqlalchemy import Engine, text

from bookwell.kit.adapters.sqlalchemy import engine_of, writing
from tests.concurrency.databases import connected_to, own_database


@pytest.fixture(scope="session")
def outbox_url(django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """A database with Django's table `outbox` alone."""
    from bookwell.library.plumbing.models import OutboxRow  # noqa: PLC0415 -- Django is set up after conftests

    with own_database("outbox") as url:
        with connected_to(url, django_db_blocker), connection.schema_editor() as editor:
            editor.create_model(OutboxRow)
        yield url


@pytest.fixture
def outbox_engine(outbox_url: str, django_db_blocker: DjangoDbBlocker) -> Iterator[Engine]:
    """SQLAlchemy's way to that outbox, which is empty; Django's connections go there, too."""
    engine = engine_of(outbox_url, connections=5)
    with writing(engine) as session:
        session.execute(text("DELETE FROM outbox"))
    with connected_to(outbox_url, django_db_blocker):
        yield engine
    engine.dispose()
