"""How background processes are put together."""

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from bookwell.cli.composition import QUEUES, BackgroundSettings, jobs_of, open_outboxes, queues_of
from bookwell.contracts.schedule import JOBS
from bookwell.kit.settings import InvalidSettings
from bookwell.tables.tasks import JOBS as OF_TABLES

_DATABASES = {"library_database_url": "sqlite://", "tables_database_url": "sqlite://"}


def _settings(**values: Any) -> BackgroundSettings:
    return BackgroundSettings.model_validate(values)


def test_open_outboxes__with_a_patience_in_the_settings__have_it() -> None:
    settings = _settings(**_DATABASES, outbox_gap_seconds=3, outbox_lease_seconds=4)

    pace = open_outboxes(settings)["library"].pace

    assert (pace.first_gap, pace.lease) == (dt.timedelta(seconds=3), dt.timedelta(seconds=4))


def test_open_outboxes__of_some_services__no_others() -> None:
    settings = _settings(**_DATABASES)

    assert set(open_outboxes(settings)) == {"library", "tables"}
    assert set(open_outboxes(settings, ["tables", "notifier"])) == {"tables"}


def test_services__embedded__are_those_that_have_been_started(tmp_path: Path) -> None:
    settings = _settings(data_dir=tmp_path)
    before = settings.services

    (tmp_path / "tables.sqlite3").touch()

    assert (before, settings.services) == (("notifier",), ("tables", "notifier"))


def test_services__production__are_those_with_a_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "library.sqlite3").touch()
    production = {"mode": "production", "secret_key": "0123456789abcdef" * 3, "data_dir": tmp_path}

    assert _settings(**production, tables_database_url="postgresql://db/x").services == ("tables", "notifier")
    monkeypatch.setenv("BOOKWELL_MODE", "production")
    with pytest.raises(InvalidSettings, match="BOOKWELL_TABLES_DATABASE_URL"):
        BackgroundSettings.load("worker")
    BackgroundSettings.load()  # a scheduler is told whose jobs it calls


def test_queues_of__every_service__all_there_are_and_every_job_has_one() -> None:
    services = ("library", "tables", "notifier")

    assert queues_of(services) == QUEUES
    assert jobs_of(services) == JOBS
    assert queues_of(["tables", "partners"]) == ("tables",)
    assert {job.name for job in jobs_of(["tables"])} == set(OF_TABLES)
