"""Staff accounts under parallel requests, and sessions whose refresh is killed half-way."""

import datetime as dt
import os
import signal
from functools import partial
from itertools import count
from typing import Any, NoReturn, cast
from uuid import uuid4

import pytest
from sqlalchemy import event, select

from bookwell.kit.adapters.sqlalchemy.engines import engine_of
from bookwell.kit.http_errors import HttpRefusal
from bookwell.kit.refresh_tokens import GRACE
from bookwell.tables.accounts.errors import LastAdministrator, UsernameTaken
from bookwell.tables.accounts.identity import Identity
from bookwell.tables.accounts.models import account, token_session
from bookwell.tables.accounts.queries import LoginLimits, find_credentials, find_lockout_seconds
from bookwell.tables.accounts.rules import Role
from bookwell.tables.accounts.services import accounts, sessions
from bookwell.tables.accounts.services.sessions import Opened
from bookwell.tables.db import Database
from bookwell.tables.staffing import Attempt, log_in
from tests.concurrency.racing import race as race_by_django
from tests.concurrency.tables.behind import outcome_behind
from tests.restaurant import NOW
from tests.waiters import CHAIN, a_session, an_account, refreshed

pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")

race: Any = partial(race_by_django, by_django=False)
LATER = NOW + dt.timedelta(minutes=1)
TOO_LATE = LATER + GRACE + dt.timedelta(seconds=1)
RIVALS = 8
_CHILD_SECONDS = 120


def _refresh(database: Database, token: Any, now: dt.datetime = LATER) -> Opened | None:
    return refreshed(database, token, now=now)


def _kept(database: Database, session: Opened) -> Any:
    chosen = select(token_session).where(token_session.c.sid == session.token.session_id)
    return database.read(lambda connection: connection.execute(chosen).one())


def test_refresh__the_same_token_at_once__all_get_the_same_successor(restaurant: Database) -> None:
    first = a_session(restaurant)

    outcomes = race([partial(_refresh, restaurant, first.token) for _ in range(RIVALS)])

    assert {str(outcome.value.token) for outcome in outcomes} == {str(first.token.successor(CHAIN.key))}
    assert _kept(restaurant, first).generation == 1


def test_refresh__a_replay_beside_the_rightful_one__ends_the_session(restaurant: Database) -> None:
    first = a_session(restaurant)
    second = _refresh(restaurant, first.token)
    assert second

    outcomes = race(
        [partial(_refresh, restaurant, token, TOO_LATE) for token in (first.token, second.token) for _ in range(4)]
    )

    assert [outcome.value for outcome in outcomes[:4]] == [None] * 4
    assert _kept(restaurant, first).revoked_at is not None
    newest = second.token.successor(CHAIN.key)
    assert [_refresh(restaurant, token, TOO_LATE) for token in (second.token, newest)] == [None, None]


def test_create__one_name_at_once__one_has_it(restaurant: Database) -> None:
    name = uuid4().hex

    outcomes = race([partial(an_account, restaurant, username=name) for _ in range(RIVALS)])

    refusals = [type(outcome.refusal) for outcome in outcomes if outcome.refusal]
    assert refusals == [UsernameTaken] * (RIVALS - 1)


def test_deactivate__all_administrators_at_once__one_is_left(restaurant: Database) -> None:
    names = [an_account(restaurant, Role.ADMIN) for _ in range(RIVALS)]

    def leave(name: str) -> None:
        restaurant.write(lambda connection: accounts.deactivate_account(connection, username=name, now=NOW))

    outcomes = race([partial(leave, name) for name in names])

    assert [type(outcome.refusal) for outcome in outcomes if outcome.refusal] == [LastAdministrator]
    active = select(account.c.username).where(account.c.role == Role.ADMIN.value, account.c.is_active)
    assert len(restaurant.read(lambda connection: connection.scalars(active).all())) == 1


@pytest.mark.parametrize("is_deactivated", [False, True])
def test_log_in__while_the_account_changes__opens_no_session_that_outlives_it(
    own: Database, is_deactivated: bool
) -> None:
    an_account(own, Role.ADMIN)
    name = an_account(own)
    changed = {} if is_deactivated else {"password_hash": "another"}
    verb = accounts.deactivate_account if is_deactivated else accounts.change_password
    found = own.read(lambda connection: find_credentials(connection, name))
    assert found is not None

    outcome = outcome_behind(
        own,
        lambda connection: verb(connection, username=name, now=NOW, **changed),
        lambda: own.write(lambda c: sessions.open_session(c, credentials=found, chain=CHAIN, now=NOW)),
    )

    standing = select(token_session.c.sid).where(token_session.c.revoked_at.is_(None))
    assert outcome.value is None
    assert own.read(lambda connection: connection.scalars(standing).all()) == []


def test_record_failure__at_once__each_counts(restaurant: Database) -> None:
    name, limits = uuid4().hex, LoginLimits(per_account=RIVALS, per_address=1000)

    def fail() -> None:
        restaurant.write(lambda c: sessions.record_failure(c, username=name, address="192.0.2.9", now=NOW))

    race([fail for _ in range(RIVALS)])

    wait = restaurant.read(
        lambda c: find_lockout_seconds(c, username=name, address="198.51.100.9", limits=limits, now=NOW)
    )
    assert wait == 301


def test_log_in__wrong_passwords_at_once__no_more_are_told_than_the_limit(restaurant: Database) -> None:
    attempt = Attempt(uuid4().hex, "wrong", "192.0.2.10")
    limits, identity = LoginLimits(per_account=3, per_address=1000), cast("Identity", None)

    def guess() -> str:
        try:
            log_in(restaurant, identity, attempt=attempt, limits=limits, now=NOW)
        except HttpRefusal as refusal:
            return refusal.kind.code
        return "told right"

    answers = [outcome.value for outcome in race([guess] * RIVALS)]

    assert set(answers) <= {"auth.bad_credentials", "auth.locked_out"}
    assert answers.count("auth.bad_credentials") <= limits.per_account


def test_refresh__killed_behind_each_statement__whoever_asks_again_gets_in(restaurant: Database) -> None:
    session = a_session(restaurant)
    for statement in count(1):
        was_killed = _killed_in_refresh(restaurant, session, statement)

        again = _refresh(restaurant, session.token)

        assert again
        assert again.token == session.token.successor(CHAIN.key)
        if not was_killed:
            break
        session = again
    assert statement > 3


def _killed_in_refresh(database: Database, session: Opened, statement: int) -> bool:
    """Whether a child that refreshes had so many statements to be killed behind."""
    child = os.fork()
    if child == 0:
        _refresh_until(database.engine.url.render_as_string(hide_password=False), session, statement)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.waitstatus_to_exitcode(status) == 0
    return False


def _refresh_until(url: str, session: Opened, statement: int) -> NoReturn:
    signal.alarm(_CHILD_SECONDS)
    engine, run = engine_of(url), count(1)

    def die(*_: Any) -> None:
        if next(run) == statement:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(engine, "after_cursor_execute", die)
    try:
        _refresh(Database(engine), session.token)
    except BaseException:  # noqa: BLE001 -- the child of a test must not go on as a second one
        os._exit(1)
    os._exit(0)
