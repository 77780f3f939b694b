"""The outbox as Django writes it and SQLAlchemy reads it: claims, receipts, and what operators do."""

import datetime as dt
import json
from collections.abc import Sequence

import pytest
from django.db import connection
from sqlalchemy import Engine, text

from bookwell.contracts.messages import Envelope
from bookwell.kit import clock
from bookwell.kit.adapters.django.outbox_scrubbing import empty_in_tx
from bookwell.kit.adapters.django.outbox_store import append_in_tx
from bookwell.kit.adapters.django.transactions import run_in_transaction
from bookwell.kit.adapters.sqlalchemy import OutboxTable, writing
from bookwell.kit.outbox import OutgoingMessage
from bookwell.kit.outbox.relay import Claim
from bookwell.kit.outbox.rules import Pace, RowState, milliseconds
from bookwell.kit.request_context import in_trace
from tests.concurrency.racing import race

_PACE = Pace(window=5)
_SECOND = dt.timedelta(seconds=1)
_TRACEPARENT = f"00-{'a' * 32}-{'b' * 16}-01"


def _write(*messages: tuple[str, int], queue: str = "mail") -> None:
    """Commit one row for each aggregate and version, as a use case does."""
    rows = [OutgoingMessage(queue, "thing.changed", thing, version, {"ł": version}) for thing, version in messages]
    run_in_transaction(lambda: append_in_tx(rows))


def _things(claim: Claim) -> list[tuple[str, int]]:
    return [(row.envelope.aggregate, row.envelope.aggregate_version) for row in claim.rows]


def _envelopes(claim: Claim) -> list[Envelope]:
    return [row.envelope for row in claim.rows]


def _publish(outbox: OutboxTable, now: dt.datetime, limit: int = 10) -> list[Envelope]:
    claim = outbox.claim(now=now, limit=limit)
    outbox.mark_published(claim.rows, lease_until=claim.lease_until, now=now)
    return _envelopes(claim)


def _states(outbox: OutboxTable) -> list[RowState]:
    rows = [row for state in RowState for row in outbox.list_rows(state)]
    return [row.state for row in sorted(rows, key=lambda row: row.aggregate)]


@pytest.fixture
def outbox(outbox_engine: Engine) -> OutboxTable:
    return OutboxTable("library", outbox_engine, pace=_PACE)


@pytest.fixture
def now() -> dt.datetime:
    """A little later than what the test is about to write."""
    return clock.now() + _SECOND


def test_claim__django_wrote__reads_the_whole_envelope(outbox: OutboxTable, now: dt.datetime) -> None:
    before = milliseconds(clock.now())
    with in_trace(_TRACEPARENT):
        _write(("thing:1", 3))

    claim = outbox.claim(now=now, limit=10)

    [row] = claim.rows
    assert (row.envelope.source, row.envelope.queue, row.envelope.type) == ("library", "mail", "thing.changed")
    assert (row.envelope.aggregate, row.envelope.aggregate_version, row.envelope.version) == ("thing:1", 3, 1)
    assert row.envelope.payload == {"ł": 3}
    assert row.envelope.traceparent == _TRACEPARENT
    assert before <= row.envelope.created_at <= milliseconds(now)
    assert len(row.envelope.event_id) == 36
    assert row.attempts == 1
    assert claim.lease_until == milliseconds(now + _PACE.lease)


def test_claim__the_version_before_wrote__has_no_trace(outbox: OutboxTable, now: dt.datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO outbox (event_id, queue, type, version, aggregate, aggregate_version, payload, created_at, "
            "attempts, next_attempt_at, error) "
            "VALUES ('e', 'mail', 'thing.changed', 1, 'thing:1', 1, '{}', 0, 0, 0, '')"
        )

    (row,) = outbox.claim(now=now, limit=10).rows

    assert (row.envelope.event_id, row.envelope.traceparent) == ("e", "")


def test_claim__rolled_back__there_is_nothing(outbox: OutboxTable, now: dt.datetime) -> None:
    def work() -> None:
        append_in_tx([OutgoingMessage("mail", "thing.changed", "thing:1", 1, {})])
        raise InterruptedError

    with pytest.raises(InterruptedError):
        run_in_transaction(work)

    assert not outbox.claim(now=now, limit=10).rows


def test_claim__an_earlier_row_is_undone__waits_for_its_receipt(outbox: OutboxTable, now: dt.datetime) -> None:
    _write(("thing:1", 2), ("thing:1", 1), ("thing:2", 1))

    first = _publish(outbox, now)
    meanwhile = _publish(outbox, now)
    outbox.end(first, now=now)
    second = outbox.claim(now=now, limit=10)

    assert sorted((item.aggregate, item.aggregate_version) for item in first) == [("thing:1", 1), ("thing:2", 1)]
    assert meanwhile == []
    assert _things(second) == [("thing:1", 2)]


def test_claim__the_same_aggregate_in_another_queue__does_not_wait(outbox: OutboxTable, now: dt.datetime) -> None:
    _write(("thing:1", 1))
    _write(("thing:1", 2), queue="sms")

    assert sorted(_things(outbox.claim(now=now, limit=10))) == [("thing:1", 1), ("thing:1", 2)]


def test_claim__more_rows_are_held_up_than_a_page_holds__finds_those_behind_them(
    outbox: OutboxTable, now: dt.datetime
) -> None:
    _write(*(("thing:1", version) for version in range(450)))
    _write(("thing:2", 1))

    first = outbox.claim(now=now, limit=10)
    second = outbox.claim(now=now, limit=10)

    assert sorted(_things(first)) == [("thing:1", 0), ("thing:2", 1)]
    assert _things(second) == []


def test_claim__equal_versions__have_no_order(outbox: OutboxTable, now: dt.datetime) -> None:
    _write(("thing:1", 1), ("thing:1", 1), ("thing:1", 2))

    assert _things(outbox.claim(now=now, limit=10)) == [("thing:1", 1), ("thing:1", 1)]


def test_claim__leased__is_free_when_the_lease_is_over(outbox: OutboxTable, now: dt.datetime) -> None:
    _write(("thing:1", 1))

    outbox.claim(now=now, limit=10)
    within = outbox.claim(now=now + _PACE.lease - _SECOND, limit=10)
    after = outbox.claim(now=now + _PACE.lease, limit=10)

    assert _things(within) == []
    assert _things(after) == [("thing:1", 1)]
    assert after.rows[0].attempts == 2


def test_claim__no_receipt__comes_again_after_growing_gaps(outbox: OutboxTable, now: dt.datetime) -> None:
    _write(("thing:1", 1))
    seconds, published_at = 0, list[int]()

    while len(published_at) < 4:
        if _publish(outbox, now + seconds * _SECOND):
            published_at.append(seconds)
        seconds += 15

    assert published_at == [0, 30, 90, 210]


def test_claim__a_payload_that_is_no_json__ends_as_dead_and_holds_up_nobody(
    outbox: OutboxTable, outbox_engine: Engine, now: dt.datetime
) -> None:
    _write(("thing:1", 1), ("thing:1", 2))
    with writing(outbox_engine) as session:
        session.execute(text("UPDATE outbox SET payload = '[1' WHERE aggregate_version = 1"))

    claim = outbox.claim(now=now, limit=10)

    assert [row.error for row in outbox.list_rows(RowState.DEAD)] == ["its payload cannot be read"]
    assert _things(claim) == [("thing:1", 2)]


def test_claim__the_window_is_full__waits_for_receipts_and_stops_no_other_queue(
    outbox: OutboxTable, now: dt.datetime
) -> None:
    _write(*((f"thing:{number}", 1) for number in range(8)))

    first = _publish(outbox, now)
    _write(("thing:9", 1), queue="sms")
    second = _publish(outbox, now)
    outbox.end(first[:2], now=now)
    third = _publish(outbox, now)

    assert len(first) == _PACE.window
    assert [item.queue for item in second] == ["sms"]
    assert len(third) == 2


def test_release__not_accepted__is_due_again_in_a_moment_and_the_try_does_not_count(
    outbox: OutboxTable, now: dt.datetime
) -> None:
    _write(("thing:1", 1))
    claim = outbox.claim(now=now, limit=10)

    outbox.release(claim.rows, "the broker went away", lease_until=claim.lease_until, now=now)
    waiting = outbox.list_rows(RowState.WAITING)
    again = outbox.claim(now=now + _PACE.after_refusal, limit=10)

    assert [(row.attempts, row.error) for row in waiting] == [(0, "the broker went away")]
    assert [row.attempts for row in again.rows] == [1]


def test_mark_published__another_relay_has_it_by_now__changes_nothing(outbox: OutboxTable, now: dt.datetime) -> None:
    _write(("thing:1", 1))
    slow = outbox.claim(now=now, limit=10)
    later = now + _PACE.lease
    outbox.claim(now=later, limit=10)

    outbox.mark_published(slow.rows, lease_until=slow.lease_until, now=later)
    outbox.release(slow.rows, "late", lease_until=slow.lease_until, now=later)

    assert _states(outbox) == [RowState.WAITING]
    assert not outbox.claim(now=later + _PACE.after_refusal, limit=10).rows


def test_end__twice_and_after_everything_else__the_first_word_stands(outbox: OutboxTable, now: dt.datetime) -> None:
    _write(("thing:1", 1), ("thing:2", 1))
    claim = outbox.claim(now=now, limit=10)
    done, dead = _envelopes(claim)

    outbox.end([done], now=now)
    outbox.refuse(dead, "Poison: no recipient", now=now)
    for _ in range(2):
        outbox.end([done, dead], now=now + _SECOND)
        outbox.refuse(done, "Poison: late", now=now + _SECOND)
        outbox.postpone(done, "late", now=now + _SECOND)
        outbox.postpone(dead, "late", now=now + _SECOND)
        outbox.mark_published(claim.rows, lease_until=claim.lease_until, now=now + _SECOND)

    assert {row.aggregate: (row.state, row.error) for state in RowState for row in outbox.list_rows(state)} == {
        done.aggregate: (RowState.DONE, ""),
        dead.aggregate: (RowState.DEAD, "Poison: no recipient"),
    }
    assert not outbox.claim(now=now + dt.timedelta(days=1), limit=10).rows


def test_end__links__are_forgotten_and_nothing_else(outbox: OutboxTable, now: dt.datetime) -> None:
    said = {"name": "Żółw", "facts": {"cancel_url": "https://x.example/?id=SECRET", "price": 5}}
    rows = [OutgoingMessage(queue, "thing.changed", "a", 1, said) for queue in ("mail", "sms", "webhook")]
    run_in_transaction(lambda: append_in_tx(rows))
    mail, sms, webhook = sorted(_publish(outbox, now), key=lambda envelope: envelope.queue)
    connection.cursor().execute("UPDATE outbox SET payload = '{\"url\": \"SECRET\"}' WHERE queue = 'sms'")

    outbox.end([mail, sms], now=now)
    outbox.refuse(webhook, "unknown", now=now)

    with connection.cursor() as cursor:
        cursor.execute("SELECT payload FROM outbox ORDER BY queue")
        left = [json.loads(row[0]) for row in cursor.fetchall()]
    assert left == [{"name": "Żółw", "facts": {"cancel_url": "", "price": 5}}, {"url": ""}, said]


def test_end__before_the_relay_marked_it__is_done(outbox: OutboxTable, now: dt.datetime) -> None:
    _write(("thing:1", 1))
    claim = outbox.claim(now=now, limit=10)

    outbox.end(_envelopes(claim), now=now)
    outbox.mark_published(claim.rows, lease_until=claim.lease_until, now=now)

    assert _states(outbox) == [RowState.DONE]


def test_postpone__could_not_be_handled__gives_its_place_in_the_window_to_others(
    outbox: OutboxTable, now: dt.datetime
) -> None:
    _write(*((f"thing:{number}", 1) for number in range(6)))
    first = _publish(outbox, now)

    for envelope in first:
        outbox.postpone(envelope, "OSError: full", now=now)
    others = _publish(outbox, now)
    outbox.end(others, now=now)
    again = _publish(outbox, now + _PACE.first_gap)

    assert len(first) == 5
    assert len(others) == 1
    assert {item.event_id for item in again} == {item.event_id for item in first}


def test_empty_in_tx__its_message_is_under_way__stays_done_and_is_not_revived(
    outbox: OutboxTable, now: dt.datetime
) -> None:
    _write(("user:1", 1), ("user:1", 2), ("user:2", 1))
    claim = outbox.claim(now=now, limit=10)
    outbox.postpone(claim.rows[0].envelope, "OSError: full", now=now)

    run_in_transaction(lambda: empty_in_tx("user:1"))
    outbox.mark_published(claim.rows, lease_until=claim.lease_until, now=now)
    outbox.end(_envelopes(claim), now=now)
    revived = outbox.retry(None, now=now)

    assert revived == 0
    assert not outbox.claim(now=now + dt.timedelta(days=1), limit=10).rows


def test_retry__one_event__is_as_good_as_new(outbox: OutboxTable, now: dt.datetime) -> None:
    _write(("thing:1", 1), ("thing:2", 1))
    claim = outbox.claim(now=now, limit=10)
    for envelope in _envelopes(claim):
        outbox.refuse(envelope, "Poison: no recipient", now=now)
    chosen = claim.rows[0].envelope.event_id

    revived = outbox.retry(chosen, now=now)
    again = outbox.claim(now=now, limit=10)

    assert revived == 1
    assert [(row.envelope.event_id, row.attempts) for row in again.rows] == [(chosen, 1)]
    assert outbox.retry(None, now=now) == 1
    assert outbox.retry(None, now=now) == 0


def test_list_rows__every_state__names_what_waits_without_its_payload(outbox: OutboxTable, now: dt.datetime) -> None:
    _write(*((f"thing:{number}", 1) for number in range(4)))
    published = sorted(_publish(outbox, now, limit=3), key=lambda item: item.aggregate)
    outbox.end(published[:1], now=now)
    outbox.refuse(published[1], "Poison: no recipient", now=now)

    assert _states(outbox) == [RowState.DONE, RowState.DEAD, RowState.IN_FLIGHT, RowState.WAITING]
    assert [row.aggregate for row in outbox.list_rows()] == ["thing:1", "thing:2", "thing:3"]
    assert len(outbox.list_rows(limit=2)) == 2


@pytest.mark.only_on("mysql", "postgresql")  # SQLite lets one writer in, and its claims stand in the line of writers
def test_claim__its_transaction_is_held_open__no_use_case_waits(
    outbox: OutboxTable, outbox_engine: Engine, now: dt.datetime
) -> None:
    _write(*((f"thing:{number}", 1) for number in range(20)))
    instant = milliseconds(now)
    chosen = outbox._choose(instant, 10)  # noqa: SLF001 -- the line between choosing and committing

    with writing(outbox_engine) as session:
        held = outbox._lease(session, chosen, instant)  # noqa: SLF001
        # Its INSERT would fail with the lock time-out of 5 s; the other relay gets none of the held rows.
        [_, others] = race([lambda: _write(("thing:1", 2), ("thing:99", 1)), lambda: _ids(_claim_more(outbox, now))])

    assert len(held.rows) == 5
    assert not {row.envelope.event_id for row in held.rows} & set(others.value or [])


@pytest.mark.only_on("mysql", "postgresql")  # a file ends no connections
def test_claim__the_server_ended_its_connections__opens_another(outbox: OutboxTable, now: dt.datetime) -> None:
    _write(("thing:1", 1))
    outbox.list_rows()
    with connection.cursor() as cursor:
        if connection.vendor == "mysql":
            cursor.execute("SELECT id FROM information_schema.processlist WHERE db = DATABASE()")
            own = connection.connection.thread_id()
            for (number,) in cursor.fetchall():
                if number != own:
                    cursor.execute("KILL %s", [number])
        else:
            cursor.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    assert _things(outbox.claim(now=now, limit=10)) == [("thing:1", 1)]


def _claim_more(outbox: OutboxTable, now: dt.datetime) -> Claim:
    return outbox.claim(now=now, limit=10)


def _ids(claim: Claim) -> Sequence[str]:
    return [row.envelope.event_id for row in claim.rows]
