"""Use cases of accounts around the hash of a password, which takes longer than a transaction should."""

import datetime as dt
from dataclasses import dataclass

from bookwell.kit.http_errors import BAD_CREDENTIALS, LOCKED_OUT, REFRESH_INVALID, HttpRefusal
from bookwell.tables.accounts import queries
from bookwell.tables.accounts.identity import Identity, TokenPair
from bookwell.tables.accounts.passwords import hash_password, is_right
from bookwell.tables.accounts.queries import LoginLimits
from bookwell.tables.accounts.rules import Role, check_password
from bookwell.tables.accounts.services import accounts, sessions
from bookwell.tables.db import Database

__all__ = ["Attempt", "change_password", "create_account", "log_in", "log_out", "refresh"]

_CHALLENGE = {"WWW-Authenticate": "Bearer"}
_TOKEN_CHALLENGE = {"WWW-Authenticate": 'Bearer error="invalid_token"'}


@dataclass(frozen=True, slots=True)
class Attempt:
    """Somebody who says who they are; `address` is where the request came from."""

    username: str
    password: str
    address: str


def log_in(
    database: Database, identity: Identity, *, attempt: Attempt, limits: LoginLimits, now: dt.datetime
) -> TokenPair:
    """Tokens for a name and a password. An unknown name costs what a wrong password does.

    Raises:
        HttpRefusal: 401 `auth.bad_credentials`, the same for unknown, wrong and deactivated; 429 `auth.locked_out`.
    """
    who = {"username": attempt.username, "address": attempt.address}
    seconds = database.read(lambda connection: queries.find_lockout_seconds(connection, limits=limits, now=now, **who))
    if seconds is not None:
        raise HttpRefusal(LOCKED_OUT, headers={"Retry-After": str(seconds)})
    found = database.read(lambda connection: queries.find_credentials(connection, attempt.username))
    if not is_right(attempt.password, found.password_hash if found else None) or found is None or not found.is_active:
        database.write(lambda connection: sessions.record_failure(connection, now=now, **who))
        raise HttpRefusal(BAD_CREDENTIALS, headers=_CHALLENGE)
    opened = database.write(
        lambda connection: sessions.open_session(connection, credentials=found, chain=identity.chain, now=now)
    )
    if opened is None:
        raise HttpRefusal(BAD_CREDENTIALS, headers=_CHALLENGE)
    return identity.tokens_of(opened, now=now)


def refresh(database: Database, identity: Identity, *, refresh_token: str, now: dt.datetime) -> TokenPair:
    """The next pair of tokens; see `sessions.refresh_session` for what an old one does.

    Raises:
        HttpRefusal: 401 `auth.refresh_invalid`.
    """
    chain = identity.chain
    opened = database.write(
        lambda connection: sessions.refresh_session(connection, refresh_token=refresh_token, chain=chain, now=now)
    )
    if opened is None:
        raise HttpRefusal(REFRESH_INVALID, headers=_TOKEN_CHALLENGE)
    return identity.tokens_of(opened, now=now)


def log_out(database: Database, identity: Identity, *, refresh_token: str, now: dt.datetime) -> None:
    """End the session of a refresh token; its access tokens end with it.

    Raises:
        HttpRefusal: 401 `auth.refresh_invalid`.
    """
    chain = identity.chain
    if not database.write(
        lambda connection: sessions.end_session(connection, refresh_token=refresh_token, chain=chain, now=now)
    ):
        raise HttpRefusal(REFRESH_INVALID, headers=_TOKEN_CHALLENGE)


def create_account(database: Database, *, username: str, password: str, role: Role, now: dt.datetime) -> None:
    """Let somebody work here.

    Raises:
        PasswordRefused, UsernameInvalid, UsernameTaken
    """
    check_password(password, username=username)
    password_hash = hash_password(password)
    database.write(
        lambda connection: accounts.create_account(
            connection, username=username, password_hash=password_hash, role=role, now=now
        )
    )


def change_password(database: Database, *, username: str, password: str, now: dt.datetime) -> None:
    """Give an account another password; its sessions end.

    Raises:
        PasswordRefused, AccountNotFound
    """
    check_password(password, username=username)
    password_hash = hash_password(password)
    database.write(
        lambda connection: accounts.change_password(connection, username=username, password_hash=password_hash, now=now)
    )
