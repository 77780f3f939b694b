"""What bookings are refused for, by rule."""

from collections.abc import Sequence

from bookwell.contracts.bookings import FreeTable
from bookwell.kit.errors import Conflict, Invalid, NotFound

__all__ = [
    "BookingNotFound",
    "ContactMissing",
    "DecisionContradicts",
    "DecisionOutdated",
    "NotConfirmed",
    "OrderCancelled",
    "OrderExpired",
    "OutsideHours",
    "PartyTooLarge",
    "SlotTaken",
    "StateRefused",
    "TableNotBookable",
    "TokenUnknown",
    "TooFarAhead",
    "TooLateToCancel",
    "TooLong",
    "TooManyOpenOrders",
    "TooSoon",
]


class BookingNotFound(NotFound):
    """There is no booking of that id."""

    code = "booking.not_found"
    title = "There is no such booking"


class TokenUnknown(NotFound):
    """No token, one of another purpose, or one whose time is up: nobody learns which."""

    code = "booking.token_unknown"
    title = "There is no such booking"


class StateRefused(Conflict):
    """The transition table has no such step."""

    code = "booking.state_refused"
    title = "The booking's state does not allow this"


class NotConfirmed(Conflict):
    """Only a confirmed booking takes a table from others."""

    code = "booking.not_confirmed"
    title = "This booking is not confirmed"


class SlotTaken(Conflict):
    """The table is booked or closed at that time; `alternatives` are free then."""

    code = "booking.slot_taken"
    title = "The table is not free at this time"

    def __init__(self, detail: str = "", *, alternatives: Sequence[FreeTable] = ()) -> None:
        super().__init__(detail)
        self.alternatives = tuple(alternatives)


class TableNotBookable(Conflict):
    """The table cannot be booked, or was removed."""

    code = "table.not_bookable"
    title = "This table cannot be booked"


class OrderExpired(Conflict):
    """Nobody decided in time."""

    code = "booking.expired"
    title = "The order has expired"


class OrderCancelled(Conflict):
    """It was cancelled before."""

    code = "booking.cancelled"
    title = "The booking has been cancelled"


class DecisionContradicts(Conflict):
    """It was decided otherwise before."""

    code = "decision.contradictory"
    title = "This order has been decided otherwise"


class DecisionOutdated(Conflict):
    """The decision is about an older state of the order, or about one that never was."""

    code = "decision.outdated"
    title = "The order has changed since the version that was decided on"


class TooLateToCancel(Conflict):
    """The guests are there, or should be."""

    code = "booking.too_late_to_cancel"
    title = "It is too late to cancel"


class PartyTooLarge(Conflict):
    """More people than seats."""

    code = "order.party_too_large"
    title = "The table has fewer seats than the party has people"


class TooSoon(Conflict):
    """The restaurant needs more time, or the time is past."""

    code = "order.too_soon"
    title = "The time is too near to be ordered"


class TooFarAhead(Conflict):
    """Beyond the horizon of orders."""

    code = "order.too_far_ahead"
    title = "The time is too far ahead to be ordered"


class OutsideHours(Conflict):
    """The restaurant is not open all of that time."""

    code = "order.outside_hours"
    title = "The restaurant is not open at this time"


class TooLong(Conflict):
    """Longer than the house gives a party of that size."""

    code = "order.too_long"
    title = "A table cannot be ordered for so long by so many people"


class TooManyOpenOrders(Conflict):
    """This contact or address has enough orders waiting."""

    code = "order.too_many_open"
    title = "Too many orders are waiting for a decision"


class ContactMissing(Invalid):
    """Nobody could tell the guest."""

    code = "order.contact_missing"
    title = "An e-mail address or a telephone number is needed"
