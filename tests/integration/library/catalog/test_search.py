"""Search on the real full-text index. InnoDB's sees committed rows only, so these books are committed and removed."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoDbBlocker

from bookwell.kit import clock
from bookwell.kit.adapters.django.transactions import run_in_transaction
from bookwell.kit.pages import PageRequest
from bookwell.library.catalog.models import Book
from bookwell.library.catalog.rules import BookData
from bookwell.library.catalog.search_index import remove_terms_in_tx
from bookwell.library.circulation.models import Holding
from bookwell.library.circulation.queries.books import BookFilter, key_of, list_book_rows, ordering_of
from bookwell.library.circulation.services.books import add_book

pytestmark = pytest.mark.django_db

_SYSTEM = 0
_BOOKS = [
    BookData("The Hobbit, or There and Back Again", ["J.R.R. Tolkien"], "0618260307", "Houghton Mifflin", 1937, "en"),
    BookData("The Lord of the Rings (Omnibus)", ["J.R.R. Tolkien"], None, "", 1954, "en", ["Fantasy"]),
    BookData("A Reader's Companion to Tolkien", ["Łucja Żółkiewska"], None, "", 2005, "pl"),
    BookData("It", ["Stephen King"], "9780450411434", "", 1986, "en"),
    BookData("It's Only a Movie", ["Mark Kermode"], None, "", 2010, "en"),
    BookData("Go", ["Holly Black"], None, "", 2001, "en"),
    BookData("The Who: Maximum R&B", ["Richard Barnes"], None, "", 1982, "en"),
    BookData("Who Was Who", ["A & C Black"], None, "", 1990, "en"),
    BookData("Łódź – miasto", ["Đorđe Đurić"], None, "", 1999, "pl"),
    BookData("Smørrebrød for begyndere", ["Søren Kierkegård"], None, "", 2011, "da"),
    BookData("Die Straße der Ölsardinen", ["John Steinbeck"], None, "", 1945, "de"),
    BookData("Ёлка и ёжик", ["Михаил Щербаков"], None, "", 1975, "ru"),
    BookData("三体", ["刘慈欣"], None, "", 2008, "zh"),
    BookData("Catch-22", ["Joseph Heller"], None, "", 1961, "en"),
    BookData("L'Étranger", ["Albert Camus"], None, "", 1942, "fr"),
    BookData("Œuvres complètes", ["Molière"], None, "", 1682, "fr"),
    BookData("1984", ["George Orwell"], None, "", 1949, "en"),
    BookData("V for Vendetta", ["Alan Moore"], None, "", 1988, "en"),
    BookData("To Be or Not to Be", ["Ryan North"], None, "", 2013, "en"),
    BookData("Diyarbakır İstanbul", ["Işıl Öz"], None, "", 2015, "tr"),
    BookData("Þingvellir", ["Ævar Þór"], None, "", 2003, "is"),
]


def _add(data: BookData) -> int:
    return run_in_transaction(lambda: add_book(data=data, actor_id=_SYSTEM, now=clock.now())).pk


@pytest.fixture(scope="module", autouse=True)
def _catalogue(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    with django_db_blocker.unblock():
        ids = [_add(data) for data in _BOOKS]
        yield
        for book_id in ids:
            remove_terms_in_tx(book_id)
        Holding.objects.filter(book_id__in=ids).delete()
        Book.objects.filter(id__in=ids).delete()


def _search(q: str = "", ordering: str = "", **filters: Any) -> list[str]:
    chosen = BookFilter(q=q, **filters)
    rows = list_book_rows(chosen, ordering_of(ordering, chosen), _first().position, limit=50)
    return [row[2] for row in rows]


def _first(cursor: str | None = None, limit: int = 50) -> PageRequest:
    return PageRequest.read("/api/books/", (), limit=limit, cursor=cursor, shape=(int, int))


@pytest.mark.parametrize(
    ("q", "title"),
    [
        ("hobbit", "The Hobbit, or There and Back Again"),
        ("HOBB", "The Hobbit, or There and Back Again"),
        ("tolkien hob", "The Hobbit, or There and Back Again"),
        ("978-0-618-26030-0", "The Hobbit, or There and Back Again"),
        ("0-618-26030-7", "The Hobbit, or There and Back Again"),
        ("0618260307", "The Hobbit, or There and Back Again"),
        ("978061826", "The Hobbit, or There and Back Again"),
        ("fantasy ring", "The Lord of the Rings (Omnibus)"),
        ("zolkiewska", "A Reader's Companion to Tolkien"),
        ("It", "It"),
        ("its only", "It's Only a Movie"),
        ("Go", "Go"),
        ("The Who", "The Who: Maximum R&B"),
        ("who who", "Who Was Who"),
        ("lodz", "Łódź – miasto"),
        ("ŁÓDŹ", "Łódź – miasto"),
        ("dorde duric", "Łódź – miasto"),
        ("smorrebrod", "Smørrebrød for begyndere"),
        ("kierkegard", "Smørrebrød for begyndere"),
        ("strasse", "Die Straße der Ölsardinen"),
        ("olsard", "Die Straße der Ölsardinen"),
        ("ЕЛКА", "Ёлка и ёжик"),
        ("ёж", "Ёлка и ёжик"),
        ("三体", "三体"),
        ("catch 22", "Catch-22"),
        ("catch22", "Catch-22"),
        ("etranger", "L'Étranger"),
        ("l’étranger", "L'Étranger"),
        ("oeuvres compl", "Œuvres complètes"),
        ("1984", "1984"),
        ("v", "V for Vendetta"),
        ("to be or not to be", "To Be or Not to Be"),
        ("istanbul", "Diyarbakır İstanbul"),
        ("thingvellir", "Þingvellir"),
        ("aevar", "Þingvellir"),
    ],
)
def test_search__hard_words__find_the_book_first(q: str, title: str) -> None:
    assert _search(q)[0] == title


@pytest.mark.parametrize("q", ["hobbit orwell", "hob tolkien x", "978-0-618-26030-1", "???", "zqzq", "obbit"])
def test_search__a_word_is_missing__finds_nothing(q: str) -> None:
    assert _search(q) == []


def test_search__exact_title__stands_before_more_popular_ones() -> None:
    Book.objects.filter(title="It's Only a Movie").update(popularity=1_000_000)

    assert _search("it")[:2] == ["It", "It's Only a Movie"]


def test_search__by_author__leaves_out_books_about() -> None:
    assert set(_search(author="tolkien")) == {"The Hobbit, or There and Back Again", "The Lord of the Rings (Omnibus)"}
    assert _search("ring", author="J.R.R. Tolkien") == ["The Lord of the Rings (Omnibus)"]
    assert "A Reader's Companion to Tolkien" in _search("tolkien")


def test_search__with_filters__narrows() -> None:
    assert _search("tolkien", language="pl") == ["A Reader's Companion to Tolkien"]
    assert _search("tolkien", year=1937) == ["The Hobbit, or There and Back Again"]
    assert _search("tolkien", available=True) == []
    assert len(_search("tolkien", available=False)) == 3
    assert _search("tolkien", branch="NOWHERE") == []
    assert _search("tolkien", branch="NOWHERE", available=True) == []


def test_search__other_orderings__order_the_matches() -> None:
    assert _search("tolkien", "year") == [
        "The Hobbit, or There and Back Again",
        "The Lord of the Rings (Omnibus)",
        "A Reader's Companion to Tolkien",
    ]
    assert _search("tolkien", "-title")[0] == "The Lord of the Rings (Omnibus)"


def test_search__a_page_is_one_statement() -> None:
    with CaptureQueriesContext(connection) as statements:
        _search("tolkien", language="en", available=False, branch="")

    assert len(statements) == 1


def test_search__page_by_page__sees_every_match_once_in_order() -> None:
    chosen = BookFilter(q="t")
    chosen = BookFilter(q="to")
    ordering = ordering_of("", chosen)
    request, seen = _first(limit=2), []
    while True:
        page = request.page(list_book_rows(chosen, ordering, request.position, limit=2), key=key_of)
        seen += [row[2] for row in page.items]
        if page.next is None:
            break
        request = _first(page.next.rpartition("cursor=")[2], limit=2)

    assert seen == _search("to")
    assert len(seen) == len(set(seen)) == 4
