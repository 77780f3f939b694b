"""Why a reservation stands where it stands: facts that a reader may know, none about other readers."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

from bookwell.kit.errors import DomainError
from bookwell.library.audit.queries import AuditRecord, list_entries_of
from bookwell.library.circulation.models import Block, Holding, Reservation
from bookwell.library.circulation.partner_rules import PARTNER_GONE
from bookwell.library.circulation.queries.policies import get_terms_of
from bookwell.library.circulation.queries.readers import get_reader_facts
from bookwell.library.circulation.queries.reservations import check_visible, get_view
from bookwell.library.circulation.rules import OPEN_STATES, Actor, State, check_may_renew

__all__ = ["explain"]

Fact = dict[str, Any]

_CAUSES = {
    "returned": "A copy was returned and you were the first in the queue who could have it.",
    "cancelled": "Another reader gave a claim up and you were the first in the queue who could have its copy.",
    "expired": "Another reader did not pick a copy up in time and you were the first in the queue who could have it.",
    "copy_added": "The library got a new copy and you were the first in the queue who could have it.",
    "copy_repaired": "A copy came back into service and you were the first in the queue who could have it.",
    "found": "A copy turned up at the desk and you were the first in the queue who could have it.",
    "block_lifted": "A block was lifted and a copy was free.",
    "suspension_ended": "A suspension ended and a copy was free.",
    "self_returned": "A copy was returned and you were the first in the queue who could have it.",
    "wanted_again": "You wanted the book for longer and a copy was free.",
    "copy_swapped": "Another reader took a different copy and you were the first in the queue who could have this one.",
    "copy_taken_away": "Another copy was free for you.",
}

_AT_PARTNER = {
    State.REQUESTED: "We have asked {partner} for it, or will as soon as it can be reached; it has not answered yet.",
    State.ACCEPTED: "{partner} has accepted it and has not set it aside yet.",
    State.READY: "It lies ready at {partner}, by whose rules it is kept.",
    State.BORROWED: "It is lent by {partner}, where it is renewed and returned.",
}


def explain(*, reservation_id: int, actor: Actor, now: dt.datetime) -> list[Fact]:
    """The facts behind position, dates, estimate and refusals, each `{code, detail, …}`.

    Raises:
        ReservationNotFound: also when it is another reader's and the actor is no librarian.
    """
    check_visible(reservation_id=reservation_id, actor=actor)
    reservation = Reservation.objects.select_related("reader", "pickup_branch", "copy").get(pk=reservation_id)
    facts = [_fact("state", f"The reservation is {reservation.state}.", state=reservation.state)]
    facts += _history(reservation)
    match State(reservation.state):
        case state if reservation.partner and state in OPEN_STATES:
            facts.append(_at_partner(reservation, state))
        case State.WAITING:
            facts += _waiting(reservation, actor, now)
        case State.ASSIGNED | State.IN_TRANSIT | State.READY:
            facts += _set_aside(reservation)
        case State.BORROWED:
            facts += _lent(reservation, now)
        case _:
            facts.append(_ended(reservation))
    return facts


def _fact(code: str, detail: str, **more: Any) -> Fact:
    return {"code": code, "detail": detail} | {name: value for name, value in more.items() if value is not None}


def _history(reservation: Reservation) -> Iterator[Fact]:
    for entry in list_entries_of(object_type="reservation", object_id=reservation.pk):
        yield from _recorded(entry, reservation.partner)


def _recorded(entry: AuditRecord, partner: str) -> Iterator[Fact]:
    """What an entry of the audit trail says about a position or a date, if anything."""
    data, at = entry.data, entry.at
    match entry.action.removeprefix("reservation."):
        case "placed" if data.get("copy"):
            yield _fact("placed.copy_was_free", "A copy was free when you placed it.", at=at)
        case "placed":
            detail = "No copy was free when you placed it, so you joined the queue at its end."
            yield _fact("placed.no_copy_was_free", detail, at=at, position=data.get("position"))
        case "assigned":
            yield _promotion(data, at)
        case "waiting":
            yield _fact("queue.copy_withdrawn", "Its copy left service; you kept your place in the queue.", at=at)
        case "pickup_moved" | "due_moved":
            why = (
                f"{partner} has named another day."
                if partner
                else "The branch is closed on the day that it was before."
            )
            yield _fact("deadline.moved", why, at=at, deadline_at=_instant(data, "pickup_deadline_at", "due_at"))
        case "renewed":
            yield _fact("loan.renewed", "The loan was renewed.", at=at, deadline_at=_instant(data, "due_at"))


def _instant(data: dict[str, Any], *names: str) -> dt.datetime | None:
    """What an entry has kept under one of some names."""
    kept = next((data[name] for name in names if data.get(name)), None)
    return dt.datetime.fromisoformat(kept) if kept else None


def _at_partner(reservation: Reservation, state: State) -> Fact:
    detail, deadline = _AT_PARTNER[state], reservation.pickup_deadline_at or reservation.due_at
    return _fact(f"partner.{state}", detail.format(partner=reservation.partner), deadline_at=deadline)


def _ended(reservation: Reservation) -> Fact:
    if reservation.reason == PARTNER_GONE:
        return _fact("partner.gone", f"{reservation.partner} is a partner of ours no more.", at=reservation.closed_at)
    return _fact("ended", f"It ended: {reservation.reason or reservation.state}.", at=reservation.closed_at)


def _promotion(data: dict[str, Any], at: dt.datetime) -> Fact:
    cause = str(data.get("because", ""))
    detail = _CAUSES.get(cause, "A copy became free and you were the first in the queue who could have it.")
    if passed_over := data.get("passed_over"):
        detail += f" Readers before you who were suspended or blocked, and kept their places: {passed_over}."
    return _fact("queue.promoted", detail, cause=cause, at=at, passed_over=passed_over)


def _waiting(reservation: Reservation, actor: Actor, now: dt.datetime) -> Iterator[Fact]:
    view = get_view(reservation_id=reservation.pk, actor=actor, now=now)
    holding = Holding.objects.get(pk=reservation.book_id)
    ahead = (view.position or 1) - 1
    yield _fact(
        "queue.position",
        f"{ahead} readers are before you; the queue is in the order of placing.",
        position=view.position,
        queue_length=holding.queue_length,
    )
    if view.estimated_ready_on is None:
        yield _fact("estimate.no_copy", "There is no copy that could come back, so there is no estimate.")
    else:
        yield _fact(
            "estimate.basis",
            "Copies come back on their due dates, and each reader before you keeps one for a loan's length.",
            estimated_ready_on=view.estimated_ready_on,
            copies_total=holding.copies_total,
        )
    if reservation.suspended_until and reservation.suspended_until > now:
        yield _fact("queue.suspended", "You are passed over until then.", suspended_until=reservation.suspended_until)
    if Block.objects.filter(reader_id=reservation.reader_id).exists():
        yield _fact("reader.blocked", "You are passed over while your account is blocked.")


def _set_aside(reservation: Reservation) -> Iterator[Fact]:
    pickup = reservation.pickup_branch.name
    if reservation.state == State.ASSIGNED:
        yield _fact("assigned.being_fetched", f"The copy is yours; staff bring it to the hold shelf of {pickup}.")
    if reservation.state == State.IN_TRANSIT:
        yield _fact("assigned.in_transit", f"The copy is on its way to {pickup}.")
    if reservation.state == State.READY:
        terms = get_terms_of(reservation)
        yield _fact(
            "pickup.deadline",
            f"Copies are kept for {terms.pickup_days} opening days at {pickup}, by its policy of today; closed days do "
            "not count.",
            pickup_deadline_at=reservation.pickup_deadline_at,
            pickup_days=terms.pickup_days,
        )


def _lent(reservation: Reservation, now: dt.datetime) -> Iterator[Fact]:
    terms = get_terms_of(reservation)
    yield _fact(
        "loan.due",
        f"Loans last {terms.loan_days} days, by the policy of today, and end on an opening day; an earlier wish of "
        "yours shortens them.",
        due_at=reservation.due_at,
        loan_days=terms.loan_days,
        reserved_until=reservation.reserved_until,
    )
    holding = Holding.objects.get(pk=reservation.book_id)
    try:
        check_may_renew(
            facts=get_reader_facts(reader_id=reservation.reader_id, now=now),
            terms=terms,
            renewals=reservation.renewals,
            readers_waiting=holding.queue_length,
            copies_free=holding.copies_available,
        )
    except DomainError as refusal:
        yield _fact("renewal.refused", refusal.detail, reason_code=refusal.code)
    else:
        left = terms.max_renewals - reservation.renewals
        yield _fact("renewal.possible", f"You may renew it {left} more times.", renewals_left=left)
