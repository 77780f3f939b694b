"""A reservation as everyone outside of circulation sees it."""

import datetime as dt
from dataclasses import dataclass

from bookwell.library.circulation.rules import State

__all__ = ["DeskItem", "ReservationView"]


@dataclass(slots=True)
class ReservationView:
    """The API's shape of a reservation. `position` and the estimate are there while it waits; instants in UTC.

    Not frozen: placing fills one in, and a frozen one takes three times as long to make.
    """

    id: int
    book_id: int
    reader_id: int
    state: State
    library: str
    created_at: dt.datetime
    position: int | None = None
    estimated_ready_on: dt.date | None = None
    copy: str | None = None
    ready_at: dt.datetime | None = None
    pickup_deadline_at: dt.datetime | None = None
    borrowed_at: dt.datetime | None = None
    due_at: dt.datetime | None = None
    reserved_until: dt.datetime | None = None
    renewals: int = 0
    partner: str | None = None
    reason: str | None = None
    version: int = 1


@dataclass(slots=True)
class DeskItem(ReservationView):
    """A reservation on one of the desk's lists: what to fetch from where, for whom."""

    title: str = ""
    location: str = ""
    reader: str = ""
    card: str = ""
