"""What tests of the notifier share: messages as the library writes them, a channel that remembers, its database."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import delete, select

from bookwell.contracts.messages import Envelope
from bookwell.kit import clock, ids
from bookwell.kit.adapters.sqlalchemy.engines import reading, writing
from bookwell.notifier.channels.protocol import Message
from bookwell.notifier.db import Database
from bookwell.notifier.deliveries.models import attempt, delivery, metadata
from bookwell.notifier.deliveries.rules import AttemptOutcome, Verdict
from bookwell.notifier.migrating import migrate
from bookwell.notifier.rendering import RenderedMessage
from bookwell.notifier.service import Notifier
from bookwell.notifier.settings import NotifierSettings
from tests.infrastructure import drop_database, new_database

__all__ = [
    "ACCEPTED",
    "RememberingChannel",
    "an_envelope",
    "attempts_of",
    "deliveries_of",
    "empty_database",
    "make_notifier",
    "notifier_url",
    "plain_render",
]

ACCEPTED = Verdict(AttemptOutcome.ACCEPTED, 250, "250 OK")
_URL = "BOOKWELL_LIBRARY_DATABASE_URL"


def an_envelope(
    *,
    event_id: str = "",
    kind: str = "reservation.ready",
    aggregate: str = "reservation:1",
    version: int = 1,
    email: str = "reader@example.org",
    traceparent: str = "",
    **payload: Any,
) -> Envelope:
    """A message about one reservation; `payload` replaces members of the notice."""
    facts = {
        "reservation_id": 1,
        "state": "ready",
        "title": "Solaris",
        "branch": "Main",
        "time_zone": "Europe/Warsaw",
        "pickup_deadline_at": "2030-01-01T17:00:00+00:00",
    }
    recipient = {"reference": "user:5", "name": "Ada", "email": email, "language": "en", "channels": ["email"]}
    notice = {"recipient": recipient, "is_mandatory": False, "facts": facts}
    return Envelope(
        event_id=event_id or ids.new_id(),
        source="library",
        queue="mail",
        type=kind,
        version=1,
        aggregate=aggregate,
        aggregate_version=version,
        created_at=int(clock.now().timestamp() * 1000),
        payload=notice | payload,
        traceparent=traceparent,
    )


def plain_render(kind: str, _notice: Any, *, delivery_id: str, sequence: int, **_rest: Any) -> RenderedMessage:
    """Stands for the templates."""
    return RenderedMessage(subject=f"{kind} {sequence}", text=f"text {delivery_id}", html="<p>html</p>", calendar=None)


@dataclass(slots=True)
class RememberingChannel:
    """A channel that keeps messages, and answers with the next of `verdicts`, then that it took them."""

    verdicts: list[Verdict | BaseException] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)

    def send(self, message: Message) -> Verdict:
        """Keep the message; raise where a test wants the process to die here."""
        self.messages.append(message)
        verdict = self.verdicts.pop(0) if self.verdicts else ACCEPTED
        if isinstance(verdict, BaseException):
            raise verdict
        return verdict

    def close(self) -> None:
        """Nothing is open."""

    @property
    def subjects(self) -> list[str]:
        """In the order in which they came."""
        return [message.content.subject for message in self.messages]


@contextmanager
def notifier_url(folder: Path) -> Iterator[str]:
    """The address of a new, migrated database of the kind under test."""
    server = os.environ.get(_URL, "sqlite")
    url = f"sqlite:///{folder / 'notifier.sqlite3'}" if server.startswith("sqlite") else new_database(server)
    try:
        migrate(url)
        yield url
    finally:
        if not url.startswith("sqlite"):
            drop_database(url)


def empty_database(database: Database) -> None:
    """It is the notifier tests' own: nobody else has rows in it."""
    with writing(database.engine) as connection:
        for table in reversed(metadata.sorted_tables):
            connection.execute(delete(table))


def make_notifier(
    database: Database, *, channel: Any = None, render: Any = plain_render, **settings: Any
) -> tuple[Notifier, Any]:
    """A notifier on that database, and its e-mail channel."""
    channel = channel or RememberingChannel()
    notifier = Notifier(NotifierSettings(**settings), database=database, channels={"email": channel}, render=render)
    return notifier, channel


def deliveries_of(database: Database, *envelopes: Envelope) -> list[Any]:
    """The rows of these messages, in their order; of all without any."""
    wanted = [envelope.event_id for envelope in envelopes]
    chosen = select(delivery).order_by(delivery.c.aggregate, delivery.c.aggregate_version)
    with reading(database.engine) as connection:
        return list(connection.execute(chosen.where(delivery.c.event_id.in_(wanted)) if wanted else chosen))


def attempts_of(database: Database, delivery_id: str) -> list[Any]:
    """The attempts of a delivery, first to last."""
    with reading(database.engine) as connection:
        chosen = select(attempt).where(attempt.c.delivery_id == delivery_id).order_by(attempt.c.number)
        return list(connection.execute(chosen))
