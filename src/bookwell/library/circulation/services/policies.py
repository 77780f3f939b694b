"""Circulation policies: what each category of readers may do."""

from typing import Any

from bookwell.library.accounts.errors import CategoryUnknown
from bookwell.library.accounts.queries import has_category
from bookwell.library.audit.services import Change, record_in_tx
from bookwell.library.circulation.errors import PolicyExists, PolicyNeeded
from bookwell.library.circulation.locks import lock_policy
from bookwell.library.circulation.models import Policy
from bookwell.library.circulation.queries.policies import TERMS
from bookwell.library.circulation.rules import Actor
from bookwell.library.network.queries import get_branch_by_code

__all__ = ["add_policy", "change_policy", "remove_policy"]


def add_policy(*, category: str, branch: str | None, terms: dict[str, Any], actor: Actor) -> Policy:
    """Add a policy for a category, at one branch (its code) or everywhere else.

    Raises:
        CategoryUnknown, BranchNotFound, PolicyExists
    """
    if not has_category(category):
        raise CategoryUnknown
    place = get_branch_by_code(branch) if branch else None
    if Policy.objects.filter(category_id=category, branch=place).exists():
        raise PolicyExists
    policy = Policy.objects.create(category_id=category, branch=place, **terms)
    _record("policy.added", policy, terms, actor)
    return policy


def change_policy(*, policy_id: int, terms: dict[str, Any], actor: Actor) -> Policy:
    """Change terms of a policy; they hold for what happens from now on.

    Raises:
        PolicyNotFound
    """
    policy = lock_policy(policy_id)
    for name in TERMS:
        setattr(policy, name, terms.get(name, getattr(policy, name)))
    policy.save()
    _record("policy.changed", policy, terms, actor)
    return policy


def remove_policy(*, policy_id: int, actor: Actor) -> None:
    """Remove a branch's policy; a category's general one stays.

    Raises:
        PolicyNotFound, PolicyNeeded
    """
    policy = lock_policy(policy_id)
    if policy.branch_id is None:
        raise PolicyNeeded
    _record("policy.removed", policy, {}, actor)
    policy.delete()


def _record(action: str, policy: Policy, terms: dict[str, Any], actor: Actor) -> None:
    data = {"category": policy.category_id, "branch_id": policy.branch_id, **terms}
    record_in_tx([Change(action, "policy", policy.pk, data)], actor_id=actor.user_id)
