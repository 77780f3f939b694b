"""`kill -9` behind every single statement of the library's use cases."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import connections

from bookwell.kit import clock
from bookwell.kit.adapters.django.transactions import run_idempotent, run_in_transaction
from bookwell.kit.idempotency import Answer, IdempotencyKey
from bookwell.library.accounts.models import User
from bookwell.library.accounts.queries import expect_caller
from bookwell.library.accounts.services import open_session
from bookwell.library.api.answers import json_answer
from bookwell.library.audit.models import AuditEntry
from bookwell.library.catalog.models import Book
from bookwell.library.circulation import services
from bookwell.library.circulation.models import Copy, Holding, Reservation
from bookwell.library.circulation.rules import Actor, State
from bookwell.library.plumbing.models import IdempotencyKeyRow, OutboxRow
from tests.concurrency.killing import (
    THREADS_ARE_NO_MATTER,
    End,
    assert_all_or_nothing_behind_every_statement,
    refusal,
    when_the_key_is_free,
)
from tests.concurrency.library.telling import telling
from tests.concurrency.works import placing, readers, states
from tests.factories import LIBRARIAN, BookFactory, ReservationFactory, unique
from tests.invariants import assert_invariants

pytestmark = [pytest.mark.usefixtures("committed"), pytest.mark.filterwarnings(THREADS_ARE_NO_MATTER)]


@dataclass(frozen=True, slots=True)
class Case:
    """A use case on rows of its own, and what its book looks like once it has happened."""

    book: Book
    work: Callable[[], Answer]
    expected: dict[State, int]
    key: IdempotencyKey

    def run(self) -> Answer:
        """Do it as the API does it."""
        return when_the_key_is_free(lambda: run_idempotent(self.work, key=self.key, render=refusal))

    def look(self) -> dict[str, Any]:
        """Every row that the use case could touch, and how many keys, audit entries and messages there are at all."""
        reservations = Reservation.objects.filter(book_id=self.book.pk).order_by("pk")
        return {
            "reservations": list(reservations.values()),
            "copies": list(Copy.objects.filter(book_id=self.book.pk).order_by("pk").values()),
            "holding": Holding.objects.filter(pk=self.book.pk).values().get(),
            "keys": self.count_keys(),
            "audit": AuditEntry.objects.count(),
            "messages": OutboxRow.objects.count(),
        }

    def count_keys(self) -> int:
        """How many Idempotency-Keys are kept."""
        return IdempotencyKeyRow.objects.count()

    def assert_done_once(self) -> None:
        """It happened, whole, and once."""
        assert states(self.book) == self.expected
        assert_invariants([self.book.pk], now=clock.now())

    def close_connections(self) -> None:
        """Let go of what a child must not share."""
        connections.close_all()

    def live(self, end: End) -> None:
        """Do it, on a connection that tells `end`."""

        with telling(end):
            self.run()


def _placing() -> Case:
    """A reader takes the last free copy."""
    [reader], book = readers(1), BookFactory.create(copies=1)
    return Case(book, _place(reader, book), {State.ASSIGNED: 1}, _new_key())


def _placing_for_an_expected_caller() -> Case:
    """The same for a reader whose session nobody has looked for: it is locked with the reader."""
    [reader], book = readers(1), BookFactory.create(copies=1)
    now = clock.now()
    pair = run_in_transaction(lambda: open_session(user=reader, now=now))
    expected = expect_caller(pair.access) if pair else None
    assert expected is not None
    return Case(book, _place(reader, book, session_id=expected.session_id), {State.ASSIGNED: 1}, _new_key())


def _queueing() -> Case:
    """A reader joins a queue."""
    book = BookFactory.create(copies=1)
    [reader, *others] = readers(3)
    for other in others:
        placing(other, book)()
    return Case(book, _place(reader, book), {State.ASSIGNED: 1, State.WAITING: 2}, _new_key())


def _returning() -> Case:
    """A loan ends and its copy goes to the next in line."""
    book = BookFactory.create(copies=1)
    loan = ReservationFactory.borrowed(book=book)
    for other in readers(2):
        placing(other, book)()
    now = clock.now()

    def work() -> Answer:
        _, instruction = services.return_book(reservation_id=loan.pk, actor=LIBRARIAN, now=now)
        return json_answer(instruction)

    return Case(book, work, {State.RETURNED: 1, State.ASSIGNED: 1, State.WAITING: 1}, _new_key())


def _place(reader: User, book: Book, *, session_id: str | None = None) -> Callable[[], Answer]:
    actor, now = Actor(reader.pk, is_librarian=False), clock.now()

    def work() -> Answer:
        placed = services.place_reservation(
            reader_id=reader.pk, book_id=book.pk, actor=actor, session_id=session_id, now=now
        )
        return json_answer(placed, status=201)

    return work


def _new_key() -> IdempotencyKey:
    return IdempotencyKey(scope="kill", key=unique("key"), fingerprint="the same request")


@pytest.mark.parametrize("new_case", [_placing, _placing_for_an_expected_caller, _queueing, _returning])
def test_killed_behind_any_statement__all_of_it_is_there_or_nothing_and_the_same_key_makes_it_once(
    new_case: Callable[[], Case],
) -> None:
    assert_all_or_nothing_behind_every_statement(new_case)
