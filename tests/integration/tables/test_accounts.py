"""Staff accounts and their sessions, in the database."""

import datetime as dt
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select

from bookwell.kit.refresh_tokens import GRACE
from bookwell.kit.usernames import UsernameInvalid
from bookwell.tables import staffing
from bookwell.tables.accounts import queries
from bookwell.tables.accounts.errors import AccountNotFound, LastAdministrator, PasswordRefused, UsernameTaken
from bookwell.tables.accounts.models import account, login_failure, token_session
from bookwell.tables.accounts.queries import LoginLimits, find_credentials, find_lockout_seconds
from bookwell.tables.accounts.rules import ADDRESS_WINDOW, Role
from bookwell.tables.accounts.services import accounts, sessions
from bookwell.tables.accounts.services.sessions import Opened
from bookwell.tables.db import Database
from tests.restaurant import NOW, tables_database
from tests.waiters import CHAIN, a_session, an_account, refreshed

LATER = NOW + dt.timedelta(minutes=1)
LIMITS = LoginLimits(per_account=3, per_address=5)


def role_in(database: Database, session: Opened) -> str | None:
    sid, subject = session.token.session_id, str(session.account_id)
    return database.read(lambda c: queries.find_role_in_session(c, sid, subject=subject))


def test_create_account__the_name_in_another_case__is_taken(restaurant: Database) -> None:
    name = an_account(restaurant, username=f"Zoë-{uuid4().hex}")

    with pytest.raises(UsernameTaken):
        an_account(restaurant, username=name.upper())


def test_create_account__no_name__is_refused(restaurant: Database) -> None:
    with pytest.raises(UsernameInvalid):
        an_account(restaurant, username="no name")


def test_create_account__a_short_password__is_refused(restaurant: Database) -> None:
    name = uuid4().hex

    with pytest.raises(PasswordRefused):
        staffing.create_account(restaurant, username=name, password="short", role=Role.ADMIN, now=NOW)

    assert restaurant.read(lambda connection: find_credentials(connection, name)) is None


def test_refresh__rotates(restaurant: Database) -> None:
    first = a_session(restaurant)

    second = refreshed(restaurant, first.token, now=LATER)

    assert second
    assert second.token == first.token.successor(CHAIN.key)
    assert refreshed(restaurant, second.token, now=LATER)


def test_refresh__the_former_token_within_the_grace__gets_the_same_again(restaurant: Database) -> None:
    first = a_session(restaurant)
    second = refreshed(restaurant, first.token, now=LATER)
    assert second

    assert refreshed(restaurant, first.token, now=LATER + GRACE) == second


def test_refresh__the_former_token_after_the_grace__ends_the_session(restaurant: Database) -> None:
    first = a_session(restaurant)
    second = refreshed(restaurant, first.token, now=LATER)
    assert second

    after = LATER + GRACE + dt.timedelta(seconds=1)
    assert refreshed(restaurant, first.token, now=after) is None

    assert refreshed(restaurant, second.token, now=after) is None
    assert role_in(restaurant, first) is None


def test_refresh__a_guess__changes_nothing(restaurant: Database) -> None:
    first = a_session(restaurant)

    assert refreshed(restaurant, f"{first.token.session_id}.0.{'x' * 43}", now=LATER) is None

    assert refreshed(restaurant, first.token, now=LATER)


def test_refresh__too_late__is_refused(restaurant: Database) -> None:
    first = a_session(restaurant)

    assert refreshed(restaurant, first.token, now=NOW + CHAIN.lifetime) is None


def test_end_session__its_tokens__count_no_more(restaurant: Database) -> None:
    first = a_session(restaurant)
    assert role_in(restaurant, first) == "staff"

    ended = restaurant.write(lambda c: sessions.end_session(c, refresh_token=str(first.token), chain=CHAIN, now=LATER))

    assert ended
    assert role_in(restaurant, first) is None
    assert refreshed(restaurant, first.token, now=LATER) is None


def test_find_role__of_another_subject__is_none(restaurant: Database) -> None:
    first = a_session(restaurant)

    assert restaurant.read(lambda c: queries.find_role_in_session(c, first.token.session_id, subject="0")) is None


def test_find_role__of_an_account_that_is_not_active__is_none_whatever_its_session(restaurant: Database) -> None:
    session = a_session(restaurant)
    assert role_in(restaurant, session)

    off = account.update().where(account.c.id == session.account_id).values(is_active=False)
    restaurant.write(lambda c: c.execute(off))

    assert role_in(restaurant, session) is None


@pytest.mark.parametrize("change", ["deactivate", "password"])
def test_account__deactivated_or_with_another_password__has_no_session(restaurant: Database, change: str) -> None:
    name = an_account(restaurant)
    session = a_session(restaurant, name)
    verified = restaurant.read(lambda connection: find_credentials(connection, name))
    assert verified

    if change == "deactivate":
        restaurant.write(lambda c: accounts.deactivate_account(c, username=name.upper(), now=LATER))
    else:
        restaurant.write(lambda c: accounts.change_password(c, username=name, password_hash="new", now=LATER))

    assert role_in(restaurant, session) is None
    assert refreshed(restaurant, session.token, now=LATER) is None
    late = restaurant.write(lambda c: sessions.open_session(c, credentials=verified, chain=CHAIN, now=LATER))
    assert late is None


def test_deactivate__the_last_administrator__stays(tmp_path: Any) -> None:
    with tables_database(tmp_path) as database:
        name = an_account(database, Role.ADMIN)
        session = a_session(database, name)

        with pytest.raises(LastAdministrator):
            database.write(lambda c: accounts.deactivate_account(c, username=name, now=LATER))
        assert role_in(database, session) == "admin"

        an_account(database, Role.ADMIN)
        database.write(lambda c: accounts.deactivate_account(c, username=name, now=LATER))
        assert role_in(database, session) is None


def test_deactivate__nobody_of_that_name(restaurant: Database) -> None:
    with pytest.raises(AccountNotFound):
        restaurant.write(lambda c: accounts.deactivate_account(c, username="nobody-here", now=NOW))


def fail(database: Database, username: str, address: str, now: dt.datetime = NOW) -> None:
    database.write(lambda c: sessions.record_failure(c, username=username, address=address, now=now))


def wait(database: Database, username: str, address: str, now: dt.datetime = NOW) -> int | None:
    return database.read(lambda c: find_lockout_seconds(c, username=username, address=address, limits=LIMITS, now=now))


def test_lockout__by_account__from_whatever_address(restaurant: Database) -> None:
    name = uuid4().hex
    for number in range(LIMITS.per_account):
        assert wait(restaurant, name, "192.0.2.1") is None
        fail(restaurant, name.upper(), f"192.0.2.{number}")

    assert wait(restaurant, name, "198.51.100.1") == 301
    assert wait(restaurant, name, "198.51.100.1", NOW + dt.timedelta(minutes=5)) is None


def test_lockout__by_address__for_whatever_account(restaurant: Database) -> None:
    subscriber = f"2001:db8:{uuid4().hex[:4]}:1:"
    for number in range(LIMITS.per_address):
        fail(restaurant, uuid4().hex, f"{subscriber}:{number}")

    assert wait(restaurant, uuid4().hex, f"{subscriber}:ffff") == 61
    assert wait(restaurant, uuid4().hex, f"{subscriber}:ffff", NOW + ADDRESS_WINDOW) is None


def test_record_failure__forgets_what_counts_no_more(restaurant: Database) -> None:
    long_ago = NOW - dt.timedelta(days=1)
    fail(restaurant, uuid4().hex, "203.0.113.7", long_ago)

    fail(restaurant, uuid4().hex, "203.0.113.7")

    oldest = restaurant.read(lambda c: c.scalar(select(login_failure.c.expires_at).order_by("expires_at").limit(1)))
    assert oldest
    assert oldest > NOW.timestamp() * 1000


def test_forget_dead_sessions__only_those(tmp_path: Any) -> None:
    with tables_database(tmp_path) as database:
        session = a_session(database)
        assert database.write(lambda c: sessions.forget_dead_sessions(c, now=LATER)) == 0

        over = NOW + CHAIN.lifetime
        assert database.write(lambda c: sessions.forget_dead_sessions(c, now=over)) == 1

        left = database.read(lambda c: c.scalar(select(token_session.c.sid)))
        assert left is None
        assert role_in(database, session) is None
