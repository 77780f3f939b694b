"""Use cases of accounts and machine clients around the hash of a secret: it takes longer than a transaction should."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bookwell.kit.http_errors import BAD_CREDENTIALS, LOCKED_OUT, REFRESH_INVALID, HttpRefusal
from bookwell.kit.machine_clients import (
    ClientToken,
    NewClient,
    check_client_name,
    check_scopes,
    chosen_scopes,
    new_secret,
)
from bookwell.tables.accounts import queries
from bookwell.tables.accounts.identity import Identity, TokenPair
from bookwell.tables.accounts.passwords import hash_password, is_right
from bookwell.tables.accounts.queries import LoginLimits
from bookwell.tables.accounts.rules import Role, Scope, check_password
from bookwell.tables.accounts.services import accounts, clients, sessions
from bookwell.tables.db import Database

__all__ = [
    "Attempt",
    "add_client",
    "change_password",
    "create_account",
    "issue_client_token",
    "log_in",
    "log_out",
    "refresh",
    "rotate_secret",
]

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
    _refuse_locked_out(database, who, limits=limits, now=now)
    found = database.read(lambda connection: queries.find_credentials(connection, attempt.username))
    is_theirs = is_right(attempt.password, found.password_hash if found else None)
    is_good = is_theirs and found is not None and found.is_active
    _count_guess(database, who, is_right=is_good, limits=limits, now=now)
    if found is None or not is_good:
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


def add_client(database: Database, *, name: str, scopes: Sequence[str], now: dt.datetime) -> NewClient:
    """Let a program in, with some scopes; its secret is told once.

    Raises:
        ClientNameInvalid, ClientNameTaken, ScopeUnknown
    """
    new, name = NewClient.made(), check_client_name(name)
    check_scopes(scopes, known=tuple(Scope))
    told = {"client_id": new.client_id, "name": name, "secret_hash": hash_password(new.secret)}
    database.write(lambda connection: clients.add_client(connection, scopes=scopes, now=now, **told))
    return new


def rotate_secret(database: Database, *, name: str, both_for: dt.timedelta, now: dt.datetime) -> NewClient:
    """Another secret for a client, by its name or id; the one before is good for a while besides.

    Raises:
        ClientUnknown
    """
    secret = new_secret()
    told, both_until = {"name": name, "secret_hash": hash_password(secret)}, now + both_for
    client_id = database.write(
        lambda connection: clients.change_secret(connection, both_until=both_until, now=now, **told)
    )
    return NewClient(client_id, secret)


def issue_client_token(
    database: Database,
    identity: Identity,
    *,
    attempt: Attempt,
    scopes: Sequence[str],
    limits: LoginLimits,
    now: dt.datetime,
) -> ClientToken | None:
    """A token with the scopes asked for, or all that the client has; None for a wrong id or secret.

    `attempt` has the client's id and secret. A wrong id costs a hash like a wrong secret does.

    Raises:
        HttpRefusal: 429 while the client or the address is locked out.
        ScopeRefused
    """
    client_id, who = attempt.username, {"username": f"client:{attempt.username}", "address": attempt.address}
    _refuse_locked_out(database, who, limits=limits, now=now)
    found = database.read(lambda connection: queries.find_client_secrets(connection, client_id, now=now))
    is_good = any(is_right(attempt.password, each) for each in (found.hashes if found else [None]))
    _count_guess(database, who, is_right=is_good, limits=limits, now=now)
    if found is None or not is_good:
        return None
    return identity.token_of_client(client_id, chosen_scopes(scopes, granted=found.scopes), now=now)


def _refuse_locked_out(database: Database, who: Mapping[str, str], *, limits: LoginLimits, now: dt.datetime) -> None:
    seconds = database.read(lambda connection: queries.find_lockout_seconds(connection, limits=limits, now=now, **who))
    if seconds is not None:
        raise HttpRefusal(LOCKED_OUT, headers={"Retry-After": str(seconds)})


def _count_guess(
    database: Database, who: Mapping[str, str], *, is_right: bool, limits: LoginLimits, now: dt.datetime
) -> None:
    """Count a guess that was looked at, before its answer is told: of those at once, no more than the limits allow.

    Each wrong one is committed before it is held against the others, so the last of them sees all.
    """
    if not is_right:
        database.write(lambda connection: sessions.record_failure(connection, now=now, **who))
        limits = LoginLimits(limits.per_account + 1, limits.per_address + 1)  # without this one
    _refuse_locked_out(database, who, limits=limits, now=now)
