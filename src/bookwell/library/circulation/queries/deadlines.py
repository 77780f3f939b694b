"""What time has made due. No lock is held: each is decided again when its book is locked."""

import datetime as dt

from bookwell.library.circulation.models import Holding, Reservation
from bookwell.library.circulation.queries.branches import get_branch_at
from bookwell.library.circulation.queries.queue import eligible
from bookwell.library.circulation.rules import State
from bookwell.library.network.errors import BranchNeverOpen
from bookwell.library.network.rules import BranchCalendar, moved_off_closed_day

__all__ = ["count_overdue", "list_due_reminders", "list_on_closed_days", "list_resumable_books", "list_run_out"]

_BOOKS_AT_ONCE = 1000
_LONG_OVER = dt.timedelta(days=30)
"""A deadline that passed longer ago than this stays where it was, whatever is closed afterwards."""


def list_run_out(*, now: dt.datetime, limit: int) -> list[int]:
    """Reservations whose time is up, at most `limit` of the ready ones and as many of those that queue."""
    ready = Reservation.objects.filter(state=State.READY, pickup_deadline_at__lte=now, partner="").order_by(
        "pickup_deadline_at"
    )
    queued = Reservation.objects.filter(
        open_marker=1, reserved_until__lte=now, state__in=(State.WAITING, State.REQUESTED, State.ACCEPTED)
    ).order_by("reserved_until")
    return [*ready.values_list("pk", flat=True)[:limit], *queued.values_list("pk", flat=True)[:limit]]


def list_resumable_books(*, now: dt.datetime, limit: int) -> list[int]:
    """Books with a free copy beside a reader who may be served: a suspension ended, or an account is active again.

    By the books' counters first: few have a free copy and a queue, and no database sees by itself that it need not
    look at everybody who waits.
    """
    beside = Holding.objects.filter(copies_available__gt=0, queue_length__gt=0).order_by("book_id")
    found, last, is_over = list[int](), 0, False
    while len(found) < limit and not is_over:
        books = list(beside.filter(book_id__gt=last).values_list("book_id", flat=True)[:_BOOKS_AT_ONCE])
        served = eligible(now).filter(book_id__in=books).order_by("book_id")
        found += served.values_list("book_id", flat=True).distinct()[: limit - len(found)]
        last, is_over = max(books, default=last), len(books) < _BOOKS_AT_ONCE
    return found


def list_on_closed_days(*, branch_id: int, now: dt.datetime, limit: int) -> list[int]:
    """Ready and lent copies of a branch, at most `limit` of each, whose deadline falls on a closed day and can move."""
    calendar = get_branch_at(branch_id, now=now - _LONG_OVER).calendar

    def found(state: State, column: str) -> list[int]:
        rows = Reservation.objects.filter(
            **{f"{column}__gt": now - _LONG_OVER}, pickup_branch_id=branch_id, state=state, partner=""
        )
        deadlines = rows.order_by(column).values_list(column, flat=True).distinct()
        closed = [deadline for deadline in deadlines if _can_move(calendar, deadline, now)]
        chosen = rows.filter(**{f"{column}__in": closed[:limit]}).order_by(column, "pk")
        return list(chosen.values_list("pk", flat=True)[:limit])

    return [*found(State.READY, "pickup_deadline_at"), *found(State.BORROWED, "due_at")]


def count_overdue(*, reader_id: int, now: dt.datetime) -> int:
    """A reader's overdue loans, but for those whose due date is about to move: the branch has been closed since."""
    loans = Reservation.objects.filter(reader_id=reader_id, open_marker=1, state=State.BORROWED, due_at__lt=now)
    return sum(
        bool(loan.partner)
        or not _can_move(get_branch_at(loan.pickup_branch_id, now=loan.due_at).calendar, loan.due_at, now)
        for loan in loans
        if loan.due_at is not None
    )


def _can_move(calendar: BranchCalendar, deadline: dt.datetime, now: dt.datetime) -> bool:
    try:
        moved = moved_off_closed_day(calendar, deadline)
    except BranchNeverOpen:
        return False
    return moved != deadline and moved > now


def list_due_reminders(*, now: dt.datetime, limit: int) -> list[int]:
    """Reservations that want a reminder, those that have waited longest for it first."""
    due = Reservation.objects.filter(next_reminder_at__lte=now).order_by("next_reminder_at")
    return list(due.values_list("pk", flat=True)[:limit])
