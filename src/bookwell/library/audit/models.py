"""The audit trail: who did what to what, in the transaction that did it. Rows are never changed."""

from django.db import models


class AuditEntry(models.Model):
    """One change. `actor_id` 0 is the system itself (deadlines, promotions)."""

    at = models.DateTimeField()
    actor_id = models.BigIntegerField()
    action = models.CharField(max_length=64)
    object_type = models.CharField(max_length=32)
    object_id = models.BigIntegerField()
    data = models.TextField(help_text="What changed, as JSON")
    request_id = models.CharField(max_length=64, blank=True)

    class Meta:
        db_table = "audit_entry"
        verbose_name_plural = "audit entries"
        indexes = [models.Index(fields=["object_type", "object_id", "id"], name="audit_object")]
