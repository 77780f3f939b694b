"""A forgotten password: a mail with a link, and what the link does."""

import datetime as dt

from django.conf import settings
from django.db import transaction

from bookwell.kit.adapters.django.outbox_store import append_in_tx
from bookwell.library.accounts.errors import ResetLinkInvalid, UserNotFound
from bookwell.library.accounts.events import Addressee, password_reset, unknown_email
from bookwell.library.accounts.lockout import lift_lockout
from bookwell.library.accounts.locks import lock_user
from bookwell.library.accounts.models import User
from bookwell.library.accounts.queries import find_user_of_mailbox
from bookwell.library.accounts.reset_links import is_token_of, reset_url_of, user_id_of_token
from bookwell.library.accounts.services.users import change_user_in_tx
from bookwell.library.audit.services import Change, record_in_tx

__all__ = ["offer_password_reset", "reset_password"]


def offer_password_reset(*, email: str, now: dt.datetime) -> None:
    """Send a mailbox the link that sets a new password, if an active account has confirmed it.

    Whoever has none costs the same: a message of the same size, which nobody is told.
    """
    user = find_user_of_mailbox(email)
    expires_at = now + dt.timedelta(seconds=settings.PASSWORD_RESET_TIMEOUT)
    if user is None:
        nobody = User(confirmed_email=email)
        append_in_tx([unknown_email(url=reset_url_of(nobody), expires_at=expires_at)])
        return
    to = Addressee(user.pk, user.version, email, user.username, user.language)
    append_in_tx([password_reset(to, url=reset_url_of(user), expires_at=expires_at)])


def reset_password(*, token: str, password_hash: str, now: dt.datetime) -> None:
    """Set the password that a link's holder chose; every session ends, the mailbox is told, and a lockout is over.

    The empty hash is that of a link that was found bad before.

    Raises:
        ResetLinkInvalid: if it is damaged, was used, is too old, or the account has changed since.
    """
    try:
        user = lock_user(user_id_of_token(token))
    except UserNotFound:
        raise ResetLinkInvalid from None
    if not password_hash or not is_token_of(user, token):
        raise ResetLinkInvalid
    record_in_tx([Change("user.password_reset", "user", user.pk)], actor_id=user.pk)
    change_user_in_tx(user_id=user.pk, fields={"password": password_hash}, actor_id=user.pk, is_admin=False, now=now)
    # Robust: the password is set, though a cache that is down keeps the failures for the minutes that they have.
    transaction.on_commit(lambda: lift_lockout(username=user.username), robust=True)
