"""A database of the tables service's own; rows stay, and every test makes tables of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bookwell.tables.db import Database
from tests.restaurant import tables_database


@pytest.fixture(scope="session")
def restaurant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """Migrated; a PostgreSQL when that is under test, else SQLite."""
    with tables_database(Path(tmp_path_factory.mktemp("tables"))) as database:
        yield database
