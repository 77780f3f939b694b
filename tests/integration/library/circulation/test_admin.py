"""Circulation in Django's admin: everything goes through the services."""

import pytest
from django.test import Client

from bookwell.library.accounts.rules import Role
from bookwell.library.audit.models import AuditEntry
from bookwell.library.catalog.models import Book
from bookwell.library.circulation.models import Block, Holding, Policy
from bookwell.library.circulation.rules import State
from tests.factories import BookFactory, BranchFactory, PolicyFactory, ReaderFactory, ReservationFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin() -> Client:
    client = Client()
    client.force_login(ReaderFactory.create(role=Role.ADMIN))
    return client


def _book_form(**values: str) -> dict[str, str]:
    empty = {"authors": '["Anna Nowak"]', "isbn": "", "publisher": "", "year": "", "language": "pl", "subjects": "[]"}
    return {"title": "Nowa książka", "description": ""} | empty | values


def test_add_book__has_a_holding_and_an_audit_entry(admin: Client) -> None:
    response = admin.post("/admin/catalog/book/add/", _book_form())

    book = Book.objects.get(title="Nowa książka")
    assert response.status_code == 302
    assert Holding.objects.filter(book=book).exists()
    assert AuditEntry.objects.filter(action="book.created", object_id=book.pk).exists()


@pytest.mark.parametrize("authors", ["5", '["a", 5]', '"abc"', '{"a": 1}'])
def test_add_book__authors_of_another_shape__are_refused(authors: str, admin: Client) -> None:
    response = admin.post("/admin/catalog/book/add/", _book_form(authors=authors))

    assert response.status_code == 200
    assert "Authors and subjects are lists of names" in response.content.decode()
    assert not Book.objects.filter(title="Nowa książka").exists()


def test_delete_book__with_copies__is_refused(admin: Client) -> None:
    book = BookFactory.create(copies=1)

    admin.post(f"/admin/catalog/book/{book.pk}/delete/", {"post": "yes"})

    book.refresh_from_db()
    assert book.withdrawn_at is None


def test_delete_branch_policy__is_audited(admin: Client) -> None:
    general = PolicyFactory.create()
    policy = Policy.objects.create(category=general.category, branch=BranchFactory.create())

    admin.post(f"/admin/circulation/policy/{policy.pk}/delete/", {"post": "yes"})

    assert not Policy.objects.filter(pk=policy.pk).exists()
    assert AuditEntry.objects.filter(action="policy.removed", object_id=policy.pk).exists()


def test_delete_general_policy__is_forbidden(admin: Client) -> None:
    policy = PolicyFactory.create()

    response = admin.post(f"/admin/circulation/policy/{policy.pk}/delete/", {"post": "yes"})

    assert response.status_code == 403
    assert Policy.objects.filter(pk=policy.pk).exists()


def test_block_and_cancel__go_through_the_services__loans_stay(admin: Client) -> None:
    loan, reader = ReservationFactory.borrowed(), ReaderFactory.create()
    waiting = ReservationFactory.place(reader, loan.book)
    admin.post("/admin/circulation/block/add/", {"reader": str(reader.pk), "reason": "card lost"})
    block = Block.objects.get(reader=reader)
    admin.post(
        "/admin/circulation/reservation/", {"action": "cancel", "_selected_action": [str(loan.pk), str(waiting.pk)]}
    )
    waiting.refresh_from_db()
    assert waiting.state == State.CANCELLED

    admin.post(f"/admin/circulation/block/{block.pk}/delete/", {"post": "yes"})

    assert not Block.objects.filter(reader=reader).exists()
    loan.refresh_from_db()
    assert loan.state == State.BORROWED
