"""What a reader has at this moment."""

import datetime as dt
from typing import Any

from django.db.models import Count, Q

from bookwell.library.circulation.models import Block, Reservation
from bookwell.library.circulation.queries.deadlines import count_overdue
from bookwell.library.circulation.queries.policies import get_terms_at_home
from bookwell.library.circulation.rules import CLAIM_STATES, ReaderFacts, State, overdue_loans_block

__all__ = [
    "find_block",
    "get_reader_facts",
    "list_claimed_book_ids",
    "list_open_ids",
    "list_reservation_ids",
    "reader_summary",
]


def get_reader_facts(*, reader_id: int, now: dt.datetime) -> ReaderFacts:
    """Count a reader's claims, loans and blocks; exact only under the reader's lock."""
    loans = Q(state=State.BORROWED)
    counts = Reservation.objects.filter(reader_id=reader_id, open_marker=1).aggregate(
        claims=Count("pk", filter=Q(state__in=CLAIM_STATES)),
        loans=Count("pk", filter=loans),
        overdue=Count("pk", filter=loans & Q(due_at__lt=now)),
    )
    return ReaderFacts(
        open_reservations=counts["claims"],
        open_loans=counts["loans"],
        overdue_loans=counts["overdue"] and count_overdue(reader_id=reader_id, now=now),
        blocks=Block.objects.filter(reader_id=reader_id).count(),
    )


def reader_summary(*, reader_id: int, now: dt.datetime) -> dict[str, Any]:
    """A reader's blocks with reasons and counts, as the reader's own profile shows them.

    Overdue loans are a block where the policy of the home branch has as many of them block.
    """
    facts = get_reader_facts(reader_id=reader_id, now=now)
    blocks: list[dict[str, Any]] = [
        {"code": "reader.blocked", "reason": block.reason, "since": block.created_at}
        for block in Block.objects.filter(reader_id=reader_id).order_by("pk")
    ]
    if facts.overdue_loans and overdue_loans_block(facts, get_terms_at_home(reader_id=reader_id, now=now)):
        since = (
            Reservation.objects.filter(reader_id=reader_id, state=State.BORROWED, due_at__lt=now)
            .order_by("due_at")
            .values_list("due_at", flat=True)
            .first()
        )
        blocks.append({"code": "reader.overdue", "reason": f"{facts.overdue_loans} loans are overdue.", "since": since})
    return {
        "blocks": blocks,
        "open_reservations": facts.open_reservations,
        "open_loans": facts.open_loans,
        "overdue_loans": facts.overdue_loans,
    }


def list_claimed_book_ids(*, reader_id: int) -> list[int]:
    """The books on which a reader has a claim, in the order in which they are to be locked.

    Also those of which a copy is set aside: a repair may send the reader back into the queue at any moment.
    """
    claims = Reservation.objects.filter(reader_id=reader_id, open_marker=1, state__in=CLAIM_STATES)
    return list(claims.order_by("book_id").values_list("book_id", flat=True))


def list_open_ids(*, reader_id: int) -> list[int]:
    """A reader's claims and loans, in the order in which their books are to be locked."""
    rows = Reservation.objects.filter(reader_id=reader_id, open_marker=1)
    return list(rows.order_by("book_id").values_list("pk", flat=True))


def list_reservation_ids(*, reader_id: int) -> list[int]:
    """All that a reader ever reserved."""
    return list(Reservation.objects.filter(reader_id=reader_id).values_list("pk", flat=True))


def find_block(block_id: int) -> Block | None:
    """The block with this id."""
    return Block.objects.filter(pk=block_id).first()
