"""What one reader can do with one book."""

import datetime as dt
from typing import Any

from bookwell.kit.errors import DomainError
from bookwell.library.circulation.queries.branches import get_home_branch
from bookwell.library.circulation.queries.placing import find_free_copy_row, get_placing_facts
from bookwell.library.circulation.queries.policies import choose_terms
from bookwell.library.circulation.rules import check_may_reserve

__all__ = ["get_reader_view_of_book"]


def get_reader_view_of_book(
    *, reader_id: int, book_id: int, home_branch_id: int | None, now: dt.datetime
) -> dict[str, Any]:
    """Whether the reader may reserve the book, and the refusal that placing would answer.

    One statement; up to two more where branches have policies of their own.

    Raises:
        BookWithdrawn
    """
    facts = get_placing_facts(reader_id=reader_id, book_id=book_id, now=now)
    branch_id = None
    if any(branch for branch, _ in facts.policies):
        branch_id = _pickup_branch_id(book_id=book_id, home_branch_id=home_branch_id, now=now)
    try:
        check_may_reserve(facts.reader, choose_terms(facts.policies, branch_id=branch_id))
    except DomainError as refusal:
        return {"can_reserve": False, "refusal_code": refusal.code, "refusal_detail": refusal.detail}
    return {"can_reserve": True, "refusal_code": None, "refusal_detail": None}


def _pickup_branch_id(*, book_id: int, home_branch_id: int | None, now: dt.datetime) -> int:
    """Where placing would have it picked up, when no library is named."""
    copy = find_free_copy_row(book_id=book_id, preferred_branch_id=home_branch_id)
    return copy.branch_id if copy else get_home_branch(home_branch_id, now=now).id
