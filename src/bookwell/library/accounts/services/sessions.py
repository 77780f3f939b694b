"""Sessions behind tokens: open, refresh, end."""

import datetime as dt
from dataclasses import dataclass
from importlib import import_module

from django.conf import settings

from bookwell.kit import ids
from bookwell.kit.refresh_tokens import RefreshToken, Standing, standing_of
from bookwell.library.accounts.errors import UserNotFound
from bookwell.library.accounts.locks import lock_session, lock_user
from bookwell.library.accounts.models import TokenSession, User
from bookwell.library.accounts.tokens import refresh_key, signer

__all__ = [
    "TokenPair",
    "end_session",
    "end_sessions_in_tx",
    "forget_dead_sessions",
    "open_session",
    "refresh_session",
]

_FORGET_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class TokenPair:
    """What a log-in and a refresh give."""

    access: str
    refresh: str


def open_session(*, user: User, now: dt.datetime) -> TokenPair | None:
    """Begin a session of somebody whose password was verified, as it was then.

    None when they were deactivated or deleted meanwhile, or have another password: what ended every session must not
    be followed by one that the old password opened.
    """
    try:
        found = lock_user(user.pk)
    except UserNotFound:
        return None
    if not found.is_active or found.password != user.password:
        return None
    token = RefreshToken.first(ids.new_id())
    TokenSession.objects.create(
        sid=token.session_id,
        user=found,
        refresh_hash=token.digest(),
        created_at=now,
        rotated_at=now,
        expires_at=now + settings.REFRESH_TOKEN_LIFETIME,
    )
    return _pair(found, token, now)


def refresh_session(*, refresh_token: str, now: dt.datetime) -> TokenPair | None:
    """Rotate a session's refresh token and sign a new access token; None when the token is not good.

    Within ten seconds of a rotation the token that it replaced gets the same successor again (a lost answer, two
    refreshes at once). Any older token is a replay: it ends the whole session. The end has to be committed, hence no
    exception.
    """
    token = RefreshToken.parse(refresh_token)
    session = lock_session(token.session_id) if token else None
    if token is None or session is None or session.revoked_at is not None or session.expires_at <= now:
        return None
    user = User.objects.filter(pk=session.user_id, is_active=True).first()
    standing = _standing(token, session, now)
    if user is None or standing is Standing.FORGED:
        return None
    if standing is Standing.REPLAYED:
        _end(session, now)
        return None
    successor = token.successor(refresh_key())
    if standing is Standing.CURRENT:
        session.generation = successor.generation
        session.refresh_hash = successor.digest()
        session.rotated_at = now
        session.expires_at = now + settings.REFRESH_TOKEN_LIFETIME
        session.save(update_fields=["generation", "refresh_hash", "rotated_at", "expires_at"])
    return _pair(user, successor, now)


def end_session(*, refresh_token: str, now: dt.datetime) -> bool:
    """End the session of a refresh token, old or new; whether it was a token of ours."""
    token = RefreshToken.parse(refresh_token)
    session = lock_session(token.session_id) if token else None
    if token is None or session is None or _standing(token, session, now) is Standing.FORGED:
        return False
    if session.revoked_at is None:
        _end(session, now)
    return True


def end_sessions_in_tx(*, user_id: int, now: dt.datetime) -> None:
    """End all sessions of a user: after a new password, a deactivation, a deletion."""
    TokenSession.objects.filter(user_id=user_id, revoked_at__isnull=True).update(revoked_at=now)


def forget_dead_sessions(*, now: dt.datetime) -> int:
    """Delete token sessions whose last token has expired, up to a thousand, and browsers' dead sessions; how many."""
    import_module(settings.SESSION_ENGINE).SessionStore.clear_expired()
    dead = list(TokenSession.objects.filter(expires_at__lte=now).values_list("pk", flat=True)[:_FORGET_AT_ONCE])
    return TokenSession.objects.filter(pk__in=dead, expires_at__lte=now).delete()[0]


def _standing(token: RefreshToken, session: TokenSession, now: dt.datetime) -> Standing:
    return standing_of(
        token,
        generation=session.generation,
        digest=session.refresh_hash,
        rotated_at=session.rotated_at,
        now=now,
        key=refresh_key(),
    )


def _end(session: TokenSession, now: dt.datetime) -> None:
    session.revoked_at = now
    session.save(update_fields=["revoked_at"])


def _pair(user: User, token: RefreshToken, now: dt.datetime) -> TokenPair:
    access = signer().sign(subject=str(user.pk), session_id=token.session_id, roles=[user.role], now=now)
    return TokenPair(access, str(token))
