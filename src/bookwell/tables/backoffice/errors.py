"""What the feed refuses."""

from bookwell.kit.errors import Conflict, Invalid

__all__ = ["CursorForgotten", "CursorUnknown"]


class CursorUnknown(Invalid):
    """The cursor is none that this feed gave."""

    code = "feed.cursor_unknown"
    title = "The cursor is not one of this feed's"


class CursorForgotten(Conflict):
    """Events behind the cursor are not kept any more; what is kept can be read from the start."""

    code = "feed.cursor_forgotten"
    title = "Events behind this cursor have been forgotten"
