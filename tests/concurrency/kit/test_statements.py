"""Statements that go together: they do what they would do one by one, and a transaction is one wherever it begins."""

from contextlib import suppress
from typing import Any

import pytest
from django.db import IntegrityError, ProgrammingError, connection, transaction
from django.test.utils import CaptureQueriesContext

from bookwell.kit import clock
from bookwell.kit.adapters.django.instants import to_database
from bookwell.kit.adapters.django.statements import (
    Statement,
    execute,
    execute_last,
    execute_later,
    execute_together,
    fetch_all,
    fetch_one,
    insert_row,
)
from bookwell.kit.adapters.django.transactions import run_idempotent, run_in_transaction
from bookwell.kit.idempotency import Answer, IdempotencyKey
from bookwell.kit.ids import new_id
from tests.factories import BookFactory

pytestmark = pytest.mark.usefixtures("committed")

_INSERT = (
    "INSERT INTO idempotency_key (digest, fingerprint, status, headers, body, created_at) "
    "VALUES (%s, '', %s, '', '', 9000000000000000)"
)
_SELECT = "SELECT status FROM idempotency_key WHERE digest = %s"
_BREAK_A_CHECK = "UPDATE holding SET copies_available = -1 WHERE book_id = %s"


def _adding(name: str, status: int = 1) -> Statement:
    return Statement(_INSERT, (name, status))


def _status(name: str) -> int | None:
    row = fetch_one(_SELECT, (name,))
    return row[0] if row else None


def test_execute_together__reads_and_writes__answers_the_rows_of_each() -> None:
    first, second = new_id(), new_id()

    rows = run_in_transaction(
        lambda: execute_together(_adding(first), Statement(_SELECT, (first,)), _adding(second), Statement("SELECT 7"))
    )

    assert [[tuple(row) for row in answer] for answer in rows] == [[], [(1,)], [], [(7,)]]
    assert _status(second) == 1


@pytest.mark.parametrize("place", [0, 1, 2])
def test_execute_together__one_fails__is_an_integrity_error_and_nothing_happened(place: int) -> None:
    names, book = [new_id(), new_id()], BookFactory.create()
    statements = [_adding(name) for name in names]
    statements.insert(place, Statement(_BREAK_A_CHECK, (book.pk,)))

    with pytest.raises(IntegrityError), transaction.atomic():
        execute_together(*statements)

    assert [_status(name) for name in names] == [None, None]
    assert fetch_all("SELECT 1 + %s", (1,))[0][0] == 2


def test_transaction__rolled_back__takes_its_first_statement_along() -> None:
    name = new_id()

    def work() -> None:
        execute(_INSERT, (name, 1))
        raise LookupError

    with pytest.raises(LookupError):
        run_in_transaction(work)

    assert _status(name) is None


def test_transaction__without_a_statement__leaves_the_next_one_alone() -> None:
    name = new_id()

    run_in_transaction(lambda: None)
    with pytest.raises(LookupError), transaction.atomic():
        raise LookupError
    execute(_INSERT, (name, 1))

    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute(_SELECT, (name,))
        assert cursor.fetchone() == (1,)
    other.close()


@pytest.mark.parametrize("add", ["orm", "many"])
def test_transaction__begins_with_a_statement_of_django__is_rolled_back_whole(add: str) -> None:
    from bookwell.library.plumbing.models import IdempotencyKeyRow  # noqa: PLC0415 -- one test's

    names = [new_id(), new_id()]
    common: dict[str, Any] = {"fingerprint": "", "status": 1, "headers": "", "body": "", "created_at": 2**53}

    def work() -> None:
        if add == "orm":
            IdempotencyKeyRow.objects.bulk_create([IdempotencyKeyRow(digest=name, **common) for name in names])
        else:
            with connection.cursor() as cursor:
                cursor.executemany(_INSERT, [(name, 1) for name in names])
        assert [_status(name) for name in names] == [1, 1]
        raise LookupError

    with pytest.raises(LookupError):
        run_in_transaction(work)

    assert [_status(name) for name in names] == [None, None]


def test_execute_last__inside_another_transaction__does_not_end_that_one() -> None:
    name = new_id()

    def work() -> None:
        run_in_transaction(lambda: execute_last(_INSERT, (name, 1)))
        raise LookupError

    with pytest.raises(LookupError):
        run_in_transaction(work)

    assert _status(name) is None


def test_execute_last__fails__commits_nothing() -> None:
    name, taken = new_id(), new_id()
    execute(_INSERT, (taken, 1))

    def work() -> None:
        execute(_INSERT, (name, 1))
        execute_last(_INSERT, (taken, 1))

    with pytest.raises(IntegrityError), transaction.atomic():
        work()

    assert _status(name) is None


def test_execute_last__ends_well__is_there_and_the_next_transaction_is_its_own() -> None:
    names = [new_id(), new_id()]

    def lose() -> None:
        execute(_INSERT, (names[1], 1))
        raise LookupError

    run_in_transaction(lambda: execute_last(_INSERT, (names[0], 1)))
    with pytest.raises(LookupError):
        run_in_transaction(lose)

    assert [_status(name) for name in names] == [1, None]


def test_statements__who_counts__sees_each() -> None:
    with CaptureQueriesContext(connection) as captured, transaction.atomic():
        execute_together(_adding(new_id()), _adding(new_id()))
        execute_last(_INSERT, (new_id(), 1))

    assert sum("INSERT INTO idempotency_key" in query["sql"] for query in captured) == 3


def test_insert_row__answers_the_id() -> None:
    number = insert_row(
        "INSERT INTO audit_entry (at, actor_id, action, object_type, object_id, data, request_id) "
        "VALUES (%s, 0, 'test', 'test', 1, '{}', '')",
        (to_database(clock.now()),),
    )

    assert fetch_one("SELECT action FROM audit_entry WHERE id = %s", (number,)) == ("test",)


def test_statements__after_an_error_in_a_transaction__are_refused() -> None:
    with transaction.atomic():
        transaction.set_rollback(True)
        with pytest.raises(transaction.TransactionManagementError):
            fetch_all("SELECT 1")
    with pytest.raises(ProgrammingError if connection.vendor != "sqlite" else Exception):
        fetch_all("SELECT FROM FROM")


def test_execute_later__is_seen_by_whatever_comes_next() -> None:
    from bookwell.library.plumbing.models import IdempotencyKeyRow  # noqa: PLC0415 -- one test's

    names = [new_id() for _ in range(3)]

    def work() -> list[object]:
        execute_later(_adding(names[0]))
        seen: list[object] = [_status(names[0])]
        execute_later(_adding(names[1]), _adding(names[2], 2))
        seen.append(IdempotencyKeyRow.objects.filter(pk__in=names).count())
        execute_later(Statement("UPDATE idempotency_key SET status = 7 WHERE digest = %s", (names[0],)))
        return seen

    assert run_in_transaction(work) == [1, 3]
    assert [_status(name) for name in names] == [7, 1, 2]


def test_execute_later__rolled_back__leaves_nothing_for_the_next_transaction() -> None:
    names = [new_id() for _ in range(4)]

    def work() -> None:
        execute_later(_adding(names[0]))
        with transaction.atomic():
            execute_later(_adding(names[1]))
        execute_later(_adding(names[2]))
        raise LookupError

    with pytest.raises(LookupError):
        run_in_transaction(work)
    run_in_transaction(lambda: execute_later(_adding(names[3])))

    assert [_status(name) for name in names] == [None, None, None, 1]


def test_execute_later__savepoint_is_rolled_back__takes_along_what_came_behind_it() -> None:
    names = [new_id(), new_id(), new_id()]

    def work() -> None:
        execute_later(_adding(names[0]))
        with suppress(LookupError), transaction.atomic():
            execute_later(_adding(names[1]))
            raise LookupError
        execute_later(_adding(names[2]))

    run_in_transaction(work)

    assert [_status(name) for name in names] == [1, None, 1]


@pytest.mark.parametrize("then", ["another", "last", "commit"])
def test_execute_later__breaks_a_constraint__nothing_happened(then: str) -> None:
    name, book = new_id(), BookFactory.create()

    def work() -> None:
        execute_later(_adding(name), Statement(_BREAK_A_CHECK, (book.pk,)))
        if then == "another":
            execute(_INSERT, (new_id(), 1))
        if then == "last":
            execute_last(_INSERT, (new_id(), 1))

    with pytest.raises(IntegrityError):
        run_in_transaction(work)

    assert _status(name) is None
    assert fetch_one("SELECT 1") == (1,)


def test_execute_later__breaks_a_constraint_before_a_key__is_not_taken_for_a_duplicate() -> None:
    book = BookFactory.create()
    key = IdempotencyKey("test", new_id(), "")

    def work() -> Answer:
        execute_later(Statement(_BREAK_A_CHECK, (book.pk,)))
        return Answer(201, b"{}")

    with pytest.raises(IntegrityError):
        run_idempotent(work, key=key, render=lambda _: Answer(409, b""))


def test_execute_later__outside_of_a_transaction__is_done_at_once() -> None:
    name = new_id()

    execute_later(_adding(name))

    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute(_SELECT, (name,))
        assert cursor.fetchone() == (1,)
    other.close()


@pytest.mark.parametrize("run", [execute, lambda *statement: execute_together(Statement(*statement))])
def test_statement__comes_again_and_again__does_the_same_each_time(run: Any) -> None:
    insert = _INSERT.replace("'', '',", "'', %s,")
    texts = ["it's", 'a "b" \\ %s ?', "", "zażółć", "1; SELECT 2", "two\r\nlines\x1a"]
    kept: list[Any] = []

    for text in texts:
        name = new_id()
        run(insert, (name, 7, text))
        kept.append(fetch_one("SELECT body, status FROM idempotency_key WHERE digest = %s", (name,)))

    assert kept == [(text, 7) for text in texts]


def test_statement__came_often_and_breaks_a_constraint__is_an_integrity_error_as_at_first() -> None:
    book, name = BookFactory.create(), new_id()
    for _ in range(4):
        with pytest.raises(IntegrityError), transaction.atomic():
            execute_together(_adding(name), Statement(_BREAK_A_CHECK, (book.pk,)))

    assert _status(name) is None
