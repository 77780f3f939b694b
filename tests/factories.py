"""Scenarios: readers, books and reservations in the state that a test needs, made through the services."""

import datetime as dt
from dataclasses import dataclass
from itertools import count
from typing import Any

from bookwell.kit import clock
from bookwell.kit.adapters.django.transactions import run_in_transaction
from bookwell.kit.ids import new_id
from bookwell.library.accounts.models import ReaderCategory, User
from bookwell.library.catalog.models import Book
from bookwell.library.circulation import services
from bookwell.library.circulation.models import Copy, Holding, Policy, Reservation
from bookwell.library.circulation.rules import Actor
from bookwell.library.network.models import Branch

__all__ = [
    "LIBRARIAN",
    "BookFactory",
    "BranchFactory",
    "PolicyFactory",
    "ReaderFactory",
    "ReservationFactory",
    "barcode_of",
    "unique",
]

LIBRARIAN = Actor(user_id=999_999, is_librarian=True)

_numbers = count(1)


def unique(prefix: str) -> str:
    """A name that no other row has, in this or another process."""
    return f"{prefix}-{new_id()[-12:]}-{next(_numbers)}"


class BranchFactory:
    """Branches that are open every day, in UTC."""

    @staticmethod
    def create(**fields: Any) -> Branch:
        return Branch.objects.create(**{"code": unique("b")[:20], "name": unique("Branch"), "position": 5} | fields)

    @staticmethod
    def main() -> Branch:
        """The network's first branch."""
        return Branch.objects.get_or_create(
            code="main", defaults={"name": "Main Library", "time_zone": "UTC", "position": 0}
        )[0]


class PolicyFactory:
    """Policies of categories made for one test."""

    @staticmethod
    def create(category: str | None = None, **terms: Any) -> Policy:
        """The general policy of a category; of a new one, unless named."""
        code = category or unique("c")[-20:]
        ReaderCategory.objects.get_or_create(code=code, defaults={"name": code})
        return Policy.objects.update_or_create(category_id=code, branch=None, defaults=terms)[0]


class ReaderFactory:
    """Readers whose category has a policy."""

    @staticmethod
    def create(*, policy: Policy | None = None, **fields: Any) -> User:
        chosen = policy or PolicyFactory.create()
        name = unique("reader")
        BranchFactory.main()
        defaults: dict[str, Any] = {
            "username": name,
            "email": f"{name}@example.org",
            "card_number": unique("card")[-32:],
            "category_id": chosen.category_id,
            "created_at": clock.now(),
        }
        return User.objects.create(**defaults | fields)


@dataclass(frozen=True)
class BookFactory:
    """Books with their holdings and copies."""

    @staticmethod
    def create(*, copies: int = 1, branch: Branch | None = None, **fields: Any) -> Book:
        now = clock.now()
        title = fields.pop("title", unique("Title"))
        book = Book.objects.create(title=title, title_key=title.lower()[:120], created_at=now, updated_at=now, **fields)
        Holding.objects.create(book=book)
        for _ in range(copies):
            BookFactory.add_copy(book, branch=branch)
        return book

    @staticmethod
    def add_copy(book: Book, *, branch: Branch | None = None) -> Copy:
        place = branch or BranchFactory.main()
        return run_in_transaction(
            lambda: services.add_copy(
                book_id=book.pk, barcode=unique("copy"), branch=place.code, actor=LIBRARIAN, now=clock.now()
            )
        )


class ReservationFactory:
    """Reservations brought into a state the way a library does it."""

    @staticmethod
    def place(reader: User, book: Book, *, now: dt.datetime | None = None, **options: Any) -> Reservation:
        placed = run_in_transaction(
            lambda: services.place_reservation(
                reader_id=reader.pk,
                book_id=book.pk,
                actor=Actor(reader.pk, is_librarian=False),
                now=now or clock.now(),
                **options,
            )
        )
        return Reservation.objects.get(pk=placed.id)

    @staticmethod
    def ready(*, reader: User | None = None, book: Book | None = None, now: dt.datetime | None = None) -> Reservation:
        """On the hold shelf."""
        reservation = ReservationFactory.place(reader or ReaderFactory.create(), book or BookFactory.create(), now=now)
        return ReservationFactory.step(services.shelve, reservation, now=now)

    @staticmethod
    def borrowed(
        *, reader: User | None = None, book: Book | None = None, now: dt.datetime | None = None
    ) -> Reservation:
        """Lent."""
        return ReservationFactory.step(
            services.issue, ReservationFactory.ready(reader=reader, book=book, now=now), now=now
        )

    @staticmethod
    def step(verb: Any, reservation: Reservation, *, now: dt.datetime | None = None, **options: Any) -> Reservation:
        """One use case by a librarian, and the reservation as it is afterwards."""
        run_in_transaction(
            lambda: verb(reservation_id=reservation.pk, actor=LIBRARIAN, now=now or clock.now(), **options)
        )
        reservation.refresh_from_db()
        return reservation


def barcode_of(reservation: Reservation) -> str:
    """The barcode of the reservation's copy."""
    assert reservation.copy is not None
    return reservation.copy.barcode
