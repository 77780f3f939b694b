"""Use cases as works of a race: each a function of nothing that runs in a transaction of its own."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from bookwell.kit import clock
from bookwell.kit.adapters.django.transactions import run_in_transaction
from bookwell.kit.errors import DomainError, Unavailable
from bookwell.library.accounts.models import User
from bookwell.library.catalog.models import Book
from bookwell.library.circulation import services
from bookwell.library.circulation.models import Copy, Reservation
from tests.factories import LIBRARIAN, PolicyFactory, ReaderFactory, ReservationFactory

__all__ = ["Work", "at_desk", "check_out", "placing", "readers", "states", "step", "tolerant"]

Work = Callable[[], Any]


def readers(number: int, **terms: Any) -> list[User]:
    """Readers of one category, whose policy has these terms."""
    policy = PolicyFactory.create(**terms)
    return [ReaderFactory.create(policy=policy) for _ in range(number)]


def placing(reader: User, book: Book, **options: Any) -> Work:
    """A reader reserves a book."""
    return lambda: ReservationFactory.place(reader, book, **options)


def step(verb: Any, reservation: Reservation, **options: Any) -> Work:
    """A librarian does something to a reservation."""
    return at_desk(verb, reservation_id=reservation.pk, **options)


def at_desk(verb: Any, **options: Any) -> Work:
    """A librarian's use case; it happens now, unless `now` is given."""
    return lambda: run_in_transaction(lambda: verb(actor=LIBRARIAN, **{"now": clock.now()} | options))


def check_out(copy: Copy, reader: User) -> Work:
    """A librarian lends a copy to whoever shows a card."""
    return at_desk(services.check_out, barcode=copy.barcode, card=reader.card_number)


def tolerant(work: Work) -> Work:
    """The same work, to which a refusal by a rule is an end like any other."""

    def run() -> None:
        try:
            work()
        except Unavailable:
            raise
        except DomainError:
            pass

    return run


def states(book: Book) -> Counter[str]:
    """How many reservations of a book are in each state."""
    return Counter(Reservation.objects.filter(book=book).values_list("state", flat=True))
