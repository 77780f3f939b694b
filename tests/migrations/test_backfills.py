"""What migrations do to rows that are there already."""

import datetime as dt
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
import time_machine
from django.apps import apps
from django.db import connection

from bookwell.library.accounts.models import User
from bookwell.library.circulation import services
from bookwell.library.circulation.models import Policy, Reservation
from tests.factories import BookFactory, BranchFactory, PolicyFactory, ReaderFactory, ReservationFactory

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2026, 3, 2, 11, tzinfo=dt.UTC)


def _run(name: str, function: str) -> None:
    """One step of a migration on the tables as they are now."""
    app, _, migration = name.partition(".")
    module: Any = import_module(f"bookwell.library.{app}.migrations.{migration}")
    getattr(module, function)(apps, SimpleNamespace(connection=connection))


def test_reminders__of_what_is_open__are_planned_as_the_services_would(monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = import_module("bookwell.library.circulation.migrations.0005_remind_of_what_is_open")
    monkeypatch.setattr(module, "_AT_ONCE", 2)
    policy, branch = PolicyFactory.create(reminder_days=5), BranchFactory.create(time_zone="Europe/Warsaw")
    Policy.objects.create(category=policy.category, branch=branch, reminder_days=2)
    rows = [
        ReservationFactory.ready(now=NOW),
        ReservationFactory.borrowed(now=NOW),
        ReservationFactory.borrowed(reader=ReaderFactory.create(policy=policy), now=NOW),
        ReservationFactory.borrowed(
            reader=ReaderFactory.create(policy=policy), book=BookFactory.create(branch=branch), now=NOW
        ),
        ReservationFactory.step(services.return_book, ReservationFactory.borrowed(now=NOW), now=NOW),
        ReservationFactory.place(ReaderFactory.create(), BookFactory.create(copies=0), now=NOW),
    ]
    expected = {row.pk: row.next_reminder_at for row in rows}
    Reservation.objects.update(next_reminder_at=None)

    with time_machine.travel(NOW, tick=False):
        _run("circulation.0005_remind_of_what_is_open", "plan_reminders")

    assert dict(Reservation.objects.filter(pk__in=expected).values_list("pk", "next_reminder_at")) == expected
    assert [at is None for at in expected.values()] == [False, False, False, False, True, True]


def test_channels__of_accounts_without_any__become_email_but_for_closed_ones() -> None:
    none, sms, closed = (ReaderFactory.create(channels=channels) for channels in ([], ["sms"], []))
    User.objects.filter(pk=closed.pk).update(deleted_at=NOW)

    _run("accounts.0005_tell_by_email", "tell_by_email")

    channels = dict(User.objects.values_list("pk", "channels"))
    assert [channels[user.pk] for user in (none, sms, closed)] == [["email"], ["sms"], []]
