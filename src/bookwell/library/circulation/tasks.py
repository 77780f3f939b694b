"""What time does to reservations, each step in a transaction of its own.

Each function does what is due by `now` until nothing is, or for as long as one run may take; the next run goes on. A
step decides again under the lock of its book, so runs may overlap and nothing happens twice.
"""

import datetime as dt
from collections.abc import Callable
from functools import partial

from bookwell.kit.adapters.django.transactions import run_in_transaction
from bookwell.kit.jobs import each_due, tried
from bookwell.library.circulation import services
from bookwell.library.circulation.queries.deadlines import (
    list_due_reminders,
    list_on_closed_days,
    list_resumable_books,
    list_run_out,
)
from bookwell.library.circulation.rules import SYSTEM
from bookwell.library.network.queries import list_changed_hours
from bookwell.library.network.services import note_deadlines_moved

__all__ = ["expire_due", "move_deadlines", "remind_due", "resume_due"]


def expire_due(*, now: dt.datetime) -> int:
    """End the claims whose time is up and hand their copies on; how many there were."""
    return sum(_expire(reservation_id, now) for reservation_id in each_due(partial(list_run_out, now=now)))


def resume_due(*, now: dt.datetime) -> int:
    """Serve the queues beside which copies lie that somebody may have again; how many there were."""
    return sum(_resume(book_id, now) for book_id in each_due(partial(list_resumable_books, now=now)))


def remind_due(*, now: dt.datetime) -> int:
    """Remind of deadlines that come near, and of loans that are overdue; how many readers were."""
    return sum(_remind(reservation_id, now) for reservation_id in each_due(partial(list_due_reminders, now=now)))


def move_deadlines(*, now: dt.datetime) -> int:
    """Move deadlines that a change of a branch's hours left on closed days; how many there were."""
    return sum(_move_deadlines_of(branch_id, version, now) for branch_id, version in list_changed_hours())


def _move_deadlines_of(branch_id: int, hours_version: int, now: dt.datetime) -> int:
    """One branch's; what one run has no time for, or cannot move, the next one looks at again."""
    find = partial(list_on_closed_days, branch_id=branch_id, now=now)
    number = sum(_move(reservation_id, now) for reservation_id in each_due(find))
    if not find(limit=1):
        run_in_transaction(lambda: note_deadlines_moved(branch_id=branch_id, hours_version=hours_version))
    return number


def _move(reservation_id: int, now: dt.datetime) -> bool:
    return _try(
        lambda: services.move_deadline(reservation_id=reservation_id, actor=SYSTEM, now=now),
        "reservation.deadline_not_moved",
        reservation_id=reservation_id,
    )


def _expire(reservation_id: int, now: dt.datetime) -> bool:
    return _try(
        lambda: services.expire_reservation(reservation_id=reservation_id, actor=SYSTEM, now=now),
        "reservation.not_expired",
        reservation_id=reservation_id,
    )


def _resume(book_id: int, now: dt.datetime) -> bool:
    def work() -> bool:
        services.resume_queue(book_id=book_id, now=now)
        return True

    return _try(work, "queue.not_resumed", book_id=book_id)


def _remind(reservation_id: int, now: dt.datetime) -> bool:
    return _try(
        lambda: services.remind_reservation(reservation_id=reservation_id, actor=SYSTEM, now=now),
        "reservation.not_reminded",
        reservation_id=reservation_id,
    )


def _try(work: Callable[[], bool], failure: str, **what: int) -> bool:
    return tried(lambda: run_in_transaction(work), failure, **what)
