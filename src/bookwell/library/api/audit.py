"""The audit trail, for administrators."""

from typing import Annotated

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router
from pydantic import Field

from bookwell.library.api.auth import admin
from bookwell.library.api.paging import PageQuery, page_request, respond_page
from bookwell.library.api.types import Id, PageOf
from bookwell.library.audit.queries import list_entries
from bookwell.library.audit.schemas import AuditEntryOut

__all__ = ["router"]

router = Router(tags=["audit"])


class AuditFilters(PageQuery):
    """What to narrow the trail to."""

    object_type: Annotated[str, Field(max_length=32)] | None = None
    object_id: Id | None = None
    action: Annotated[str, Field(max_length=64)] = ""


class AuditEntriesOut(PageOf):
    """A page of the trail, newest first."""

    items: list[AuditEntryOut]


@router.get("/", auth=admin, response=AuditEntriesOut)
def list_audit_entries(request: HttpRequest, filters: Query[AuditFilters]) -> HttpResponse:
    """Who did what."""
    page = page_request(request, filters)
    rows = list_entries(
        position=page.position,
        limit=page.limit,
        object_type=filters.object_type,
        object_id=filters.object_id,
        action=filters.action,
    )
    return respond_page(page, rows, key=lambda row: (row.id,))
