"""Somebody whom the library has forgotten is forgotten here."""

from pathlib import Path
from typing import Any

import pytest

from bookwell.contracts.messages import Envelope
from bookwell.kit.messaging import Poison
from bookwell.notifier.channels.files import FileTransport, mail_files
from bookwell.notifier.channels.mail import MailChannel
from bookwell.notifier.channels.protocol import Message
from bookwell.notifier.db import Database
from bookwell.notifier.deliveries.rules import AttemptOutcome, Verdict
from bookwell.notifier.deliveries.services.forget_person import BeingSent
from tests.notifying import RememberingChannel, an_envelope, attempts_of, deliveries_of, make_notifier

_REFUSED = Verdict(AttemptOutcome.REFUSED, 550, "550 reader@example.org unknown")
_OTHER = {"reference": "user:50", "name": "Ida", "email": "ida@example.org", "language": "en", "channels": ["email"]}


def forgotten(payload: Any = None) -> Envelope:
    message = an_envelope(kind="person.forgotten", aggregate="user:5", version=9)
    return message.model_copy(update={"payload": {"reference": "user:5"} if payload is None else payload})


def test_take_in__a_person_is_forgotten__nothing_is_kept_or_sent_any_more(database: Database) -> None:
    notifier, channel = make_notifier(database, channel=RememberingChannel([_REFUSED]))
    failed, queued = an_envelope(), an_envelope(aggregate="reservation:2")
    other = an_envelope(aggregate="reservation:3", recipient=_OTHER)
    notifier.take_in([failed])
    notifier.deliver([failed])
    notifier.take_in([queued, other])

    message = forgotten()
    notifier.take_in([message])
    notifier.take_in([message])
    notifier.deliver_due()

    (old,), (never,), (theirs,) = (deliveries_of(database, each) for each in (failed, queued, other))
    assert [(row.state, row.address, row.notice, row.reason) for row in (old, never)] == [
        ("failed", "", "", ""),
        ("suppressed", "", "", ""),
    ]
    assert never.ended_at
    assert [each.answer for each in attempts_of(database, old.id)] == ["forgotten"]
    assert (theirs.state, theirs.address) == ("sent", "ida@example.org")
    assert len(channel.messages) == 2
    assert len(deliveries_of(database, message)) == 1


def test_take_in__others_were_told_of_a_person__keep_nothing_of_it(database: Database) -> None:
    notifier, channel = make_notifier(database)
    told, elsewhere = (an_envelope(aggregate=aggregate, recipient=_OTHER) for aggregate in ("loan:4", "loan:5"))
    notifier.take_in([told, elsewhere])
    about = forgotten({"reference": "user:5", "about": ["loan:4", "loan:7"]})

    with pytest.raises(BeingSent):
        notifier.take_in([about])
    notifier.deliver_due()
    notifier.take_in([about])

    (of_them,), (of_others,) = (deliveries_of(database, each) for each in (told, elsewhere))
    assert len(channel.messages) == 2
    assert (of_them.state, of_them.address, of_them.notice) == ("sent", "", "")
    assert (of_others.state, of_others.address) == ("sent", "ida@example.org")


def test_take_in__a_message_comes_after_its_person_was_forgotten__goes_nowhere(database: Database) -> None:
    notifier, channel = make_notifier(database)
    notifier.take_in([forgotten()])
    late, other = an_envelope(), an_envelope(aggregate="reservation:3", recipient=_OTHER)

    notifier.take_in([late, other])
    notifier.deliver_due()

    (row,) = deliveries_of(database, late)
    assert (row.state, row.address, row.notice) == ("suppressed", "", "")
    assert [message.address for message in channel.messages] == ["ida@example.org"]


def test_take_in__a_mail_is_just_being_sent__the_person_is_forgotten_when_it_is_over(database: Database) -> None:
    refusals: list[object] = []

    class BusyChannel(RememberingChannel):
        def send(self, message: Message) -> Verdict:
            with pytest.raises(BeingSent) as refusal:
                notifier.take_in([order])
            refusals.append(refusal)
            return super().send(message)

    notifier, _ = make_notifier(database, channel=BusyChannel())
    envelope, order = an_envelope(), forgotten()
    notifier.take_in([envelope])

    notifier.deliver([envelope])
    (sent,) = deliveries_of(database, envelope)
    notifier.take_in([order])

    (row,) = deliveries_of(database, envelope)
    assert len(refusals) == 1
    assert (sent.state, sent.address) == ("sent", "reader@example.org")
    assert (row.state, row.address, row.notice) == ("sent", "", "")


def test_take_in__a_person_is_forgotten__their_files_go(database: Database, tmp_path: Path) -> None:
    channel = MailChannel(FileTransport(tmp_path / "mails"), sender="a@b.example")
    notifier, _ = make_notifier(database, channel=channel, data_dir=tmp_path)
    mine, other = an_envelope(), an_envelope(aggregate="reservation:3", recipient=_OTHER)
    notifier.take_in([mine, other])
    notifier.deliver([mine, other])

    notifier.take_in([forgotten()])

    (theirs,) = deliveries_of(database, other)
    assert [file.stem for file in mail_files(tmp_path / "mails")] == [theirs.id]


@pytest.mark.parametrize("payload", [{}, {"reference": ""}, {"reference": "user:\n5"}, {"reference": 5}])
def test_take_in__nobody_is_named__is_refused(database: Database, payload: Any) -> None:
    notifier, _ = make_notifier(database)

    with pytest.raises(Poison):
        notifier.take_in([forgotten(payload)])

    assert deliveries_of(database) == []
