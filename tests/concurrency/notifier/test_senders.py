"""Many senders and takers at once: each message once, in its order, and the pace kept."""

import threading
import time
from collections.abc import Callable

from bookwell.notifier.channels.protocol import Message
from bookwell.notifier.db import Database
from bookwell.notifier.deliveries.rules import Verdict
from tests.notifying import ACCEPTED, RememberingChannel, an_envelope, deliveries_of, make_notifier


class _Slow(RememberingChannel):
    """Takes its time, so that senders meet."""

    def send(self, message: Message) -> Verdict:
        time.sleep(0.002)
        super().send(message)
        return ACCEPTED


def _at_once(*works: Callable[[], object]) -> None:
    start = threading.Barrier(len(works))
    failures: list[BaseException] = []

    def run(work: Callable[[], object]) -> None:
        start.wait()
        try:
            work()
        except BaseException as error:  # noqa: BLE001 -- raised below
            failures.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    if failures:
        raise failures[0]


def test_senders__three_at_once__send_each_message_once_and_in_its_order(database: Database) -> None:
    channel = _Slow()
    senders = [make_notifier(database, channel=channel)[0] for _ in range(3)]
    envelopes = [
        an_envelope(aggregate=f"reservation:{thing}", version=version) for version in range(4) for thing in range(25)
    ]
    senders[0].take_in(envelopes)

    def send(index: int) -> Callable[[], object]:
        def work() -> None:
            while any(row.state in ("queued", "sending") for row in deliveries_of(database)):
                senders[index].deliver_due()

        return work

    _at_once(*(send(index) for index in range(3)))

    rows = deliveries_of(database)
    assert {row.state for row in rows} == {"sent"}
    assert {row.attempts for row in rows} == {1}
    assert len(channel.messages) == len({message.delivery_id for message in channel.messages}) == 100
    order = {row.id: (row.aggregate, row.aggregate_version) for row in rows}
    for thing in range(25):
        versions = [order[message.delivery_id] for message in channel.messages]
        mine = [version for aggregate, version in versions if aggregate == f"reservation:{thing}"]
        assert mine == [0, 1, 2, 3]


def test_take_in__the_same_messages_from_four_workers__are_one_delivery_each(database: Database) -> None:
    workers = [make_notifier(database)[0] for _ in range(4)]
    envelopes = [an_envelope(aggregate=f"reservation:{thing}") for thing in range(20)]

    def take_in(index: int) -> Callable[[], object]:
        mixed = envelopes if index % 2 else envelopes[::-1]

        def work() -> None:
            for start in range(0, 20, 5):
                workers[index].take_in(mixed[start : start + 5])

        return work

    _at_once(*(take_in(index) for index in range(4)))

    assert sorted(row.event_id for row in deliveries_of(database)) == sorted(each.event_id for each in envelopes)


def test_take_in_and_send__all_at_once__end_with_everything_sent_once(database: Database) -> None:
    channel = _Slow()
    notifiers = [make_notifier(database, channel=channel)[0] for _ in range(4)]
    envelopes = [an_envelope(aggregate=f"reservation:{thing}") for thing in range(40)]

    def work(index: int) -> Callable[[], object]:
        def take_and_send() -> None:
            for start in range(0, 40, 10):
                bundle = envelopes[start : start + 10]
                notifiers[index].take_in(bundle)
                notifiers[index].deliver(bundle)

        return take_and_send

    _at_once(*(work(index) for index in range(4)))
    notifiers[0].deliver_due()

    assert len(channel.messages) == len({message.delivery_id for message in channel.messages}) == 40
    assert {row.state for row in deliveries_of(database)} == {"sent"}
