import pytest
from django.db.models import F, Sum

from bookwell.library import demo
from bookwell.library.accounts.models import User
from bookwell.library.catalog.models import Book
from bookwell.library.circulation.models import Copy, Holding, Reservation
from bookwell.library.circulation.rules import State
from bookwell.library.network.models import Branch

pytestmark = pytest.mark.django_db


def _load() -> None:
    demo.load_demo(passwords=dict.fromkeys(demo.DEMO_USERS, "a long demo password"))


def test_load_demo__empty_database__has_a_library_in_use_and_readers_with_nothing_open() -> None:
    _load()

    assert Branch.objects.first() == Branch.objects.get(name="Main Library")
    assert Book.objects.count() == 1000
    _check_copies()
    _check_states()
    _check_users()


def test_load_demo__somebody_uses_the_database__changes_nothing() -> None:
    User.objects.create(username="somebody", username_key="somebody", card_number="1")

    _load()

    assert not demo.is_empty()
    assert not Book.objects.exists()


def _check_copies() -> None:
    books = Book.objects.filter(authors__icontains="Tolkien", holding__copies_available=F("holding__copies_total"))
    assert set(books.values_list("copies__branch__code", flat=True)) == {"MAIN"}
    assert list(books.filter(holding__copies_total=3).values_list("title", flat=True)) == [
        "The Silmarillion (Middle-Earth Universe)"
    ]
    assert books.filter(holding__copies_total=1).count() >= 9
    assert not Holding.objects.exclude(copies_total__in=[1, 2, 3]).exists()
    assert Holding.objects.aggregate(total=Sum("copies_total"))["total"] == Copy.objects.count()


def _check_states() -> None:
    states = set(Reservation.objects.values_list("state", flat=True))
    assert states >= {State.WAITING, State.ASSIGNED, State.READY, State.BORROWED, State.RETURNED}


def _check_users() -> None:
    users = User.objects.filter(username__in=demo.DEMO_USERS)
    assert dict(users.values_list("username", "role")) == demo.DEMO_USERS
    assert all(user.check_password("a long demo password") for user in users)
    assert not Reservation.objects.filter(reader__in=users, open_marker=1).exists()
