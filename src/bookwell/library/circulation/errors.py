"""What circulation refuses, each with its stable code."""

from bookwell.kit.errors import Conflict, Forbidden, Invalid, NotFound

__all__ = [
    "BarcodeTaken",
    "BookHasCopies",
    "BookHasOpenReservations",
    "BookWithdrawn",
    "BorrowingBlocked",
    "CopyHeld",
    "CopyNotFound",
    "CopyNotHere",
    "CopyUnavailable",
    "ExternalReferenceTaken",
    "LibraryUnknown",
    "LoanLimitReached",
    "OpenLoans",
    "PolicyExists",
    "PolicyNeeded",
    "PolicyNotFound",
    "ReaderNotFound",
    "RenewalWouldDelayOthers",
    "RenewalsUsedUp",
    "ReservationExists",
    "ReservationLimitReached",
    "ReservationNotFound",
    "ReservedUntilInPast",
    "SelfReturnForbidden",
    "SuspendedUntilInPast",
    "WrongState",
]


class ReservationNotFound(NotFound):
    """No such reservation, or another reader's."""

    code = "reservation.not_found"
    title = "No such reservation"


class ReservationExists(Conflict):
    """The reader already has an open reservation or loan of this book."""

    code = "reservation.exists"
    title = "You already have an open reservation of this book"


class ReservationLimitReached(Conflict):
    """The policy's number of open reservations is reached."""

    code = "reservation.limit_reached"
    title = "The limit of open reservations is reached"


class WrongState(Conflict):
    """The reservation's state does not allow this step."""

    code = "reservation.wrong_state"
    title = "The reservation's state does not allow this"


class ReservedUntilInPast(Invalid):
    """`reserved_until` has passed."""

    code = "reservation.reserved_until_past"
    title = "reserved_until is in the past"


class SuspendedUntilInPast(Invalid):
    """`suspended_until` has passed."""

    code = "reservation.suspended_until_past"
    title = "suspended_until is in the past"


class BorrowingBlocked(Conflict):
    """The reader has a block or too many overdue loans."""

    code = "reader.blocked"
    title = "The reader is blocked"


class LoanLimitReached(Conflict):
    """The policy's number of open loans is reached."""

    code = "loan.limit_reached"
    title = "The limit of open loans is reached"


class RenewalsUsedUp(Conflict):
    """The policy's number of renewals is used up."""

    code = "renewal.used_up"
    title = "No renewals are left"


class RenewalWouldDelayOthers(Conflict):
    """A reader waits for the book and no other copy will serve."""

    code = "renewal.reader_waits"
    title = "Another reader waits for this book"


class SelfReturnForbidden(Forbidden):
    """Readers may return their own loans only where the policy says so."""

    code = "return.desk_only"
    title = "Books are returned at the desk"


class ReaderNotFound(NotFound):
    """No reader with this id or card."""

    code = "reader.not_found"
    title = "No such reader"


class CopyNotFound(NotFound):
    """No copy with this barcode."""

    code = "copy.not_found"
    title = "No such copy"


class LibraryUnknown(Invalid):
    """A request names neither a branch of the network nor a partner."""

    code = "library.unknown"
    title = "No such library"


class ExternalReferenceTaken(Conflict):
    """The machine client has used this `external_ref` for another reader or book."""

    code = "reservation.external_ref_taken"
    title = "The external reference names another reservation"


class CopyHeld(Conflict):
    """The copy is set aside for, or lent to, a reader."""

    code = "copy.held"
    title = "The copy is a reader's at the moment"


class CopyUnavailable(Conflict):
    """The copy is in repair or lost."""

    code = "copy.unavailable"
    title = "The copy is not in service"


class CopyNotHere(Conflict):
    """The copy does not lie where this step is done."""

    code = "copy.not_here"
    title = "The copy is at another branch"


class BarcodeTaken(Conflict):
    """Another copy has this barcode."""

    code = "copy.barcode_taken"
    title = "Another copy has this barcode"


class BookWithdrawn(NotFound):
    """The book is not, or no longer, in the catalogue."""

    code = "book.not_found"
    title = "No such book"


class OpenLoans(Conflict):
    """The account cannot be closed while its reader has books."""

    code = "account.open_loans"
    title = "The reader still has books"


class PolicyExists(Conflict):
    """The category has a policy for this branch already."""

    code = "policy.exists"
    title = "This category has a policy here already"


class PolicyNeeded(Conflict):
    """A category's general policy cannot be removed."""

    code = "policy.needed"
    title = "A category needs its general policy"


class PolicyNotFound(NotFound):
    """No policy with this id."""

    code = "policy.not_found"
    title = "No such policy"


class BookHasCopies(Conflict):
    """A title stays in the catalogue while the network owns a copy of it."""

    code = "book.has_copies"
    title = "The book still has copies"


class BookHasOpenReservations(Conflict):
    """A title stays in the catalogue while a reservation or loan of it is open."""

    code = "book.has_open_reservations"
    title = "The book still has open reservations"
