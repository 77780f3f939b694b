"""Whose databases `bookwell migrate` brings up to date."""

import pytest

from bookwell.cli.management import MIGRATIONS, services_in_use

_LIBRARY = ("BOOKWELL_LIBRARY_DATABASE_URL", "postgresql://db/library")
_TABLES = ("BOOKWELL_TABLES_DATABASE_URL", "postgresql://db/tables")
_OF_ALL = {"logs", "notifier"}


@pytest.fixture(autouse=True)
def _no_databases(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, _ in (_LIBRARY, _TABLES):
        monkeypatch.delenv(name, raising=False)


def test_services_in_use__embedded__are_all() -> None:
    assert services_in_use() == list(MIGRATIONS)


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ([_LIBRARY, _TABLES], {"library", "tables"}),
        ([_LIBRARY], {"library"}),
        ([_TABLES], {"tables"}),
        ([], {"library"}),
    ],
)
def test_services_in_use__production__are_those_whose_databases_are_named(
    monkeypatch: pytest.MonkeyPatch, named: list[tuple[str, str]], expected: set[str]
) -> None:
    monkeypatch.setenv("BOOKWELL_MODE", "production")
    for name, url in named:
        monkeypatch.setenv(name, url)

    assert set(services_in_use()) == expected | _OF_ALL
