"""`kill -9` behind every single statement of a use case: before the commit nothing is there, behind it everything.

Each use case runs in children of this process, one for each statement: forked, because starting one takes seconds.
"""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any, NoReturn

import pytest
from django.db import connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from bookwell.kit import clock
from bookwell.kit.adapters.django.transactions import run_idempotent
from bookwell.kit.errors import DomainError
from bookwell.kit.idempotency import Answer, IdempotencyKey, InFlight
from bookwell.library.api.answers import json_answer
from bookwell.library.audit.models import AuditEntry
from bookwell.library.catalog.models import Book
from bookwell.library.circulation import services
from bookwell.library.circulation.models import Copy, Holding, Reservation
from bookwell.library.circulation.rules import Actor, State
from bookwell.library.plumbing.models import IdempotencyKeyRow, OutboxRow
from tests.concurrency.works import placing, readers, states
from tests.factories import LIBRARIAN, BookFactory, ReservationFactory, unique
from tests.invariants import assert_invariants

pytestmark = [
    pytest.mark.usefixtures("committed"),
    # The child of a process with threads may call little; these only talk to the database, with a connection of
    # their own, and one that hung would be ended by its alarm.
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]

COMMIT = "(committed)"
_CHILD_SECONDS = 30
_TRIES = 20


@dataclass(frozen=True, slots=True)
class Case:
    """A use case on rows of its own, and what its book looks like once it has happened."""

    book: Book
    work: Callable[[], Answer]
    expected: dict[State, int]
    key: IdempotencyKey

    def run(self) -> Answer:
        """Do it as the API does it; a child that was killed may hold its key for a moment."""
        for _ in range(_TRIES):
            try:
                return run_idempotent(self.work, key=self.key, render=_refusal)
            except InFlight:
                continue
        raise AssertionError("the key of a killed process was never set free")

    def look(self) -> dict[str, Any]:
        """Every row that the use case could touch, and how many keys, audit entries and messages there are at all."""
        reservations = Reservation.objects.filter(book_id=self.book.pk).order_by("pk")
        return {
            "reservations": list(reservations.values()),
            "copies": list(Copy.objects.filter(book_id=self.book.pk).order_by("pk").values()),
            "holding": Holding.objects.filter(pk=self.book.pk).values().get(),
            "keys": IdempotencyKeyRow.objects.count(),
            "audit": AuditEntry.objects.count(),
            "messages": OutboxRow.objects.count(),
        }

    def assert_done_once(self) -> None:
        """It happened, whole, and once."""
        assert states(self.book) == self.expected
        assert_invariants([self.book.pk], now=clock.now())


def _placing() -> Case:
    """A reader takes the last free copy."""
    [reader], book = readers(1), BookFactory.create(copies=1)
    actor, now = Actor(reader.pk, is_librarian=False), clock.now()

    def work() -> Answer:
        placed = services.place_reservation(reader_id=reader.pk, book_id=book.pk, actor=actor, now=now)
        return json_answer(placed, status=201)

    return Case(book, work, {State.ASSIGNED: 1}, _new_key())


def _queueing() -> Case:
    """A reader joins a queue."""
    book = BookFactory.create(copies=1)
    [reader, *others] = readers(3)
    for other in others:
        placing(other, book)()
    actor, now = Actor(reader.pk, is_librarian=False), clock.now()

    def work() -> Answer:
        placed = services.place_reservation(reader_id=reader.pk, book_id=book.pk, actor=actor, now=now)
        return json_answer(placed, status=201)

    return Case(book, work, {State.ASSIGNED: 1, State.WAITING: 2}, _new_key())


def _returning() -> Case:
    """A loan ends and its copy goes to the next in line."""
    book = BookFactory.create(copies=1)
    loan = ReservationFactory.borrowed(book=book)
    for other in readers(2):
        placing(other, book)()
    now = clock.now()

    def work() -> Answer:
        _, instruction = services.return_book(reservation_id=loan.pk, actor=LIBRARIAN, now=now)
        return json_answer(instruction)

    return Case(book, work, {State.RETURNED: 1, State.ASSIGNED: 1, State.WAITING: 1}, _new_key())


def _new_key() -> IdempotencyKey:
    return IdempotencyKey(scope="kill", key=unique("key"), fingerprint="the same request")


@pytest.mark.parametrize("new_case", [_placing, _queueing, _returning])
def test_killed_behind_any_statement__all_of_it_is_there_or_nothing_and_the_same_key_makes_it_once(
    new_case: Callable[[], Case],
) -> None:
    for number in count(1):
        case = new_case()
        before = case.look()

        said = _run_in_child_and_kill(case, after=number)

        is_committed = said[-1] == COMMIT
        if not is_committed:
            assert case.look() == before, said
        else:
            case.assert_done_once()
        left = case.look()
        answer = case.run()
        case.assert_done_once()
        assert case.look() == left or not is_committed, said
        assert case.run() == answer
        assert case.look()["keys"] == before["keys"] + 1
        if is_committed:
            break
    assert number > 8, said


def _run_in_child_and_kill(case: Case, *, after: int) -> list[str]:
    """Run the use case in a child that is killed behind so many statements, or behind the commit if there are fewer.

    Answers what the child sent to its database.
    """
    connections.close_all()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _live_and_die(case, after, writing)
    os.close(writing)
    with os.fdopen(reading) as stream:
        said = stream.read().splitlines()
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), (status, said)
    assert os.WTERMSIG(status) == signal.SIGKILL, (status, said)
    return said


def _live_and_die(case: Case, after: int, writing: int) -> NoReturn:
    """The child: it says each statement that was executed, and never goes back to the tests."""
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(_CHILD_SECONDS)
        end = _End(writing, after)
        connection.ensure_connection()
        _die_behind_the_commit(end)
        with connection.execute_wrapper(end.behind_statement):
            case.run()
    except BaseException as error:  # noqa: BLE001 -- the parent sees it in what was said
        os.write(writing, f"{error!r}\n".encode())
    finally:
        os._exit(1)


@dataclass(slots=True)
class _End:
    """What ends a child."""

    writing: int
    after: int
    statements: int = 0

    def behind_statement(self, execute: Any, sql: Any, params: Any, many: Any, context: Any) -> Any:
        """Django's hook around every statement."""
        result = execute(sql, params, many, context)
        self.statements += 1
        self.say(" ".join(str(sql).split()))
        if self.statements == self.after:
            self.come()
        return result

    def say(self, line: str) -> None:
        """Tell the parent."""
        os.write(self.writing, f"{line[:100]}\n".encode())

    def come(self) -> NoReturn:
        """The process is gone."""
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("killed, and still here")


def _die_behind_the_commit(end: _End) -> None:
    wrapper: BaseDatabaseWrapper = connections["default"]
    commit = wrapper._commit  # type: ignore[attr-defined]  # noqa: SLF001 -- the one place of every commit

    def commit_and_die() -> None:
        commit()
        end.say(COMMIT)
        end.come()

    wrapper._commit = commit_and_die  # type: ignore[attr-defined]  # noqa: SLF001


def _refusal(error: DomainError) -> Answer:
    """What a second run comes to before it finds the first one's answer; as the first answer it would do nothing."""
    return Answer(409, error.code.encode())
