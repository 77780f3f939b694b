"""Deliveries on their way: order, retries, endings, and senders that die."""

import datetime as dt
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
import time_machine
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from bookwell.kit import clock
from bookwell.notifier.channels.protocol import Message
from bookwell.notifier.db import Database
from bookwell.notifier.deliveries.rules import MAX_ATTEMPTS, NOT_SO_ANY_MORE, AttemptOutcome, Verdict
from tests.notifying import RememberingChannel, an_envelope, attempts_of, deliveries_of, make_notifier, plain_render

_LATER = Verdict(AttemptOutcome.TRANSIENT, 451, "451 later")
_DOWN = Verdict(AttemptOutcome.UNREACHABLE, 0, "connection refused")
_REFUSED = Verdict(AttemptOutcome.REFUSED, 550, "550 no such user")
_DAY = dt.timedelta(days=1)


class _Died(BaseException):
    """The process ends here: nothing after this line runs."""


def test_deliver__several_versions_of_one_thing__keep_their_order(database: Database) -> None:
    notifier, channel = make_notifier(database)
    envelopes = [an_envelope(version=version) for version in (3, 1, 2)]
    for envelope in sorted(envelopes, key=lambda each: each.aggregate_version):
        notifier.take_in([envelope])

    notifier.deliver(envelopes)

    assert channel.subjects == ["reservation.ready 1", "reservation.ready 2", "reservation.ready 3"]


def test_deliver__the_earlier_one_must_wait__so_does_the_later_but_no_other(database: Database) -> None:
    notifier, channel = make_notifier(database, channel=RememberingChannel([_LATER]))
    first, second = an_envelope(version=1), an_envelope(version=2)
    other = an_envelope(aggregate="reservation:2", version=7)
    notifier.take_in([first])
    notifier.deliver([first])

    notifier.take_in([second, other])
    notifier.deliver([second, other])

    assert channel.subjects == ["reservation.ready 1", "reservation.ready 7"]
    with time_machine.travel(clock.now() + dt.timedelta(seconds=10)):
        notifier.deliver_due()
    assert channel.subjects[2:] == ["reservation.ready 1", "reservation.ready 2"]


def test_deliver__a_link_for_an_account__waits_for_no_earlier_mail_about_it(database: Database) -> None:
    notifier, channel = make_notifier(database, channel=RememberingChannel([_LATER]))
    about: dict[str, Any] = {"aggregate": "user:5", "is_mandatory": True, "facts": {"username": "ada"}}
    changed = an_envelope(kind="account.password_changed", version=1, **about)
    reset = an_envelope(kind="account.password_reset", version=2, **about)
    notifier.take_in([changed])
    notifier.deliver([changed])

    notifier.take_in([reset])
    notifier.deliver([reset])

    assert channel.subjects == ["account.password_changed 1", "account.password_reset 2"]


def test_deliver__the_earlier_one_would_come_too_late_by_now__holds_up_nothing(database: Database) -> None:
    notifier, channel = make_notifier(database, channel=RememberingChannel([_LATER] * 7))
    soon = clock.now() + dt.timedelta(hours=1)
    reminder = an_envelope(kind="reservation.pickup_reminder", version=1, expires_at=soon.isoformat())
    notifier.take_in([reminder])
    for seconds in (0, 30, 120, 300, 700, 1700, 3000):
        with time_machine.travel(clock.now() + dt.timedelta(seconds=seconds)):
            notifier.deliver_due()
    assert len(channel.messages) == 7

    with time_machine.travel(soon + dt.timedelta(seconds=1)):
        expired = an_envelope(kind="reservation.expired", version=2)
        notifier.take_in([expired])
        notifier.deliver([expired])

    assert channel.subjects[7:] == ["reservation.expired 2"]


def test_deliver__a_transient_answer__is_tried_again_after_a_gap_with_the_same_id(database: Database) -> None:
    notifier, channel = make_notifier(database, channel=RememberingChannel([_LATER]))
    envelope = an_envelope()
    notifier.take_in([envelope])

    notifier.deliver([envelope])
    (waiting,) = deliveries_of(database)
    immediately = notifier.deliver_due()
    with time_machine.travel(clock.now() + dt.timedelta(seconds=10)):
        later = notifier.deliver_due()

    (row,) = deliveries_of(database)
    assert (waiting.state, waiting.reason, immediately, later) == ("queued", "451 later", 0, 1)
    assert (row.state, row.reason, row.attempts) == ("sent", "", 2)
    assert [(each.outcome, each.code) for each in attempts_of(database, row.id)] == [
        ("transient", 451),
        ("accepted", 250),
    ]
    assert len({message.delivery_id for message in channel.messages}) == 1


def test_deliver__transient_for_ever__ends_as_failed_after_about_a_day(database: Database) -> None:
    notifier, channel = make_notifier(database, channel=RememberingChannel([_LATER] * 100))
    notifier.take_in([an_envelope()])

    with time_machine.travel(clock.now(), tick=False) as traveller:
        began_at = clock.now()
        while deliveries_of(database)[0].state == "queued":
            traveller.shift(1800)
            notifier.deliver_due()
        took = clock.now() - began_at

    (row,) = deliveries_of(database)
    assert (row.state, row.attempts, len(channel.messages)) == ("failed", MAX_ATTEMPTS, MAX_ATTEMPTS)
    assert "given up after 12 attempts: 451 later" in row.reason
    assert _DAY / 2 < took < 2 * _DAY


def test_deliver__a_refused_address__fails_for_good_and_the_next_is_sent(database: Database) -> None:
    notifier, _ = make_notifier(database, channel=RememberingChannel([_REFUSED]))
    refused, next_one = an_envelope(), an_envelope(version=2)
    notifier.take_in([refused, next_one])

    notifier.deliver([refused, next_one])

    assert [row.state for row in deliveries_of(database)] == ["failed", "sent"]
    assert deliveries_of(database, refused)[0].reason == "550 no such user"
    with time_machine.travel(clock.now() + 30 * _DAY):
        assert notifier.deliver_due() == 0


def test_deliver__the_server_is_down__others_wait_untried_for_a_moment(database: Database) -> None:
    notifier, _ = make_notifier(database, channel=RememberingChannel([_DOWN]))
    envelopes = [an_envelope(aggregate=f"reservation:{number}") for number in range(5)]
    notifier.take_in(envelopes)

    notifier.deliver_due()

    assert sorted(row.attempts for row in deliveries_of(database)) == [0, 0, 0, 0, 1]
    assert {row.state for row in deliveries_of(database)} == {"queued"}
    with time_machine.travel(clock.now() + dt.timedelta(seconds=10)):
        assert notifier.deliver_due() == 5
    assert {row.state for row in deliveries_of(database)} == {"sent"}


def test_deliver__a_template_error__fails_with_the_error_and_stops_nothing(database: Database) -> None:
    def render(kind: str, notice: Any, **rest: Any) -> Any:
        if rest["sequence"] == 1:
            raise KeyError("deadline")
        return plain_render(kind, notice, **rest)

    notifier, channel = make_notifier(database, render=render)
    broken, good = an_envelope(version=1), an_envelope(version=2)
    notifier.take_in([broken, good])

    notifier.deliver([broken, good])

    assert [(row.state, row.reason) for row in deliveries_of(database)] == [
        ("failed", "template error: KeyError"),
        ("sent", ""),
    ]
    assert channel.subjects == ["reservation.ready 2"]


def test_deliver__a_fault_of_the_channel__is_a_failed_attempt_and_stops_nothing(database: Database) -> None:
    notifier, channel = make_notifier(database, channel=RememberingChannel([OverflowError("no such date")]))
    envelopes = [an_envelope(aggregate=f"reservation:{number}") for number in range(2)]
    notifier.take_in(envelopes)

    tried = notifier.deliver_due()

    assert (tried, len(channel.messages)) == (2, 2)
    assert sorted((row.state, row.reason) for row in deliveries_of(database)) == [
        ("queued", "channel error: OverflowError"),
        ("sent", ""),
    ]


def test_deliver__too_late__expires_unsent(database: Database) -> None:
    notifier, channel = make_notifier(database)
    envelope = an_envelope(expires_at=(clock.now() + dt.timedelta(hours=1)).isoformat())
    notifier.take_in([envelope])

    with time_machine.travel(clock.now() + dt.timedelta(hours=2)):
        notifier.deliver_due()

    (row,) = deliveries_of(database)
    assert (row.state, row.attempts) == ("expired", 0)
    assert channel.messages == []


@pytest.mark.parametrize("kind", ["reservation.ready", "reservation.partner_ready"])
def test_deliver__the_copy_is_taken_away_while_ready_waits__only_that_is_told(database: Database, kind: str) -> None:
    notifier, channel = make_notifier(database, channel=RememberingChannel([_LATER]))
    ready, other = (an_envelope(kind=kind, aggregate=f"reservation:{number}", version=2) for number in (1, 2))
    notifier.take_in([ready])
    notifier.deliver([ready])

    taken_away = an_envelope(kind="reservation.not_ready", version=3)
    again = an_envelope(version=4)
    notifier.take_in([other, taken_away, again])
    notifier.take_in([taken_away])
    notifier.deliver_due()

    told = [subject for subject in channel.subjects[1:] if subject != f"{kind} 2"]
    assert told == ["reservation.not_ready 3", "reservation.ready 4"]
    assert [(row.state, row.reason) for row in deliveries_of(database, ready)] == [("expired", NOT_SO_ANY_MORE)]
    assert {row.state for row in deliveries_of(database, taken_away, again, other)} == {"sent"}


def test_deliver__the_sender_dies_after_the_hand_over__the_same_message_goes_again(database: Database) -> None:
    dying, first_channel = make_notifier(database, channel=RememberingChannel([_Died()]))
    envelope = an_envelope()
    dying.take_in([envelope])
    with pytest.raises(_Died):
        dying.deliver([envelope])

    living, second_channel = make_notifier(database)
    during_the_lease = living.deliver_due()
    with time_machine.travel(clock.now() + dt.timedelta(seconds=61)):
        after_it = living.deliver_due()

    assert (during_the_lease, after_it) == (0, 1)
    assert first_channel.messages == second_channel.messages
    (row,) = deliveries_of(database)
    assert (row.state, row.attempts) == ("sent", 2)
    assert [each.number for each in attempts_of(database, row.id)] == [2]


def test_deliver__every_sender_dies__is_given_up(database: Database) -> None:
    notifier, channel = make_notifier(database, channel=RememberingChannel([_Died()] * 100))
    notifier.take_in([an_envelope()])

    with time_machine.travel(clock.now(), tick=False) as traveller:
        for _ in range(MAX_ATTEMPTS):
            with pytest.raises(_Died):
                notifier.deliver_due()
            traveller.shift(61)
        notifier.deliver_due()

    (row,) = deliveries_of(database)
    assert (row.state, len(channel.messages)) == ("failed", MAX_ATTEMPTS)


def test_deliver__a_slow_server__no_lease_runs_out_and_another_sender_takes_no_mail_twice(database: Database) -> None:
    class Slow(RememberingChannel):
        def send(self, message: Any) -> Verdict:
            time.sleep(0.4)  # all of them take longer than a lease, and each far less, on a busy machine too
            return super().send(message)

    hurry = {"smtp_deadline_seconds": 1.0, "mail_lease_seconds": 2.5}
    first, channel = make_notifier(database, channel=Slow(), **hurry)
    rival, _ = make_notifier(database, channel=channel, **hurry)
    envelopes = [an_envelope(aggregate=f"reservation:{number}") for number in range(8)]
    first.take_in(envelopes)
    is_done = threading.Event()

    def compete() -> None:
        while not is_done.wait(0.05):
            rival.deliver_due()

    competitor = threading.Thread(target=compete)
    competitor.start()
    first.deliver(envelopes)
    while any(row.state != "sent" for row in deliveries_of(database)):
        first.deliver_due()
    is_done.set()
    competitor.join()

    assert sorted(message.delivery_id for message in channel.messages) == sorted(
        row.id for row in deliveries_of(database)
    )
    assert {row.attempts for row in deliveries_of(database)} == {1}


def test_deliver_due__a_limit_per_second_and_a_clock_that_is_set_back__goes_on(database: Database) -> None:
    notifier, channel = make_notifier(database, mail_per_second=100)
    with time_machine.travel(clock.now() + dt.timedelta(days=1)):
        notifier.take_in([an_envelope(aggregate="reservation:1")])
        notifier.deliver_due()

    notifier.take_in([an_envelope(aggregate="reservation:2")])
    notifier.deliver_due(seconds=30)

    assert len(channel.messages) == 2


def test_deliver_due__a_limit_per_second__is_kept_by_all_senders_together(database: Database) -> None:
    first, channel = make_notifier(database, mail_per_second=10)
    second, _ = make_notifier(database, channel=channel, mail_per_second=10)
    first.take_in([an_envelope(aggregate=f"reservation:{number}") for number in range(16)])
    began_at = clock.now()

    first.deliver_due(seconds=0.01)
    second.deliver_due(seconds=60)

    assert len(channel.messages) == 16
    assert (clock.now() - began_at).total_seconds() > 1.3


def test_deliver__a_mail_that_kills_its_sender__takes_no_other_with_it_again(database: Database) -> None:
    killer = "reservation.ready 1"

    class KillingChannel(RememberingChannel):
        def send(self, message: Message) -> Verdict:
            if message.content.subject == killer:
                raise _Died
            return super().send(message)

    notifier, channel = make_notifier(database, channel=KillingChannel())
    notifier.take_in([an_envelope(aggregate=f"reservation:{number}", version=number) for number in range(1, 6)])

    with time_machine.travel(clock.now(), tick=False) as traveller:
        for _ in range(4):
            with suppress(_Died):
                notifier.deliver_due()
            traveller.shift(600)
        rows = deliveries_of(database)
        others = [row for row in rows if row.aggregate_version != 1]

    assert {row.state for row in others} == {"sent"}
    assert max(row.attempts for row in others) <= 2
    assert [row.attempts for row in rows if row.aggregate_version == 1] == [4]
    assert len(channel.subjects) == 4


def test_deliver__the_database_drops_after_the_hand_over__the_outcome_is_recorded_when_it_is_back(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    notifier, channel = make_notifier(database)
    notifier.take_in([an_envelope()])
    write, failures = database.write, [_dropped(), _dropped()]

    def drop_after_the_hand_over(work: Callable[[Connection], Any]) -> Any:
        if channel.messages and failures:
            raise failures.pop()
        return write(work)

    monkeypatch.setattr(database, "write", drop_after_the_hand_over)
    notifier.deliver_due()

    (row,) = deliveries_of(database)
    assert (row.state, len(channel.messages), failures) == ("sent", 1, [])


@pytest.mark.parametrize("answer", ["DATA: 250 queued \x00 as 1", "half of a character \ud800"])
def test_deliver__an_answer_that_the_database_does_not_take__the_outcome_is_recorded(
    database: Database, answer: str
) -> None:
    accepted = Verdict(AttemptOutcome.ACCEPTED, 250, answer)
    notifier, channel = make_notifier(database, channel=RememberingChannel([accepted]))
    notifier.take_in([an_envelope()])

    notifier.deliver_due()

    (row,) = deliveries_of(database)
    assert (row.state, row.attempts, len(channel.messages)) == ("sent", 1, 1)


def test_deliver__the_commit_of_the_outcome_has_no_answer__it_is_recorded_once(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    notifier, channel = make_notifier(database)
    notifier.take_in([an_envelope()])
    write, failures = database.write, [_dropped()]

    def drop_after_the_commit(work: Callable[[Connection], Any]) -> Any:
        answer = write(work)
        if channel.messages and failures:
            raise failures.pop()
        return answer

    monkeypatch.setattr(database, "write", drop_after_the_commit)
    notifier.deliver_due()

    (row,) = deliveries_of(database)
    assert (row.state, len(channel.messages)) == ("sent", 1)
    assert len(attempts_of(database, row.id)) == 1


def test_deliver__the_database_stays_away__gives_up_before_the_lease_ends(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    notifier, channel = make_notifier(database, mail_lease_seconds=2, smtp_deadline_seconds=1)
    notifier.take_in([an_envelope()])
    write = database.write

    def stay_away(work: Callable[[Connection], Any]) -> Any:
        if channel.messages:
            raise _dropped()
        return write(work)

    monkeypatch.setattr(database, "write", stay_away)
    times = _Times()
    monkeypatch.setattr("bookwell.notifier.sending.time", times)
    with pytest.raises(OperationalError):
        notifier.deliver_due()

    assert 1 < times.now < 2


class _Times:
    """A clock that only naps move on."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_deliver__the_clock_is_set_back_meanwhile__waits_a_second_at_most(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    naps = list[float]()
    monkeypatch.setattr("bookwell.notifier.sending.time.sleep", naps.append)
    notifier, channel = make_notifier(database, mail_per_second=5)
    notifier.take_in([an_envelope(aggregate=f"reservation:{number}") for number in range(3)])

    with time_machine.travel(clock.now(), tick=False) as traveller:
        write = database.write

        def set_the_clock_back(work: Callable[[Connection], Any]) -> Any:
            answer = write(work)
            if not channel.messages:
                traveller.shift(-3600)
            return answer

        monkeypatch.setattr(database, "write", set_the_clock_back)
        notifier.deliver_due(seconds=0.001)

    assert naps
    assert max(naps) <= 1


def _dropped() -> OperationalError:
    return OperationalError("UPDATE", {}, OSError("connection lost"), connection_invalidated=True)
