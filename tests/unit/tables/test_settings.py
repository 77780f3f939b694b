"""The tables service's settings."""

import pytest

from bookwell.kit.settings import InvalidSettings
from bookwell.tables.settings import TablesSettings

_PRODUCTION = {
    "BOOKWELL_MODE": "production",
    "BOOKWELL_SECRET_KEY": "x" * 50,
    "BOOKWELL_TABLES_DATABASE_URL": "postgresql://db/tables",
    "BOOKWELL_TABLES_URL": "https://tables.example.org/",
}


def _load(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> TablesSettings:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return TablesSettings.load()


def test_load__production_with_all_it_needs__is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = _load(monkeypatch, _PRODUCTION)

    assert (settings.public_url, settings.is_demo) == ("https://tables.example.org", False)


@pytest.mark.parametrize("name", ["BOOKWELL_TABLES_DATABASE_URL", "BOOKWELL_TABLES_URL"])
def test_load__production_without_what_it_needs__names_it(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    with pytest.raises(InvalidSettings, match=name):
        _load(monkeypatch, {**_PRODUCTION, name: ""})


def test_load__a_demo__not_in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as embedded:
        assert _load(embedded, {"BOOKWELL_TABLES_DEMO": "1"}).is_demo

    with pytest.raises(InvalidSettings, match="BOOKWELL_TABLES_DEMO"):
        _load(monkeypatch, {**_PRODUCTION, "BOOKWELL_TABLES_DEMO": "1"})
