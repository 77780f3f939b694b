"""Reads of branches and closures."""

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import F, Max

from bookwell.kit.adapters.django.keyset import keyset_page
from bookwell.kit.pages import Position
from bookwell.library.network.errors import BranchNotFound, ClosureNotFound
from bookwell.library.network.models import LAST_POSITION, Branch, Closure
from bookwell.library.network.public_holidays import holidays_of
from bookwell.library.network.rules import BranchCalendar

__all__ = [
    "BranchFacts",
    "find_branch_facts",
    "get_branch",
    "get_branch_by_code",
    "get_branch_facts",
    "get_closure",
    "get_default_branch_facts",
    "list_branches",
    "list_changed_hours",
    "list_closures",
    "next_position",
]


@dataclass(frozen=True, slots=True)
class BranchFacts:
    """What circulation needs of a branch; its calendar knows the closed dates from the asked day on."""

    id: int
    code: str
    name: str
    calendar: BranchCalendar


_FACTS = """
    SELECT b.id, b.code, b.name, b.time_zone, b.country, b.open_weekdays, c.closed_on
    FROM branch b LEFT JOIN closure c ON c.branch_id = b.id AND c.closed_on >= %s
    WHERE """
_BY_ID = _FACTS + "b.id = %s"
_BY_NAME_OR_CODE = _FACTS + "b.code = %s OR b.name = %s ORDER BY CASE WHEN b.code = %s THEN 0 ELSE 1 END, b.id"
_FIRST = _FACTS + "b.id = (SELECT f.id FROM branch f ORDER BY f.position, f.id LIMIT 1)"


def get_branch_facts(*, branch_id: int, today: dt.date) -> BranchFacts:
    """A branch and its calendar, in one statement.

    Raises:
        BranchNotFound
    """
    return _found(_facts(_BY_ID, [today.isoformat(), branch_id]))


def find_branch_facts(*, name_or_code: str, today: dt.date) -> BranchFacts | None:
    """The branch with this code, else the one with this name; in one statement."""
    return _facts(_BY_NAME_OR_CODE, [today.isoformat(), name_or_code, name_or_code, name_or_code])


def get_default_branch_facts(*, today: dt.date) -> BranchFacts:
    """The network's first branch, in one statement.

    Raises:
        BranchNotFound: if there is no branch at all.
    """
    return _found(_facts(_FIRST, [today.isoformat()]))


def _facts(statement: str, params: Sequence[Any]) -> BranchFacts | None:
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        rows = cursor.fetchall()
    if not rows:
        return None
    branch_id, code, name, time_zone, country, weekdays, _ = rows[0]
    calendar = BranchCalendar(
        time_zone=time_zone,
        open_weekdays=frozenset(json.loads(weekdays)),
        closed_dates=frozenset(row[6] for row in rows if row[0] == branch_id and row[6] is not None),
        is_public_holiday=holidays_of(country),
    )
    return BranchFacts(branch_id, code, name, calendar)


def _found(facts: BranchFacts | None) -> BranchFacts:
    if facts is None:
        raise BranchNotFound
    return facts


def get_branch(branch_id: int) -> Branch:
    """The branch with this id.

    Raises:
        BranchNotFound
    """
    branch = Branch.objects.filter(pk=branch_id).first()
    if branch is None:
        raise BranchNotFound
    return branch


def get_branch_by_code(code: str) -> Branch:
    """The branch with this code.

    Raises:
        BranchNotFound
    """
    branch = Branch.objects.filter(code=code).first()
    if branch is None:
        raise BranchNotFound(f"There is no branch {code!r}.")
    return branch


def list_branches(position: Position, *, limit: int) -> list[Branch]:
    """Up to `limit + 1` branches behind `position`, which is a (position, id); the default branch comes first."""
    return keyset_page(Branch.objects.all(), ["position", "id"], position, limit=limit)


def next_position() -> int:
    """The place behind every branch; beside the last one where there are no more numbers."""
    last = Branch.objects.aggregate(last=Max("position"))["last"] or 0
    return min(last + 1, LAST_POSITION)


def list_changed_hours() -> list[tuple[int, int]]:
    """Branches whose hours changed since deadlines were looked at: the id, and the version of the hours."""
    changed = Branch.objects.filter(hours_version__gt=F("deadlines_version")).order_by("id")
    return list(changed.values_list("id", "hours_version"))


def list_closures(position: Position, *, limit: int, branch: str | None = None) -> list[Closure]:
    """Up to `limit + 1` closures of one branch (its code) or all, behind `position`, which is an (id,)."""
    closures = Closure.objects.select_related("branch")
    if branch is not None:
        closures = closures.filter(branch__code=branch)
    return keyset_page(closures, ["id"], position, limit=limit)


def get_closure(closure_id: int) -> Closure:
    """The closure with this id, and its branch.

    Raises:
        ClosureNotFound
    """
    closure = Closure.objects.select_related("branch").filter(pk=closure_id).first()
    if closure is None:
        raise ClosureNotFound
    return closure
