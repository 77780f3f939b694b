"""Branches with the calendar that circulation's deadlines need."""

import datetime as dt

from bookwell.library.circulation.errors import LibraryUnknown
from bookwell.library.network.queries import (
    BranchFacts,
    find_branch_facts,
    get_branch_facts,
    get_default_branch_facts,
)

__all__ = ["get_branch_at", "get_branch_named", "get_home_branch"]


def _from(now: dt.datetime) -> dt.date:
    """Closures matter from the branch's today on, which may still be yesterday in UTC."""
    return now.date() - dt.timedelta(days=1)


def get_branch_at(branch_id: int, *, now: dt.datetime) -> BranchFacts:
    """A branch by id; one statement."""
    return get_branch_facts(branch_id=branch_id, today=_from(now))


def get_branch_named(name_or_code: str, *, now: dt.datetime) -> BranchFacts:
    """A branch by its name or code; one statement.

    Raises:
        LibraryUnknown
    """
    branch = find_branch_facts(name_or_code=name_or_code, today=_from(now))
    if branch is None:
        raise LibraryUnknown(f"There is no library {name_or_code!r}.")
    return branch


def get_home_branch(home_branch_id: int | None, *, now: dt.datetime) -> BranchFacts:
    """A reader's home branch: their own, else the network's first; one statement."""
    if home_branch_id is None:
        return get_default_branch_facts(today=_from(now))
    return get_branch_at(home_branch_id, now=now)
