"""What was said is forgotten after its time; what failed may be asked for again until then."""

import datetime as dt
import json
import os
from pathlib import Path
from typing import Any

import pytest
import time_machine

from bookwell.kit import clock
from bookwell.notifier.channels.files import FileTransport, mail_files
from bookwell.notifier.channels.mail import MailChannel
from bookwell.notifier.db import Database
from bookwell.notifier.deliveries.queries import DeliveryNotFound
from bookwell.notifier.deliveries.rules import MAX_ATTEMPTS, AttemptOutcome, RetryRefused, Verdict
from bookwell.notifier.deliveries.services.record import retry_in_tx
from tests.notifying import ACCEPTED, RememberingChannel, an_envelope, attempts_of, deliveries_of, make_notifier

_REFUSED = Verdict(AttemptOutcome.REFUSED, 550, "550 reader@example.org unknown")
_LATER = Verdict(AttemptOutcome.TRANSIENT, 451, "451 later")


def _retry(database: Database, delivery_id: str) -> None:
    database.write(lambda connection: retry_in_tx(connection, delivery_id=delivery_id, now=clock.now()))


def test_forget__after_its_days__only_the_row_without_content_and_address_stays(database: Database) -> None:
    notifier, _ = make_notifier(database, channel=RememberingChannel([_REFUSED, _LATER]))
    failed, waiting = an_envelope(), an_envelope(aggregate="reservation:2")
    for envelope in (failed, waiting):
        notifier.take_in([envelope])
        notifier.deliver([envelope])

    too_early = notifier.forget()
    with time_machine.travel(clock.now() + dt.timedelta(days=31)):
        forgotten = notifier.forget()

    (old,), (moving,) = deliveries_of(database, failed), deliveries_of(database, waiting)
    assert (too_early, forgotten) == (0, 1)
    assert (old.state, old.notice, old.address, old.reason) == ("failed", "", "", "")
    assert [each.answer for each in attempts_of(database, old.id)] == ["forgotten"]
    assert moving.notice
    assert moving.address
    with pytest.raises(RetryRefused):
        _retry(database, old.id)


def test_forget__after_more_days__nothing_stays_of_what_ended(database: Database) -> None:
    notifier, _ = make_notifier(database)
    envelope = an_envelope()
    notifier.take_in([envelope])
    notifier.deliver([envelope])

    with time_machine.travel(clock.now() + dt.timedelta(days=401)):
        notifier.forget()

    assert deliveries_of(database) == []


def test_forget__after_more_days__what_came_since_keeps_its_attempts(database: Database) -> None:
    notifier, _ = make_notifier(database)
    old, new = an_envelope(), an_envelope(aggregate="reservation:2")
    notifier.take_in([old])
    notifier.deliver([old])

    with time_machine.travel(clock.now() + dt.timedelta(days=401)):
        notifier.take_in([new])
        notifier.deliver([new])
        notifier.forget()

    (kept,) = deliveries_of(database)
    assert kept.event_id == new.event_id
    assert [(each.outcome, each.answer) for each in attempts_of(database, kept.id)] == [("accepted", "250 OK")]


def test_forget__mails_in_files__go_too(database: Database, tmp_path: Path) -> None:
    channel = MailChannel(FileTransport(tmp_path / "mails"), sender="a@b.example")
    notifier, _ = make_notifier(database, channel=channel, data_dir=tmp_path)
    old, new = an_envelope(), an_envelope(aggregate="reservation:2")
    notifier.take_in([old, new])
    notifier.deliver([old, new])
    (old_row,), (new_row,) = deliveries_of(database, old), deliveries_of(database, new)
    long_ago = (clock.now() - dt.timedelta(days=31)).timestamp()
    os.utime(tmp_path / "mails" / f"{old_row.id}.eml", (long_ago, long_ago))

    notifier.forget()

    assert [file.stem for file in mail_files(tmp_path / "mails")] == [new_row.id]


def test_retry__a_failed_delivery__has_as_many_attempts_as_a_new_one(database: Database) -> None:
    notifier, channel = make_notifier(database, channel=RememberingChannel([_REFUSED, _LATER]))
    envelope = an_envelope()
    notifier.take_in([envelope])
    notifier.deliver([envelope])
    (row,) = deliveries_of(database)

    _retry(database, row.id)
    (queued,) = deliveries_of(database)
    notifier.deliver_due()
    with time_machine.travel(clock.now() + dt.timedelta(seconds=10)):
        notifier.deliver_due()

    (sent,) = deliveries_of(database)
    assert (queued.state, queued.reason, queued.ended_at) == ("queued", "", None)
    assert (sent.state, sent.attempts, sent.attempts_allowed) == ("sent", 3, 1 + MAX_ATTEMPTS)
    assert len({message.delivery_id for message in channel.messages}) == 1


def test_retry__what_was_sent_or_never_was__is_refused(database: Database) -> None:
    notifier, channel = make_notifier(database)
    envelope = an_envelope()
    notifier.take_in([envelope])
    notifier.deliver([envelope])
    (row,) = deliveries_of(database)

    with pytest.raises(RetryRefused):
        _retry(database, row.id)
    for unknown in ("0" * 36, row.event_id, "\0"):
        with pytest.raises(DeliveryNotFound):
            _retry(database, unknown)

    assert deliveries_of(database) == [row]
    assert len(channel.messages) == 1


def test_sent__links__are_forgotten_and_those_of_what_failed_are_kept_for_another_try(database: Database) -> None:
    notifier, _ = make_notifier(database, channel=RememberingChannel([ACCEPTED, _REFUSED]))
    links: dict[str, Any] = {"unsubscribe_url": "https://library.example/u/SECRET"}
    sent, failed = (an_envelope(aggregate=f"reservation:{number}", **links) for number in (1, 2))

    for envelope in (sent, failed):
        notifier.take_in([envelope])
        notifier.deliver([envelope])

    (done,), (dead,) = deliveries_of(database, sent), deliveries_of(database, failed)
    assert (done.state, dead.state) == ("sent", "failed")
    assert "SECRET" not in repr(tuple(done))
    assert json.loads(done.notice)["facts"]["title"] == "Solaris"
    assert "SECRET" in dead.notice
