"""What a demo's back office is given: an endpoint and secrets, for their owner alone, the same at every start."""

from pathlib import Path

import pytest

from bookwell.cli.back_office import ENDPOINT, prepare_back_office
from bookwell.notifier.settings import NotifierSettings
from bookwell.simulators.back_office import BackOfficeSettings
from bookwell.tables.settings import TablesSettings

URLS = {"backoffice_url": "http://127.0.0.1:8030/backoffice", "tables_url": "http://127.0.0.1:9000"}


def test_prepare__an_empty_folder__lets_both_sides_know_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = prepare_back_office(tmp_path, **URLS)

    assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {0o600}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    tables, office = TablesSettings(data_dir=tmp_path), BackOfficeSettings()
    endpoint = NotifierSettings(data_dir=tmp_path).endpoints()[tables.tables_backoffice]
    assert endpoint.url.geturl() == "http://127.0.0.1:8030/backoffice/hooks"
    assert endpoint.is_private_allowed
    assert endpoint.secrets == office.of_events()
    assert tables.decision_secrets() == office.of_decisions()
    assert office.of_events() != office.of_decisions()
    assert office.tables_url == "http://127.0.0.1:9000"


def test_prepare__again_at_another_port__keeps_the_secrets(tmp_path: Path) -> None:
    first = prepare_back_office(tmp_path, **URLS)
    before = {file.name: file.read_text() for file in tmp_path.glob("*.secret")}

    second = prepare_back_office(tmp_path, **URLS | {"backoffice_url": "http://127.0.0.1:8031/backoffice"})

    assert second == first
    assert {file.name: file.read_text() for file in tmp_path.glob("*.secret")} == before
    assert NotifierSettings(data_dir=tmp_path).endpoints()[ENDPOINT].port == 8031


def test_prepare__a_back_office_on_another_host__is_an_endpoint_too(tmp_path: Path) -> None:
    prepare_back_office(tmp_path, **URLS | {"backoffice_url": "http://simulators:8030/backoffice"})

    assert NotifierSettings(data_dir=tmp_path).endpoints()[ENDPOINT].url.hostname == "simulators"


def test_prepare__endpoints_of_ones_own__are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "webhooks.toml").write_text("# mine\n")

    environment = prepare_back_office(tmp_path, **URLS)

    assert environment == {}
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("webhooks.toml", "# mine\n")]


def test_prepare__a_file_of_endpoints_elsewhere__is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOKWELL_WEBHOOKS_FILE", "/elsewhere/webhooks.toml")

    assert prepare_back_office(tmp_path, **URLS) == {}
    assert list(tmp_path.iterdir()) == []


def test_prepare__an_empty_variable_of_endpoints__names_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOOKWELL_WEBHOOKS_FILE", "")

    assert prepare_back_office(tmp_path, **URLS)["BOOKWELL_TABLES_BACKOFFICE"] == "backoffice"
