"""How many statements the hot path takes, from the token to the kept answer."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from bookwell.kit.ids import new_id
from tests.factories import BookFactory, BranchFactory, PolicyFactory, ReservationFactory
from tests.people import api_as, make_user

pytestmark = pytest.mark.django_db

_BRACKETS = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE")


@pytest.mark.parametrize("copies", [0, 1])
def test_place__over_http_with_a_key__takes_at_most_12_statements(copies: int) -> None:
    BranchFactory.main()
    book, api = BookFactory.create(copies=copies), api_as(make_user(category_id=PolicyFactory.create().category_id))

    with CaptureQueriesContext(connection) as captured:
        answer = api.post("/api/reservations/", {"book_id": book.pk}, **{"Idempotency-Key": new_id()})

    assert answer.status_code == 201
    statements = [query["sql"] for query in captured if not query["sql"].startswith(_BRACKETS)]
    assert len(statements) <= 12, statements


def test_list_reservations__takes_the_bearer_check_and_2_statements() -> None:
    BranchFactory.main()
    user = make_user(category_id=PolicyFactory.create().category_id)
    for copies in (0, 1):
        ReservationFactory.place(user, BookFactory.create(copies=copies))
    api = api_as(user)

    with CaptureQueriesContext(connection) as captured:
        answer = api.get("/api/reservations/")

    assert len(answer.json()["items"]) == 2
    assert len(captured) == 3, [query["sql"] for query in captured]
