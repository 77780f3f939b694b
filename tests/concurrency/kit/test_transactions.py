"""The transaction runner: one effect or none, again when the database gave it up, a bounded number of times."""

import threading
from collections.abc import Callable
from itertools import count

import pytest
from django.db import IntegrityError, OperationalError, connection, transaction

from bookwell.kit.adapters.django import transactions
from bookwell.kit.adapters.django.constraints import map_constraint
from bookwell.kit.adapters.django.transactions import ATTEMPTS, run_in_transaction
from bookwell.kit.errors import Conflict
from bookwell.kit.idempotency import TryAgain
from bookwell.kit.ids import new_id
from bookwell.library.plumbing.models import IdempotencyKeyRow, OutboxRow
from tests.concurrency.racing import race

pytestmark = pytest.mark.usefixtures("committed")

_GIVEN_UP = {
    "mysql": lambda: OperationalError(1213, "Deadlock found when trying to get lock; try restarting transaction"),
    "sqlite": lambda: OperationalError("database is locked"),
}
_LOSE_CONNECTION = {
    "mysql": "KILL CONNECTION_ID()",
    "postgresql": "SELECT pg_terminate_backend(pg_backend_pid())",
}


class _Refused(Conflict):
    code = "test.refused"
    title = "Refused"


class _Taken(Conflict):
    code = "test.taken"
    title = "Taken"


def _given_up() -> OperationalError:
    if connection.vendor in _GIVEN_UP:
        return _GIVEN_UP[connection.vendor]()
    error, cause = OperationalError("deadlock detected"), Exception()
    cause.sqlstate = "40P01"  # type: ignore[attr-defined]
    error.__cause__ = cause
    return error


def _add_row() -> str:
    digest = new_id()
    IdempotencyKeyRow.objects.create(digest=digest, fingerprint="", status=0, headers="", body="", created_at=2**53)
    return digest


def _has(digest: str) -> bool:
    return IdempotencyKeyRow.objects.filter(pk=digest).exists()


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transactions, "_BACKOFF_SECONDS", 0.0001)


def test_run__work_is_done__is_committed_and_answered() -> None:
    digest = run_in_transaction(_add_row)

    assert not connection.in_atomic_block
    assert _has(digest)


def test_run__a_rule_refuses__leaves_nothing() -> None:
    added = []

    def work() -> None:
        added.append(_add_row())
        raise _Refused

    with pytest.raises(_Refused):
        run_in_transaction(work)

    assert len(added) == 1
    assert not _has(added[0])


@pytest.mark.parametrize("times", [1, ATTEMPTS - 1])
def test_run__the_database_gives_it_up__runs_again_and_has_one_effect(times: int) -> None:
    added = []

    def work() -> None:
        added.append(_add_row())
        if len(added) <= times:
            raise _given_up()

    run_in_transaction(work)

    assert [_has(digest) for digest in added] == [False] * times + [True]


def test_run__the_database_gives_it_up_at_the_commit__runs_again(monkeypatch: pytest.MonkeyPatch) -> None:
    added, commits, commit = list[str](), count(1), connection._commit  # type: ignore[attr-defined]  # noqa: SLF001

    def give_up_once() -> None:
        if next(commits) == 1:
            raise _given_up()
        commit()

    monkeypatch.setattr(connection, "_commit", give_up_once)
    run_in_transaction(lambda: added.append(_add_row()))

    assert [_has(digest) for digest in added] == [False, True]


def test_run__the_database_always_gives_it_up__says_try_again_after_a_bounded_number() -> None:
    added = []

    def work() -> None:
        added.append(_add_row())
        raise _given_up()

    with pytest.raises(TryAgain):
        run_in_transaction(work)

    assert len(added) == ATTEMPTS
    assert not any(_has(digest) for digest in added)


def test_run__another_error_of_the_database__is_not_repeated() -> None:
    runs = []

    def work() -> None:
        runs.append(1)
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM nowhere")

    with pytest.raises(Exception, match="nowhere"):
        run_in_transaction(work)

    assert len(runs) == 1


def test_run__the_connection_is_lost__says_try_again_and_the_next_run_works() -> None:
    def work() -> None:
        with connection.cursor() as cursor:
            cursor.execute(_LOSE_CONNECTION[connection.vendor])

    if connection.vendor in _LOSE_CONNECTION:  # SQLite has none to lose
        with pytest.raises(TryAgain):
            run_in_transaction(work)

    assert _has(run_in_transaction(_add_row))


def test_run__a_registered_constraint_is_violated__is_its_domain_error() -> None:
    map_constraint("outbox_event_queue", _Taken, sqlite_columns="outbox.event_id, outbox.queue")
    event = new_id()

    def work() -> None:
        row = {"event_id": event, "queue": "q", "type": "t", "version": 1, "aggregate": "a", "aggregate_version": 1}
        OutboxRow.objects.create(**row, payload="", created_at=0, next_attempt_at=0, done_at=0)

    run_in_transaction(work)
    with pytest.raises(_Taken):
        run_in_transaction(work)

    OutboxRow.objects.filter(event_id=event).delete()


def test_run__an_unknown_constraint_is_violated__is_told_as_it_is() -> None:
    digest = run_in_transaction(_add_row)

    with pytest.raises(IntegrityError):
        run_in_transaction(
            lambda: IdempotencyKeyRow.objects.create(
                digest=digest, fingerprint="", status=0, headers="", body="", created_at=0
            )
        )


def test_run__two_lock_the_same_rows_in_opposite_order__both_are_done() -> None:
    rows = [run_in_transaction(_add_row), run_in_transaction(_add_row)]
    both_hold_one = threading.Barrier(2)

    def touch(order: list[str]) -> Callable[[], None]:
        attempts = count(1)

        def work() -> None:
            first, second = order
            _count_up(first)
            if next(attempts) == 1 and connection.vendor != "sqlite":
                both_hold_one.wait(20)
            _count_up(second)

        return lambda: run_in_transaction(work)

    race([touch(rows), touch(rows[::-1])])

    assert set(IdempotencyKeyRow.objects.filter(pk__in=rows).values_list("status", flat=True)) == {2}


def _count_up(digest: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE idempotency_key SET status = status + 1 WHERE digest = %s", (digest,))


def test_run__inside_another_transaction__joins_it() -> None:
    digests = []

    def outer() -> None:
        digests.append(run_in_transaction(_add_row))
        raise _Refused

    with pytest.raises(_Refused):
        run_in_transaction(outer)

    assert not _has(digests[0])


def test_run__many_writers__none_loses_another_ones_write() -> None:
    digest = run_in_transaction(_add_row)

    def add_one() -> None:
        row = IdempotencyKeyRow.objects.select_for_update().get(pk=digest)
        row.status += 1
        row.save()

    race([lambda: [run_in_transaction(add_one) for _ in range(5)]] * 8)

    assert IdempotencyKeyRow.objects.get(pk=digest).status == 40
    assert not transaction.get_connection().in_atomic_block
