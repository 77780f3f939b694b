"""Sessions behind tokens: open, refresh, end; and the log-ins that failed."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from bookwell.kit import ids
from bookwell.kit.outbox.rules import instant_at, milliseconds
from bookwell.kit.refresh_tokens import RefreshToken, Standing, standing_of
from bookwell.tables.accounts.locks import lock_session, share_unchanged
from bookwell.tables.accounts.models import account, login_failure, token_session
from bookwell.tables.accounts.queries import Credentials
from bookwell.tables.accounts.rules import ACCOUNT_WINDOW, ADDRESS_WINDOW, failure_keys

__all__ = [
    "Chain",
    "Opened",
    "end_session",
    "end_sessions_in_tx",
    "forget_dead_sessions",
    "open_session",
    "record_failure",
    "refresh_session",
]

_FORGET_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Chain:
    """How refresh tokens follow one another: by a key of the service, each living for a while."""

    key: bytes
    lifetime: dt.timedelta


@dataclass(frozen=True, slots=True)
class Opened:
    """A session that stands: whose it is, and its present refresh token."""

    account_id: int
    role: str
    token: RefreshToken


def open_session(connection: Connection, *, credentials: Credentials, chain: Chain, now: dt.datetime) -> Opened | None:
    """Begin a session of an active account; None when it was deactivated, or got another password, meanwhile."""
    account_id = credentials.account_id
    role = share_unchanged(connection, account_id=account_id, password_hash=credentials.password_hash)
    if role is None:
        return None
    token = RefreshToken.first(ids.new_id())
    values = {"sid": token.session_id, "account_id": account_id, "refresh_hash": token.digest(), "generation": 0}
    expires_at = milliseconds(now + chain.lifetime)
    moments = {"created_at": milliseconds(now), "rotated_at": milliseconds(now), "expires_at": expires_at}
    connection.execute(insert(token_session).values(**values, **moments))
    return Opened(account_id, role, token)


def refresh_session(connection: Connection, *, refresh_token: str, chain: Chain, now: dt.datetime) -> Opened | None:
    """Rotate a session's refresh token; None when the token is not good.

    Within ten seconds of a rotation the token that it replaced gets the same successor again (a lost answer, two
    refreshes at once). Any older token is a replay: it ends the whole session. The end has to be committed, hence no
    exception.
    """
    token = RefreshToken.parse(refresh_token)
    session = lock_session(connection, token.session_id) if token else None
    if token is None or session is None or session.revoked_at is not None or session.expires_at <= milliseconds(now):
        return None
    role, standing = _role_of(connection, session.account_id), _standing(token, session, chain, now)
    if role is None or standing is Standing.FORGED:
        return None
    if standing is Standing.REPLAYED:
        _end(connection, session.sid, now)
        return None
    successor = token.successor(chain.key)
    if standing is Standing.CURRENT:
        rotated = {"generation": successor.generation, "refresh_hash": successor.digest()}
        moments = {"rotated_at": milliseconds(now), "expires_at": milliseconds(now + chain.lifetime)}
        chosen = update(token_session).where(token_session.c.sid == session.sid)
        connection.execute(chosen.values(**rotated, **moments))
    return Opened(session.account_id, role, successor)


def end_session(connection: Connection, *, refresh_token: str, chain: Chain, now: dt.datetime) -> bool:
    """End the session of a refresh token, old or new; whether it was a token of ours."""
    token = RefreshToken.parse(refresh_token)
    session = lock_session(connection, token.session_id) if token else None
    if token is None or session is None or _standing(token, session, chain, now) is Standing.FORGED:
        return False
    if session.revoked_at is None:
        _end(connection, session.sid, now)
    return True


def end_sessions_in_tx(connection: Connection, *, account_id: int, now: dt.datetime) -> None:
    """End all sessions of an account."""
    standing = (token_session.c.account_id == account_id) & token_session.c.revoked_at.is_(None)
    connection.execute(update(token_session).where(standing).values(revoked_at=milliseconds(now)))


def record_failure(connection: Connection, *, username: str, address: str, now: dt.datetime) -> None:
    """Count a failed log-in against the account, existing or not, and the address; forget those that count no more."""
    connection.execute(delete(login_failure).where(login_failure.c.expires_at <= milliseconds(now)))
    keys = failure_keys(username=username, address=address)
    ends = (now + ACCOUNT_WINDOW, now + ADDRESS_WINDOW)
    rows = [{"key": key, "expires_at": milliseconds(end)} for key, end in zip(keys, ends, strict=True)]
    connection.execute(insert(login_failure), rows)


def forget_dead_sessions(connection: Connection, *, now: dt.datetime) -> int:
    """Delete sessions whose last token has expired, up to a thousand; how many."""
    dead = select(token_session.c.sid).where(token_session.c.expires_at <= milliseconds(now)).limit(_FORGET_AT_ONCE)
    sids = list(connection.scalars(dead))
    connection.execute(delete(token_session).where(token_session.c.sid.in_(sids)))
    return len(sids)


def _role_of(connection: Connection, account_id: int) -> str | None:
    return connection.scalar(select(account.c.role).where(account.c.id == account_id, account.c.is_active))


def _standing(token: RefreshToken, session: Any, chain: Chain, now: dt.datetime) -> Standing:
    return standing_of(
        token,
        generation=session.generation,
        digest=session.refresh_hash,
        rotated_at=instant_at(session.rotated_at),
        now=now,
        key=chain.key,
    )


def _end(connection: Connection, sid: str, now: dt.datetime) -> None:
    ended = update(token_session).where(token_session.c.sid == sid)
    connection.execute(ended.values(revoked_at=milliseconds(now)))
