"""A key in the hands of somebody else: how long it is waited for, and what holds afterwards."""

import time
from collections.abc import Callable, Iterator

import pytest
from django.conf import settings
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper

from bookwell.kit import clock
from bookwell.kit.adapters.django import idempotency_store
from bookwell.kit.adapters.django.transactions import ATTEMPTS_TO_LOCK, run_idempotent, run_in_transaction
from bookwell.kit.errors import DomainError
from bookwell.kit.idempotency import Answer, IdempotencyKey, InFlight, KeyReused, TryAgain, fingerprint_of
from bookwell.kit.ids import new_id
from bookwell.library.plumbing.models import IdempotencyKeyRow, OutboxRow
from tests.concurrency.racing import race, refusals

pytestmark = pytest.mark.usefixtures("committed")

_INSERT = "INSERT INTO idempotency_key (digest, fingerprint, status, headers, body, created_at) "
_LOCK_WAIT = {
    "mysql": "SELECT @@SESSION.innodb_lock_wait_timeout",
    "postgresql": "SHOW lock_timeout",
    "sqlite": "PRAGMA busy_timeout",
}
_USUAL_SECONDS = {"mysql": 2, "postgresql": 1}
_LET_WAIT = {"mysql": "SET SESSION innodb_lock_wait_timeout = 2", "postgresql": "SET lock_timeout = '1s'"}


class _Effect:
    """A work that leaves one row for every time it was done."""

    def __init__(self) -> None:
        self.name = f"effect:{new_id()}"

    def __call__(self) -> Answer:
        OutboxRow.objects.create(
            event_id=new_id(), queue="q", type="t", version=1, aggregate=self.name, aggregate_version=1,
            payload="", created_at=0, next_attempt_at=0, done_at=0,
        )  # fmt: skip
        return Answer(201, new_id().encode())

    @property
    def number(self) -> int:
        return OutboxRow.objects.filter(aggregate=self.name).count()


def _key() -> IdempotencyKey:
    return IdempotencyKey(scope="5 POST /x/", key=new_id(), fingerprint="one")


def _digest(key: IdempotencyKey) -> str:
    return fingerprint_of(key.scope, key.key)


def _ask(work: Callable[[], Answer], key: IdempotencyKey) -> Answer:
    def render(error: DomainError) -> Answer:
        return Answer(409, error.code.encode())

    return run_idempotent(work, key=key, render=render)


def _age(key: IdempotencyKey) -> None:
    passed = int(clock.now().timestamp() * 1000) - (settings.IDEMPOTENCY_HOURS * 3_600_000 + 1)
    assert IdempotencyKeyRow.objects.filter(pk=_digest(key)).update(created_at=passed) == 1


def _make_row() -> IdempotencyKeyRow:
    return IdempotencyKeyRow.objects.create(
        digest=new_id(), fingerprint="", status=0, headers="", body="", created_at=2**53
    )


def _value(statement: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return str(cursor.fetchone()[0])


@pytest.fixture
def other() -> Iterator[BaseDatabaseWrapper]:
    """A second connection, in a transaction that it does not end by itself."""
    second = connection.copy()
    second.set_autocommit(False)
    yield second
    second.rollback()
    second.close()


@pytest.fixture(params=["mariadb", "mysql"])
def mysqls_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets a MariaDB also be spoken to like a MySQL; the others do not mind."""
    monkeypatch.setattr(connection, "mysql_is_mariadb", request.param == "mariadb", raising=False)


@pytest.mark.usefixtures("mysqls_way")
def test_claim__somebody_else_has_it__is_told_within_a_second_or_so(other: BaseDatabaseWrapper) -> None:
    effect, key = _Effect(), _key()
    with other.cursor() as cursor:
        cursor.execute(_INSERT + "VALUES (%s, '', 0, '', '', %s)", (_digest(key), 2**53))
    if connection.vendor == "sqlite":
        _value("PRAGMA busy_timeout = 200")
    began = time.monotonic()

    # SQLite's waiter does not know for whom it waits: any writer of another process looks the same.
    with pytest.raises(TryAgain if connection.vendor == "sqlite" else InFlight):
        _ask(effect, key)

    least, most = (0.9, 2) if connection.vendor == "mysql" else (0.15, 1)
    assert least < time.monotonic() - began < most
    assert effect.number == 0
    other.rollback()
    assert _ask(effect, key).status == 201


@pytest.mark.usefixtures("mysqls_way")
@pytest.mark.parametrize("is_duplicate", [False, True])
def test_claim__made_or_not__locks_are_waited_for_as_before(is_duplicate: bool) -> None:
    key = _key()
    if is_duplicate:
        _ask(_Effect(), key)
    before = _value(_LOCK_WAIT[connection.vendor])

    def work() -> str:
        assert (idempotency_store.claim(key) is not None) is is_duplicate
        return _value(_LOCK_WAIT[connection.vendor])

    assert run_in_transaction(work) == before


@pytest.mark.usefixtures("mysqls_way")
def test_claim__then_a_row_of_somebody_else__is_waited_for_as_long_as_usual(other: BaseDatabaseWrapper) -> None:
    row = run_in_transaction(_make_row)
    waits = []

    def work() -> None:
        idempotency_store.claim(_key())
        began = time.monotonic()
        try:
            IdempotencyKeyRow.objects.filter(pk=row.pk).update(status=2)
        finally:
            waits.append(time.monotonic() - began)

    if connection.vendor not in _LET_WAIT:  # SQLite locks no rows
        run_in_transaction(work)
        return
    with connection.cursor() as cursor, other.cursor() as other_cursor:
        cursor.execute(_LET_WAIT[connection.vendor])
        other_cursor.execute("UPDATE idempotency_key SET status = 1 WHERE digest = %s", (row.pk,))
    with pytest.raises(TryAgain):
        run_in_transaction(work)

    usual = _USUAL_SECONDS[connection.vendor]
    assert [usual - 0.1 < wait < usual + 0.9 for wait in waits] == [True] * ATTEMPTS_TO_LOCK


@pytest.mark.usefixtures("mysqls_way")
def test_claim__a_key_whose_time_is_up__is_claimed_anew() -> None:
    effect, key = _Effect(), _key()
    first = _ask(effect, key)
    _age(key)

    second = _ask(effect, key)

    assert second != first
    assert effect.number == 2
    assert _ask(effect, key) == second


def test_claim__a_key_whose_time_is_up__may_come_with_another_request() -> None:
    effect, key = _Effect(), _key()
    _ask(effect, key)
    other_request = IdempotencyKey(key.scope, key.key, fingerprint="another")
    with pytest.raises(KeyReused):
        _ask(effect, other_request)
    _age(key)

    assert _ask(effect, other_request).status == 201
    assert effect.number == 2


def test_claim__a_key_whose_time_is_up__by_many_at_once__has_one_effect() -> None:
    effect, key = _Effect(), _key()
    _ask(effect, key)
    _age(key)

    outcomes = race([lambda: _ask(effect, key)] * 8)

    assert set(refusals(outcomes)) <= {InFlight}
    assert len({outcome.value.body for outcome in outcomes if not outcome.refusal}) == 1
    assert effect.number == 2


def test_claim__a_work_that_fails_under_an_old_key__leaves_the_old_row() -> None:
    effect, key = _Effect(), _key()
    first = _ask(effect, key)
    _age(key)

    def crash() -> Answer:
        effect()
        raise LookupError

    with pytest.raises(LookupError):
        _ask(crash, key)

    assert effect.number == 1
    assert IdempotencyKeyRow.objects.get(pk=_digest(key)).body == first.body.decode()
