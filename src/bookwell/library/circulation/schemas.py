"""Shapes of circulation's answers, for the OpenAPI document; the answers themselves are written from the views."""

import datetime as dt

from pydantic import BaseModel, ConfigDict, Field

from bookwell.contracts.partners import PartnerAvailability
from bookwell.library.circulation.rules import CopyStatus, State

__all__ = [
    "AvailabilityOut",
    "BranchAvailabilityOut",
    "CopyOut",
    "DeskItemOut",
    "ElsewhereOut",
    "ExplanationOut",
    "FactOut",
    "InstructionOut",
    "PlacedOut",
    "PolicyOut",
    "ReservationOut",
    "ReturnedOut",
]


class ReservationOut(BaseModel):
    """One reader's claim on one book. `position` is null unless it waits; instants are RFC 3339 in UTC."""

    id: int
    book_id: int
    reader_id: int
    state: State
    position: int | None
    estimated_ready_on: dt.date | None
    library: str
    held_copy: str | None = Field(alias="copy", description="Barcode")
    ready_at: dt.datetime | None
    pickup_deadline_at: dt.datetime | None
    borrowed_at: dt.datetime | None
    due_at: dt.datetime | None
    reserved_until: dt.datetime | None
    renewals: int
    partner: str | None
    reason: str | None
    created_at: dt.datetime
    version: int


class ElsewhereOut(BaseModel):
    """Where else the book may be had: `href` asks partner libraries now, `known` is what they said before."""

    href: str
    known: list[PartnerAvailability]


class PlacedOut(ReservationOut):
    """A new reservation; `elsewhere` stands there when no copy was free."""

    elsewhere: ElsewhereOut | None = None


class BranchAvailabilityOut(BaseModel):
    """A book's copies that stand at one branch, as it is at `fetched_at`."""

    library: str
    code: str
    copies: int
    free: int
    fetched_at: dt.datetime


class AvailabilityOut(BaseModel):
    """Where a book can be had. A partner that gave no answer is `unknown`, or as it was at its `fetched_at`."""

    book_id: int
    queue_length: int
    branches: list[BranchAvailabilityOut]
    partners: list[PartnerAvailability]


class DeskItemOut(ReservationOut):
    """A reservation on a list of the desk, with what staff need to find the copy and the reader."""

    title: str
    location: str
    reader: str
    card: str


class InstructionOut(BaseModel):
    """What to do with a copy: `reshelve`, `hold_shelf` or `ship`, and one sentence more."""

    action: str
    detail: str
    reservation: ReservationOut | None


class ReturnedOut(ReservationOut):
    """A returned loan, and what to do with its copy."""

    instruction: InstructionOut


class FactOut(BaseModel):
    """One reason; further fields depend on the code."""

    model_config = ConfigDict(extra="allow")

    code: str
    detail: str


class ExplanationOut(BaseModel):
    """Why this position, this date, this estimate, this refusal."""

    facts: list[FactOut]


class CopyOut(BaseModel):
    """One physical item; `branch` owns it, `location` is where it stands. Both are codes."""

    barcode: str
    book_id: int
    branch: str
    location: str
    condition: str
    status: CopyStatus
    version: int


class PolicyOut(BaseModel):
    """What a category of readers may do, at one branch (its code) or, with null, everywhere else."""

    id: int
    category: str
    branch: str | None
    max_open_reservations: int
    max_open_loans: int
    loan_days: int
    max_renewals: int
    pickup_days: int
    reminder_days: int
    overdue_loans_that_block: int
    shelve_immediately: bool
    renewal_blocked_by_queue: bool
    self_return: bool
