"""One webhook that comes several times at once, and several that say the same: one effect, known to every sender."""

from functools import partial

import pytest
from sqlalchemy import Connection

from bookwell.kit import ids
from bookwell.kit.errors import DomainError
from bookwell.kit.idempotency import Answer
from bookwell.kit.problems import status_of
from bookwell.tables.backoffice.services.receiving import RECEIVED, key_of_webhook
from bookwell.tables.bookings.rules import Decision
from bookwell.tables.bookings.services.deciding import decide_booking
from bookwell.tables.db import Database
from tests.concurrency.racing import race as race_by_django
from tests.restaurant import NOW, SITE, a_table, an_order, booked, mails

AT_ONCE = 8

race = partial(race_by_django, by_django=False)


def _receive(database: Database, booking_id: int, decision: Decision, webhook_id: str) -> Answer:
    """As the endpoint does, behind the signature."""
    key = key_of_webhook(webhook_id, f"{booking_id} {decision}".encode())

    def work(connection: Connection) -> Answer:
        decided = decide_booking(
            connection, booking_id=booking_id, decision=decision, version=1, public_url=SITE, now=NOW
        )
        return Answer(200, f"{decided.state} {decided.version}".encode())

    def render(error: DomainError) -> Answer:
        return Answer(status_of(error), error.code.encode())

    return RECEIVED.run(database.write, work, key=key, render=render)


def _kinds(database: Database, booking_id: int) -> list[str]:
    return [row.type for row in mails(database, booking_id)]


def test_one_webhook_at_once__has_one_effect_and_one_answer(restaurant: Database) -> None:
    order = an_order(restaurant, a_table(restaurant).id).id
    receive = partial(_receive, restaurant, order, Decision.CONFIRM, ids.new_id())

    answers = [outcome.value for outcome in race([receive] * AT_ONCE)]

    assert {(answer.status, answer.body) for answer in answers} == {(200, b"confirmed 2")}
    assert _kinds(restaurant, order) == ["booking.requested", "booking.confirmed"]


def test_one_webhook_at_once__that_is_refused__hears_the_same_refusal(restaurant: Database) -> None:
    order = an_order(restaurant, a_table(restaurant).id).id
    _receive(restaurant, order, Decision.DECLINE, ids.new_id())
    receive = partial(_receive, restaurant, order, Decision.CONFIRM, ids.new_id())

    answers = [outcome.value for outcome in race([receive] * AT_ONCE)]

    assert {(answer.status, answer.body) for answer in answers} == {(409, b"decision.contradictory")}
    assert booked(restaurant, order).state == "declined"


def test_the_same_said_by_several_webhooks_at_once__counts_once(restaurant: Database) -> None:
    order = an_order(restaurant, a_table(restaurant).id).id

    works = [partial(_receive, restaurant, order, Decision.CONFIRM, ids.new_id()) for _ in range(AT_ONCE)]
    answers = [outcome.value for outcome in race(works)]

    assert {(answer.status, answer.body) for answer in answers} == {(200, b"confirmed 2")}
    assert _kinds(restaurant, order) == ["booking.requested", "booking.confirmed"]


@pytest.mark.parametrize("rounds", range(3))
def test_contradictions_at_once__one_kind_wins_and_the_other_hears_so(restaurant: Database, rounds: int) -> None:
    order = an_order(restaurant, a_table(restaurant).id).id
    decisions = [Decision.CONFIRM, Decision.DECLINE] * (AT_ONCE // 2)

    works = [partial(_receive, restaurant, order, decision, ids.new_id()) for decision in decisions]
    answers = [outcome.value for outcome in race(works)]

    won = Decision(booked(restaurant, order).decided)
    for decision, answer in zip(decisions, answers, strict=True):
        assert answer.status == (200 if decision is won else 409)
    assert len(_kinds(restaurant, order)) == 2
