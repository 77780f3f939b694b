"""What time has made due. No lock is held: each is decided again when its book is locked."""

import datetime as dt

from bookwell.library.circulation.models import Reservation
from bookwell.library.circulation.queries.queue import eligible
from bookwell.library.circulation.rules import State

__all__ = ["list_due_reminders", "list_resumable_books", "list_run_out"]


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
    """Books with a free copy beside a reader who may be served: a suspension ended, or an account is active again."""
    resumed = eligible(now).filter(book__holding__copies_available__gt=0)
    return list(resumed.order_by("book_id").values_list("book_id", flat=True).distinct()[:limit])


def list_due_reminders(*, now: dt.datetime, limit: int) -> list[int]:
    """Reservations that want a reminder, those that have waited longest for it first."""
    due = Reservation.objects.filter(next_reminder_at__lte=now).order_by("next_reminder_at")
    return list(due.values_list("pk", flat=True)[:limit])
