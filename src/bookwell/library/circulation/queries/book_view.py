"""What one reader can do with one book."""

import datetime as dt
from typing import Any

from bookwell.kit.errors import DomainError
from bookwell.library.circulation.queries.placing import get_placing_facts
from bookwell.library.circulation.queries.policies import choose_terms
from bookwell.library.circulation.rules import check_may_reserve

__all__ = ["get_reader_view_of_book"]

_NO_BRANCH = 0


def get_reader_view_of_book(
    *, reader_id: int, book_id: int, home_branch_id: int | None, now: dt.datetime
) -> dict[str, Any]:
    """Whether the reader may reserve the book, and the refusal that placing would answer; one statement.

    Raises:
        BookWithdrawn
    """
    facts = get_placing_facts(reader_id=reader_id, book_id=book_id, now=now)
    try:
        check_may_reserve(facts.reader, choose_terms(facts.policies, branch_id=home_branch_id or _NO_BRANCH))
    except DomainError as refusal:
        return {"can_reserve": False, "refusal_code": refusal.code, "refusal_detail": refusal.detail}
    return {"can_reserve": True, "refusal_code": None, "refusal_detail": None}
