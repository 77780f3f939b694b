"""The library's part of the schedule."""

import datetime as dt
from typing import Any

import pytest
import time_machine

from bookwell.contracts import schedule
from bookwell.kit import ids
from bookwell.library import tasks
from bookwell.library.circulation import services
from bookwell.library.circulation.rules import State
from bookwell.library.plumbing.models import CacheEntry, IdempotencyKeyRow, OutboxRow
from tests.factories import BookFactory, ReaderFactory, ReservationFactory

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2026, 5, 4, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)


def _milliseconds(instant: dt.datetime) -> int:
    return int(instant.timestamp() * 1000)


def _told(name: str, *, ago: dt.timedelta | None, error: str = "") -> None:
    OutboxRow.objects.create(
        event_id=ids.new_id(), queue="mail", type=name, version=1, aggregate="user:1", aggregate_version=1,
        payload="{}", created_at=0, next_attempt_at=0, error=error,
        done_at=None if ago is None else _milliseconds(NOW - ago),
    )  # fmt: skip


def test_jobs__are_those_of_the_schedule() -> None:
    assert set(tasks.JOBS) == {job.name for job in schedule.JOBS if job.queue == "library"}


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("library.expire", State.READY, State.EXPIRED),
        ("library.resume", State.WAITING, State.ASSIGNED),
    ],
)
def test_job__of_a_deadline__does_what_is_due_now(name: str, before: State, after: State) -> None:
    book = BookFactory.create(copies=1)
    with time_machine.travel(NOW, tick=False):
        ready = ReservationFactory.ready(book=book)
        waiting = ReservationFactory.place(ReaderFactory.create(), book)
        if before is State.WAITING:
            until = {"suspended_until": NOW + DAY}
            ReservationFactory.step(services.change_reservation, waiting, changes=until)
            ReservationFactory.step(services.cancel_reservation, ready)
    chosen = ready if before is State.READY else waiting

    with time_machine.travel(NOW + 30 * DAY, tick=False):
        tasks.JOBS[name]()

    chosen.refresh_from_db()
    assert chosen.state == after


def test_job__one_item_is_broken__is_tried_once_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    broken, whole = (ReservationFactory.ready(now=NOW) for _ in range(2))
    tried: list[int] = []
    expire = services.expire_reservation

    def expire_or_break(*, reservation_id: int, **options: Any) -> bool:
        tried.append(reservation_id)
        if reservation_id == broken.pk:
            raise RuntimeError("a defect")
        return expire(reservation_id=reservation_id, **options)

    monkeypatch.setattr(services, "expire_reservation", expire_or_break)

    with time_machine.travel(NOW + 30 * DAY, tick=False):
        tasks.JOBS["library.expire"]()

    whole.refresh_from_db()
    assert whole.state == State.EXPIRED
    assert sorted(tried) == [broken.pk, whole.pk]


def test_job__remind__tells_who_has_a_book_too_long() -> None:
    with time_machine.travel(NOW, tick=False):
        loan = ReservationFactory.borrowed()

    with time_machine.travel(NOW + 60 * DAY, tick=False):
        tasks.JOBS["library.remind"]()

    assert OutboxRow.objects.filter(aggregate=f"reservation:{loan.pk}", type="reservation.overdue").count() == 1


def test_forget__expired_cache_entries_and_keys__go() -> None:
    for name, seconds in (("old", -1), ("fresh", 60)):
        CacheEntry.objects.create(cache_key=name, value="", expires=NOW + dt.timedelta(seconds=seconds))
    for name, age in (("old", 2 * DAY), ("fresh", dt.timedelta(0))):
        IdempotencyKeyRow.objects.create(
            digest=name, fingerprint="", status=0, headers="", body="", created_at=_milliseconds(NOW - age)
        )

    with time_machine.travel(NOW, tick=False):
        tasks.JOBS["library.forget"]()

    assert [entry.cache_key for entry in CacheEntry.objects.all()] == ["fresh"]
    assert [entry.digest for entry in IdempotencyKeyRow.objects.all()] == ["fresh"]


def test_forget__messages__goes_by_when_they_were_told() -> None:
    OutboxRow.objects.all().delete()
    _told("waiting", ago=None)
    _told("fresh", ago=29 * DAY)
    _told("old", ago=31 * DAY)
    _told("dead", ago=89 * DAY, error="no such template")
    _told("long dead", ago=91 * DAY, error="no such template")

    with time_machine.travel(NOW, tick=False):
        tasks.JOBS["library.forget"]()

    assert set(OutboxRow.objects.values_list("type", flat=True)) == {"waiting", "fresh", "dead"}


def test_forget__more_than_one_step_takes__goes_on_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bookwell.library.plumbing.services._FORGET_AT_ONCE", 2)
    OutboxRow.objects.all().delete()
    for number in range(5):
        _told(str(number), ago=40 * DAY)

    with time_machine.travel(NOW, tick=False):
        forgotten = tasks.forget()

    assert forgotten >= 5
    assert not OutboxRow.objects.exists()
