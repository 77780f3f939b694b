"""A key in the hands of somebody else: how long it is waited for, and what holds afterwards."""

import time
from collections.abc import Callable, Iterator

import pytest
from django.conf import settings
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper

from bookwell.kit import clock
from bookwell.kit.adapters.django.transactions import run_idempotent
from bookwell.kit.errors import DomainError
from bookwell.kit.idempotency import Answer, IdempotencyKey, InFlight, KeyReused, TryAgain, fingerprint_of
from bookwell.kit.ids import new_id
from bookwell.library.plumbing.models import IdempotencyKeyRow, OutboxRow
from tests.concurrency.racing import race, refusals

pytestmark = pytest.mark.usefixtures("committed")

_INSERT = "INSERT INTO idempotency_key (digest, fingerprint, status, headers, body, created_at) "
_LET_WAIT = {
    "mysql": "SET SESSION innodb_lock_wait_timeout = 1",
    "postgresql": "SET lock_timeout = '1s'",
    "sqlite": "PRAGMA busy_timeout = 500",
}


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


@pytest.fixture
def other() -> Iterator[BaseDatabaseWrapper]:
    """A second connection, in a transaction that it does not end by itself."""
    second = connection.copy()
    second.set_autocommit(False)
    yield second
    second.rollback()
    second.close()


def test_keep__somebody_else_is_about_to__is_waited_for_as_long_as_any_lock(other: BaseDatabaseWrapper) -> None:
    effect, key = _Effect(), _key()
    with other.cursor() as cursor:
        cursor.execute(_INSERT + "VALUES (%s, '', 0, '', '', %s)", (_digest(key), 2**53))
    with connection.cursor() as cursor:
        cursor.execute(_LET_WAIT[connection.vendor])
    began = time.monotonic()

    # SQLite's waiter does not know for whom it waits: any writer of another process looks the same.
    with pytest.raises(TryAgain if connection.vendor == "sqlite" else InFlight):
        _ask(effect, key)

    assert time.monotonic() - began > 0.9
    assert effect.number == 0
    other.rollback()
    assert _ask(effect, key).status == 201


def test_keep__a_key_whose_time_is_up__is_claimed_anew() -> None:
    effect, key = _Effect(), _key()
    first = _ask(effect, key)
    _age(key)

    second = _ask(effect, key)

    assert second != first
    assert effect.number == 2
    assert _ask(effect, key) == second


def test_keep__a_key_whose_time_is_up__may_come_with_another_request() -> None:
    effect, key = _Effect(), _key()
    _ask(effect, key)
    other_request = IdempotencyKey(key.scope, key.key, fingerprint="another")
    with pytest.raises(KeyReused):
        _ask(effect, other_request)
    _age(key)

    assert _ask(effect, other_request).status == 201
    assert effect.number == 2


def test_keep__a_key_whose_time_is_up__by_many_at_once__has_one_effect() -> None:
    effect, key = _Effect(), _key()
    _ask(effect, key)
    _age(key)

    outcomes = race([lambda: _ask(effect, key)] * 8)

    assert set(refusals(outcomes)) <= {InFlight}
    assert len({outcome.value.body for outcome in outcomes if not outcome.refusal}) == 1
    assert effect.number == 2


def test_keep__a_work_that_fails_under_an_old_key__leaves_the_old_row() -> None:
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
