"""What workers do at partner libraries for us: placing and cancelling holds, looking at them, asking what they have.

A conversation with a partner lies between two short transactions, never inside one: the first claims the hold, so that
nobody else talks about it meanwhile, the second records what was said. Everything may run twice, and be killed
anywhere: a claim ends by itself, the partner knows our reference, and a step decides again by the rows.
"""

import datetime as dt
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from types import MappingProxyType

import structlog
from django.conf import settings

from bookwell.contracts.messages import Envelope
from bookwell.contracts.partners import HoldState
from bookwell.kit import clock
from bookwell.kit.adapters.django.transactions import run_in_transaction
from bookwell.kit.messaging import NotNow, Poison
from bookwell.library.circulation import services
from bookwell.library.circulation.errors import ReservationNotFound
from bookwell.library.circulation.queries.partners import list_due_polls, list_unchecked_books
from bookwell.library.partners import client
from bookwell.library.partners.errors import HoldRefused, PartnerMissing, PartnersLate, PartnersSilent
from bookwell.library.partners.services import remember_answers, remember_partners

__all__ = ["poll_due", "refresh_due", "run_errands"]

_SECONDS_OF_A_RUN = 20
_AT_ONCE = 200
_MOST_SILENCES = 3
"""So many books without an answer are the service's fault; fewer may be a book's, which must not stop the others."""
_POLL_AGAIN = dt.timedelta(minutes=1)
_MARGIN = dt.timedelta(seconds=15)
"""How much longer than the partners service a worker has the right to talk: for its own pauses, and stopped clocks."""
_ASK_AGAIN = dt.timedelta(minutes=15)

_log = structlog.get_logger()


def run_errands(envelopes: Sequence[Envelope]) -> None:
    """The handler of the queue `library`; a partner that does not answer postpones the message, however often.

    Raises:
        Poison: for a message that makes no sense.
        NotNow: when somebody else talks with the partner about it, or nobody answers.
    """
    for envelope in envelopes:
        reservation_id, errand = envelope.payload.get("reservation_id"), _ERRANDS.get(envelope.type)
        if errand is None or not isinstance(reservation_id, int):
            raise Poison(f"no errand: {envelope.type}")
        try:
            errand(reservation_id)
        except ReservationNotFound:
            raise Poison("there is no such reservation") from None
        except services.HoldUnsettled:
            raise NotNow("hold_unsettled") from None
        except PartnersSilent as silence:
            raise NotNow(silence.code) from None


def _place(reservation_id: int) -> None:
    now, until = _claim()
    asked = run_in_transaction(lambda: services.begin_hold(reservation_id=reservation_id, until=until, now=now))
    if asked is None:
        return
    with _conversation(reservation_id, until):
        told = client.place_hold(*asked)
    _record(reservation_id, told, until)
    _log.info("partner.hold_placed", reservation_id=reservation_id, state=told.state)


def _cancel(reservation_id: int) -> None:
    now, until = _claim()
    found = run_in_transaction(lambda: services.begin_cancel(reservation_id=reservation_id, until=until, now=now))
    if found is None:
        return
    reason = ""
    with _conversation(reservation_id, until):
        try:
            client.cancel_hold(*found)
        except HoldRefused as refusal:
            reason = refusal.detail or refusal.code
    run_in_transaction(
        lambda: services.record_cancelled(
            reservation_id=reservation_id, reason=reason, asked_until=until, now=clock.now()
        )
    )
    _log.info("partner.hold_cancelled", reservation_id=reservation_id, is_refused=bool(reason))


_ERRANDS: Mapping[str, Callable[[int], None]] = MappingProxyType(
    {"partner.place_hold": _place, "partner.cancel_hold": _cancel}
)


def poll_due(*, now: dt.datetime) -> int:
    """Look at the holds whose time has come; how many were. A partner that fails is left alone until the next run."""
    end, silent, number = time.monotonic() + _SECONDS_OF_A_RUN, set[str](), 0
    for reservation_id, partner, ref, due_at in list_due_polls(now=now, limit=_AT_ONCE):
        if time.monotonic() > end:
            break
        if partner in silent:
            continue
        try:
            number += _look(reservation_id, partner, ref, due_at, now)
        except (PartnersSilent, HoldRefused):
            silent.add(partner)
    return number


def _look(reservation_id: int, partner: str, ref: str, due_at: dt.datetime | None, now: dt.datetime) -> bool:
    """Ask how one hold stands, unless a run beside this one does.

    Raises:
        PartnersSilent, HoldRefused
    """
    begun, until = _claim()
    begin = partial(services.begin_look, due_at=due_at, again_at=now + _POLL_AGAIN, until=until, now=begun)
    if not run_in_transaction(lambda: begin(reservation_id=reservation_id)):
        return False
    with _conversation(reservation_id, until):
        told = client.find_hold(partner, ref)
    _record(reservation_id, told, until)
    return True


def _claim() -> tuple[dt.datetime, dt.datetime]:
    """Now, and the instant until which a conversation that begins now may last."""
    now = clock.now()
    return now, now + dt.timedelta(seconds=settings.PARTNERS_HOLD_SECONDS) + _MARGIN


@contextmanager
def _conversation(reservation_id: int, until: dt.datetime) -> Iterator[None]:
    """A call between two transactions. One that fails ends the claim, unless it may go on at the other end.

    Raises:
        PartnersSilent, HoldRefused: as the call.
    """
    try:
        yield
    except PartnersLate:
        raise
    except PartnerMissing:
        note = partial(services.note_missing_partner, reservation_id=reservation_id, asked_until=until)
        run_in_transaction(lambda: note(now=clock.now()))
        raise
    except (PartnersSilent, HoldRefused):
        run_in_transaction(lambda: services.end_asking(reservation_id=reservation_id, asked_until=until))
        raise


def _record(reservation_id: int, told: HoldState, until: dt.datetime) -> None:
    record = partial(services.record_hold, reservation_id=reservation_id, told=told, asked_until=until)
    run_in_transaction(lambda: record(now=clock.now()))


def refresh_due(*, now: dt.datetime) -> int:
    """Learn which partners there are, and what they have of the books that readers wait for; how many books."""
    try:
        listed = {partner.name: partner.takes_holds for partner in client.fetch_partners()}
    except PartnersSilent:
        return 0  # told by the client; the next run tries again
    run_in_transaction(lambda: remember_partners(takes_holds=listed))
    end, number, silences = time.monotonic() + _SECONDS_OF_A_RUN, 0, 0
    for book_id, isbn in list_unchecked_books(since=now - _ASK_AGAIN, limit=_AT_ONCE) if listed else ():
        try:
            answers = client.fetch_availability(isbn)
        except PartnersSilent:
            silences += 1
        else:
            run_in_transaction(partial(remember_answers, book_id=book_id, answers=answers, now=now))
            number += 1
        if silences == _MOST_SILENCES or time.monotonic() > end:
            break
    return number
