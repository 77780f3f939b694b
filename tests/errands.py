"""What waits in the outbox for the library's own workers, brought to them as a relay would."""

import json
from collections.abc import Sequence

from bookwell.contracts.messages import Envelope
from bookwell.kit.messaging import consume
from bookwell.library.plumbing.models import OutboxRow
from bookwell.library.tasks import CONSUMERS

__all__ = ["envelopes_about", "handle_errands", "pending", "run_errands_once"]


class _Receipts:
    def end(self, envelopes: Sequence[Envelope], *, now: object) -> None:
        OutboxRow.objects.filter(event_id__in=[envelope.event_id for envelope in envelopes]).update(done_at=1)

    def refuse(self, envelope: Envelope, error: str, *, now: object) -> None:
        OutboxRow.objects.filter(event_id=envelope.event_id).update(done_at=1, error=error)

    def postpone(self, envelope: Envelope, error: str, *, now: object) -> None:
        OutboxRow.objects.filter(event_id=envelope.event_id).update(error=error)


def pending() -> list[str]:
    """Types of what waits, in order."""
    rows = OutboxRow.objects.filter(queue="library", done_at=None).order_by("aggregate_version", "pk")
    return list(rows.values_list("type", flat=True))


def envelopes_about(reservation_id: int) -> list[Envelope]:
    """The errands of one reservation, told or not."""
    rows = OutboxRow.objects.filter(queue="library", aggregate=f"reservation:{reservation_id}")
    return [_envelope_of(row) for row in rows.order_by("aggregate_version", "pk")]


def run_errands_once() -> None:
    """Each message that waits now, one by one."""
    for row in OutboxRow.objects.filter(queue="library", done_at=None).order_by("aggregate_version", "pk"):
        handle_errands([_envelope_of(row)])


def handle_errands(envelopes: Sequence[Envelope]) -> None:
    """One bundle, as a worker does."""
    consume(envelopes, CONSUMERS["library"], {"library": _Receipts()})


def _envelope_of(row: OutboxRow) -> Envelope:
    fields = {name: getattr(row, name) for name in Envelope.model_fields if name not in ("source", "payload")}
    return Envelope(**fields, source="library", payload=json.loads(row.payload))
