"""Pure decisions about accounts and machine clients: roles, scopes, passwords, when failed log-ins lock out."""

import datetime as dt
import hashlib
from collections.abc import Sequence
from enum import StrEnum

from bookwell.kit.limits import subscriber_of
from bookwell.kit.usernames import fold_username
from bookwell.tables.accounts.errors import PasswordRefused

__all__ = [
    "ACCOUNT_WINDOW",
    "ADDRESS_WINDOW",
    "LONGEST_PASSWORD",
    "STAFF_ROLES",
    "Role",
    "Scope",
    "check_password",
    "failure_keys",
    "lockout_seconds",
]

LONGEST_PASSWORD = 128
_SHORTEST_PASSWORD = 10

ACCOUNT_WINDOW = dt.timedelta(minutes=5)
ADDRESS_WINDOW = dt.timedelta(minutes=1)
"""So long a failed log-in counts against the account, and against the address that it came from."""


class Role(StrEnum):
    """One an account. The library's readers have accounts in a demo, and no rights here."""

    ADMIN = "admin"
    STAFF = "staff"
    READER = "reader"


class Scope(StrEnum):
    """What a machine client may be allowed to do here."""

    READ_BOOKINGS = "bookings:read"


STAFF_ROLES = frozenset({Role.ADMIN.value, Role.STAFF.value})
"""Who may work on the floor and on bookings, by the names that outside issuers use too."""


def check_password(password: str, *, username: str) -> None:
    """Refuse a password that is short, too long to be hashed, or the username.

    Raises:
        PasswordRefused
    """
    if not _SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise PasswordRefused(f"A password has {_SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters.")
    if fold_username(password) == fold_username(username):
        raise PasswordRefused("The password must not be the username.")


def failure_keys(*, username: str, address: str) -> tuple[str, str]:
    """What a failed log-in is counted by: the account, existing or not, and the address. Nobody can read them back."""
    account, subscriber = fold_username(username), subscriber_of(address)
    return _digest(f"account:{account}"), _digest(f"address:{subscriber}")


def lockout_seconds(ends: Sequence[dt.datetime], *, allowed: int, now: dt.datetime) -> int | None:
    """After how many seconds a log-in may be tried again, when failures count until `ends`; None when it may now."""
    standing = sorted((end for end in ends if end > now), reverse=True)
    if len(standing) < allowed:
        return None
    return int((standing[allowed - 1] - now).total_seconds()) + 1


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
