"""What must never happen, as one check over the database."""

import datetime as dt
from collections import Counter

from django.db.models import Count, Exists, OuterRef

from bookwell.library.accounts.models import User
from bookwell.library.audit.models import AuditEntry
from bookwell.library.circulation.models import Block, Copy, Holding, Reservation
from bookwell.library.circulation.rules import COPY_STATES, OPEN_STATES, CopyStatus, State
from bookwell.library.plumbing.models import OutboxRow
from tests.notices import notice_of

__all__ = ["assert_invariants", "assert_nothing_told_of_nothing"]


def assert_invariants(book_ids: list[int], *, now: dt.datetime) -> None:
    """All that one look at the database can show, for the books that are named.

    That no queue passed over an earlier reader needs its history: `tests.concurrency.fairness`.
    """
    for book_id in book_ids:
        rows = list(Reservation.objects.filter(book_id=book_id).order_by("queue_no"))
        _one_holder_a_copy(rows)
        _one_claim_a_reader(rows)
        _what_is_to_be_fetched_stands(book_id)
        _within_limits(rows)
        _no_copy_idle_while_someone_waits(book_id, rows, now)
        _counters_are_true(book_id, rows)
        _each_change_is_told(rows)
        _places_are_unique(rows)


def assert_nothing_told_of_nothing() -> None:
    """Neither the audit trail nor a message knows of a reservation that is not there."""
    missing = ~Exists(Reservation.objects.filter(pk=OuterRef("object_id")))
    assert not AuditEntry.objects.filter(missing, object_type="reservation").exists()
    known = {f"reservation:{pk}" for pk in Reservation.objects.values_list("pk", flat=True)}
    messages = OutboxRow.objects.filter(aggregate__startswith="reservation:").values_list("aggregate", flat=True)
    assert set(messages.distinct()) == known


def _one_holder_a_copy(rows: list[Reservation]) -> None:
    holders = Counter(row.copy_id for row in rows if row.state in COPY_STATES)
    assert not [copy for copy, number in holders.items() if number > 1 or copy is None], holders
    marked = {row.pk: row.held_copy_id for row in rows}
    assert marked == {row.pk: row.copy_id if row.state in COPY_STATES else None for row in rows}
    held = Copy.objects.filter(pk__in=[copy for copy in holders if copy]).exclude(status=CopyStatus.IN_SERVICE)
    assert not held.exists(), "a copy is held that cannot serve"


def _what_is_to_be_fetched_stands(book_id: int) -> None:
    listed = Reservation.objects.filter(book_id=book_id, is_on_pull_list=True)
    assert not listed.exclude(state=State.ASSIGNED).exists(), "on a pull list, and not to be fetched"
    assert not listed.filter(copy__is_travelling=True).exists(), "on a pull list, and on its way"


def _one_claim_a_reader(rows: list[Reservation]) -> None:
    readers = Counter(row.reader_id for row in rows if row.state in OPEN_STATES)
    assert not [reader for reader, number in readers.items() if number > 1], readers


def _within_limits(rows: list[Reservation]) -> None:
    readers = {row.reader_id for row in rows}
    claims = (
        Reservation.objects.filter(reader_id__in=readers, open_marker=1)
        .exclude(state=State.BORROWED)
        .values("reader_id", "reader__category__policy__max_open_reservations")
        .annotate(number=Count("pk"))
    )
    for row in claims:
        assert row["number"] <= row["reader__category__policy__max_open_reservations"], row


def _eligible(rows: list[Reservation], now: dt.datetime) -> list[int]:
    waiting = [row for row in rows if row.state == State.WAITING]
    reader_ids = [row.reader_id for row in waiting]
    kept_away = set(Block.objects.filter(reader_id__in=reader_ids).values_list("reader_id", flat=True))
    kept_away |= set(User.objects.filter(pk__in=reader_ids, is_active=False).values_list("pk", flat=True))
    return [
        row.pk
        for row in waiting
        if row.reader_id not in kept_away
        and (row.suspended_until is None or row.suspended_until <= now)
        and (row.reserved_until is None or row.reserved_until > now)
    ]


def _free_copies(book_id: int, rows: list[Reservation]) -> set[int]:
    held = {row.copy_id for row in rows if row.state in COPY_STATES}
    in_service = Copy.objects.filter(book_id=book_id, status=CopyStatus.IN_SERVICE).values_list("pk", flat=True)
    return set(in_service) - {copy for copy in held if copy}


def _no_copy_idle_while_someone_waits(book_id: int, rows: list[Reservation], now: dt.datetime) -> None:
    if _free_copies(book_id, rows):
        assert not _eligible(rows, now)


def _counters_are_true(book_id: int, rows: list[Reservation]) -> None:
    holding = Holding.objects.get(pk=book_id)
    assert holding.copies_total == Copy.objects.filter(book_id=book_id).exclude(status=CopyStatus.LOST).count()
    assert holding.copies_available == len(_free_copies(book_id, rows))
    assert holding.queue_length == sum(row.state == State.WAITING for row in rows)


def _each_change_is_told(rows: list[Reservation]) -> None:
    told: dict[str, list[int]] = {f"reservation:{row.pk}": [] for row in rows}
    messages = OutboxRow.objects.filter(aggregate__in=told).order_by("aggregate_version")
    for message in messages:
        told[message.aggregate].append(message.aggregate_version)
        notice_of(message)
    assert told == {f"reservation:{row.pk}": list(range(1, row.version + 1)) for row in rows}
    entries = AuditEntry.objects.filter(object_type="reservation", object_id__in=[row.pk for row in rows])
    recorded = Counter(entries.values_list("object_id", flat=True))
    assert recorded == {row.pk: row.version for row in rows}


def _places_are_unique(rows: list[Reservation]) -> None:
    """What makes the order of a queue certain; that it was kept is `tests.concurrency.fairness`'s question."""
    places = [row.queue_no for row in rows]
    assert len(places) == len(set(places)), places
