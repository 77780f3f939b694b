"""A database of the notifier's own, of the kind under test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bookwell.notifier.db import Database
from tests.notifying import empty_database, notifier_url


@pytest.fixture(scope="session")
def _migrated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with notifier_url(Path(tmp_path_factory.mktemp("notifier"))) as url:
        database = Database.of_url(url)
        yield database
        database.engine.dispose()


@pytest.fixture
def database(_migrated: Database) -> Database:
    """Migrated, and empty."""
    empty_database(_migrated)
    return _migrated
