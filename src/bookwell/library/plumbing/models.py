"""Tables of the kit's plumbing in the library's database.

Their columns are portable on purpose (CHAR ids, BIGINT milliseconds, TEXT): the relay reads them without Django.
"""

from django.db import models

from bookwell.kit.tracing import TRACE_ID_LENGTH, TRACEPARENT_LENGTH


class OutboxRow(models.Model):
    """A message for one queue, written with the change it tells; `done_at` is the consumer's receipt."""

    event_id = models.CharField(max_length=36)
    queue = models.CharField(max_length=32)
    type = models.CharField(max_length=64)
    version = models.SmallIntegerField()
    aggregate = models.CharField(max_length=64)
    aggregate_version = models.BigIntegerField()
    payload = models.TextField()
    created_at = models.BigIntegerField()
    lease_until = models.BigIntegerField(null=True)
    published_at = models.BigIntegerField(null=True)
    done_at = models.BigIntegerField(null=True)
    attempts = models.IntegerField(default=0)
    next_attempt_at = models.BigIntegerField()
    error = models.TextField(default="", blank=True)
    # The database's default is for servers of the version before, which write no trace.
    traceparent = models.CharField(max_length=TRACEPARENT_LENGTH, default="", db_default="", blank=True)

    class Meta:
        db_table = "outbox"
        verbose_name = "outgoing message"
        constraints = [models.UniqueConstraint(fields=["event_id", "queue"], name="outbox_event_queue")]
        indexes = [
            models.Index(fields=["queue", "done_at", "next_attempt_at"], name="outbox_waiting"),
            models.Index(fields=["aggregate", "aggregate_version"], name="outbox_order"),
        ]


class IdempotencyKeyRow(models.Model):
    """A caller's key and the answer to its first request."""

    digest = models.CharField(max_length=64, primary_key=True)
    fingerprint = models.CharField(max_length=64)
    status = models.SmallIntegerField()
    headers = models.TextField()
    body = models.TextField()
    created_at = models.BigIntegerField(db_index=True)

    class Meta:
        db_table = "idempotency_key"


class CacheEntry(models.Model):
    """Django's database cache, where neither Redis nor the embedded mode's file holds it; the columns are Django's."""

    cache_key = models.CharField(max_length=255, primary_key=True)
    value = models.TextField()
    expires = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "cache_entry"


class LogRecord(models.Model):
    """A log record of any service; `at` is in milliseconds since 1970, `fields` a JSON object.

    Where log records have a database of their own this table stays empty, and theirs is made by
    `kit.adapters.sqlalchemy.log_table`, which names its indexes the same.
    """

    at = models.BigIntegerField()
    service = models.CharField(max_length=32)
    level = models.CharField(max_length=8)
    event = models.CharField(max_length=200)
    request_id = models.CharField(max_length=64)
    logger = models.CharField(max_length=100)
    fields = models.TextField()
    # The database's default is for servers of the version before.
    trace = models.CharField(max_length=TRACE_ID_LENGTH, default="", db_default="", blank=True)

    class Meta:
        db_table = "log_record"
        indexes = [
            models.Index(fields=["at", "id"], name="log_record_at"),
            models.Index(fields=["level", "at", "id"], name="log_record_level"),
            models.Index(fields=["service", "at", "id"], name="log_record_service"),
            models.Index(fields=["event", "at", "id"], name="log_record_event"),
            models.Index(fields=["request_id", "at", "id"], name="log_record_request"),
            models.Index(fields=["trace", "at", "id"], name="log_record_trace"),
        ]
