"""Cursors of the feed: what comes back is where the reader stood, and anything else is none."""

from base64 import urlsafe_b64encode

import pytest

from bookwell.tables.backoffice.errors import CursorUnknown
from bookwell.tables.backoffice.rules import cursor_of, position_of


@pytest.mark.parametrize("position", [0, 1, 255, 2**40, 2**63 - 1])
def test_position_of__a_cursor_of_ours__is_its_place(position: int) -> None:
    assert position_of(cursor_of(position)) == position


@pytest.mark.parametrize(
    "cursor",
    [
        *("", "nonsense", cursor_of(7)[:-1], cursor_of(7) + "A", cursor_of(7).replace("Z", "\n", 1)),
        *("!" * 16, "ż" * 16, "=" * 16),
        urlsafe_b64encode(b"seed" + bytes(8)).decode(),
        urlsafe_b64encode(b"feed" + b"\xff" * 8).decode(),
    ],
)
def test_position_of__what_is_none_of_ours__is_refused(cursor: str) -> None:
    with pytest.raises(CursorUnknown):
        position_of(cursor)
