"""What the network of branches refuses, each with its stable code."""

from bookwell.kit.errors import Conflict, Invalid, NotFound

__all__ = [
    "BranchCodeTaken",
    "BranchInUse",
    "BranchNameTaken",
    "BranchNeverOpen",
    "BranchNotFound",
    "ClosureExists",
    "ClosureNotFound",
    "CountryUnknown",
    "TimeZoneUnknown",
    "WeekdaysInvalid",
]


class BranchNotFound(NotFound):
    """No branch with this id, name or code."""

    code = "branch.not_found"
    title = "No such branch"


class ClosureNotFound(NotFound):
    """No closure with this id."""

    code = "closure.not_found"
    title = "No such closure"


class BranchCodeTaken(Conflict):
    """Another branch has this code."""

    code = "branch.code_taken"
    title = "Another branch has this code"


class BranchNameTaken(Conflict):
    """Another branch has this name."""

    code = "branch.name_taken"
    title = "Another branch has this name"


class BranchInUse(Conflict):
    """Copies, readers, reservations or policies belong to the branch."""

    code = "branch.in_use"
    title = "The branch is still in use"


class ClosureExists(Conflict):
    """The branch is already closed on that date."""

    code = "closure.exists"
    title = "The branch is already closed on that date"


class BranchNeverOpen(Conflict):
    """No opening day within two years: every deadline would be in the far future."""

    code = "branch.never_open"
    title = "The branch has no opening day"


class WeekdaysInvalid(Invalid):
    """The opening weekdays are empty or not ISO weekdays."""

    code = "branch.weekdays_invalid"
    title = "A branch opens on at least one weekday, numbered 1 (Monday) to 7"


class TimeZoneUnknown(Invalid):
    """The time zone is not one of the IANA's."""

    code = "branch.time_zone_unknown"
    title = "There is no such time zone"


class CountryUnknown(Invalid):
    """No public holidays are known for the country."""

    code = "branch.country_unknown"
    title = "No public holidays are known for this country"
