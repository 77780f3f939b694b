"""What workers do at partner libraries for us: placing and cancelling holds, looking at them, asking what they have.

A conversation with a partner lies between two short transactions, never inside one. Everything may run twice, and be
killed anywhere: the partner knows our reference, and a step decides again by the rows.
"""

import datetime as dt
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType

import structlog

from bookwell.contracts.messages import Envelope
from bookwell.kit import clock
from bookwell.kit.adapters.django.transactions import run_in_transaction
from bookwell.kit.messaging import Poison
from bookwell.library.circulation import services
from bookwell.library.circulation.errors import ReservationNotFound
from bookwell.library.circulation.models import PartnerHold
from bookwell.library.circulation.queries.partners import find_hold_to_cancel, list_due_polls, list_unchecked_books
from bookwell.library.partners import client
from bookwell.library.partners.errors import HoldRefused, PartnersSilent
from bookwell.library.partners.services import remember_answers, remember_partners

__all__ = ["poll_due", "refresh_due", "run_errands"]

_SECONDS_OF_A_RUN = 20
_AT_ONCE = 200
_POLL_AGAIN = dt.timedelta(minutes=1)
_ASK_AGAIN = dt.timedelta(minutes=15)

_log = structlog.get_logger()


def run_errands(envelopes: Sequence[Envelope]) -> None:
    """The handler of the queue `library`; a partner that does not answer postpones the message, however often.

    Raises:
        Poison: for a message that makes no sense.
        PartnersSilent
    """
    for envelope in envelopes:
        reservation_id, errand = envelope.payload.get("reservation_id"), _ERRANDS.get(envelope.type)
        if errand is None or not isinstance(reservation_id, int):
            raise Poison(f"no errand: {envelope.type}")
        try:
            errand(reservation_id)
        except ReservationNotFound:
            raise Poison("there is no such reservation") from None


def _place(reservation_id: int) -> None:
    asked = run_in_transaction(lambda: services.begin_hold(reservation_id=reservation_id, now=clock.now()))
    if asked is None:
        return
    told = client.place_hold(*asked)
    run_in_transaction(lambda: services.record_hold(reservation_id=reservation_id, told=told, now=clock.now()))
    _log.info("partner.hold_placed", reservation_id=reservation_id, state=told.state)


def _cancel(reservation_id: int) -> None:
    found, reason = find_hold_to_cancel(reservation_id), ""
    if found is None:
        return
    try:
        client.cancel_hold(*found)
    except HoldRefused as refusal:
        reason = refusal.detail
    run_in_transaction(lambda: services.record_cancelled(reservation_id=reservation_id, reason=reason, now=clock.now()))
    _log.info("partner.hold_cancelled", reservation_id=reservation_id, is_refused=bool(reason))


_ERRANDS: Mapping[str, Callable[[int], None]] = MappingProxyType(
    {"partner.place_hold": _place, "partner.cancel_hold": _cancel}
)


def poll_due(*, now: dt.datetime) -> int:
    """Look at the holds whose time has come; how many were. A partner that fails is left alone until the next run."""
    until, silent, number = time.monotonic() + _SECONDS_OF_A_RUN, set[str](), 0
    for reservation_id, partner, ref, due_at in list_due_polls(now=now, limit=_AT_ONCE):
        if time.monotonic() > until:
            break
        if partner in silent or not _claim(reservation_id, due_at, now):
            continue
        try:
            told = client.find_hold(partner, ref)
        except (PartnersSilent, HoldRefused):
            silent.add(partner)
            continue
        run_in_transaction(partial(services.record_hold, reservation_id=reservation_id, told=told, now=clock.now()))
        number += 1
    return number


def _claim(reservation_id: int, due_at: dt.datetime | None, now: dt.datetime) -> bool:
    """Take one hold to look at; a run beside this one has not."""
    mine = PartnerHold.objects.filter(pk=reservation_id, poll_at=due_at)
    return bool(run_in_transaction(lambda: mine.update(poll_at=now + _POLL_AGAIN)))


def refresh_due(*, now: dt.datetime) -> int:
    """Learn which partners there are, and what they have of the books that readers wait for; how many books."""
    until, number = time.monotonic() + _SECONDS_OF_A_RUN, 0
    try:
        listed = {partner.name: partner.takes_holds for partner in client.fetch_partners()}
        run_in_transaction(lambda: remember_partners(takes_holds=listed))
        for book_id, isbn in list_unchecked_books(since=now - _ASK_AGAIN, limit=_AT_ONCE) if listed else ():
            answers = client.fetch_availability(isbn)
            run_in_transaction(partial(remember_answers, book_id=book_id, answers=answers, now=now))
            number += 1
            if time.monotonic() > until:
                break
    except PartnersSilent:
        pass  # told by the client; the next run tries again
    return number
