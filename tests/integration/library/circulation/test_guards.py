"""The database's own guard behind the rules: what a use case without its checks would meet."""

import pytest
from django.db import IntegrityError, transaction

from bookwell.kit.adapters.django.transactions import run_in_transaction
from bookwell.library.circulation import services
from bookwell.library.circulation.errors import CopyHeld, ReservationExists
from bookwell.library.circulation.models import Reservation
from bookwell.library.circulation.rules import State
from tests.factories import BookFactory, ReaderFactory, ReservationFactory

pytestmark = pytest.mark.django_db


def test_a_second_holder_of_a_copy__is_refused_by_the_database() -> None:
    book = BookFactory.create(copies=1)
    holder = ReservationFactory.place(ReaderFactory.create(), book)
    waiting = ReservationFactory.place(ReaderFactory.create(), book)
    waiting.copy, waiting.held_copy_id, waiting.state = holder.copy, holder.held_copy_id, State.ASSIGNED

    with pytest.raises(CopyHeld):
        run_in_transaction(waiting.save)

    waiting.refresh_from_db()
    assert waiting.state == State.WAITING


def test_a_second_open_reservation_of_a_book__is_refused_by_the_database() -> None:
    first = ReservationFactory.place(ReaderFactory.create(), BookFactory.create(copies=0))
    first.pk, first.queue_no = None, first.queue_no + 1

    with pytest.raises(ReservationExists):
        run_in_transaction(lambda: first.save(force_insert=True))

    assert Reservation.objects.filter(reader=first.reader).count() == 1


@pytest.mark.parametrize(("state", "marker"), [(State.RETURNED, 1), (State.BORROWED, None), (State.WAITING, 2)])
def test_a_marker_that_does_not_follow_the_state__is_refused_by_the_database(state: State, marker: int | None) -> None:
    reservation = ReservationFactory.place(ReaderFactory.create(), BookFactory.create())

    with pytest.raises(IntegrityError), transaction.atomic():
        Reservation.objects.filter(pk=reservation.pk).update(state=state, open_marker=marker)

    reservation.refresh_from_db()
    assert (reservation.state, reservation.open_marker) == (State.ASSIGNED, 1)


def test_ended_reservations_of_the_same_book__may_be_many() -> None:
    reader, book = ReaderFactory.create(), BookFactory.create()

    for _ in range(3):
        loan = ReservationFactory.borrowed(reader=reader, book=book)
        ReservationFactory.step(services.return_book, loan)

    assert Reservation.objects.filter(reader=reader, book=book, state=State.RETURNED).count() == 3
