"""The only way a reservation changes after it is placed: state, audit entry and message together."""

import datetime as dt
from dataclasses import replace
from typing import Any

from bookwell.kit.adapters.django.outbox_store import append_in_tx
from bookwell.kit.outbox import OutgoingMessage
from bookwell.library.accounts.models import User
from bookwell.library.accounts.unsubscribing import unsubscribe_url_of
from bookwell.library.audit.services import SYSTEM, Change, record_in_tx
from bookwell.library.circulation.events import Facts, Recipient, ReservationFact
from bookwell.library.circulation.models import Copy, Reservation
from bookwell.library.circulation.rules import COPY_STATES, OPEN_STATES, Actor, Reminder, State, check_transition

__all__ = ["Journal"]

_TOLD_OF_PARTNERS = frozenset({State.REQUESTED, State.ACCEPTED, State.REFUSED, State.READY})
"""What is worded in its own way when it happens at a partner library."""
_TAKEN_AWAY = frozenset((State.READY, state) for state in (State.WAITING, State.IN_TRANSIT, State.ACCEPTED))
_NOT_READY = "not_ready"
"""What a reader hears who was told of a copy: to wait again, or that it travels, is no news to others."""


class Journal:
    """What one use case changes; `write_in_tx` stores the audit entries and messages at its end, two statements."""

    def __init__(self, *, actor: Actor, now: dt.datetime) -> None:
        self.actor = actor
        self.now = now
        self._changes: list[Change] = []
        self._facts: list[ReservationFact] = []
        self._errands: list[OutgoingMessage] = []

    def move(
        self,
        reservation: Reservation,
        new: State,
        *,
        because: str = "",
        passed_over: int = 0,
        remind_at: dt.datetime | None = None,
        **fields: Any,
    ) -> None:
        """Bring a reservation into another state, with further fields; `because` says which event caused it.

        What was to be reminded of in the old state is not any more; `remind_at` is the first reminder of the new one.

        Raises:
            WrongState: if `TRANSITIONS` does not allow it.
        """
        old = State(reservation.state)
        check_transition(old, new)
        reservation.state = new
        reservation.next_reminder_at = remind_at
        reservation.open_marker = 1 if new in OPEN_STATES else None
        if new not in OPEN_STATES:
            reservation.closed_at = self.now
        if new is not State.ASSIGNED:
            reservation.is_on_pull_list = False
        deadline = reservation.pickup_deadline_at
        details = self._store(reservation, fields)
        if because:
            details["because"] = because
        if passed_over:
            details["passed_over"] = passed_over
        ended_by = "" if new is not State.CANCELLED else self._side_of(reservation)
        facts = _facts_of(reservation, was_ready=old is State.READY, by=ended_by)
        told = ""
        if (old, new) in _TAKEN_AWAY:  # the day that stands in calendars
            told, facts["pickup_deadline_at"] = _NOT_READY, deadline
        self._tell(reservation, str(new), details, facts, told=told)

    def amend(self, reservation: Reservation, change: str, **fields: Any) -> None:
        """Change a reservation's fields within its state; `change` names what happened."""
        details = self._store(reservation, fields)
        self._tell(reservation, change, details, _facts_of(reservation))

    def remind(self, reservation: Reservation, reminder: Reminder, *, again_at: dt.datetime | None) -> None:
        """Tell the reader of a deadline, and when to do so again.

        To a reader who wants no reminders an optional one has no way to go; it is written like any other change.
        """
        reservation.next_reminder_at = again_at
        details = self._store(reservation, {})
        recipient, is_mandatory = _recipient_of(reservation.reader), reminder is Reminder.OVERDUE
        if not (is_mandatory or reservation.reader.wants_reminders):
            recipient = replace(recipient, channels=[])
        self._changes.append(Change(f"reservation.{reminder}", "reservation", reservation.pk, details))
        self._facts.append(
            ReservationFact(
                str(reminder),
                reservation.version,
                recipient,
                _facts_of(reservation),
                unsubscribe_url=None if is_mandatory else unsubscribe_url_of(reservation.reader_id),
                told_again_at=again_at,
            )
        )

    def _store(self, reservation: Reservation, fields: dict[str, Any]) -> dict[str, Any]:
        """Save the fields, as the reservation's next version; what the audit trail keeps of them."""
        for name, value in fields.items():
            setattr(reservation, name, value)
        reservation.held_copy_id = reservation.copy_id if State(reservation.state) in COPY_STATES else None
        reservation.version += 1
        reservation.save()
        return {name: _plain(value) for name, value in fields.items()}

    def _tell(
        self, reservation: Reservation, change: str, details: dict[str, Any], facts: Facts, *, told: str = ""
    ) -> None:
        """Note a change for the audit trail and the reader; `told` is what the reader hears of it, if not the same."""
        by = SYSTEM if change == State.ASSIGNED else None
        self._changes.append(Change(f"reservation.{change}", "reservation", reservation.pk, details, actor_id=by))
        if reservation.partner and change in _TOLD_OF_PARTNERS and not told:
            told = f"partner_{change}"
        self._facts.append(
            ReservationFact(told or change, reservation.version, _recipient_of(reservation.reader), facts)
        )

    def send(self, errand: OutgoingMessage) -> None:
        """Have a worker do something elsewhere, once all this is committed."""
        self._errands.append(errand)

    def _side_of(self, reservation: Reservation) -> str:
        return "reader" if self.actor.user_id == reservation.reader_id else "library"

    def note(self, change: Change) -> None:
        """Record a change of something else (a copy, a policy) beside the reservations'."""
        self._changes.append(change)

    def move_copy(self, copy: Copy, branch_id: int, *, is_travelling: bool = False) -> None:
        """Note where a copy stands now, or where it travels to."""
        if (copy.location_id, copy.is_travelling) != (branch_id, is_travelling):
            copy.location_id, copy.is_travelling = branch_id, is_travelling
            self.save_copy(copy, "moved", location_id=branch_id, is_travelling=is_travelling)

    def save_copy(self, copy: Copy, change: str, **data: Any) -> None:
        """Store a changed copy, with its audit entry."""
        copy.version += 1
        copy.save()
        self.note(Change(f"copy.{change}", "copy", copy.pk, data))

    def write_in_tx(self) -> None:
        """Store everything noted so far."""
        record_in_tx(self._changes, actor_id=self.actor.user_id)
        append_in_tx([*(fact.message() for fact in self._facts), *self._errands])
        self._changes.clear()
        self._facts.clear()
        self._errands.clear()


def _plain(value: Any) -> Any:
    if isinstance(value, dt.date):
        return value.isoformat()
    return getattr(value, "pk", value)


def _recipient_of(reader: User) -> Recipient:
    return Recipient(reader.pk, reader.username, reader.email, reader.language, reader.channels)


def _facts_of(reservation: Reservation, *, was_ready: bool = False, by: str = "") -> Facts:
    return {
        "reservation_id": reservation.pk,
        "state": str(reservation.state),
        "title": reservation.book.title,
        "branch": reservation.partner or reservation.pickup_branch.name,
        "time_zone": reservation.pickup_branch.time_zone,
        "pickup_deadline_at": reservation.pickup_deadline_at,
        "due_at": reservation.due_at,
        "reserved_until": reservation.reserved_until,
        "was_ready": was_ready,
        "at_partner": bool(reservation.partner),
        "ended_by": by,
        "reason": reservation.reason.removeprefix(by).removeprefix(": "),  # the row keeps both in one
    }
