"""What placing reads in plain rows and counts itself: claims, loans, policies, free copies."""

import datetime as dt

import pytest

from bookwell.kit import clock
from bookwell.library.circulation.errors import BorrowingBlocked, ReservationLimitReached
from bookwell.library.circulation.models import Copy, Policy
from bookwell.library.circulation.queries.placing import find_free_copy_row, get_placing_facts
from bookwell.library.circulation.rules import ReaderFacts
from tests.factories import BookFactory, BranchFactory, PolicyFactory, ReaderFactory, ReservationFactory

pytestmark = pytest.mark.django_db


def test_get_placing_facts__several_policies_and_reservations__counts_each_once() -> None:
    policy = PolicyFactory.create(max_open_reservations=9)
    Policy.objects.create(category=policy.category, branch=BranchFactory.create(), max_open_reservations=8)
    reader, book, now = ReaderFactory.create(policy=policy), BookFactory.create(copies=0), clock.now()
    ReservationFactory.place(reader, book)
    ReservationFactory.place(reader, BookFactory.create())
    ReservationFactory.borrowed(reader=reader)

    facts = get_placing_facts(reader_id=reader.pk, book_id=book.pk, now=now)
    later = get_placing_facts(reader_id=reader.pk, book_id=book.pk, now=now + dt.timedelta(days=999))

    assert facts.title == book.title
    assert facts.reader == ReaderFacts(2, 1, 0, 0, has_this_book=True)
    assert later.reader == ReaderFacts(2, 1, 1, 0, has_this_book=True)
    assert sorted(terms.max_open_reservations for _, terms in facts.policies) == [8, 9]


def test_place__one_overdue_loan_where_two_block__is_placed() -> None:
    reader = ReaderFactory.create(policy=PolicyFactory.create(overdue_loans_that_block=2))
    ReservationFactory.borrowed(reader=reader)
    later = clock.now() + dt.timedelta(days=999)

    placed = ReservationFactory.place(reader, BookFactory.create(), now=later)

    assert placed.pk


def test_place__two_overdue_loans_where_two_block__is_refused() -> None:
    reader = ReaderFactory.create(policy=PolicyFactory.create(overdue_loans_that_block=2))
    ReservationFactory.borrowed(reader=reader)
    ReservationFactory.borrowed(reader=reader)
    later = clock.now() + dt.timedelta(days=999)

    with pytest.raises(BorrowingBlocked):
        ReservationFactory.place(reader, BookFactory.create(), now=later)


def test_place__loans_and_a_limit_of_one__counts_claims_only() -> None:
    reader = ReaderFactory.create(policy=PolicyFactory.create(max_open_reservations=1))
    ReservationFactory.borrowed(reader=reader)

    ReservationFactory.place(reader, BookFactory.create())

    with pytest.raises(ReservationLimitReached):
        ReservationFactory.place(reader, BookFactory.create())


def test_find_free_copy_row__copies_here_there_and_on_the_way__ranks_them() -> None:
    here, there = BranchFactory.create(), BranchFactory.create()
    book = BookFactory.create(copies=3)
    travelling, elsewhere, preferred = Copy.objects.filter(book=book).order_by("pk")
    Copy.objects.filter(pk=travelling.pk).update(location=here, is_travelling=True)
    Copy.objects.filter(pk=elsewhere.pk).update(location=there)
    Copy.objects.filter(pk=preferred.pk).update(location=here)
    found = []

    for _ in range(3):
        row = find_free_copy_row(book_id=book.pk, preferred_branch_id=here.pk)
        assert row is not None
        found.append(row.copy_id)
        Copy.objects.filter(pk=row.copy_id).update(status="lost")

    assert found == [preferred.pk, elsewhere.pk, travelling.pk]
    assert find_free_copy_row(book_id=book.pk, preferred_branch_id=here.pk) is None
