"""Transactions of a library that tell something, some of them rolled back. Django must be set up."""

import datetime as dt
import os
import random
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from bookwell.kit import clock
from bookwell.kit.adapters.django.outbox_store import append_in_tx
from bookwell.kit.adapters.django.transactions import run_in_transaction
from bookwell.library.accounts.models import User
from bookwell.library.catalog.models import Book
from bookwell.library.circulation import services
from bookwell.library.circulation.models import Reservation
from bookwell.library.circulation.rules import Actor
from tests.factories import BookFactory, PolicyFactory, ReaderFactory, ReservationFactory
from tests.messages.ledger import Ledger
from tests.messages.made_up import LANGUAGES, message_of, title_of

__all__ = ["Writer"]

_ROLLED_BACK_EVERY = 5
_REAL = 0.15
_LONGEST_SERIES = 5
_LONG_AGO = dt.timedelta(days=90)


class _ChangedMind(Exception):
    """What rolls a transaction back."""


class Writer:
    """Does one transaction after the other, each about a title of its own; `told` counts committed messages."""

    def __init__(self, ledger: Ledger, chance: random.Random) -> None:
        policy = PolicyFactory.create(max_open_reservations=30_000)
        self._readers = [ReaderFactory.create(policy=policy, language=language) for language in LANGUAGES]
        self._ledger = ledger
        self._chance = chance
        self._last = max(ledger.numbers("begun"), default=0)
        self.told = ledger.messages()

    def write(self) -> None:
        """A life of a reservation through the use cases, or a series of messages about something made up."""
        if self._chance.random() < _REAL:
            self._live()
        else:
            number, length = self._begin(), self._chance.randint(1, _LONGEST_SERIES)
            self._finish(number, lambda: self._series(number, length), messages=length)

    def lend_long_ago(self, number: int) -> None:
        """So many loans that are overdue and of which nobody was reminded."""
        long_ago = clock.now() - _LONG_AGO
        for reader in (ReaderFactory.create() for _ in range(number)):
            ReservationFactory.borrowed(reader=reader, now=long_ago)

    def commit_and_die(self) -> None:
        """The last thing that this process does is to commit."""
        number = self._begin()
        run_in_transaction(lambda: self._series(number, 1))
        os.kill(os.getpid(), signal.SIGKILL)

    def _live(self) -> None:
        """Placed, shelved, cancelled; or rolled back at the first step."""
        number, reader = self._begin(), self._chance.choice(self._readers)
        book = BookFactory.create(title=title_of(number))
        if self._finish(number, lambda: _place(reader, book), messages=1):
            reservation = Reservation.objects.get(book=book)
            for verb in (services.shelve, services.cancel_reservation):
                ReservationFactory.step(verb, reservation)
                self._note("went on", number, 1)

    def _begin(self) -> int:
        self._last += 1
        self._ledger.note("begun", self._last)
        return self._last

    def _finish(self, number: int, work: Callable[[], Any], *, messages: int) -> bool:
        """Whether it was committed."""
        if number % _ROLLED_BACK_EVERY == 0:  # by number, so that a short run has some too
            with suppress(_ChangedMind):
                run_in_transaction(lambda: _then_change_mind(work))
            self._note("rolled back", number)
            return False
        run_in_transaction(work)
        self._note("committed", number, messages)
        return True

    def _note(self, state: str, number: int, messages: int = 0) -> None:
        self._ledger.note(state, number, messages)
        self.told += messages

    def _series(self, number: int, length: int) -> None:
        append_in_tx([message_of(number, step, self._chance.choice(LANGUAGES)) for step in range(length)])


def _place(reader: User, book: Book) -> None:
    actor = Actor(reader.pk, is_librarian=False)
    services.place_reservation(reader_id=reader.pk, book_id=book.pk, actor=actor, now=clock.now())


def _then_change_mind(work: Callable[[], Any]) -> None:
    work()
    raise _ChangedMind
