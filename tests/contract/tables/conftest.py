"""The tables service over HTTP: the application itself, on a migrated database of the session's."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import time_machine
from starlette.testclient import TestClient

from bookwell.tables.db import Database
from tests.contract.tables.serving import served
from tests.restaurant import NOW, tables_database


@pytest.fixture(scope="session")
def restaurant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """Migrated; a PostgreSQL when that is under test, else SQLite. Rows stay: every test makes tables of its own."""
    with tables_database(Path(tmp_path_factory.mktemp("tables"))) as database:
        yield database


@pytest.fixture(scope="session")
def _served(restaurant: Database) -> Iterator[TestClient]:
    with served(restaurant, tables_demo=True) as client:
        yield client


@pytest.fixture
def client(_served: TestClient) -> Iterator[TestClient]:
    """Asks the service, at `tests.restaurant.NOW`."""
    with time_machine.travel(NOW, tick=False):
        yield _served
