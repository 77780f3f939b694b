"""The sample library's branches and what its readers may do."""

import datetime as dt

from bookwell.library.audit.services import SYSTEM as SYSTEM_ID
from bookwell.library.circulation.models import Policy
from bookwell.library.circulation.rules import SYSTEM
from bookwell.library.circulation.services import change_policy
from bookwell.library.network.services import BranchData, add_closure, create_branch

__all__ = ["MAIN", "add_places"]

MAIN = "MAIN"
_WARSAW, _POLAND = "Europe/Warsaw", "PL"
_BRANCHES = (
    BranchData(MAIN, "Main Library", _WARSAW, _POLAND, [1, 2, 3, 4, 5, 6], 1),
    BranchData("RIVER", "Riverside Branch", _WARSAW, _POLAND, [1, 2, 3, 4, 5], 2),
    BranchData("KIDS", "Children's Library", _WARSAW, _POLAND, [2, 3, 4, 5, 6], 3),
)
_POLICIES = {
    "adult": {"max_open_reservations": 5, "max_open_loans": 10, "loan_days": 28},
    "child": {"max_open_reservations": 3, "max_open_loans": 5, "loan_days": 21},
    "staff": {"max_open_reservations": 20, "max_open_loans": 30, "loan_days": 56, "max_renewals": 5},
}
_STOCKTAKING_IN = dt.timedelta(days=20)


def add_places(*, now: dt.datetime) -> list[str]:
    """Create branches, a closed date and the terms of the general policies; the branches' codes."""
    for branch in _BRANCHES:
        create_branch(data=branch, actor_id=SYSTEM_ID)
    add_closure(branch=MAIN, closed_on=(now + _STOCKTAKING_IN).date(), reason="Stocktaking", actor_id=SYSTEM_ID)
    for policy in Policy.objects.filter(branch=None, category__in=_POLICIES).order_by("pk"):
        change_policy(policy_id=policy.pk, terms=dict(_POLICIES[policy.category_id]), actor=SYSTEM)
    return [branch.code for branch in _BRANCHES]
