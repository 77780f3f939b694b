"""What time has made due."""

import datetime as dt
from dataclasses import dataclass

from bookwell.library.circulation.models import Reservation
from bookwell.library.circulation.queries.queue import eligible
from bookwell.library.circulation.rules import State

__all__ = ["DueWork", "find_due_work"]


@dataclass(frozen=True, slots=True)
class DueWork:
    """Reservations whose time is up, and books whose free copies someone may claim again."""

    reservation_ids: list[int]
    book_ids: list[int]


def find_due_work(*, now: dt.datetime, limit: int = 500) -> DueWork:
    """At most `limit` of each; no lock is held, so each is decided again when its book is locked.

    A free copy beside a reader who may be served means that a suspension ended or an account is active again.
    """
    ready = Reservation.objects.filter(state=State.READY, pickup_deadline_at__lte=now)
    queued = Reservation.objects.filter(
        open_marker=1, reserved_until__lte=now, state__in=(State.WAITING, State.REQUESTED, State.ACCEPTED)
    )
    resumed = eligible(now).filter(book__holding__copies_available__gt=0)
    ids = [*ready.values_list("pk", flat=True)[:limit], *queued.values_list("pk", flat=True)[:limit]]
    return DueWork(ids, sorted(set(resumed.values_list("book_id", flat=True)[:limit])))
