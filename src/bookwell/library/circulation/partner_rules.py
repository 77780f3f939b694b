"""What a partner library's word means for a reservation there, and what its silence does. Pure decisions."""

import datetime as dt
from zoneinfo import ZoneInfo

from bookwell.contracts.partners import HoldState, HoldStatus
from bookwell.library.circulation.rules import State
from bookwell.library.network.rules import last_second

__all__ = [
    "GONE_AFTER",
    "PARTNER_GONE",
    "UNLISTED_AFTER",
    "end_without_partner",
    "is_believed",
    "is_doubtful",
    "is_news",
    "steps_at_partner",
    "with_days_kept",
]

PARTNER_GONE = "partner_gone"
"""The reason of what ends because its partner is none any more."""

GONE_AFTER = dt.timedelta(days=1)
"""For so long a missing partner may be a mistake in the configuration."""

UNLISTED_AFTER = dt.timedelta(minutes=3)
"""For so long a hold that is not listed, or no longer as ready, may be on a list that came empty, or is an old one."""

_LITTLE = dt.timedelta(hours=1)

_AT_PARTNER: dict[State, dict[HoldStatus, tuple[State, ...]]] = {
    State.REQUESTED: {
        HoldStatus.ACCEPTED: (State.ACCEPTED,),
        HoldStatus.READY: (State.ACCEPTED, State.READY),
        HoldStatus.BORROWED: (State.ACCEPTED, State.BORROWED),
        HoldStatus.RETURNED: (State.ACCEPTED, State.BORROWED, State.RETURNED),
        HoldStatus.REFUSED: (State.REFUSED,),
        HoldStatus.CANCELLED: (State.REFUSED,),
    },
    State.ACCEPTED: {
        HoldStatus.READY: (State.READY,),
        HoldStatus.BORROWED: (State.BORROWED,),
        HoldStatus.RETURNED: (State.BORROWED, State.RETURNED),
        HoldStatus.REFUSED: (State.REFUSED,),
        HoldStatus.CANCELLED: (State.CANCELLED,),
        HoldStatus.UNKNOWN: (State.CANCELLED,),
    },
    State.READY: {
        # The copy was not on the hold shelf after all: the hold waits for another one, or for this one.
        HoldStatus.ACCEPTED: (State.ACCEPTED,),
        HoldStatus.BORROWED: (State.BORROWED,),
        HoldStatus.RETURNED: (State.BORROWED, State.RETURNED),
        HoldStatus.REFUSED: (State.CANCELLED,),
        HoldStatus.CANCELLED: (State.CANCELLED,),
        # Koha's holds leave its list when the book is fetched.
        HoldStatus.UNKNOWN: (State.BORROWED, State.RETURNED),
    },
    State.BORROWED: {
        HoldStatus.RETURNED: (State.RETURNED,),
        # What is left of a request whose book was lent: the loan itself is over.
        HoldStatus.REFUSED: (State.RETURNED,),
        HoldStatus.CANCELLED: (State.RETURNED,),
        HoldStatus.UNKNOWN: (State.RETURNED,),
    },
}


def steps_at_partner(state: State, told: HoldStatus, *, is_past_pickup: bool) -> tuple[State, ...]:
    """The states that a reservation goes through for what its partner tells; none when that is no news.

    What is gone from a partner's hold shelf after the last day for pickup has expired, before it was fetched.
    """
    steps = _AT_PARTNER.get(state, {}).get(told, ())
    is_gone = told in (HoldStatus.UNKNOWN, HoldStatus.CANCELLED, HoldStatus.REFUSED)
    return (State.EXPIRED,) if state is State.READY and is_past_pickup and is_gone else steps


def with_days_kept(told: HoldState, *, time_zone: str) -> HoldState:
    """What a partner tells, with a deadline that is a day as no later than the end of that day in this time zone.

    Deadlines are told in the zone of the reader's branch: a partner's midnight could be the day after there. One that
    comes before the branch's stays as it is, because what is gone from the partner's list after it was not fetched.
    """
    ends = {
        "pickup_deadline_at": (told.pickup_deadline_at, told.pickup_deadline_on),
        "due_at": (told.due_at, told.due_on),
    }
    kept = {name: min(at, last_second(day, time_zone)) for name, (at, day) in ends.items() if at and day}
    return told.model_copy(update=kept)


def is_doubtful(state: State, told: HoldStatus) -> bool:
    """Whether a partner's word may be a mistake: that it does not list a hold, or no longer as ready."""
    return told is HoldStatus.UNKNOWN or (state is State.READY and told is HoldStatus.ACCEPTED)


def is_believed(state: State, told: HoldStatus, *, unlisted_since: dt.datetime | None, now: dt.datetime) -> bool:
    """Whether a partner's word counts: one that may be a mistake only when it has said so for some minutes."""
    if not is_doubtful(state, told):
        return True
    return unlisted_since is not None and now >= unlisted_since + UNLISTED_AFTER


def is_news(at: dt.datetime, *, before: dt.datetime | None, time_zone: str) -> bool:
    """Whether a reader who knows a deadline hears of another one: of another day, or an hour or more away.

    What a partner reckons anew for each answer differs by moments every time, and would be told every minute.
    """
    if before is None or abs(at - before) >= _LITTLE:
        return True
    zone, second = ZoneInfo(time_zone), dt.timedelta(seconds=1)
    known, told = ((moment - second).astimezone(zone).date() for moment in (before, at))  # midnight ends a day
    return known != told


def end_without_partner(
    state: State, *, missing_since: dt.datetime, pickup_deadline_at: dt.datetime | None, now: dt.datetime
) -> State | None:
    """How a reservation ends whose partner has been missing since then, None while it goes on.

    What lies ready may still be fetched until its last day, if that is known. A loan goes on: the reader has the book.
    """
    if now < missing_since + GONE_AFTER:
        return None
    if state in (State.REQUESTED, State.ACCEPTED):
        return State.REFUSED
    if state is State.READY and (pickup_deadline_at is None or pickup_deadline_at <= now):
        return State.EXPIRED
    return None
