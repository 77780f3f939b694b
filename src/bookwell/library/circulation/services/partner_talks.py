"""The ends of a conversation with a partner about a hold: who may begin one, and what an end without a word means.

One worker at a time talks with a partner about a hold, so that a repeated errand cannot meet the first: it claims the
hold until an instant by which every call is over, and whoever finds that instant passed takes the claim over.
"""

import datetime as dt

from bookwell.contracts.partners import HoldRequest
from bookwell.library.audit.services import Change
from bookwell.library.circulation.journal import Journal
from bookwell.library.circulation.locks import claim_hold, claim_poll, lock_book_of_reservation, release_hold
from bookwell.library.circulation.models import PartnerHold, Reservation
from bookwell.library.circulation.partner_rules import GONE_AFTER, PARTNER_GONE, end_without_partner
from bookwell.library.circulation.queries.partners import (
    find_hold_to_cancel,
    has_earlier_wish,
    has_unsettled_hold,
    list_other_refs,
)
from bookwell.library.circulation.rules import OPEN_STATES, SYSTEM, State

__all__ = [
    "HoldUnsettled",
    "begin_cancel",
    "begin_hold",
    "begin_look",
    "end_asking",
    "note_missing_partner",
    "record_cancelled",
]


class HoldUnsettled(Exception):
    """Somebody talks with the partner about this hold or about another one for the same book: its turn comes later."""


def begin_hold(*, reservation_id: int, until: dt.datetime, now: dt.datetime) -> tuple[str, HoldRequest] | None:
    """The partner to ask for a hold and the request; None when there is nothing to ask any more.

    A reservation that ended after the partner was first asked is asked for once more: only so we learn of the hold
    that there may be, to take it back.

    Of one book, a partner is asked for one hold at a time, and for none while one is to be taken back: a protocol
    that cannot carry our reference would give both reservations the same hold. Whoever wanted it first is asked for
    first, though errands that were postponed come back out of order: there may be one copy, or one hold, for all of us.

    Raises:
        ReservationNotFound, HoldUnsettled
    """
    _, reservation = lock_book_of_reservation(reservation_id)
    hold = PartnerHold.objects.get(pk=reservation_id)
    is_wanted = reservation.state == State.REQUESTED
    if hold.answered_at is not None or not (is_wanted or hold.asked_at):
        return None
    if not claim_hold(reservation_id, now=now, until=until):
        raise HoldUnsettled
    if has_unsettled_hold(reservation):  # also when it is asked again: another may have been cancelled meanwhile
        raise HoldUnsettled
    if hold.asked_at is None:
        if has_earlier_wish(reservation):
            raise HoldUnsettled
        hold.asked_at = now
        hold.save(update_fields=["asked_at"])
    others = list_other_refs(reservation)
    request = HoldRequest(reference=f"reservation:{reservation_id}", isbn=hold.isbn, other_refs=tuple(others))
    return reservation.partner, request


def begin_cancel(*, reservation_id: int, until: dt.datetime, now: dt.datetime) -> tuple[str, str] | None:
    """The partner and its ref of a hold to take back; None when there is none any more.

    Raises:
        ReservationNotFound, HoldUnsettled
    """
    lock_book_of_reservation(reservation_id)
    found = find_hold_to_cancel(reservation_id)
    if found is not None and not claim_hold(reservation_id, now=now, until=until):
        raise HoldUnsettled
    return found


def begin_look(
    *, reservation_id: int, due_at: dt.datetime | None, again_at: dt.datetime, until: dt.datetime, now: dt.datetime
) -> bool:
    """Whether this run may look at a hold that was due since `due_at`; one beside it may not."""
    return claim_poll(reservation_id, due_at=due_at, again_at=again_at, now=now, until=until)


def end_asking(*, reservation_id: int, asked_until: dt.datetime) -> None:
    """End a conversation that brought nothing, and is over at the other end too: the next may begin at once."""
    release_hold(reservation_id, until=asked_until)


def record_cancelled(*, reservation_id: int, reason: str, asked_until: dt.datetime, now: dt.datetime) -> None:
    """Note that a hold was taken back at its partner, or with a reason why the partner keeps it.

    Raises:
        ReservationNotFound
    """
    _, reservation = lock_book_of_reservation(reservation_id)
    journal = Journal(actor=SYSTEM, now=now)
    _end_hold(reservation, journal, reason=reason)
    release_hold(reservation_id, until=asked_until)
    journal.write_in_tx()


def note_missing_partner(*, reservation_id: int, asked_until: dt.datetime, now: dt.datetime) -> None:
    """Note that the partner is none of ours any more; after a day of that, end what waits for its word.

    Raises:
        ReservationNotFound
    """
    _, reservation = lock_book_of_reservation(reservation_id)
    hold = PartnerHold.objects.get(pk=reservation_id)
    since = hold.missing_since or now
    PartnerHold.objects.filter(pk=reservation_id).update(missing_since=since)
    release_hold(reservation_id, until=asked_until)
    journal, state = Journal(actor=SYSTEM, now=now), State(reservation.state)
    end = end_without_partner(state, missing_since=since, pickup_deadline_at=reservation.pickup_deadline_at, now=now)
    if end is not None:
        journal.move(reservation, end, reason=PARTNER_GONE)
    if end is not None or (state not in OPEN_STATES and now >= since + GONE_AFTER):
        PartnerHold.objects.filter(pk=reservation_id, answered_at=None).update(answered_at=now, cancelled_at=now)
        if hold.ref:
            _end_hold(reservation, journal, reason=PARTNER_GONE)
    journal.write_in_tx()


def _end_hold(reservation: Reservation, journal: Journal, *, reason: str) -> None:
    ended = PartnerHold.objects.filter(pk=reservation.pk)
    ended.update(cancelled_at=journal.now, poll_at=None, missing_since=None)
    action = "reservation.hold_kept" if reason else "reservation.hold_cancelled"
    journal.note(Change(action, "reservation", reservation.pk, {"partner": reservation.partner, "reason": reason}))
