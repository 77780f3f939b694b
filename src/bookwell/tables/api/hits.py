"""What a change of the floor hits: shown before it is done, and told when it was."""

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, Field

from bookwell.tables.api.shapes import BookingOut, staff_view
from bookwell.tables.bookings.rules import OPEN_STATES

__all__ = ["DryRun", "HitsOut", "hits_out"]

DryRun = Annotated[bool, Field(description="Only list what it would hit")]


class HitsOut(BaseModel):
    """Orders, which are declined, and bookings, which are cancelled, as they were; `dry_run` changed nothing."""

    dry_run: bool
    counts: dict[str, int]
    bookings: list[BookingOut]


def hits_out(hit: Sequence[Any], *, is_dry_run: bool) -> dict[str, Any]:
    """Bookings in the shape of `HitsOut`; each state is counted, also with 0."""
    found = Counter(row.state for row in hit)
    counts = {state.value: found[state.value] for state in sorted(OPEN_STATES)}
    return {"dry_run": is_dry_run, "counts": counts, "bookings": [staff_view(row) for row in hit]}
