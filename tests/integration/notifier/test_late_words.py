"""A sender that is slower than its lease: somebody else has taken its mail over when it tells what came of it."""

import datetime as dt

import pytest
import time_machine

from bookwell.kit import clock
from bookwell.notifier.channels.protocol import Message
from bookwell.notifier.db import Database
from bookwell.notifier.deliveries.rules import AttemptOutcome, Verdict
from tests.notifying import ACCEPTED, RememberingChannel, an_envelope, attempts_of, deliveries_of, make_notifier

_LATER = Verdict(AttemptOutcome.TRANSIENT, 451, "451 later")
_REFUSED = Verdict(AttemptOutcome.REFUSED, 550, "550 no such user")
_LEASE_AND_MORE = dt.timedelta(seconds=61)


@pytest.mark.parametrize(
    ("late", "rivals", "state"),
    [
        (_LATER, ACCEPTED, "sent"),
        (_REFUSED, ACCEPTED, "sent"),
        (_REFUSED, _LATER, "queued"),
        (ACCEPTED, _LATER, "sent"),
    ],
)
def test_deliver__slower_than_its_lease__its_late_word_counts_if_the_mail_was_taken(
    database: Database, late: Verdict, rivals: Verdict, state: str
) -> None:
    rival, _ = make_notifier(database, channel=RememberingChannel([rivals]))

    class Overtaken(RememberingChannel):
        def send(self, message: Message) -> Verdict:
            with time_machine.travel(clock.now() + _LEASE_AND_MORE):
                assert rival.deliver_due() == 1
            return super().send(message)

    slow, _ = make_notifier(database, channel=Overtaken([late]))
    slow.take_in([an_envelope()])

    slow.deliver_due()

    (row,) = deliveries_of(database)
    assert (row.state, row.attempts) == (state, 2)
    assert [each.outcome for each in attempts_of(database, row.id)] == [late.outcome, rivals.outcome]
