"""What the outbox holds, held against the contract."""

import json
from typing import Any

from bookwell.contracts.messages import NOTICES, Notice, NoticeFacts, Recipient, ReservationFacts
from bookwell.library.plumbing.models import OutboxRow

__all__ = ["assert_is_notice", "notice_of", "notices_about"]


def assert_is_notice(kind: str, payload: dict[str, Any]) -> Notice:
    """The payload is a notice, with no field that the contract does not know; types of JSON, nothing converted."""
    notice = Notice.model_validate_json(json.dumps(payload), strict=True)
    facts: type[NoticeFacts] = NOTICES.get(kind, ReservationFacts)
    facts.model_validate_json(json.dumps(payload["facts"]), strict=True)
    assert payload.keys() == Notice.model_fields.keys(), kind
    assert payload["recipient"].keys() == Recipient.model_fields.keys(), kind
    assert payload["facts"].keys() <= facts.model_fields.keys(), kind
    return notice


def notice_of(row: OutboxRow) -> Notice:
    """The row's content."""
    return assert_is_notice(row.type, json.loads(row.payload))


def notices_about(aggregate: str) -> list[tuple[str, Notice]]:
    """What is told about one thing, in order: types without their first word, and contents."""
    rows = OutboxRow.objects.filter(aggregate=aggregate).order_by("aggregate_version", "pk")
    return [(row.type.partition(".")[2], notice_of(row)) for row in rows]
