"""The outbox and the log records in Django's admin: what was sent or happened, what waits; never changed by hand."""

import datetime as dt
from typing import Any

from django.contrib import admin, messages
from django.core.paginator import Paginator
from django.db import Error
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.functional import cached_property

from bookwell.kit import clock
from bookwell.kit.adapters.django.admin import ReadOnlyAdmin
from bookwell.library.plumbing.models import LogRecord, OutboxRow
from bookwell.library.plumbing.queries import log_records

__all__ = ["LogRecordAdmin", "OutboxAdmin"]


@admin.register(OutboxRow)
class OutboxAdmin(ReadOnlyAdmin):
    """Messages with their times; the payload may name readers and is not shown in the list."""

    list_display = ("created", "queue", "type", "aggregate", "is_done", "attempts", "error")
    list_filter = ("queue", "type")
    search_fields = ("=event_id", "=aggregate")
    search_help_text = "An event's id, or what it is about (reservation:17), in full"
    ordering = ("-id",)
    show_full_result_count = False

    @admin.display(ordering="created_at")
    def created(self, row: OutboxRow) -> dt.datetime:
        """When the change happened."""
        return dt.datetime.fromtimestamp(row.created_at / 1000, dt.UTC)

    @admin.display(boolean=True)
    def is_done(self, row: OutboxRow) -> bool:
        """Whether the consumer has receipted it."""
        return row.done_at is not None


class _WithinFilter(admin.SimpleListFilter):
    title = "time"
    parameter_name: str = "within"
    _hours = (("1", "the last hour"), ("24", "the last day"), ("168", "the last week"))

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> tuple[tuple[str, str], ...]:
        return self._hours

    def queryset(self, _request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() not in dict(self._hours):
            return queryset
        earliest = clock.now() - dt.timedelta(hours=int(str(self.value())))
        return queryset.filter(at__gte=int(earliest.timestamp() * 1000))


class _NamedFilter(admin.SimpleListFilter):
    """A choice of fixed names: Django's own would read the whole table for them."""

    parameter_name: str
    names: tuple[str, ...] = ()

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name) for name in self.names]

    def queryset(self, _request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter((self.parameter_name, self.value())) if self.value() else queryset


class _LevelFilter(_NamedFilter):
    title = parameter_name = "level"
    names = ("debug", "info", "warning", "error", "critical")


class _ServiceFilter(_NamedFilter):
    title = parameter_name = "service"
    names = ("library", "partners", "background", "relay", "scheduler", "worker")


class _ShortPaginator(Paginator):  # type: ignore[type-arg]  # it takes none at run time
    """Counts no further than people turn pages: the table has millions of rows."""

    _most = 10_000

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        return int(rows[: self._most].count())


@admin.register(LogRecord)
class LogRecordAdmin(ReadOnlyAdmin):
    """Records of all services, newest first, from the database where they are kept."""

    list_display = ("time", "service", "level", "event", "request_id", "shortened")
    list_filter = (_WithinFilter, _LevelFilter, _ServiceFilter)
    search_fields = ("request_id__exact", "trace__exact", "event__exact")
    search_help_text = "A request's id, a trace's or an event (http.request), in full"
    ordering = ("-at", "-id")
    sortable_by = ()
    paginator = _ShortPaginator
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[LogRecord]:  # noqa: ARG002 -- Django passes it
        """Where they are, which may be another database."""
        return log_records().order_by(*self.ordering)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list; a database that is down is told instead of failing."""
        try:
            response = super().changelist_view(request, extra_context)
            return response.render() if isinstance(response, TemplateResponse) else response
        except Error:
            self.message_user(request, "The database of the log records does not answer.", messages.ERROR)
            return HttpResponseRedirect(reverse("admin:index"))

    @admin.display(description="at")
    def time(self, record: LogRecord) -> str:
        """When it was written, in UTC."""
        return dt.datetime.fromtimestamp(record.at / 1000, dt.UTC).isoformat(sep=" ", timespec="milliseconds")

    @admin.display(description="fields")
    def shortened(self, record: LogRecord) -> str:
        """Their beginning; the record's own page has all."""
        return record.fields if len(record.fields) <= 200 else f"{record.fields[:200]}…"
