"""Log records in the library: in Django's admin, and forgotten in time."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
import time_machine
from django.conf import settings
from django.db import connections
from django.test import Client

from bookwell.kit import clock
from bookwell.kit.adapters.sqlalchemy.log_table import LogTable, ensure_log_table
from bookwell.kit.log_records import LogRecord as Row
from bookwell.kit.pages import Position
from bookwell.library import tasks
from bookwell.library.accounts.rules import Role
from bookwell.library.config.databases import log_database_settings
from bookwell.library.plumbing import services
from bookwell.library.plumbing.models import LogRecord
from bookwell.library.plumbing.queries import list_log_entries, log_records
from tests.factories import ReaderFactory

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2026, 5, 4, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def a_row(event: str = "http.request", *, at: dt.datetime = NOW, service: str = "library", level: str = "info") -> Row:
    request_id, trace = f"id-of-{event}", TRACE if service == "partners" else ""
    return Row(int(at.timestamp() * 1000), service, level, event, request_id, "", '{"status":200}', trace)


def keep(*rows: Row) -> None:
    for row in rows:
        LogRecord.objects.using(settings.LOG_DATABASE).create(
            at=row.at, service=row.service, level=row.level, event=row.event, request_id=row.request_id,
            logger=row.logger, fields=row.fields, trace=row.trace,
        )  # fmt: skip


def events() -> list[str]:
    return list(log_records().order_by("id").values_list("event", flat=True))


@pytest.fixture
def admin() -> Client:
    client = Client()
    client.force_login(ReaderFactory.create(role=Role.ADMIN))
    return client


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Another database for log records, made as `bookwell migrate` makes it; answers its URL."""
    url = f"sqlite:///{tmp_path / 'logs.sqlite3'}"
    ensure_log_table(url)
    made = connections.configure_settings({"default": {}, "logs": log_database_settings(url)})["logs"]
    monkeypatch.setitem(connections.settings, "logs", made)
    monkeypatch.setattr(settings, "LOG_DATABASE", "logs")
    database = connections["logs"]

    def connect() -> None:  # Django's tests allow only the databases that they knew at their start
        if database.connection is None:
            with database.wrap_database_errors:
                database.connect()

    monkeypatch.setattr(database, "ensure_connection", connect)
    yield url
    connections["logs"].close()
    del connections["logs"]


def test_forget__records_older_than_the_setting__are_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "_FORGET_AT_ONCE", 2)
    kept = settings.LOG_RETENTION
    keep(*(a_row("old", at=NOW - kept - DAY) for _ in range(5)), a_row("young", at=NOW - kept + DAY))

    with time_machine.travel(NOW, tick=False):
        tasks.forget()

    assert events() == ["young"]


def test_forget__the_records_are_elsewhere__forgets_them_there(elsewhere: str) -> None:
    table = LogTable(elsewhere)
    table.write([a_row("old", at=NOW - settings.LOG_RETENTION - DAY), a_row("young")])
    table.close()

    with time_machine.travel(NOW, tick=False):
        tasks.forget()

    assert events() == ["young"]


def test_forget__the_records_database_is_down__does_the_rest(
    tmp_path: Path, elsewhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connections.settings["logs"], "NAME", str(tmp_path / "no" / "folder"))

    assert tasks.forget() == 0


def test_list__what_the_sink_wrote_elsewhere__is_read_by_django(elsewhere: str) -> None:
    table = LogTable(elsewhere)
    table.write([a_row("first"), a_row("second", at=NOW + DAY)])
    table.close()

    entries = list_log_entries(position=Position(), limit=10, equal={"level": "info"})

    assert [(entry.event, entry.at, entry.fields) for entry in entries] == [
        ("second", NOW + DAY, {"status": 200}),
        ("first", NOW, {"status": 200}),
    ]


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", {"early", "failed", "partner.called"}),
        ("?level=error", {"failed"}),
        ("?service=partners", {"partner.called"}),
        ("?within=1", {"failed"}),
        ("?q=id-of-early", {"early"}),
        ("?q=partner.called", {"partner.called"}),
        (f"?q={TRACE}", {"partner.called"}),
        ("?q=nothing", set()),
    ],
)
def test_admin__list__shows_what_was_asked_for(query: str, shown: set[str], admin: Client) -> None:
    now = clock.now()
    keep(
        a_row("early", at=now - 2 * DAY),
        a_row("partner.called", at=now - DAY, service="partners"),
        a_row("failed", at=now, level="error"),
    )

    page = admin.get(f"/admin/plumbing/logrecord/{query}")

    assert page.status_code == 200
    text = page.content.decode()
    assert {
        event for event in ("early", "failed", "partner.called") if f"id-of-{event}" in text and f">{event}<" in text
    } == shown


def test_admin__a_record__is_shown_and_cannot_be_changed(admin: Client) -> None:
    keep(a_row())
    path = f"/admin/plumbing/logrecord/{log_records().get().pk}/change/"

    page, change = admin.get(path), admin.post(path, {"event": "made up"})

    assert (page.status_code, change.status_code) == (200, 403)
    assert "id-of-http.request" in page.content.decode()
    assert events() == ["http.request"]


def test_admin__the_records_database_is_down__says_so(
    tmp_path: Path, elsewhere: str, admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connections.settings["logs"], "NAME", str(tmp_path / "no" / "folder"))

    page = admin.get("/admin/plumbing/logrecord/", follow=True)

    assert page.redirect_chain == [("/admin/", 302)]
    assert "does not answer" in page.content.decode()
