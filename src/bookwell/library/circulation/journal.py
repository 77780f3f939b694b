"""The only way a reservation changes after it is placed: state, audit entry and message together."""

import datetime as dt
from typing import Any

from bookwell.kit.adapters.django.outbox_store import append_in_tx
from bookwell.library.audit.services import SYSTEM, Change, record_in_tx
from bookwell.library.circulation.events import Recipient, ReservationFact
from bookwell.library.circulation.models import Copy, Reservation
from bookwell.library.circulation.rules import COPY_STATES, OPEN_STATES, Actor, State, check_transition

__all__ = ["Journal"]


class Journal:
    """What one use case changes; `write_in_tx` stores the audit entries and messages at its end, two statements."""

    def __init__(self, *, actor: Actor, now: dt.datetime) -> None:
        self.actor = actor
        self.now = now
        self._changes: list[Change] = []
        self._facts: list[ReservationFact] = []

    def move(
        self, reservation: Reservation, new: State, *, because: str = "", passed_over: int = 0, **fields: Any
    ) -> None:
        """Bring a reservation into another state, with further fields; `because` says which event caused it.

        Raises:
            WrongState: if `TRANSITIONS` does not allow it.
        """
        old = State(reservation.state)
        check_transition(old, new)
        reservation.state = new
        reservation.open_marker = 1 if new in OPEN_STATES else None
        if new not in OPEN_STATES:
            reservation.closed_at = self.now
        if new is not State.ASSIGNED:
            reservation.is_on_pull_list = False
        self.amend(reservation, str(new), because=because, passed_over=passed_over, **fields)

    def amend(
        self, reservation: Reservation, change: str, *, because: str = "", passed_over: int = 0, **fields: Any
    ) -> None:
        """Change a reservation's fields within its state; `change` names what happened."""
        for name, value in fields.items():
            setattr(reservation, name, value)
        reservation.held_copy_id = reservation.copy_id if State(reservation.state) in COPY_STATES else None
        reservation.version += 1
        reservation.save()
        details = {name: _plain(value) for name, value in fields.items()}
        if because:
            details["because"] = because
        if passed_over:
            details["passed_over"] = passed_over
        by = SYSTEM if change == State.ASSIGNED else None
        self._changes.append(Change(f"reservation.{change}", "reservation", reservation.pk, details, actor_id=by))
        self._facts.append(_fact_of(reservation, change, details))

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
        append_in_tx([fact.message() for fact in self._facts])
        self._changes.clear()
        self._facts.clear()


def _plain(value: Any) -> Any:
    if isinstance(value, dt.date):
        return value.isoformat()
    return getattr(value, "pk", value)


def _fact_of(reservation: Reservation, change: str, details: dict[str, Any]) -> ReservationFact:
    reader = reservation.reader
    return ReservationFact(
        change=change,
        reservation_id=reservation.pk,
        version=reservation.version,
        state=reservation.state,
        title=reservation.book.title,
        branch=reservation.pickup_branch.name,
        recipient=Recipient(reader.pk, reader.username, reader.email, reader.language, reader.channels),
        details=details
        | {
            "pickup_deadline_at": reservation.pickup_deadline_at,
            "due_at": reservation.due_at,
            "reason": reservation.reason or None,
        },
    )
