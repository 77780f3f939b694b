"""What must never happen, as one check over the database."""

from collections import Counter

from django.db.models import Count

from bookwell.library.audit.models import AuditEntry
from bookwell.library.circulation.models import Block, Copy, Holding, Reservation
from bookwell.library.circulation.rules import COPY_STATES, OPEN_STATES, CopyStatus, State
from bookwell.library.plumbing.models import OutboxRow

__all__ = ["assert_invariants"]


def assert_invariants(book_ids: list[int], *, now: object) -> None:
    """All seven, for the books that are named."""
    for book_id in book_ids:
        rows = list(Reservation.objects.filter(book_id=book_id).order_by("queue_no"))
        _one_holder_a_copy(rows)
        _one_claim_a_reader(rows)
        _within_limits(rows)
        _no_copy_idle_while_someone_waits(book_id, rows, now)
        _counters_are_true(book_id, rows)
        _each_change_is_told(rows)
        _queue_is_in_order(rows)


def _one_holder_a_copy(rows: list[Reservation]) -> None:
    holders = Counter(row.copy_id for row in rows if row.state in COPY_STATES)
    assert not [copy for copy, number in holders.items() if number > 1 or copy is None], holders


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


def _eligible(row: Reservation, now: object) -> bool:
    blocked = Block.objects.filter(reader_id=row.reader_id).exists()
    suspended = row.suspended_until is not None and row.suspended_until > now  # type: ignore[operator]
    over = row.reserved_until is not None and row.reserved_until <= now  # type: ignore[operator]
    return row.state == State.WAITING and not (blocked or suspended or over)


def _free_copies(book_id: int, rows: list[Reservation]) -> set[int]:
    held = {row.copy_id for row in rows if row.state in COPY_STATES}
    in_service = Copy.objects.filter(book_id=book_id, status=CopyStatus.IN_SERVICE).values_list("pk", flat=True)
    return set(in_service) - {copy for copy in held if copy}


def _no_copy_idle_while_someone_waits(book_id: int, rows: list[Reservation], now: object) -> None:
    if _free_copies(book_id, rows):
        assert not [row.pk for row in rows if _eligible(row, now)]


def _counters_are_true(book_id: int, rows: list[Reservation]) -> None:
    holding = Holding.objects.get(pk=book_id)
    assert holding.copies_total == Copy.objects.filter(book_id=book_id).exclude(status=CopyStatus.LOST).count()
    assert holding.copies_available == len(_free_copies(book_id, rows))
    assert holding.queue_length == sum(row.state == State.WAITING for row in rows)


def _each_change_is_told(rows: list[Reservation]) -> None:
    for row in rows:
        versions = list(
            OutboxRow.objects.filter(aggregate=f"reservation:{row.pk}")
            .order_by("aggregate_version")
            .values_list("aggregate_version", flat=True)
        )
        assert versions == list(range(1, row.version + 1)), (row.pk, row.version, versions)
        entries = AuditEntry.objects.filter(object_type="reservation", object_id=row.pk).count()
        assert entries == row.version, (row.pk, row.version, entries)


def _queue_is_in_order(rows: list[Reservation]) -> None:
    """Nobody who was eligible all along waits behind somebody later who was served: told by who was passed over."""
    numbers = [row.queue_no for row in rows]
    assert numbers == sorted(set(numbers)), numbers
