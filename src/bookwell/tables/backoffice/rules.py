"""Cursors of the feed: where a reader stands, in a form that nobody is tempted to count with."""

import base64
import binascii

from bookwell.tables.backoffice.errors import CursorUnknown

__all__ = ["cursor_of", "position_of"]

_MARK = b"feed"
_BYTES = 8
_CHARACTERS = 16


def cursor_of(position: int) -> str:
    """The cursor behind a place; 16 characters."""
    return base64.urlsafe_b64encode(_MARK + position.to_bytes(_BYTES, "big")).decode()


def position_of(cursor: str) -> int:
    """The place that a cursor stands behind.

    Raises:
        CursorUnknown: if it is none of ours.
    """
    try:
        content = base64.b64decode(cursor, altchars=b"-_", validate=True) if len(cursor) == _CHARACTERS else b""
    except (binascii.Error, ValueError):
        raise CursorUnknown from None
    position = int.from_bytes(content.removeprefix(_MARK), "big", signed=True)
    if not content.startswith(_MARK) or position < 0:
        raise CursorUnknown
    return position
