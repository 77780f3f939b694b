"""Migrations describe the models, and can be run by several machines at once."""

import os
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command

from bookwell.cli.processes import spawn, stop
from tests.infrastructure import drop_database, new_database


@pytest.fixture
def empty_database_url(tmp_path: Path) -> Iterator[str]:
    given = os.environ.get("BOOKWELL_LIBRARY_DATABASE_URL")
    if not given:
        yield f"sqlite:///{tmp_path / 'library.sqlite3'}"
        return
    url = new_database(given)
    yield url
    drop_database(url)


@pytest.mark.django_db
def test_models__compared_with_migrations__have_not_drifted() -> None:
    output = StringIO()

    call_command("makemigrations", "--check", "--dry-run", stdout=output)

    assert "No changes detected" in output.getvalue()


def test_migrate__three_at_once_on_an_empty_database__one_does_it_and_all_end_well(
    tmp_path: Path, empty_database_url: str
) -> None:
    environment = os.environ | {"BOOKWELL_LIBRARY_DATABASE_URL": empty_database_url, "BOOKWELL_DATA_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "bookwell.cli.main", "library", "migrate", "--no-input"]

    three = [spawn(command, env=environment, output=subprocess.PIPE) for _ in range(3)]
    outputs = [_end_of(child) for child in three]

    assert [child.returncode for child in three] == [0, 0, 0], outputs
    assert sum("No migrations to apply" in output for output in outputs) == 2, outputs


def _end_of(child: subprocess.Popen[bytes]) -> str:
    try:
        output, _ = child.communicate(timeout=120)
    finally:
        stop(child)
    return output.decode()
