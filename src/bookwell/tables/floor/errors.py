"""What the floor refuses, by rule."""

from bookwell.kit.errors import Conflict, Invalid, NotFound

__all__ = [
    "PeriodInvalid",
    "PriceInvalid",
    "SettingsChanged",
    "TableNameTaken",
    "TableNotFound",
    "TableRetired",
    "WallTimeAmbiguous",
    "WallTimeMissing",
]


class TableNotFound(NotFound):
    """There is no table of that id."""

    code = "table.not_found"
    title = "There is no such table"


class TableRetired(Conflict):
    """The table was removed."""

    code = "table.retired"
    title = "This table has been removed"


class TableNameTaken(Conflict):
    """Another table in use has that name."""

    code = "table.name_taken"
    title = "Another table has this name"


class PriceInvalid(Invalid):
    """A price below zero, or beyond what anybody asks."""

    code = "table.price_invalid"
    title = "The price is not valid"


class PeriodInvalid(Invalid):
    """A period that ends before it begins, or is over, and a time that no calendar has."""

    code = "period.invalid"
    title = "The period must end after it begins"


class SettingsChanged(Conflict):
    """Somebody has changed the settings that `If-Match` names."""

    code = "settings.changed"
    title = "The settings have changed since they were read"


class WallTimeMissing(Invalid):
    """Clocks skip this time on that day."""

    code = "time.missing"
    title = "This time does not exist on that day, because the clocks change"


class WallTimeAmbiguous(Invalid):
    """Clocks show this time twice on that day."""

    code = "time.ambiguous"
    title = "This time comes twice on that day, because the clocks change; send it with its offset"
