"""A database of the tables service's own; rows stay, and every test makes tables of its own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from bookwell.tables.db import Database
from tests.restaurant import tables_database, tables_url


@pytest.fixture(scope="session")
def restaurant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """Migrated; a PostgreSQL when that is under test, else SQLite."""
    with tables_database(Path(tmp_path_factory.mktemp("tables")), connections=50) as database:
        yield database


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Database]:
    """One that only the test has, whose back office is called."""
    with tables_url(tmp_path) as url:
        database = Database.of_url(url, backoffice="office")
        if database.engine.dialect.name == "sqlite":
            event.listen(database.engine, "connect", _trust_the_kernel)
        yield database
        database.engine.dispose()


def _trust_the_kernel(connection: Any, _record: Any) -> None:
    """What a killed process has written is there without waiting for the disk."""
    connection.execute("PRAGMA synchronous=OFF")
