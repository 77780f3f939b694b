"""The database under test is set up the way the transactions need it."""

import os

import pytest
from django.db import connection

_EXPECTED = {
    "sqlite": ("PRAGMA synchronous", "2"),
    "mysql": ("SHOW VARIABLES WHERE Variable_name IN ('transaction_isolation', 'tx_isolation')", "READ-COMMITTED"),
    "postgresql": ("SHOW lock_timeout", "5s"),
}


@pytest.mark.django_db
def test_connection__whatever_the_database__has_the_settings_that_correctness_needs() -> None:
    statement, expected = _EXPECTED[connection.vendor]

    with connection.cursor() as cursor:
        cursor.execute(statement)
        value = cursor.fetchone()[-1]

    assert str(value) == expected


@pytest.mark.only_on("mysql")
@pytest.mark.django_db
def test_connection__nobody_asks_for_a_week__is_kept_by_the_server() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT @@SESSION.wait_timeout")
        [seconds] = cursor.fetchone()

    assert seconds > 7 * 24 * 3600


def test_connection__the_url_in_the_environment__is_the_database_under_test() -> None:
    scheme = os.environ.get("BOOKWELL_LIBRARY_DATABASE_URL", "sqlite").split(":")[0]

    assert connection.vendor == scheme
