"""The first use of an outside token by many requests at once. Real connections, own rows, nothing flushed."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from bookwell.kit.adapters.django.transactions import run_in_transaction
from bookwell.kit.ids import new_id
from bookwell.library.accounts.models import OutsideIdentity, User
from bookwell.library.accounts.services.emails import confirm_email_in_tx
from bookwell.library.accounts.tokens import verifier
from tests.concurrency.racing import race
from tests.factories import unique
from tests.outside_issuer import OutsideIssuer, outside_issuer
from tests.people import Api, make_user

pytestmark = pytest.mark.usefixtures("committed")


@pytest.fixture
def issuer(settings: Any) -> Iterator[OutsideIssuer]:
    with outside_issuer() as served:
        settings.OUTSIDE_ISSUERS = [served.named]
        verifier.cache_clear()
        yield served
    verifier.cache_clear()


def _ids_of(tokens: list[str]) -> list[int]:
    answers = [outcome.value for outcome in race([partial(Api(token).get, "/api/me/") for token in tokens])]
    assert [answer.status_code for answer in answers] == [200] * len(tokens)
    return [answer.json()["id"] for answer in answers]


def test_first_use__one_subject_in_parallel__is_one_account(issuer: OutsideIssuer) -> None:
    name = unique("raced")
    token = issuer.token(
        "reader", sub=new_id(), preferred_username=name, email=f"{name}@example.org", email_verified=True
    )

    (user_id,) = set(_ids_of([token] * 6))

    assert User.objects.filter(username_key__startswith=name).values_list("pk", flat=True).get() == user_id
    assert OutsideIdentity.objects.filter(user_id=user_id).count() == 1


def test_first_use__two_subjects_with_one_address__only_one_has_the_account(issuer: OutsideIssuer) -> None:
    user = make_user()
    run_in_transaction(lambda: confirm_email_in_tx(user_id=user.pk, email=user.email))
    address = {"email": user.email, "email_verified": True}

    ids = _ids_of([issuer.token("reader", sub=new_id(), **address) for _ in range(4)])

    assert len(set(ids)) == 4
    assert ids.count(user.pk) == 1


def test_first_use__one_new_name_and_address_of_many_subjects__each_has_an_account(issuer: OutsideIssuer) -> None:
    name = unique("same")
    who = {"preferred_username": name, "email": f"{name}@example.org", "email_verified": True}

    ids = _ids_of([issuer.token("reader", sub=new_id(), **who) for _ in range(4)])

    assert len(set(ids)) == 4
    assert User.objects.filter(confirmed_email=f"{name}@example.org").count() == 1
