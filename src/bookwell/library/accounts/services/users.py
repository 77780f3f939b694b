"""Users: create, change, anonymise."""

import datetime as dt
import secrets
from typing import Any, TypedDict

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib.admin.models import LogEntry
from django.contrib.auth.hashers import make_password
from django.contrib.contenttypes.models import ContentType
from stdnum import luhn

from bookwell.kit.adapters.django.outbox_scrubbing import empty_in_tx
from bookwell.kit.adapters.django.outbox_store import append_in_tx
from bookwell.kit.usernames import check_username
from bookwell.library.accounts.errors import CategoryUnknown, LastAdministrator, UsernameTaken
from bookwell.library.accounts.events import password_changed, person_forgotten
from bookwell.library.accounts.locks import lock_administrators, lock_user
from bookwell.library.accounts.models import OutsideIdentity, User
from bookwell.library.accounts.queries import has_category, has_username
from bookwell.library.accounts.rules import Role, check_may_change
from bookwell.library.accounts.services.emails import addressee_of, claim_email_in_tx
from bookwell.library.accounts.services.sessions import end_sessions_in_tx
from bookwell.library.audit.services import Change, record_in_tx

__all__ = [
    "UserFields",
    "anonymise_user_in_tx",
    "change_user_in_tx",
    "create_user_in_tx",
    "lock_administrators_in_tx",
]

_CARD_PREFIX = "2"  # what library cards begin with, as against copies' barcodes
_CARD_DIGITS = 12
_ENDS_SESSIONS = frozenset({"password"})


class UserFields(TypedDict, total=False):
    """What can be changed of a user; `password` is the hash, `category_id` a code."""

    username: str
    email: str
    password: str
    role: Role
    category_id: str
    home_branch_id: int | None
    language: str
    channels: list[str]
    wants_reminders: bool
    is_active: bool


def create_user_in_tx(
    *,
    fields: UserFields,
    now: dt.datetime,
    actor_id: int | None = None,
    is_email_confirmed: bool = False,
    claims_email: bool = True,
) -> User:
    """Create a user with a fresh card number; its mailbox is asked to confirm the address.

    `fields` need `username`, `email` and `password`; without an actor the user is its own.

    Raises:
        UsernameInvalid, UsernameTaken, CategoryUnknown, EmailTaken
    """
    check_username(fields["username"])
    if has_username(fields["username"]):
        raise UsernameTaken
    _check_category(fields)
    user = User(created_at=now, card_number=_new_card_number(), **fields)
    user.email = user.email.lower()
    user.save(force_insert=True)
    if claims_email:
        claim_email_in_tx(user, is_confirmed=is_email_confirmed, now=now)
    change = Change("user.created", "user", user.pk, {"role": user.role, "category": user.category_id})
    record_in_tx([change], actor_id=user.pk if actor_id is None else actor_id)
    return user


def change_user_in_tx(*, user_id: int, fields: UserFields, actor_id: int, is_admin: bool, now: dt.datetime) -> User:
    """Change a user; a new password or a deactivation ends all sessions, a new address has to be confirmed.

    The mailbox that the account had is told of a new password and of a new address.

    Raises:
        UserNotFound, FieldForbidden, UsernameInvalid, UsernameTaken, CategoryUnknown, LastAdministrator
    """
    administrators = lock_administrators() if {"role", "is_active"} & fields.keys() else frozenset()
    user = lock_user(user_id)
    if "email" in fields:
        fields["email"] = fields["email"].lower()
    changed = {name: value for name, value in fields.items() if getattr(user, name) != value}
    if not changed:
        return user
    check_may_change(_names(changed), is_admin=is_admin, is_own=actor_id == user_id)
    _check_values(user, changed)
    _check_administrator_is_left(user, changed, administrators)
    former = user.email
    _apply(user, changed, now)
    if "email" in changed:
        claim_email_in_tx(user, is_confirmed=False, now=now, former=former)
    if "password" in changed and former:
        append_in_tx([password_changed(addressee_of(user, to=former))])
    record_in_tx([Change("user.changed", "user", user.pk, _facts(changed))], actor_id=actor_id)
    return user


def lock_administrators_in_tx() -> None:
    """Take the locks that come before every user's, for a use case that locks a user first and closes it later."""
    lock_administrators()


def anonymise_user_in_tx(*, user_id: int, actor_id: int, now: dt.datetime) -> None:
    """Close an account and forget the person; the row stays, so that the history keeps its shape.

    Mails about the account that are not out yet stay unsent, the notifier is told to forget the person, and the log of
    Django's admin forgets the name. Whoever calls this has ended the user's reservations and loans; and, where the
    user's row was locked for that, called `lock_administrators_in_tx` before.

    Raises:
        UserNotFound, LastAdministrator
    """
    administrators = lock_administrators()
    user = lock_user(user_id)
    _check_administrator_is_left(user, {"is_active": False}, administrators)
    user.username = f"deleted:{user.pk}"  # which nobody can sign up as
    user.email, user.confirmed_email, user.password = "", None, make_password(None)
    user.role, user.home_branch_id, user.channels = Role.READER, None, []
    user.card_number = f"deleted:{user.pk}"
    user.is_active, user.deleted_at, user.version = False, now, user.version + 1
    user.save()
    EmailAddress.objects.filter(user_id=user.pk).delete()
    OutsideIdentity.objects.filter(user_id=user.pk).delete()
    Authenticator.objects.filter(user_id=user.pk).delete()
    end_sessions_in_tx(user_id=user.pk, now=now)
    empty_in_tx(f"user:{user.pk}")
    append_in_tx([person_forgotten(user_id=user.pk, version=user.version)])
    told = LogEntry.objects.filter(content_type=ContentType.objects.get_for_model(User), object_id=str(user.pk))
    told.update(object_repr=user.username)
    record_in_tx([Change("user.deleted", "user", user.pk)], actor_id=actor_id)


def _check_values(user: User, changed: dict[str, Any]) -> None:
    if "username" in changed:
        check_username(changed["username"])
        if has_username(changed["username"], except_user_id=user.pk):
            raise UsernameTaken
    _check_category(changed)


def _check_category(fields: UserFields | dict[str, Any]) -> None:
    if "category_id" in fields and not has_category(fields["category_id"]):
        raise CategoryUnknown


def _check_administrator_is_left(user: User, changed: dict[str, Any], administrators: frozenset[int]) -> None:
    stays = changed.get("is_active", user.is_active) and changed.get("role", user.role) == Role.ADMIN
    if not stays and administrators == {user.pk}:
        raise LastAdministrator


def _apply(user: User, changed: dict[str, Any], now: dt.datetime) -> None:
    for name, value in changed.items():
        setattr(user, name, value)
    if "email" in changed:
        user.confirmed_email = None
    user.version += 1
    user.save()
    if _ENDS_SESSIONS & changed.keys() or not user.is_active:
        end_sessions_in_tx(user_id=user.pk, now=now)


def _names(changed: dict[str, Any]) -> set[str]:
    return {name.removesuffix("_id") for name in changed}


def _facts(changed: dict[str, Any]) -> dict[str, Any]:
    """What the audit trail keeps: the names of the fields, and the values of those that are no personal data."""
    told: dict[str, Any] = {name: changed[name] for name in ("role", "category_id", "is_active") if name in changed}
    return {"fields": sorted(_names(changed)), **told}


def _new_card_number() -> str:
    digits = _CARD_PREFIX + "".join(secrets.choice("0123456789") for _ in range(_CARD_DIGITS))
    return digits + str(luhn.calc_check_digit(digits))
