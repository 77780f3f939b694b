"""`kill -9` behind every write of the job that moves deadlines off closed days: run again, it ends as it would have."""

import datetime as dt
import itertools
import os
import signal
from collections import Counter
from dataclasses import dataclass

import pytest
from django.db import connections

from bookwell.kit.adapters.django.transactions import run_in_transaction
from bookwell.library.audit.models import AuditEntry
from bookwell.library.circulation.models import Reservation
from bookwell.library.circulation.tasks import move_deadlines
from bookwell.library.network.models import Branch
from bookwell.library.network.services import add_closure
from bookwell.library.plumbing.models import OutboxRow
from tests.concurrency.killing import COMMIT, THREADS_ARE_NO_MATTER, End, run_in_child_and_kill
from tests.concurrency.library.telling import telling
from tests.factories import BookFactory, BranchFactory, PolicyFactory, ReaderFactory, ReservationFactory
from tests.invariants import assert_invariants

MONDAY = dt.datetime(2026, 3, 2, 9, 0, tzinfo=dt.UTC)
CLOSED_ON, OPEN_ON = dt.date(2026, 3, 9), dt.date(2026, 3, 10)
_DONE = "(done)"


class _WritesAndCommits(End):
    """Ends a child behind so many of these: the job has several transactions, and reads in between."""

    def come_behind(self, statement: str) -> None:
        if statement.startswith(("INSERT", "UPDATE", "DELETE")):
            super().come_behind(statement)

    def come_behind_commit(self) -> None:
        super().come_behind(COMMIT)


@dataclass(frozen=True, slots=True)
class _Branch:
    """A branch that has closed on a day until which one copy lies ready and another is lent."""

    branch: Branch
    ready: Reservation
    loan: Reservation

    def close_connections(self) -> None:
        connections.close_all()

    def live(self, end: End) -> None:
        with telling(_WritesAndCommits(end.writing, end.after)):
            move_deadlines(now=MONDAY)
        end.say(_DONE)
        os.kill(os.getpid(), signal.SIGKILL)

    def assert_moved_once(self) -> None:
        """Both deadlines are on the next open day; each has told so once, and so has the branch."""
        for row in (self.branch, self.ready, self.loan):
            row.refresh_from_db()
        assert self.ready.pickup_deadline_at is not None
        assert self.loan.due_at is not None
        assert {self.ready.pickup_deadline_at.date(), self.loan.due_at.date()} == {OPEN_ON}
        ids = [self.ready.pk, self.loan.pk]
        entries = AuditEntry.objects.filter(object_type="reservation", object_id__in=ids, action__endswith="_moved")
        assert Counter(entries.values_list("object_id", flat=True)) == dict.fromkeys(ids, 1)
        told = OutboxRow.objects.filter(aggregate__in=[f"reservation:{pk}" for pk in ids], type__endswith="_moved")
        assert sorted(told.values_list("type", flat=True)) == ["reservation.due_moved", "reservation.pickup_moved"]
        assert self.branch.deadlines_version == self.branch.hours_version
        assert_invariants([self.ready.book_id, self.loan.book_id], now=MONDAY)


def _a_branch_that_closes() -> _Branch:
    branch = BranchFactory.create(time_zone="UTC")
    days = (CLOSED_ON - MONDAY.date()).days
    reader = ReaderFactory.create(policy=PolicyFactory.create(pickup_days=days, loan_days=days))
    one, other = (BookFactory.create(branch=branch) for _ in range(2))
    ready = ReservationFactory.ready(reader=reader, book=one, now=MONDAY)
    made = _Branch(branch, ready, ReservationFactory.borrowed(reader=reader, book=other, now=MONDAY))
    run_in_transaction(lambda: add_closure(branch=branch.code, closed_on=CLOSED_ON, actor_id=1))
    return made


@pytest.mark.filterwarnings(THREADS_ARE_NO_MATTER)
@pytest.mark.usefixtures("committed")
def test_move_deadlines__killed_behind_any_write_and_run_again__moves_and_tells_once() -> None:
    for number in itertools.count(1):
        case = _a_branch_that_closes()

        said = run_in_child_and_kill(case, after=number)

        move_deadlines(now=MONDAY)
        case.assert_moved_once()
        assert move_deadlines(now=MONDAY) == 0
        if said[-1] == _DONE:
            break
    assert said.count(COMMIT) == 3, said  # of either reservation, and of the branch
