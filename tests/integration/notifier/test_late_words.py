"""Senders that are slower than others: to take a mail that they chose, or to tell what came of it."""

import datetime as dt

import pytest
import time_machine

from bookwell.kit import clock
from bookwell.notifier.channels.protocol import Message
from bookwell.notifier.db import Database
from bookwell.notifier.deliveries.rules import AttemptOutcome, Verdict
from bookwell.notifier.deliveries.services import claim
from tests.notifying import ACCEPTED, RememberingChannel, an_envelope, attempts_of, deliveries_of, make_notifier

_LATER = Verdict(AttemptOutcome.TRANSIENT, 451, "451 later")
_REFUSED = Verdict(AttemptOutcome.REFUSED, 550, "550 no such user")
_LEASE_AND_MORE = dt.timedelta(seconds=61)


class _Died(BaseException):
    """The process ends here: nothing after this line runs."""


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


def test_deliver__slower_than_its_lease__its_late_word_does_not_end_the_attempt_that_goes_on(
    database: Database,
) -> None:
    rival, _ = make_notifier(database, channel=RememberingChannel([_Died()]))

    class Overtaken(RememberingChannel):
        def send(self, message: Message) -> Verdict:
            with time_machine.travel(clock.now() + _LEASE_AND_MORE), pytest.raises(_Died):
                rival.deliver_due()
            return super().send(message)

    slow, _ = make_notifier(database, channel=Overtaken([_LATER]))
    slow.take_in([an_envelope()])

    slow.deliver_due()

    (row,) = deliveries_of(database)
    assert (row.state, row.attempts) == ("sending", 2)


def test_deliver__somebody_else_took_the_mail_since_it_was_chosen__leaves_it_alone(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, channel = make_notifier(database)
    slow.take_in([an_envelope()])
    (chosen,) = deliveries_of(database)

    class Faster(RememberingChannel):
        def send(self, message: Message) -> Verdict:
            with monkeypatch.context() as patch:
                patch.setattr(claim, "list_candidates", lambda *_, **_wanted: [chosen.id])
                assert slow.deliver_due() == 0
            return super().send(message)

    fast, _ = make_notifier(database, channel=Faster())

    assert fast.deliver_due() == 1
    assert channel.messages == []
