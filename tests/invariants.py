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
    """All that one look at the database can show, for the books that are named; all of them with the same questions.

    That no queue passed over an earlier reader needs its history: `tests.concurrency.fairness`.
    """
    chosen = Reservation.objects.filter(book_id__in=book_ids).order_by("queue_no")
    found: dict[int, list[Reservation]] = {book_id: [] for book_id in book_ids}
    for row in chosen:
        found[row.book_id].append(row)
    copies: dict[int, dict[int, Copy]] = {book_id: {} for book_id in book_ids}
    for copy in Copy.objects.filter(book_id__in=book_ids):
        copies[copy.book_id][copy.pk] = copy
    holdings = Holding.objects.in_bulk(book_ids)
    for book_id, rows in found.items():
        _one_holder_a_copy(rows, copies[book_id])
        _one_claim_a_reader(rows)
        _what_is_to_be_fetched_stands(rows, copies[book_id])
        _no_copy_idle_while_someone_waits(rows, copies[book_id], now)
        _counters_are_true(holdings[book_id], rows, copies[book_id])
        _places_are_unique(rows)
    all_rows = [row for rows in found.values() for row in rows]
    _within_limits(all_rows)
    _each_change_is_told(all_rows)


def assert_nothing_told_of_nothing() -> None:
    """Neither the audit trail nor a message knows of a reservation that is not there."""
    missing = ~Exists(Reservation.objects.filter(pk=OuterRef("object_id")))
    assert not AuditEntry.objects.filter(missing, object_type="reservation").exists()
    known = {f"reservation:{pk}" for pk in Reservation.objects.values_list("pk", flat=True)}
    messages = OutboxRow.objects.filter(aggregate__startswith="reservation:").values_list("aggregate", flat=True)
    assert set(messages.distinct()) == known


def _one_holder_a_copy(rows: list[Reservation], copies: dict[int, Copy]) -> None:
    holders = Counter(row.copy_id for row in rows if row.state in COPY_STATES)
    assert not [copy for copy, number in holders.items() if number > 1 or copy is None], holders
    marked = {row.pk: row.held_copy_id for row in rows}
    assert marked == {row.pk: row.copy_id if row.state in COPY_STATES else None for row in rows}
    serving = {copy.pk for copy in copies.values() if copy.status == CopyStatus.IN_SERVICE}
    assert {copy for copy in holders if copy} <= serving, "a copy is held that cannot serve, or is another book's"


def _what_is_to_be_fetched_stands(rows: list[Reservation], copies: dict[int, Copy]) -> None:
    listed = [row for row in rows if row.is_on_pull_list]
    assert not [row for row in listed if row.state != State.ASSIGNED], "on a pull list, and not to be fetched"
    travelling = {copy.pk for copy in copies.values() if copy.is_travelling}
    assert not [row for row in listed if row.copy_id in travelling], "on a pull list, and on its way"


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
    if not waiting:
        return []
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


def _free_copies(rows: list[Reservation], copies: dict[int, Copy]) -> set[int]:
    held = {row.copy_id for row in rows if row.state in COPY_STATES}
    return {copy.pk for copy in copies.values() if copy.status == CopyStatus.IN_SERVICE} - {pk for pk in held if pk}


def _no_copy_idle_while_someone_waits(rows: list[Reservation], copies: dict[int, Copy], now: dt.datetime) -> None:
    if _free_copies(rows, copies):
        assert not _eligible(rows, now)


def _counters_are_true(holding: Holding, rows: list[Reservation], copies: dict[int, Copy]) -> None:
    assert holding.copies_total == sum(copy.status != CopyStatus.LOST for copy in copies.values())
    assert holding.copies_available == len(_free_copies(rows, copies))
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
