"""Changing the network: branches, and the dates on which they are closed.

Whatever may close a day counts `hours_version` up; circulation then moves the deadlines that fall on it.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from django.db.models import F, ProtectedError

from bookwell.kit.adapters.django.constraints import map_constraint
from bookwell.library.audit.services import Change, record_in_tx
from bookwell.library.network.errors import (
    BranchCodeTaken,
    BranchInUse,
    BranchNameTaken,
    ClosureExists,
    CountryUnknown,
)
from bookwell.library.network.locks import lock_branch, lock_closure
from bookwell.library.network.models import Branch, Closure
from bookwell.library.network.public_holidays import is_known_country
from bookwell.library.network.queries import get_branch_by_code, next_position
from bookwell.library.network.rules import check_time_zone, check_weekdays

__all__ = [
    "BranchData",
    "add_closure",
    "change_branch",
    "change_closure",
    "create_branch",
    "delete_branch",
    "note_deadlines_moved",
    "remove_closure",
]

_HOURS = frozenset({"time_zone", "country", "open_weekdays"})

map_constraint("branch_code_once", BranchCodeTaken, sqlite_columns="branch.code")
map_constraint("branch_name_once", BranchNameTaken, sqlite_columns="branch.name")
map_constraint("closure_once_a_day", ClosureExists, sqlite_columns="closure.branch_id, closure.closed_on")


@dataclass(frozen=True, slots=True)
class BranchData:
    """What is written down about a branch; `open_weekdays` are ISO weekdays, `country` an ISO 3166-1 code or empty.

    Without a `position` a new branch comes last, so that it is not every reader's default, and another stays in place.
    """

    code: str
    name: str
    time_zone: str = "UTC"
    country: str = ""
    open_weekdays: list[int] = field(default_factory=lambda: list(range(1, 8)))
    position: int | None = None

    def checked(self) -> "BranchData":
        """The same, with its weekdays in order.

        Raises:
            TimeZoneUnknown, CountryUnknown, WeekdaysInvalid
        """
        check_time_zone(self.time_zone)
        if not is_known_country(self.country):
            raise CountryUnknown
        return replace(self, open_weekdays=check_weekdays(self.open_weekdays))


def create_branch(*, data: BranchData, actor_id: int) -> Branch:
    """Add a branch to the network.

    Raises:
        TimeZoneUnknown, CountryUnknown, WeekdaysInvalid, BranchCodeTaken, BranchNameTaken
    """
    checked = data.checked()
    place = next_position() if checked.position is None else checked.position
    branch = Branch.objects.create(**asdict(replace(checked, position=place)))
    record_in_tx([Change("branch.created", "branch", branch.pk, {"code": branch.code})], actor_id=actor_id)
    return branch


def change_branch(*, branch_id: int, changes: Mapping[str, Any], actor_id: int) -> Branch:
    """Change some fields of `BranchData`; deadlines that fall on a day which is closed now move on, soon afterwards.

    Raises:
        BranchNotFound, TimeZoneUnknown, CountryUnknown, WeekdaysInvalid, BranchCodeTaken, BranchNameTaken
    """
    branch = lock_branch(branch_id)
    before = BranchData(**{column.name: getattr(branch, column.name) for column in fields(BranchData)})
    given = {name: value for name, value in changes.items() if name != "position" or value is not None}
    after = asdict(replace(before, **given).checked())
    changed = {name: value for name, value in after.items() if value != getattr(before, name)}
    if changed:
        for name, value in changed.items():
            setattr(branch, name, value)
        branch.save(update_fields=list(changed))
        if _HOURS & changed.keys():
            _count_change_of_hours(branch.pk)
        record_in_tx([Change("branch.changed", "branch", branch.pk, changed)], actor_id=actor_id)
    return branch


def delete_branch(*, branch_id: int, actor_id: int) -> None:
    """Take a branch out of the network, with its closures.

    Raises:
        BranchNotFound
        BranchInUse: if copies, readers, reservations or policies belong to it.
    """
    branch = lock_branch(branch_id)
    try:
        branch.delete()
    except ProtectedError as error:
        raise BranchInUse from error
    record_in_tx([Change("branch.deleted", "branch", branch_id, {"code": branch.code})], actor_id=actor_id)


def add_closure(*, branch: str, closed_on: dt.date, reason: str = "", actor_id: int) -> Closure:
    """Close a branch (by its code) on a date; deadlines that fall on it move on, soon afterwards.

    Raises:
        BranchNotFound, ClosureExists
    """
    owner = get_branch_by_code(branch)
    _count_change_of_hours(owner.pk)  # before the row that refers to the branch: no lock is to be made stronger
    closure = Closure.objects.create(branch=owner, closed_on=closed_on, reason=reason)
    data = {"branch": branch, "closed_on": closed_on.isoformat()}
    record_in_tx([Change("closure.added", "closure", closure.pk, data)], actor_id=actor_id)
    return closure


def change_closure(
    *,
    closure_id: int,
    branch: str | None = None,
    closed_on: dt.date | None = None,
    reason: str | None = None,
    actor_id: int,
) -> Closure:
    """Move a closure to another date or branch, or give another reason; None leaves a field as it is.

    Raises:
        ClosureNotFound, BranchNotFound, ClosureExists
    """
    closure = lock_closure(closure_id)
    if branch is not None:
        closure.branch = get_branch_by_code(branch)
    _count_change_of_hours(closure.branch_id)
    closure.closed_on = closed_on or closure.closed_on
    closure.reason = closure.reason if reason is None else reason
    closure.save()
    data = {"branch": closure.branch.code, "closed_on": closure.closed_on.isoformat()}
    record_in_tx([Change("closure.changed", "closure", closure.pk, data)], actor_id=actor_id)
    return closure


def remove_closure(*, closure_id: int, actor_id: int) -> None:
    """Open a branch again on a date that was closed.

    Raises:
        ClosureNotFound
    """
    closure = lock_closure(closure_id)
    closure.delete()
    data = {"branch_id": closure.branch_id, "closed_on": closure.closed_on.isoformat()}
    record_in_tx([Change("closure.removed", "closure", closure_id, data)], actor_id=actor_id)


def note_deadlines_moved(*, branch_id: int, hours_version: int) -> None:
    """Note that no deadline falls on a day that this version of the branch's hours closes."""
    Branch.objects.filter(pk=branch_id, deadlines_version__lt=hours_version).update(deadlines_version=hours_version)


def _count_change_of_hours(branch_id: int) -> None:
    Branch.objects.filter(pk=branch_id).update(hours_version=F("hours_version") + 1)
