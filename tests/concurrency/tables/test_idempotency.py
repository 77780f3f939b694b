"""One effect and one answer for each Idempotency-Key of a service on SQLAlchemy, whoever asks how often at once."""

import datetime as dt
import threading

import pytest
import time_machine
from sqlalchemy import Connection, insert, select

from bookwell.kit import ids
from bookwell.kit.adapters.sqlalchemy.idempotency import IdempotencyStore
from bookwell.kit.errors import Conflict, DomainError, Unavailable
from bookwell.kit.idempotency import Answer, IdempotencyKey, InFlight, KeyReused, TryAgain, fingerprint_of
from bookwell.tables.db import Database
from bookwell.tables.floor.models import restaurant as house
from bookwell.tables.schema import idempotency_key, metadata
from tests.concurrency.racing import race, refusals
from tests.restaurant import NOW

STORE = IdempotencyStore(idempotency_key, lifetime=dt.timedelta(hours=24))
outbox = metadata.tables["outbox"]


class Refused(Conflict):
    code = "test.refused"
    title = "Refused"


class Effect:
    """A work that leaves one row for every time it was done."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.name = f"effect:{ids.new_id()}"
        self.runs = 0

    def __call__(self, connection: Connection) -> Answer:
        self.runs += 1
        connection.execute(
            insert(outbox).values(
                event_id=ids.new_id(), queue="q", type="t", version=1, aggregate=self.name,
                aggregate_version=self.runs, payload="", created_at=0, attempts=0, next_attempt_at=0, done_at=0,
                error="",
            )
        )  # fmt: skip
        return Answer(201, f'{{"run":{self.runs}}}'.encode(), {"Location": f"/{self.runs}/"})

    @property
    def number(self) -> int:
        mine = select(outbox.c.id).where(outbox.c.aggregate == self.name)
        return len(self.database.read(lambda connection: connection.execute(mine).all()))


class Refusing(Effect):
    def __init__(self, database: Database, error: DomainError) -> None:
        super().__init__(database)
        self.error = error

    def __call__(self, connection: Connection) -> Answer:
        super().__call__(connection)
        raise self.error


def a_key(*, fingerprint: str = "one", scope: str = "5 POST /x/") -> IdempotencyKey:
    return IdempotencyKey(scope, ids.new_id(), fingerprint_of(fingerprint))


def run(database: Database, work: Effect, key: IdempotencyKey | None) -> Answer:
    return STORE.run(database.write, work, key=key, render=lambda error: Answer(409, error.code.encode(), {"X": "y"}))


def kept(database: Database) -> int:
    return len(database.read(lambda connection: connection.execute(select(idempotency_key.c.digest)).all()))


def test_run__twenty_at_once__one_effect_and_one_answer(restaurant: Database) -> None:
    effect, key = Effect(restaurant), a_key()

    outcomes = race([lambda: run(restaurant, effect, key)] * 20, by_django=False)

    answers = [outcome.value for outcome in outcomes]
    assert effect.number == 1
    assert all(answer == answers[0] for answer in answers)
    assert (answers[0].status, answers[0].headers) == (201, {"Location": answers[0].headers["Location"]})


def test_run__twenty_at_once_of_two_requests__one_wins_and_the_other_is_told(restaurant: Database) -> None:
    effect, key = Effect(restaurant), a_key()
    other = IdempotencyKey(key.scope, key.key, fingerprint_of("another"))

    outcomes = race(
        [lambda: run(restaurant, effect, key), lambda: run(restaurant, effect, other)] * 10, by_django=False
    )

    assert effect.number == 1
    assert refusals(outcomes) == [KeyReused] * 10


def test_run__again__is_rolled_back_and_replayed(restaurant: Database) -> None:
    effect, key = Effect(restaurant), a_key()

    first, again = run(restaurant, effect, key), run(restaurant, effect, key)

    assert again == first
    assert (effect.runs, effect.number) == (2, 1)


def test_run__without_a_key__is_done_each_time(restaurant: Database) -> None:
    effect = Effect(restaurant)

    run(restaurant, effect, None)
    run(restaurant, effect, None)

    assert effect.number == 2


def test_run__a_refusal__is_kept_without_its_effect(restaurant: Database) -> None:
    refusing, key = Refusing(restaurant, Refused()), a_key()
    effect = Effect(restaurant)

    first, again = run(restaurant, refusing, key), run(restaurant, effect, key)

    assert first == again == Answer(409, b"test.refused", {"X": "y"})
    assert (refusing.number, effect.number) == (0, 0)


@pytest.mark.parametrize("error", [TryAgain(), InFlight()])
def test_run__what_invites_a_retry__is_not_kept(restaurant: Database, error: DomainError) -> None:
    refusing, effect, key = Refusing(restaurant, error), Effect(restaurant), a_key()

    with pytest.raises((Unavailable, InFlight)):
        run(restaurant, refusing, key)

    assert run(restaurant, effect, key).status == 201
    assert effect.number == 1


def test_run__a_key_whose_time_is_up__is_used_anew(restaurant: Database) -> None:
    effect, key = Effect(restaurant), a_key()

    with time_machine.travel(NOW):
        run(restaurant, effect, key)
    with time_machine.travel(NOW + dt.timedelta(hours=25)):
        run(restaurant, effect, key)

    assert effect.number == 2


def test_run__the_same_key_of_another_caller__is_another_one(restaurant: Database) -> None:
    effect, key = Effect(restaurant), a_key()

    run(restaurant, effect, key)
    run(restaurant, effect, IdempotencyKey("6 POST /x/", key.key, key.fingerprint))

    assert effect.number == 2


def test_run__while_the_first_holds_what_it_needs__waits_and_replays(restaurant: Database) -> None:
    """The work that comes second stands before a lock of the first, and then before its key."""
    effect, key = Effect(restaurant), a_key()
    began, second_began = threading.Event(), threading.Event()

    def slow(connection: Connection) -> Answer:
        began.set()
        assert second_began.wait(60)
        connection.execute(select(house.c.id).with_for_update())
        return effect(connection)

    def second() -> Answer:
        assert began.wait(60)
        second_began.set()
        return run(restaurant, effect, key)

    outcomes = race(
        [lambda: STORE.run(restaurant.write, slow, key=key, render=lambda _error: Answer(409, b"")), second],
        by_django=False,
    )

    assert outcomes[0].value == outcomes[1].value
    assert effect.number == 1


def test_forget_expired__keys_past_their_time__go(restaurant: Database) -> None:
    effect, old, young = Effect(restaurant), a_key(), a_key()
    with time_machine.travel(NOW):
        run(restaurant, effect, old)
    with time_machine.travel(NOW + dt.timedelta(hours=24)):
        run(restaurant, effect, young)
    before = kept(restaurant)

    now = NOW + dt.timedelta(hours=24, seconds=1)
    forgotten = restaurant.write(lambda connection: STORE.forget_expired_in_tx(connection, now=now))

    assert forgotten >= 1
    assert kept(restaurant) == before - forgotten
    with time_machine.travel(NOW + dt.timedelta(hours=24)):
        run(restaurant, effect, young)
    assert effect.number == 2
