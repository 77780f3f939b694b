"""A reservation's story as its readers hear it: from the row of each change to a mail that a real server took.

Time moves forward; after each step everything that is due is done, relayed, sent and parsed.
"""

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
import time_machine
from icalendar import Calendar
from sqlalchemy import select

from bookwell.kit import clock
from bookwell.kit.adapters.sqlalchemy import OutboxTable, engine_of, reading
from bookwell.kit.messaging import Consumer, DirectPublisher
from bookwell.kit.outbox.relay import Relay
from bookwell.library.accounts.models import User
from bookwell.library.circulation import services
from bookwell.library.circulation.models import Reservation
from bookwell.notifier.deliveries.models import delivery
from bookwell.notifier.service import Notifier
from bookwell.notifier.settings import NotifierSettings
from tests.factories import BookFactory, PolicyFactory, ReaderFactory, ReservationFactory
from tests.jobs import do_what_is_due
from tests.mail_servers import MailServerThread, mail_server
from tests.notifying import notifier_url

pytestmark = pytest.mark.usefixtures("committed")

MONDAY = dt.datetime(2026, 3, 2, 10, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
TITLE = 'Koty & psy <script>"\r\nBcc: x@y.z'
TERMS: dict[str, Any] = {"pickup_days": 3, "loan_days": 14, "reminder_days": 2, "max_renewals": 1}


@dataclass(frozen=True, slots=True)
class Told:
    """A mail: which message it is, and what its receiver can rely on."""

    kind: str
    message: EmailMessage

    @property
    def language(self) -> str:
        """The language that its HTML declares."""
        return self.body("html").partition('<html lang="')[2][:2]

    @property
    def can_unsubscribe(self) -> bool:
        """Whether one click turns such messages off (RFC 8058)."""
        return str(self.message["List-Unsubscribe-Post"]) == "List-Unsubscribe=One-Click"

    @property
    def calendar(self) -> str | None:
        """The method of its calendar entry, the same in header and body."""
        for part in self.message.iter_attachments():
            method = Calendar.from_ical(part.get_content())["METHOD"]
            assert part.get_param("method") == method
            return str(method)
        return None

    def body(self, kind: str) -> str:
        """One of its two bodies."""
        found = self.message.get_body((kind,))
        assert found is not None
        return str(found.get_content())


class Post:
    """The way of messages from the library's rows to the server's mails."""

    def __init__(self, library_url: str, notifier: Notifier, server: MailServerThread) -> None:
        self._engine = engine_of(library_url)
        outbox = OutboxTable("library", self._engine)
        consumers = {"mail": Consumer(notifier.take_in)}
        self._relay = Relay([outbox], DirectPublisher(consumers, {"library": outbox}))
        self._notifier, self._server = notifier, server

    def go_round(self) -> None:
        """Bring out and send everything that there is."""
        while self._relay.run_once(clock.now()):
            pass
        self._notifier.deliver_due()

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()
        self._notifier.close()

    def told_to(self, reader: User) -> list[Told]:
        """The mails that the server took for a reader, in the order of what happened."""
        mine = select(delivery.c.id, delivery.c.type).where(delivery.c.address == reader.email)
        with reading(self._notifier.database.engine) as connection:
            kinds = {row.id: row.type for row in connection.execute(mine)}
        messages = [mail.message for mail in self._server.accepted if mail.recipients == (reader.email,)]
        told = [Told(kinds.pop(message["Message-ID"][1:].partition("@")[0]), message) for message in messages]
        assert not kinds, "not everything has arrived"
        return told


@pytest.fixture
def post(committed: str, tmp_path: Path) -> Iterator[Post]:
    with notifier_url(tmp_path) as url, mail_server() as server:
        settings = {"smtp_url": f"smtp://127.0.0.1:{server.port}", "mail_from": "Library <desk@library.example>"}
        notifier = Notifier(NotifierSettings.model_validate(settings | {"notifier_database_url": url}))
        post = Post(committed, notifier, server)
        yield post
        post.close()


@pytest.fixture
def at(post: Post) -> Callable[..., None]:
    """Goes to a moment, does something there, and lets the library and the post do what is due."""

    def go(moment: dt.datetime, *works: Callable[[], Any]) -> None:
        with time_machine.travel(moment, tick=True):
            do_what_is_due(now=clock.now())
            for work in works:
                work()
            post.go_round()

    return go


def test_story__nobody_comes_and_the_next_reader_is_late__each_mail_goes_to_whom_it_concerns(
    post: Post, at: Callable[..., None]
) -> None:
    with time_machine.travel(MONDAY, tick=True):
        policy = PolicyFactory.create(**TERMS)
        zofia = ReaderFactory.create(policy=policy, language="pl", channels=["email"])
        ivan = ReaderFactory.create(policy=policy, language="ru", channels=["email"])
        book = BookFactory.create(title=TITLE)

    def mine(reader: User) -> Reservation:
        return Reservation.objects.get(reader=reader, book=book)

    def step(verb: Any, reader: User) -> Callable[[], Any]:
        return lambda: ReservationFactory.step(verb, mine(reader))

    at(MONDAY, lambda: [ReservationFactory.place(reader, book) for reader in (zofia, ivan)])
    at(MONDAY, step(services.shelve, zofia))
    deadline = mine(zofia).pickup_deadline_at
    assert deadline is not None
    at(deadline - DAY)
    at(deadline + DAY)
    at(deadline + DAY, step(services.shelve, ivan), step(services.issue, ivan))
    due = mine(ivan).due_at
    assert due is not None
    at(due - DAY, step(services.renew, ivan))
    renewed = mine(ivan).due_at
    assert renewed is not None
    at(renewed + 2 * DAY, step(services.return_book, ivan))

    to_zofia, to_ivan = post.told_to(zofia), post.told_to(ivan)
    assert [(told.kind.removeprefix("reservation."), told.calendar, told.can_unsubscribe) for told in to_zofia] == [
        ("placed", None, False),
        ("ready", "PUBLISH", False),
        ("pickup_reminder", None, True),
        ("expired", "CANCEL", False),
    ]
    assert [(told.kind.removeprefix("reservation."), told.calendar, told.can_unsubscribe) for told in to_ivan] == [
        ("placed", None, False),
        ("ready", "PUBLISH", False),
        ("due_soon", "PUBLISH", True),
        ("renewed", "PUBLISH", False),
        ("overdue", None, False),
    ]
    assert {told.language for told in to_zofia} == {"pl"}
    assert {told.language for told in to_ivan} == {"ru"}
    for told in (*to_zofia, *to_ivan):
        assert told.message["Auto-Submitted"] == "auto-generated"
        assert told.message["Bcc"] is None
        assert "<script>" in told.body("plain")
        assert "<script>" not in told.body("html")
