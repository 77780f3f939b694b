import pytest
from django.db.models import Count, F

from bookwell.library import demo
from bookwell.library.accounts.models import User
from bookwell.library.catalog.models import Book
from bookwell.library.circulation.models import Copy, Holding, Reservation
from bookwell.library.circulation.rules import State
from bookwell.library.network.models import Branch

pytestmark = pytest.mark.django_db


@pytest.fixture
def _loaded() -> None:
    demo.load_demo(passwords=dict.fromkeys(demo.DEMO_USERS, "a long demo password"))


@pytest.mark.usefixtures("_loaded")
def test_load_demo__empty_database__has_everything() -> None:
    assert Branch.objects.first() == Branch.objects.get(name="Main Library")
    assert Book.objects.count() == 1000
    assert Book.objects.exclude(isbn=None).count() > 900
    states = set(Reservation.objects.values_list("state", flat=True))
    assert states >= {State.WAITING, State.ASSIGNED, State.READY, State.BORROWED, State.RETURNED}
    copies = Copy.objects.values("book").annotate(number=Count("id"))
    assert not Holding.objects.exclude(copies_total__in=[1, 2, 3]).exists()
    assert Holding.objects.filter(copies_total=1).count() == copies.filter(number=1).count()


@pytest.mark.usefixtures("_loaded")
def test_load_demo__tolkien__has_free_single_copies_at_the_main_library() -> None:
    books = Book.objects.filter(authors__icontains="Tolkien", holding__copies_available=F("holding__copies_total"))

    assert set(books.values_list("copies__branch__code", flat=True)) == {"MAIN"}
    assert list(books.filter(holding__copies_total=3).values_list("title", flat=True)) == ["The Hobbit"]
    assert books.filter(holding__copies_total=1).count() >= 9


@pytest.mark.usefixtures("_loaded")
def test_load_demo__demo_readers__have_nothing_open() -> None:
    readers = User.objects.filter(username__in=demo.DEMO_USERS)

    assert dict(readers.values_list("username", "role")) == demo.DEMO_USERS
    assert all(user.check_password("a long demo password") for user in readers)
    assert not Reservation.objects.filter(reader__in=readers, open_marker=1).exists()


@pytest.mark.usefixtures("_loaded")
def test_load_demo__loaded_before__changes_nothing() -> None:
    before = (Book.objects.count(), Copy.objects.count(), Reservation.objects.count(), User.objects.count())

    demo.load_demo(passwords=dict.fromkeys(demo.DEMO_USERS, "another"))

    assert not demo.is_empty()
    assert (Book.objects.count(), Copy.objects.count(), Reservation.objects.count(), User.objects.count()) == before
