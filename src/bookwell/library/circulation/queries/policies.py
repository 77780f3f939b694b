"""Which policy applies."""

import datetime as dt
from collections.abc import Iterable

from bookwell.kit.adapters.django.keyset import keyset_page
from bookwell.kit.pages import Position
from bookwell.library.accounts.models import User
from bookwell.library.circulation.errors import PolicyNotFound
from bookwell.library.circulation.models import Policy, Reservation
from bookwell.library.circulation.queries.branches import get_home_branch
from bookwell.library.circulation.rules import DEFAULT_TERMS, PolicyTerms

__all__ = ["TERMS", "choose_terms", "get_policy", "get_terms_at_home", "get_terms_of", "list_policies"]

TERMS = tuple(PolicyTerms.__dataclass_fields__)
"""The columns of a policy that are its terms, in the dataclass's order."""


def get_terms_of(reservation: Reservation, *, branch_id: int | None = None) -> PolicyTerms:
    """The terms of a reservation: its reader's category at its pickup branch, or at another one."""
    return _terms_at(reservation.reader.category_id, branch_id or reservation.pickup_branch_id)


def get_terms_at_home(*, reader_id: int, now: dt.datetime) -> PolicyTerms:
    """The terms of a reader at the home branch, which is the network's first where none was chosen."""
    category_id, home_branch_id = User.objects.values_list("category_id", "home_branch_id").get(pk=reader_id)
    return _terms_at(category_id, get_home_branch(home_branch_id, now=now).id)


def _terms_at(category_id: str | None, branch_id: int) -> PolicyTerms:
    rows = Policy.objects.filter(category_id=category_id).values_list("branch_id", *TERMS)
    return choose_terms(((row[0], PolicyTerms(*row[1:])) for row in rows), branch_id=branch_id)


def get_policy(policy_id: int) -> Policy:
    """One policy.

    Raises:
        PolicyNotFound
    """
    policy = Policy.objects.select_related("branch").filter(pk=policy_id).first()
    if policy is None:
        raise PolicyNotFound
    return policy


def list_policies(position: Position, *, limit: int) -> list[Policy]:
    """Up to `limit + 1` policies behind `position`, an (id,)."""
    return keyset_page(Policy.objects.select_related("branch"), ["id"], position, limit=limit)


def choose_terms(policies: Iterable[tuple[int | None, PolicyTerms]], *, branch_id: int | None) -> PolicyTerms:
    """The terms of the branch among a category's policies, else those without a branch, else the defaults."""
    by_branch = dict(policies)
    return by_branch.get(branch_id) or by_branch.get(None) or DEFAULT_TERMS
