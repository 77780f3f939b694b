"""Log records of library and partners, for administrators."""

import datetime as dt
from typing import Annotated, Literal

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router
from pydantic import AfterValidator, Field

from bookwell.library.api.auth import admin
from bookwell.library.api.paging import PageQuery, page_request, respond_page
from bookwell.library.api.types import Moment, PageOf
from bookwell.library.plumbing.queries import list_log_entries
from bookwell.library.plumbing.schemas import LogRecordOut

__all__ = ["router"]

router = Router(tags=["logs"])


def _in_utc(moment: dt.datetime) -> dt.datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


Instant = Annotated[Moment, AfterValidator(_in_utc)]
"""RFC 3339; without an offset it is UTC."""


class LogFilters(PageQuery):
    """What to narrow the records to."""

    starts_at: Annotated[Instant | None, Field(alias="from", description="Not before; UTC without an offset")] = None
    ends_at: Annotated[Instant | None, Field(alias="to", description="Before; UTC without an offset")] = None
    level: Literal["debug", "info", "warning", "error", "critical"] | None = None
    service: Annotated[str, Field(max_length=32)] = ""
    request_id: Annotated[str, Field(max_length=64)] = ""
    trace: Annotated[str, Field(pattern="^([0-9a-f]{32})?$", description="The 32 digits within a traceparent")] = ""
    event: Annotated[str, Field(max_length=200, description="In full, as http.request")] = ""

    @property
    def equal(self) -> dict[str, str]:
        """The columns of which the caller has named the content."""
        names = ("level", "service", "request_id", "trace", "event")
        return {name: value for name in names if (value := getattr(self, name))}


class LogRecordsOut(PageOf):
    """A page of records, newest first."""

    items: list[LogRecordOut]


@router.get("/", auth=admin, response=LogRecordsOut)
def list_log_records(request: HttpRequest, filters: Query[LogFilters]) -> HttpResponse:
    """What happened in library and partners, as the log table has it: up to a second late, and without what it lost.

    The metric `bookwell_log_records_dropped_total` counts the latter.
    """
    page = page_request(request, filters, shape=(int, int))
    rows = list_log_entries(
        position=page.position,
        limit=page.limit,
        starts_at=filters.starts_at,
        ends_at=filters.ends_at,
        equal=filters.equal,
    )
    return respond_page(page, rows, key=lambda row: row.key)
