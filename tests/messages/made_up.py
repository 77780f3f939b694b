"""Messages about reservations that never were, as the library writes them."""

from bookwell.contracts.messages import Notice, Recipient, ReservationFacts
from bookwell.kit.outbox import OutgoingMessage

__all__ = ["LANGUAGES", "message_of", "title_of"]

LANGUAGES = ("en", "pl", "ru")
_CHANGES = ("placed", "ready", "renewed", "due_soon", "cancelled")


def title_of(number: int) -> str:
    """The title that stands in a transaction's messages, and in no others."""
    return f"Tome-{number}-"


def message_of(number: int, step: int, language: str = "en") -> OutgoingMessage:
    """Message number `step` (from 0) about something made up."""
    facts = {
        "reservation_id": number,
        "state": "waiting",
        "title": title_of(number),
        "branch": "Main Library",
        "time_zone": "Europe/Warsaw",
        "position": step + 1,
        "due_at": "2036-01-05T09:00:00Z",
        "pickup_deadline_at": "2036-01-05T09:00:00Z",
    }
    recipient = Recipient(
        reference=f"user:{number}",
        name=f"Reader {number}",
        email=f"reader-{number}@example.org",
        language=language,
        channels=("email",),
    )
    notice = Notice(
        recipient=recipient,
        is_mandatory=step % 2 == 0,
        facts=ReservationFacts.model_validate(facts).model_dump(mode="json"),
    )
    return OutgoingMessage(
        queue="mail",
        type=f"reservation.{_CHANGES[step % len(_CHANGES)]}",
        aggregate=f"chaos:{number}",
        aggregate_version=step + 1,
        payload=notice.model_dump(mode="json"),
    )
