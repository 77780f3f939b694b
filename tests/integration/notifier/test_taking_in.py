"""Messages come in: one delivery each, whatever comes twice."""

import pytest

from bookwell.kit.messaging import Poison
from bookwell.notifier.db import Database
from bookwell.notifier.deliveries.services.take_in import VersionUnknown
from tests.notifying import an_envelope, deliveries_of, make_notifier


def test_take_in__the_same_message_twice__is_one_delivery(database: Database) -> None:
    notifier, channel = make_notifier(database)
    envelope = an_envelope()

    notifier.take_in([envelope, envelope])
    notifier.take_in([envelope])
    notifier.deliver([envelope])
    notifier.take_in([envelope])
    notifier.deliver([envelope])

    (row,) = deliveries_of(database, envelope)
    assert (row.state, row.channel, row.recipient) == ("sent", "email", "user:5")
    assert len(channel.messages) == 1


def test_take_in__a_fact_that_nobody_is_told__leaves_no_trace(database: Database) -> None:
    notifier, channel = make_notifier(database)

    notifier.take_in([an_envelope(kind="reservation.assigned")])

    assert deliveries_of(database) == []
    assert notifier.deliver_due() == 0
    assert channel.messages == []


@pytest.mark.parametrize(
    "envelope",
    [
        an_envelope(recipient="nobody"),
        an_envelope(facts="none"),
        an_envelope(expires_at="2030-01-01T00:00:00"),
        an_envelope(aggregate="reservation:1\n2"),
        an_envelope(aggregate="a" * 65),
        an_envelope(event_id="e" * 37),
        an_envelope(facts={"title": "t" * 70_000}),
        an_envelope(recipient={"reference": "user:\0", "name": "Ada"}),
    ],
    ids=["recipient", "facts", "naive expiry", "line break", "long name", "long id", "long facts", "NUL"],
)
def test_take_in__no_notice__is_poison_and_nothing_is_kept(database: Database, envelope: object) -> None:
    notifier, _ = make_notifier(database)

    with pytest.raises(Poison):
        notifier.take_in([an_envelope(), envelope])  # type: ignore[list-item]  # pytest knows no types of parameters

    assert deliveries_of(database) == []


def test_take_in__a_version_of_the_future__waits(database: Database) -> None:
    notifier, _ = make_notifier(database)

    with pytest.raises(VersionUnknown):
        notifier.take_in([an_envelope().model_copy(update={"version": 2})])

    assert deliveries_of(database) == []


def test_take_in__characters_that_no_database_takes__are_kept(database: Database) -> None:
    notifier, channel = make_notifier(database)
    envelope = an_envelope(facts={"title": "\0 \ud800 😀"})

    notifier.take_in([envelope])
    notifier.deliver([envelope])

    assert [row.state for row in deliveries_of(database, envelope)] == ["sent"]
    assert len(channel.messages) == 1


def test_take_in__an_opted_out_reader__is_suppressed_with_the_reason_and_without_content(database: Database) -> None:
    notifier, channel = make_notifier(database)
    envelope = an_envelope(recipient={"reference": "user:5", "name": "Ada", "email": "reader@example.org"})

    notifier.take_in([envelope])
    notifier.deliver([envelope])

    (row,) = deliveries_of(database, envelope)
    assert (row.state, row.reason, row.notice, row.address) == (
        "suppressed",
        "the recipient wants no messages",
        "",
        "",
    )
    assert channel.messages == []


def test_take_in__a_mandatory_notice_to_an_opted_out_reader__goes_to_the_mail_address(database: Database) -> None:
    notifier, channel = make_notifier(database)
    recipient = {"reference": "user:5", "name": "Ada", "email": "reader@example.org"}
    envelope = an_envelope(kind="account.password_changed", recipient=recipient, is_mandatory=True)

    notifier.take_in([envelope])
    notifier.deliver([envelope])

    assert [message.address for message in channel.messages] == ["reader@example.org"]
