"""What goes wrong with partner libraries, each with its stable code."""

from bookwell.kit.errors import Conflict, Unavailable

__all__ = [
    "BookWithoutIsbn",
    "HoldRefused",
    "PartnerMissing",
    "PartnerTakesNoHolds",
    "PartnerUnavailable",
    "PartnersAbsent",
    "PartnersLate",
    "PartnersSilent",
]


class PartnerUnavailable(Conflict):
    """The partner has just said that it has no free copy."""

    code = "partner.unavailable"
    title = "The partner library has no free copy now"


class PartnerTakesNoHolds(Conflict):
    """The partner tells what it has, and reserves nothing for others."""

    code = "partner.takes_no_holds"
    title = "The partner library takes no reservations from us"


class BookWithoutIsbn(Conflict):
    """Partners know books by their ISBN alone."""

    code = "partner.book_without_isbn"
    title = "Without an ISBN the book cannot be asked for elsewhere"


class HoldRefused(Conflict):
    """The partner refuses for good; the detail has its words."""

    code = "partner.refused"
    title = "The partner library refuses"


class PartnersSilent(Unavailable):
    """The partners service gives no usable answer now."""

    code = "partners.unreachable"
    title = "Partner libraries cannot be reached now"
    retry_after = 5


class PartnersAbsent(PartnersSilent):
    """Nobody listens where the partners service is looked for."""

    code = "partners.absent"


class PartnersLate(PartnersSilent):
    """The answer did not come in time: the partners service may still be talking with the partner."""

    code = "partners.late"


class PartnerMissing(PartnersSilent):
    """The partners service is there, and has no partner of this name (any more)."""

    code = "partners.partner_missing"
