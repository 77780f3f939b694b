"""A MySQL or MariaDB database that does not compare byte by byte is refused before it has tables."""

import os
from collections.abc import Iterator

import pytest
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import connection
from pytest_django import DjangoDbBlocker

from tests.infrastructure import drop_database, new_database

_TABLES = "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE()"


@pytest.fixture
def folding_database(django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """The name of a database that takes `a` for `A`, to which the tests' connection goes."""
    url = new_database(os.environ["BOOKWELL_LIBRARY_DATABASE_URL"], collation="utf8mb4_general_ci")
    name, usual = url.rpartition("/")[2], connection.settings_dict["NAME"]
    with django_db_blocker.unblock():
        connection.close()
        connection.settings_dict["NAME"] = name
        yield name
        connection.close()
        connection.settings_dict["NAME"] = usual
    drop_database(url)


def _execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def _number_of_tables() -> int:
    with connection.cursor() as cursor:
        cursor.execute(_TABLES)
        return int(cursor.fetchone()[0])


@pytest.mark.only_on("mysql")  # the others compare byte by byte by themselves
def test_migrate__database_folds_letters__is_refused_until_it_is_altered(folding_database: str) -> None:
    advice = f"ALTER DATABASE `{folding_database}` CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"

    with pytest.raises(SystemCheckError, match=advice):
        call_command("migrate", "plumbing", interactive=False, verbosity=0, skip_checks=False)

    assert _number_of_tables() == 0
    _execute(advice)
    call_command("migrate", "plumbing", interactive=False, verbosity=0, skip_checks=False)
    assert _number_of_tables() > 1


@pytest.mark.only_on("mysql")
def test_migrate__table_folds_letters__is_refused_until_it_is_converted(folding_database: str) -> None:
    _execute(f"ALTER DATABASE `{folding_database}` COLLATE utf8mb4_bin")
    _execute("CREATE TABLE branch (name VARCHAR(10)) COLLATE utf8mb4_general_ci")
    _execute("CREATE TABLE somebody_elses (name VARCHAR(10)) COLLATE utf8mb4_general_ci")
    advice = "ALTER TABLE `branch` CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"

    with pytest.raises(SystemCheckError, match=advice) as refusal:
        call_command("check", databases=["default"])

    assert "somebody_elses" not in str(refusal.value)
    _execute(advice)
    call_command("check", databases=["default"])


@pytest.mark.django_db
def test_check__of_the_database_under_test__finds_nothing() -> None:
    call_command("check", databases=["default"])
