"""Branches and their closed dates: read by anyone, written by administrators."""

import datetime as dt
from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router
from pydantic import Field

from bookwell.kit.idempotency import Answer
from bookwell.library.api.answers import json_answer, respond_in_transaction, response_of
from bookwell.library.api.auth import admin, caller_of
from bookwell.library.api.paging import PageQuery, page_request, respond_page
from bookwell.library.api.types import Body, Day, Id, Name, PageOf, PartialBody
from bookwell.library.network import queries, services
from bookwell.library.network.models import LAST_POSITION, Branch, Closure
from bookwell.library.network.schemas import BranchOut, ClosureOut
from bookwell.library.network.services import BranchData

__all__ = ["closures_router", "router"]

router = Router(tags=["branches"])
closures_router = Router(tags=["branches"])

Code = Annotated[str, Field(min_length=1, max_length=20, pattern=r"^[A-Za-z0-9._-]+$")]
Zone = Annotated[str, Field(min_length=1, max_length=64)]
Country = Annotated[str, Field(pattern=r"^([A-Z]{2})?$")]
Weekdays = Annotated[list[Annotated[int, Field(ge=1, le=7)]], Field(min_length=1, max_length=7)]
Place = Annotated[int, Field(ge=0, le=LAST_POSITION)]
Reason = Annotated[str, Field(max_length=200)]


class BranchBody(Body):
    """A whole branch; it is open every day and in UTC where nothing else is said."""

    code: Code
    name: Name
    time_zone: Zone = "UTC"
    country: Country = ""
    open_weekdays: Weekdays = [1, 2, 3, 4, 5, 6, 7]
    position: Place | None = Field(default=None, description="Null: a new branch comes last, another stays in place")


class ChangeBranch(PartialBody):
    """Only the fields that are sent change."""

    code: Code = "unchanged"
    name: Name = "unchanged"
    time_zone: Zone = "UTC"
    country: Country = ""
    open_weekdays: Weekdays = [1]
    position: Place = 0


class BranchesOut(PageOf):
    """A page of branches."""

    items: list[BranchOut]


class ClosureBody(Body):
    """A branch (its code) and the date on which it is closed."""

    branch: Code
    closed_on: Day
    reason: Reason = ""


class ChangeClosure(PartialBody):
    """Only the fields that are sent change."""

    branch: Code = "unchanged"
    closed_on: Day = dt.date.min
    reason: Reason = ""


class ClosuresOut(PageOf):
    """A page of closures."""

    items: list[ClosureOut]


class ClosureFilters(PageQuery):
    """What to narrow the list to."""

    branch: Annotated[str, Field(max_length=20)] | None = None


@router.get("/", auth=None, response=BranchesOut)
def list_branches(request: HttpRequest, filters: Query[PageQuery]) -> HttpResponse:
    """All branches, the default one first."""
    page = page_request(request, filters, shape=(int, int))
    rows = queries.list_branches(page.position, limit=page.limit)
    return respond_page(page, rows, key=lambda row: (row.position, row.pk), shape=_branch)


@router.post("/", auth=admin, response={201: BranchOut})
def create_branch(request: HttpRequest, body: BranchBody) -> HttpResponse:
    """Add a branch."""
    actor_id = caller_of(request).user_id

    def work() -> Answer:
        branch = services.create_branch(data=BranchData(**body.model_dump()), actor_id=actor_id)
        return json_answer(_branch(branch), status=201, headers={"Location": f"/api/branches/{branch.pk}/"})

    return respond_in_transaction(request, work)


@router.get("/{int:branch_id}/", auth=None, response=BranchOut)
def get_branch(request: HttpRequest, branch_id: Id) -> HttpResponse:  # noqa: ARG001 -- ninja passes it
    """One branch."""
    return response_of(json_answer(_branch(queries.get_branch(branch_id))))


@router.put("/{int:branch_id}/", auth=admin, response=BranchOut)
def replace_branch(request: HttpRequest, branch_id: Id, body: BranchBody) -> HttpResponse:
    """Describe a branch anew."""
    return _change_branch(request, branch_id, body.model_dump())


@router.patch("/{int:branch_id}/", auth=admin, response=BranchOut)
def change_branch(request: HttpRequest, branch_id: Id, body: ChangeBranch) -> HttpResponse:
    """Change some fields of a branch."""
    return _change_branch(request, branch_id, body.model_dump(exclude_unset=True))


@router.delete("/{int:branch_id}/", auth=admin, response={204: None})
def delete_branch(request: HttpRequest, branch_id: Id) -> HttpResponse:
    """Remove a branch that nothing belongs to."""
    actor_id = caller_of(request).user_id

    def work() -> Answer:
        services.delete_branch(branch_id=branch_id, actor_id=actor_id)
        return Answer(204, b"")

    return respond_in_transaction(request, work)


@closures_router.get("/", auth=None, response=ClosuresOut)
def list_closures(request: HttpRequest, filters: Query[ClosureFilters]) -> HttpResponse:
    """Closed dates of one branch or all."""
    page = page_request(request, filters)
    rows = queries.list_closures(page.position, limit=page.limit, branch=filters.branch)
    return respond_page(page, rows, key=lambda row: (row.pk,), shape=_closure)


@closures_router.post("/", auth=admin, response={201: ClosureOut})
def add_closure(request: HttpRequest, body: ClosureBody) -> HttpResponse:
    """Close a branch on a date. Deadlines that fall on it move to the next opening day, within a minute."""
    actor_id = caller_of(request).user_id

    def work() -> Answer:
        closure = services.add_closure(**body.model_dump(), actor_id=actor_id)
        return json_answer(_closure(closure), status=201, headers={"Location": f"/api/closures/{closure.pk}/"})

    return respond_in_transaction(request, work)


@closures_router.get("/{int:closure_id}/", auth=None, response=ClosureOut)
def get_closure(request: HttpRequest, closure_id: Id) -> HttpResponse:  # noqa: ARG001 -- ninja passes it
    """One closed date."""
    return response_of(json_answer(_closure(queries.get_closure(closure_id))))


@closures_router.put("/{int:closure_id}/", auth=admin, response=ClosureOut)
def replace_closure(request: HttpRequest, closure_id: Id, body: ClosureBody) -> HttpResponse:
    """Replace a closed date."""
    return _change_closure(request, closure_id, body.model_dump())


@closures_router.patch("/{int:closure_id}/", auth=admin, response=ClosureOut)
def change_closure(request: HttpRequest, closure_id: Id, body: ChangeClosure) -> HttpResponse:
    """Change some fields of a closed date."""
    return _change_closure(request, closure_id, body.model_dump(exclude_unset=True))


@closures_router.delete("/{int:closure_id}/", auth=admin, response={204: None})
def remove_closure(request: HttpRequest, closure_id: Id) -> HttpResponse:
    """Open a branch again on a date that was closed."""
    actor_id = caller_of(request).user_id

    def work() -> Answer:
        services.remove_closure(closure_id=closure_id, actor_id=actor_id)
        return Answer(204, b"")

    return respond_in_transaction(request, work)


def _change_branch(request: HttpRequest, branch_id: int, changes: dict[str, Any]) -> HttpResponse:
    actor_id = caller_of(request).user_id

    def work() -> Answer:
        return json_answer(_branch(services.change_branch(branch_id=branch_id, changes=changes, actor_id=actor_id)))

    return respond_in_transaction(request, work)


def _change_closure(request: HttpRequest, closure_id: int, changes: dict[str, Any]) -> HttpResponse:
    actor_id = caller_of(request).user_id

    def work() -> Answer:
        return json_answer(_closure(services.change_closure(closure_id=closure_id, actor_id=actor_id, **changes)))

    return respond_in_transaction(request, work)


def _branch(branch: Branch) -> dict[str, Any]:
    names = ("code", "name", "time_zone", "country", "open_weekdays", "position")
    return {"id": branch.pk, **{name: getattr(branch, name) for name in names}}


def _closure(closure: Closure) -> dict[str, Any]:
    code = closure.branch.code
    return {"id": closure.pk, "branch": code, "closed_on": closure.closed_on, "reason": closure.reason}
