"""Bodies of requests and answers."""

import datetime as dt
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from bookwell.contracts.partners import PartnerAvailability
from bookwell.kit.strict_json import MAX_INTEGER

__all__ = [
    "BookPath",
    "HoldPath",
    "IsbnAvailability",
    "IsbnPath",
    "PartnerOut",
    "PartnerPath",
    "PartnerQuery",
    "PartnersOut",
    "Reserve",
    "Status",
]

Id = Annotated[int, Field(ge=1, le=MAX_INTEGER)]
BodyId = Annotated[int, Field(strict=True, ge=1, le=MAX_INTEGER)]
Name = Annotated[str, Field(min_length=1, max_length=100)]


def _check_written_out(moment: object) -> object:
    """Numbers and bare dates, which pydantic would take too, are no instants to the library."""
    if not isinstance(moment, str) or moment[10:11] not in ("T", "t", " "):
        raise ValueError("An instant is written as in RFC 3339, 2026-03-12T18:00:00Z")
    return moment


Moment = Annotated[dt.datetime, BeforeValidator(_check_written_out)]
"""Without an offset it is wall time at the pickup branch; the library says which years there are."""


class BookPath(BaseModel):
    """A book of the library."""

    book_id: Id


class IsbnPath(BaseModel):
    """A book by its number. No length is demanded: a path that breaks its schema would count as not there."""

    isbn: str = Field(description="ISBN-10 or -13, with or without hyphens")


class PartnerQuery(BaseModel):
    """Whom to ask."""

    partner: Annotated[str, Field(min_length=1, max_length=80)] | None = Field(
        default=None, description="Only this one, by its name"
    )


class PartnerPath(BaseModel):
    """A partner by its name in partners.toml."""

    name: str = Field(min_length=1, max_length=80)


class HoldPath(PartnerPath):
    """A hold by the name that this service gave it."""

    ref: str = Field(min_length=1, max_length=500)


class Availability(BaseModel):
    """True, false, or null for unknown, by partner; and what each says."""

    availability: dict[str, bool | None]
    libraries: list[PartnerAvailability]


class Status(Availability):
    """The state of one of the library's books at its partners."""

    book_id: int


class IsbnAvailability(Availability):
    """The state of a book at the partners, by ISBN-13."""

    isbn: str


class Reserve(BaseModel):
    """What to reserve, and for whom. Readers reserve for themselves; `reader` and what follows is for machine clients.

    `library` is a branch or a partner, by name or code.
    """

    model_config = ConfigDict(extra="forbid")

    book_id: BodyId | None = None
    isbn: Annotated[str, Field(min_length=10, max_length=32, description="Instead of `book_id`")] | None = None
    reserved_until: Moment | None = None
    library: Name | None = None
    reader: Annotated[str, Field(min_length=1, max_length=64, description="Card number")] | None = None
    external_ref: Annotated[str, Field(min_length=1, max_length=200, description="Unique per client")] | None = None

    @model_validator(mode="after")
    def _names_one_book(self) -> "Reserve":
        if (self.book_id is None) == (self.isbn is None):
            raise ValueError("either book_id or isbn is needed")
        return self


class PartnerOut(BaseModel):
    """One partner as the answering process knows it; rates and times of its last 200 calls."""

    name: str
    protocol: str
    circuit: str = Field(description="Of questions for availability: closed, open or half_open")
    holds_circuit: str = Field(description="The same of holds")
    last_success_at: dt.datetime | None
    calls: int
    error_rate: float | None
    p95_milliseconds: float | None
    takes_holds: bool


class PartnersOut(BaseModel):
    """Every partner, in the order of the configuration."""

    items: list[PartnerOut]
