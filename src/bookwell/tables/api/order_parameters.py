"""What an order or a booking is made of, as guests and staff send it."""

from pydantic import Field

from bookwell.kit.request_types import Id, Moment, StrictBody
from bookwell.tables.api.contacts import Comment, Email, GuestName, Locale, Phone
from bookwell.tables.api.types import Duration, PartySize
from bookwell.tables.bookings.services.placing import OrderRequest

__all__ = ["BookTable", "order_request"]


class BookTable(StrictBody):
    """A table and a time for some people, and how to reach them."""

    id: Id = Field(description="The table; in the query or the body")
    starts_at: Moment = Field(description="Without an offset the restaurant's time")
    duration: Duration | None = Field(
        default=None, description="Minutes; usual for so many people when left out. Guests may order no more than that"
    )
    party_size: PartySize
    name: GuestName = ""
    email: Email = ""
    phone: Phone = Field(default="", description="With the country's code")
    comment: Comment = ""
    locale: Locale = Field(default="", description="Of what the guest is told: en, pl or ru; else by Accept-Language")


def order_request(wanted: BookTable, *, locale: str, from_address: str = "") -> OrderRequest:
    """The same for the services."""
    return OrderRequest(
        table_id=wanted.id,
        starts_at=wanted.starts_at,
        party_size=wanted.party_size,
        minutes=wanted.duration,
        name=wanted.name,
        email=wanted.email,
        phone=wanted.phone,
        comment=wanted.comment,
        locale=locale,
        from_address=from_address,
    )
