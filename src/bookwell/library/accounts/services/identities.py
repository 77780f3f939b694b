"""Outside identities: which account the subject of another issuer's token is."""

import datetime as dt

from django.contrib.auth.hashers import make_password

from bookwell.kit.tokens import Claims
from bookwell.kit.usernames import UsernameInvalid, check_username
from bookwell.library.accounts.mailboxes import kept_address
from bookwell.library.accounts.models import OutsideIdentity, User
from bookwell.library.accounts.queries import has_username, identity_digest
from bookwell.library.accounts.rules import Role
from bookwell.library.accounts.services.users import create_user_in_tx
from bookwell.library.audit.services import Change, record_in_tx

__all__ = ["adopt_identity"]

_ROOM_FOR_A_SUFFIX = 130


def adopt_identity(*, claims: Claims, role: Role, now: dt.datetime) -> int:
    """Connect the subject of an outside token with an account at its first use; the account's id.

    It is the account that has confirmed the address which the issuer has verified, active or not; never one whose
    address either side has not proven, and never one that another subject of the same issuer has: issuers give
    addresses to new people. Otherwise it is a new account of that role, without a password.

    Raises:
        IdentityKnown, UsernameTaken, EmailTaken, CardNumberTaken: if another request was first; do it again.
    """
    subject = claims.subject or ""
    digest = identity_digest(issuer=claims.issuer, subject=subject)
    email = kept_address(claims.email or "")
    owner = _owner_of(email) if claims.is_email_verified else None
    is_taken = owner is not None and owner.outside_identities.filter(issuer=claims.issuer).exists()
    if owner is None or is_taken:
        is_confirmed = claims.is_email_verified and not is_taken
        owner = _create(claims, role, email=email, is_confirmed=is_confirmed, digest=digest, now=now)
    OutsideIdentity.objects.create(digest=digest, issuer=claims.issuer, subject=subject, user=owner, linked_at=now)
    record_in_tx([Change("user.linked", "user", owner.pk, {"issuer": claims.issuer})], actor_id=owner.pk)
    return owner.pk


def _owner_of(email: str) -> User | None:
    return User.objects.filter(confirmed_email=email, deleted_at__isnull=True).first() if email else None


def _create(claims: Claims, role: Role, *, email: str, is_confirmed: bool, digest: str, now: dt.datetime) -> User:
    return create_user_in_tx(
        fields={
            "username": _free_username(claims.username, digest),
            "email": email,
            "password": make_password(None),
            "role": role,
        },
        now=now,
        is_email_confirmed=bool(email) and is_confirmed,
    )


def _free_username(wanted: str | None, digest: str) -> str:
    """The issuer's name for the user where it can be had, with a suffix where another has it."""
    name = wanted or "user"
    try:
        check_username(name[:_ROOM_FOR_A_SUFFIX])
    except UsernameInvalid:
        name = "user"
    if wanted == name and not has_username(name):
        return name
    return f"{name[:_ROOM_FOR_A_SUFFIX]}-{digest[:12]}"
