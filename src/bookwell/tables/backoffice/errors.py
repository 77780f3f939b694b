"""What the back office is refused for, beside what bookings refuse."""

from bookwell.kit.errors import Conflict, Invalid

__all__ = ["CursorForgotten", "CursorUnknown", "WebhookIdReused"]


class CursorUnknown(Invalid):
    """The cursor is none that this feed gave."""

    code = "feed.cursor_unknown"
    title = "The cursor is not one of this feed's"


class CursorForgotten(Conflict):
    """Events behind the cursor are not kept any more; what is kept can be read from the start."""

    code = "feed.cursor_forgotten"
    title = "Events behind this cursor have been forgotten"


class WebhookIdReused(Conflict):
    """The `webhook-id` came before, with another body."""

    code = "webhook.id_reused"
    title = "A webhook of this id came before, with another body"
