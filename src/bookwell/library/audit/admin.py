"""The audit trail in Django's admin: searchable, never changed."""

from django.contrib import admin

from bookwell.kit.adapters.django.admin import ReadOnlyAdmin
from bookwell.library.audit.models import AuditEntry

__all__ = ["AuditEntryAdmin"]


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    """Who did what to what. The trail only grows, so the list does not count it."""

    list_display = ("at", "actor_id", "action", "object_type", "object_id", "request_id")
    list_filter = ("object_type",)
    search_fields = ("=action", "=object_id", "=actor_id", "=request_id")
    search_help_text = "An action, an object's or actor's number, or a request id, in full"
    ordering = ("-id",)
    show_full_result_count = False
