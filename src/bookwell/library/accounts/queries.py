"""Reads of accounts."""

from dataclasses import dataclass
from hashlib import sha256

from django.conf import settings

from bookwell.kit import clock
from bookwell.kit.adapters.django.keyset import keyset_page
from bookwell.kit.adapters.django.statements import fetch_one
from bookwell.kit.pages import Position
from bookwell.kit.tokens import Claims, TokenInvalid
from bookwell.kit.usernames import fold_username
from bookwell.library.accounts.ended_sessions import EndedSessions
from bookwell.library.accounts.errors import ResetLinkInvalid, UserNotFound
from bookwell.library.accounts.models import MachineClient, ReaderCategory, User
from bookwell.library.accounts.reset_links import is_token_of, user_id_of_token
from bookwell.library.accounts.rules import Role
from bookwell.library.accounts.tokens import verifier

__all__ = [
    "Account",
    "Caller",
    "ClientCaller",
    "EmailStanding",
    "ExpectedCaller",
    "SessionEnded",
    "expect_caller",
    "find_caller",
    "find_client_caller",
    "find_email_standing",
    "find_outside_account",
    "find_outside_claims",
    "find_user_of_mailbox",
    "find_user_of_reset_token",
    "get_user",
    "has_category",
    "has_username",
    "identity_digest",
    "list_clients",
    "list_users",
]

_CALLER = (
    "SELECT a.id, a.role, a.home_branch_id "
    "FROM token_session s JOIN account a ON a.id = s.user_id "
    "WHERE s.sid = %s AND s.revoked_at IS NULL AND a.is_active"
)
_OUTSIDE_ACCOUNT = (
    "SELECT a.id, a.home_branch_id, a.is_active "
    "FROM outside_identity o JOIN account a ON a.id = o.user_id WHERE o.digest = %s"
)

_ended = EndedSessions()


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever a valid token and its live session stand for; an outside token has no session here."""

    user_id: int
    role: Role
    home_branch_id: int | None
    session_id: str | None


def find_caller(token: str) -> Caller | None:
    """The caller of an access token of ours; None when the token or its session is not valid.

    One statement, on every request: a log-out, a deactivation and a change of role count at once.

    Raises:
        IssuerUnreachable: if the token is an outside issuer's, whose keys could not be had yet.
    """
    claims = _own_claims(token)
    if claims is None or claims.session_id is None:
        return None
    row = fetch_one(_CALLER, (claims.session_id,))
    if row is None or claims.subject != str(row[0]):
        _ended.add(claims.session_id)
        return None
    _ended.discard(claims.session_id)
    return Caller(row[0], Role(row[1]), row[2], claims.session_id)


class SessionEnded(Exception):
    """The session of an expected caller is not live any more, or the account not active: nothing was done."""


@dataclass(frozen=True, slots=True)
class ExpectedCaller:
    """Whoever a good token stands for that nobody has found ended: who that is, but not that it may be served.

    What is done for such a caller has to begin with a lock that finds the session live, and to raise `SessionEnded`
    where that does not.
    """

    user_id: int
    session_id: str
    token: str

    def confirmed(self) -> Caller | None:
        """The caller, if the session is live now."""
        return find_caller(self.token)


def expect_caller(token: str) -> ExpectedCaller | None:
    """The caller of an access token of ours, without a statement; None where nobody is to be expected."""
    claims = _own_claims(token)
    if claims is None or claims.session_id is None or claims.session_id in _ended:
        return None
    subject = claims.subject or ""
    return ExpectedCaller(int(subject), claims.session_id, token) if subject.isdecimal() else None


def find_outside_claims(token: str) -> Claims | None:
    """What a good token of an outside issuer says of a person; None when it is none.

    Raises:
        IssuerUnreachable: if the issuer's keys could not be had yet.
    """
    try:
        claims = verifier().verify(token, now=clock.now())
    except TokenInvalid:
        return None
    return claims if claims.issuer != settings.TOKEN_ISSUER and claims.subject else None


@dataclass(frozen=True, slots=True)
class Account:
    """The account of an outside identity."""

    user_id: int
    home_branch_id: int | None
    is_active: bool


def find_outside_account(*, issuer: str, subject: str) -> Account | None:
    """The account that an outside identity was connected with; in one statement, on every request."""
    row = fetch_one(_OUTSIDE_ACCOUNT, (identity_digest(issuer=issuer, subject=subject),))
    return Account(row[0], row[1], bool(row[2])) if row else None


def identity_digest(*, issuer: str, subject: str) -> str:
    """The name of an outside identity; an issuer is a URL and has no blanks."""
    return sha256(f"{issuer} {subject}".encode()).hexdigest()


def _own_claims(token: str) -> Claims | None:
    try:
        claims = verifier().verify(token, now=clock.now())
    except TokenInvalid:
        return None
    return claims if claims.issuer == settings.TOKEN_ISSUER else None


@dataclass(frozen=True, slots=True)
class ClientCaller:
    """The machine client that a valid token stands for, with what it may still do."""

    client_id: str
    scopes: frozenset[str]

    @property
    def user_id(self) -> str:
        """By whom requests are counted and keys are kept apart: never a user's number."""
        return f"client:{self.client_id}"


def find_client_caller(token: str) -> ClientCaller | None:
    """The machine client of an access token of ours; None when the token is not good, or the client was revoked.

    Its scopes are those that both the token and the client have.
    """
    claims = _own_claims(token)
    if claims is None or claims.subject is not None or claims.client_id is None:
        return None
    granted = (
        MachineClient.objects.filter(pk=claims.client_id, revoked_at=None).values_list("scopes", flat=True).first()
    )
    if granted is None:
        return None
    return ClientCaller(claims.client_id, frozenset(claims.scopes) & frozenset(granted.split()))


def list_clients() -> list[MachineClient]:
    """Every machine client, by name."""
    return list(MachineClient.objects.order_by("name"))


def get_user(user_id: int) -> User:
    """A user and the home branch.

    Raises:
        UserNotFound: if there is none, or it was deleted.
    """
    user = User.objects.select_related("home_branch").filter(pk=user_id, deleted_at__isnull=True).first()
    if user is None:
        raise UserNotFound
    return user


def list_users(*, position: Position, limit: int) -> list[User]:
    """Up to `limit + 1` users in the order of their ids, deleted ones left out."""
    users = User.objects.select_related("home_branch").filter(deleted_at__isnull=True)
    return keyset_page(users, ["pk"], position, limit=limit)


def has_category(code: str) -> bool:
    """Whether there is a reader category of that code."""
    return ReaderCategory.objects.filter(pk=code).exists()


def has_username(username: str, *, except_user_id: int = 0) -> bool:
    """Whether a user has this name, in whatever case."""
    return User.objects.filter(username_key=fold_username(username)).exclude(pk=except_user_id).exists()


@dataclass(frozen=True, slots=True)
class EmailStanding:
    """What other accounts have of an address."""

    is_claimed: bool
    is_confirmed: bool


def find_email_standing(email: str, *, user_id: int) -> EmailStanding:
    """Whether an account other than the user's has given the address, and whether one has confirmed it."""
    others = User.objects.exclude(pk=user_id)
    return EmailStanding(
        is_claimed=others.filter(email=email).exists(), is_confirmed=others.filter(confirmed_email=email).exists()
    )


def find_user_of_mailbox(email: str) -> User | None:
    """The active account that has confirmed the address, if it has a password to forget."""
    user = User.objects.filter(confirmed_email=email, is_active=True, deleted_at__isnull=True).first()
    if user is None or user.confirmed_email != email:  # a collation that takes josé for jose
        return None
    return user if user.has_usable_password() else None


def find_user_of_reset_token(token: str) -> User | None:
    """Whose password a token sets; None where it is not good, or not any more."""
    try:
        user_id = user_id_of_token(token)
    except ResetLinkInvalid:
        return None
    user = User.objects.filter(pk=user_id, deleted_at__isnull=True).first()
    return user if user is not None and is_token_of(user, token) else None
