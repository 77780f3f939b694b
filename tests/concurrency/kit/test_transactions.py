"""The transaction runner: one effect or none, again when the database gave it up, a bounded number of times."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from itertools import count

import pytest
from django.db import DEFAULT_DB_ALIAS, IntegrityError, OperationalError, connection, connections

from bookwell.kit import failures
from bookwell.kit.adapters.django.constraints import map_constraint
from bookwell.kit.adapters.django.transactions import run_in_transaction
from bookwell.kit.errors import Conflict
from bookwell.kit.failures import ATTEMPTS, ATTEMPTS_TO_LOCK
from bookwell.kit.idempotency import TryAgain
from bookwell.kit.ids import new_id
from bookwell.library.plumbing.models import IdempotencyKeyRow, OutboxRow
from tests.concurrency.racing import race

pytestmark = pytest.mark.usefixtures("committed")

_DEADLOCK = {"mysql": 1213, "postgresql": "40P01"}  # SQLite, with one writer at a time, has none
_BUSY = {"mysql": 1205, "postgresql": "55P03", "sqlite": sqlite3.SQLITE_BUSY}
_BROKEN = {
    "mysql": ["SELECT nothing FROM idempotency_key"],
    "postgresql": ["SET LOCAL statement_timeout = 1", "SELECT pg_sleep(5)"],
    "sqlite": ["SELECT nothing FROM idempotency_key"],
}


class _Refused(Conflict):
    code = "test.refused"
    title = "Refused"


class _Taken(Conflict):
    code = "test.taken"
    title = "Taken"


def _error(code: object) -> OperationalError:
    """What Django raises for a code of the database under test."""
    if connection.vendor == "mysql":
        return OperationalError(code, "told by the test")
    error, cause = OperationalError("told by the test"), Exception()
    setattr(cause, "sqlstate" if connection.vendor == "postgresql" else "sqlite_errorcode", code)
    error.__cause__ = cause
    return error


def _failures() -> list[tuple[OperationalError, int]]:
    """Failures that pass, and how often a transaction is run that meets nothing else."""
    failures = [(_error(_BUSY[connection.vendor]), ATTEMPTS_TO_LOCK)]
    if connection.vendor in _DEADLOCK:
        failures.append((_error(_DEADLOCK[connection.vendor]), ATTEMPTS))
    return failures


def _add_row() -> str:
    digest = new_id()
    IdempotencyKeyRow.objects.create(digest=digest, fingerprint="", status=0, headers="", body="", created_at=2**53)
    return digest


def _has(digest: str) -> bool:
    return IdempotencyKeyRow.objects.filter(pk=digest).exists()


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "_BACKOFF_SECONDS", 0.0001)


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


def test_run__the_database_gives_it_up__runs_again_and_has_one_effect() -> None:
    for error, runs in _failures():
        added: list[str] = []

        def work(added: list[str] = added, error: OperationalError = error, runs: int = runs) -> None:
            added.append(_add_row())
            if len(added) < runs:
                raise error

        run_in_transaction(work)

        assert [_has(digest) for digest in added] == [False] * (runs - 1) + [True]


def test_run__the_database_always_gives_it_up__says_try_again_after_a_bounded_number() -> None:
    for error, runs in _failures():
        added: list[str] = []

        def work(added: list[str] = added, error: OperationalError = error) -> None:
            added.append(_add_row())
            raise error

        with pytest.raises(TryAgain):
            run_in_transaction(work)

        assert len(added) == runs
        assert not any(_has(digest) for digest in added)


def test_run__the_database_gives_it_up_until_it_is_late__says_try_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "_DEADLINE_SECONDS", 0)
    for error, _runs in _failures():
        added: list[str] = []

        def work(added: list[str] = added, error: OperationalError = error) -> None:
            added.append(_add_row())
            raise error

        with pytest.raises(TryAgain):
            run_in_transaction(work)

        assert [_has(digest) for digest in added] == [False]


def test_run__the_database_gives_it_up_at_the_commit__runs_again(monkeypatch: pytest.MonkeyPatch) -> None:
    wrapper = connections[DEFAULT_DB_ALIAS]
    commit = wrapper._commit  # type: ignore[attr-defined]  # noqa: SLF001
    for error, _runs in _failures():
        added, commits = list[str](), count(1)

        def give_up_once(commits: Iterator[int] = commits, error: OperationalError = error) -> None:
            if next(commits) == 1:
                raise error
            commit()

        def work(added: list[str] = added) -> None:
            added.append(_add_row())

        monkeypatch.setattr(wrapper, "_commit", give_up_once)
        run_in_transaction(work)

        assert [_has(digest) for digest in added] == [False, True]


def test_run__another_error_of_the_database__is_told_as_it_is() -> None:
    added = []

    def work() -> None:
        added.append(_add_row())
        with connection.cursor() as cursor:
            for statement in _BROKEN[connection.vendor]:
                cursor.execute(statement)

    run_in_transaction(_add_row)
    opened = connection.connection
    with pytest.raises(OperationalError):
        run_in_transaction(work)

    assert [_has(digest) for digest in added] == [False]
    assert connection.connection is opened


def test_run__inside_another__the_outer_one_runs_again() -> None:
    for error, _runs in _failures():
        added: list[str] = []

        def inner(added: list[str] = added, error: OperationalError = error) -> None:
            added.append(_add_row())
            if len(added) == 1:
                raise error

        def outer(inner: Callable[[], None] = inner) -> None:
            run_in_transaction(inner)

        run_in_transaction(outer)

        assert [_has(digest) for digest in added] == [False, True]


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


def test_run__an_unknown_constraint_is_violated__is_told_as_it_is_whatever_the_value_says() -> None:
    map_constraint("test_known", _Taken)
    digest = f"{new_id()[:8]}' for key 'test_known'"

    def work() -> None:
        IdempotencyKeyRow.objects.create(digest=digest, fingerprint="", status=0, headers="", body="", created_at=2**53)

    run_in_transaction(work)
    with pytest.raises(IntegrityError):
        run_in_transaction(work)


def test_run__two_lock_the_same_rows_in_opposite_order__both_are_done() -> None:
    rows = [run_in_transaction(_add_row), run_in_transaction(_add_row)]
    both_hold_one = threading.Barrier(2)

    def touch(order: list[str]) -> Callable[[], None]:
        attempts = count(1)

        def work() -> None:
            first, second = order
            _count_up(first)
            if next(attempts) == 1 and connection.vendor != "sqlite":
                both_hold_one.wait(60)
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
    assert not connection.in_atomic_block
