"""The tables service with settings of a test's own."""

from typing import Any

from starlette.testclient import TestClient

from bookwell.tables.app import create_app
from bookwell.tables.db import Database
from bookwell.tables.settings import TablesSettings
from tests.restaurant import SITE

__all__ = ["served"]


def served(restaurant: Database, *, address: str = "127.0.0.1", **values: Any) -> TestClient:
    """A client at an address, and the service that it asks."""
    app = create_app(TablesSettings(tables_url=SITE, **values), database=restaurant)
    return TestClient(app, base_url=SITE, client=(address, 5), raise_server_exceptions=False)
