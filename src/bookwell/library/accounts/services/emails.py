"""A user's e-mail address: claimed by many, confirmed by one."""

import datetime as dt

from allauth.account.models import EmailAddress, EmailConfirmationHMAC
from django.conf import settings

from bookwell.kit.adapters.django.outbox_store import append_in_tx
from bookwell.library.accounts.errors import ConfirmationInvalid, EmailTaken
from bookwell.library.accounts.events import Addressee, confirm_email, email_changed, known_email
from bookwell.library.accounts.locks import lock_user
from bookwell.library.accounts.models import User
from bookwell.library.accounts.queries import find_email_standing
from bookwell.library.audit.services import Change, record_in_tx

__all__ = ["addressee_of", "claim_email_in_tx", "confirm_email_in_tx", "tell_mailbox_in_tx"]


def claim_email_in_tx(user: User, *, is_confirmed: bool, now: dt.datetime, former: str = "") -> None:
    """Make the user's present address the only one of the account; unless confirmed already, its mailbox is asked.

    Raises:
        EmailTaken: if it is to be confirmed and another account has confirmed it.
    """
    EmailAddress.objects.filter(user_id=user.pk).delete()
    if not user.email:
        return
    address = EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=is_confirmed)
    if is_confirmed:
        confirm_email_in_tx(user_id=user.pk, email=user.email)
        return
    tell_mailbox_in_tx(user, EmailConfirmationHMAC(address).key, now=now)
    if former:
        append_in_tx([email_changed(addressee_of(user, to=former))])


def confirm_email_in_tx(*, user_id: int, email: str) -> None:
    """Note that the owner of a mailbox has confirmed it as the user's address.

    Raises:
        UserNotFound
        ConfirmationInvalid: if the user has another address by now.
        EmailTaken: if another account has confirmed it before.
    """
    user = lock_user(user_id)
    if user.email != email:
        raise ConfirmationInvalid
    if find_email_standing(email, user_id=user_id).is_confirmed:
        raise EmailTaken
    user.confirmed_email = email
    user.save(update_fields=["confirmed_email"])
    record_in_tx([Change("user.email_confirmed", "user", user_id)], actor_id=user_id)


def tell_mailbox_in_tx(user: User, key: str, *, now: dt.datetime) -> None:
    """Ask the mailbox to confirm, or tell it that another account has the address; callers see no difference."""
    url = settings.HEADLESS_FRONTEND_URLS["account_confirm_email"].format(key=key)
    expires_at = now + dt.timedelta(days=settings.ACCOUNT_EMAIL_CONFIRMATION_EXPIRE_DAYS)
    standing = find_email_standing(user.email, user_id=user.pk)
    if standing.is_claimed:
        offered = None if standing.is_confirmed else url
        append_in_tx([known_email(addressee_of(user), url=offered, expires_at=expires_at)])
    else:
        append_in_tx([confirm_email(addressee_of(user), url=url, expires_at=expires_at)])


def addressee_of(user: User, *, to: str = "") -> Addressee:
    """Whom a mail about the user goes to."""
    return Addressee(user.pk, user.version, to or user.email, user.username, user.language)
