"""Links that set a forgotten password: they stand in mails, are good for an hour, and for one use."""

import datetime as dt
from typing import Any

from django.conf import settings
from django.contrib.auth.tokens import PasswordResetTokenGenerator

from bookwell.kit import clock
from bookwell.library.accounts.errors import ResetLinkInvalid
from bookwell.library.accounts.models import User

__all__ = ["is_token_of", "reset_url_of", "user_id_of_token"]

_LONGEST_NUMBER = 18


class _Tokens(PasswordResetTokenGenerator):
    """Django's, by our clock: signed over what a use changes, and over the count of all other changes.

    So it dies with a new password, another address and a deactivation, also one that was taken back.
    """

    key_salt = "bookwell.password_reset"

    def _make_hash_value(self, user: Any, timestamp: int) -> str:
        return f"{user.pk} {timestamp} {user.version} {user.confirmed_email} {user.password}"

    def _now(self) -> dt.datetime:
        return clock.now().replace(tzinfo=None)


_tokens = _Tokens()


def reset_url_of(user: User) -> str:
    """The link for a user as it is now; good for `settings.PASSWORD_RESET_TIMEOUT` seconds."""
    return settings.PASSWORD_RESET_URL.format(token=f"{user.pk or 0}-{_tokens.make_token(user)}")


def user_id_of_token(token: str) -> int:
    """Whom a token names, be it good or not.

    Raises:
        ResetLinkInvalid: if it names nobody.
    """
    number = token.partition("-")[0]
    if not (number.isascii() and number.isdecimal() and len(number) <= _LONGEST_NUMBER):
        raise ResetLinkInvalid
    return int(number)


def is_token_of(user: User, token: str) -> bool:
    """Whether the token sets the password of the user, who has not changed since it was made."""
    return user.is_active and _tokens.check_token(user, token.partition("-")[2])
