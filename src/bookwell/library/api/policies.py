"""Circulation policies: read by anyone, written by administrators."""

from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router
from pydantic import Field

from bookwell.kit.idempotency import Answer
from bookwell.library.api.answers import json_answer, respond_in_transaction, response_of
from bookwell.library.api.auth import actor_of, admin
from bookwell.library.api.paging import PageQuery, page_request, respond_page
from bookwell.library.api.types import Body, Id, PageOf, PartialBody
from bookwell.library.circulation import queries, services
from bookwell.library.circulation.models import Policy
from bookwell.library.circulation.queries.policies import TERMS
from bookwell.library.circulation.rules import DEFAULT_TERMS, TERM_RANGES
from bookwell.library.circulation.schemas import PolicyOut

__all__ = ["router"]

router = Router(tags=["policies"])

_COUNTS, _DAYS = TERM_RANGES["count"], TERM_RANGES["days"]
Count = Annotated[int, Field(ge=_COUNTS[0], le=_COUNTS[1])]
Days = Annotated[int, Field(ge=_DAYS[0], le=_DAYS[1])]


class Terms(Body):
    """All that readers may do; what is not sent has its default."""

    max_open_reservations: Count = DEFAULT_TERMS.max_open_reservations
    max_open_loans: Count = DEFAULT_TERMS.max_open_loans
    loan_days: Days = DEFAULT_TERMS.loan_days
    max_renewals: Count = DEFAULT_TERMS.max_renewals
    pickup_days: Days = DEFAULT_TERMS.pickup_days
    reminder_days: Count = DEFAULT_TERMS.reminder_days
    overdue_loans_that_block: Count = DEFAULT_TERMS.overdue_loans_that_block
    shelve_immediately: bool = DEFAULT_TERMS.shelve_immediately
    renewal_blocked_by_queue: bool = DEFAULT_TERMS.renewal_blocked_by_queue
    self_return: bool = DEFAULT_TERMS.self_return


class ChangePolicy(PartialBody, Terms):
    """Only the terms that are sent change."""


class AddPolicy(Terms):
    """For a category of readers, at one branch (its code) or everywhere else."""

    category: Annotated[str, Field(min_length=1, max_length=20)]
    branch: Annotated[str, Field(min_length=1, max_length=20)] | None = None


class PoliciesOut(PageOf):
    """A page of policies."""

    items: list[PolicyOut]


@router.get("/", auth=None, response=PoliciesOut)
def list_policies(request: HttpRequest, filters: Query[PageQuery]) -> HttpResponse:
    """All policies."""
    page = page_request(request, filters)
    rows = queries.list_policies(page.position, limit=page.limit)
    return respond_page(page, rows, key=lambda row: (row.pk,), shape=_shape)


@router.post("/", auth=admin, response={201: PolicyOut})
def add_policy(request: HttpRequest, body: AddPolicy) -> HttpResponse:
    """Add a policy."""
    actor = actor_of(request)
    terms = body.model_dump(exclude={"category", "branch"})

    def work() -> Answer:
        policy = services.add_policy(category=body.category, branch=body.branch, terms=terms, actor=actor)
        return json_answer(_shape(policy), status=201, headers={"Location": f"/api/policies/{policy.pk}/"})

    return respond_in_transaction(request, work)


@router.get("/{int:policy_id}/", auth=None, response=PolicyOut)
def get_policy(request: HttpRequest, policy_id: Id) -> HttpResponse:  # noqa: ARG001 -- ninja passes it
    """One policy."""
    return response_of(json_answer(_shape(queries.get_policy(policy_id))))


@router.patch("/{int:policy_id}/", auth=admin, response=PolicyOut)
def change_policy(request: HttpRequest, policy_id: Id, body: ChangePolicy) -> HttpResponse:
    """Change a policy's terms."""
    return _change(request, policy_id, body.model_dump(exclude_unset=True))


@router.put("/{int:policy_id}/", auth=admin, response=PolicyOut)
def replace_policy(request: HttpRequest, policy_id: Id, body: Terms) -> HttpResponse:
    """Replace all of a policy's terms."""
    return _change(request, policy_id, body.model_dump())


@router.delete("/{int:policy_id}/", auth=admin, response={204: None})
def remove_policy(request: HttpRequest, policy_id: Id) -> HttpResponse:
    """Remove a branch's policy; the category's general one then holds."""
    actor = actor_of(request)

    def work() -> Answer:
        services.remove_policy(policy_id=policy_id, actor=actor)
        return Answer(204, b"")

    return respond_in_transaction(request, work)


def _change(request: HttpRequest, policy_id: int, terms: dict[str, Any]) -> HttpResponse:
    actor = actor_of(request)

    def work() -> Answer:
        return json_answer(_shape(services.change_policy(policy_id=policy_id, terms=terms, actor=actor)))

    return respond_in_transaction(request, work)


def _shape(policy: Policy) -> dict[str, Any]:
    branch = policy.branch.code if policy.branch else None
    terms = {name: getattr(policy, name) for name in TERMS}
    return {"id": policy.pk, "category": policy.category_id, "branch": branch, **terms}
