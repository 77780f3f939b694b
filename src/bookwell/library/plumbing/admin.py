"""The outbox in Django's admin: what was sent, what waits and why; never changed by hand."""

import datetime as dt

from django.contrib import admin

from bookwell.kit.adapters.django.admin import ReadOnlyAdmin
from bookwell.library.plumbing.models import OutboxRow

__all__ = ["OutboxAdmin"]


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
