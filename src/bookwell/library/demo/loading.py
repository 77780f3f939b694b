"""Loads the sample library into an empty database, whole or not at all."""

import datetime as dt
from collections.abc import Mapping

from bookwell.kit import clock
from bookwell.kit.adapters.django.transactions import run_in_transaction
from bookwell.library.accounts.models import User
from bookwell.library.circulation.models import Copy
from bookwell.library.circulation.rules import SYSTEM
from bookwell.library.circulation.services import check_in, check_out, place_reservation, shelve
from bookwell.library.demo.people import add_people
from bookwell.library.demo.places import MAIN, add_places
from bookwell.library.demo.stock import add_stock

__all__ = ["is_empty", "load_demo"]

_OPENED_AGO = dt.timedelta(days=120)
_OVERDUE_LOAN_AGO = dt.timedelta(days=60)
_LOAN_AGO = dt.timedelta(days=10)


def is_empty() -> bool:
    """Whether nobody uses this database yet."""
    return not User.objects.exists()


def load_demo(*, passwords: Mapping[str, str]) -> None:
    """Load everything in one transaction; nothing happens unless the database is empty.

    `passwords` by username, one for each of `DEMO_USERS`.
    """
    now = clock.now()
    run_in_transaction(lambda: _load(passwords, now) if is_empty() else None)


def _load(passwords: Mapping[str, str], now: dt.datetime) -> None:
    opened = now - _OPENED_AGO
    branches = add_places(now=now)
    add_stock(branches, now=opened)
    people = add_people(passwords=passwords, now=opened)
    _circulate(people, now)


def _circulate(people: dict[str, User], now: dt.datetime) -> None:
    """An overdue loan with a reader waiting for it, a loan, one that came back, a ready copy and one to be fetched."""
    overdue, lent, returned, ready, to_fetch = _single_copies()
    _lend(overdue, people["anna"], now - _OVERDUE_LOAN_AGO)
    _lend(lent, people["olga"], now - _LOAN_AGO)
    _lend(returned, people["mike"], now - _OVERDUE_LOAN_AGO)
    check_in(barcode=returned.barcode, branch=MAIN, actor=SYSTEM, now=now - _LOAN_AGO)
    _reserve(overdue, people["jan"], now - _LOAN_AGO)
    shelve(reservation_id=_reserve(ready, people["olga"], now), actor=SYSTEM, now=now)
    _reserve(to_fetch, people["maja"], now)


def _single_copies() -> list[Copy]:
    """Five copies at the Main Library that are their book's only ones, of the least asked-for books."""
    copies = Copy.objects.filter(branch__code=MAIN, book__holding__copies_total=1)
    return list(copies.exclude(book__authors__icontains="Tolkien").order_by("book__popularity", "id")[:5])


def _lend(copy: Copy, reader: User, at: dt.datetime) -> None:
    check_out(barcode=copy.barcode, card=reader.card_number, actor=SYSTEM, now=at)


def _reserve(copy: Copy, reader: User, at: dt.datetime) -> int:
    return place_reservation(reader_id=reader.pk, book_id=copy.book_id, actor=SYSTEM, now=at).id
