"""Messages about accounts that leave the context: mails, as outbox rows of the queue `mail` in the shape of `Notice`.

All mails are mandatory: each tells of something that somebody might do to the mailbox's owner.
"""

import datetime as dt
from dataclasses import dataclass

from bookwell.contracts.messages import PERSON_FORGOTTEN
from bookwell.kit import ids
from bookwell.kit.outbox import OutgoingMessage

__all__ = [
    "Addressee",
    "confirm_email",
    "email_changed",
    "known_email",
    "password_changed",
    "password_reset",
    "person_forgotten",
    "unknown_email",
]


@dataclass(frozen=True, slots=True)
class Addressee:
    """To whom a mail goes, and about which account; `version` orders an account's mails."""

    user_id: int
    version: int
    to: str
    username: str
    language: str


def confirm_email(addressee: Addressee, *, url: str, expires_at: dt.datetime) -> OutgoingMessage:
    """Ask the mailbox's owner to confirm the address; the link is good until `expires_at`."""
    return _mail("account.confirm_email", addressee, url=url, expires_at=expires_at)


def known_email(addressee: Addressee, *, url: str | None, expires_at: dt.datetime) -> OutgoingMessage:
    """Tell the mailbox's owner that somebody signed up with an address that another account has.

    `url` confirms the address for the new account; None where the other account has confirmed it already.
    """
    return _mail("account.known_email", addressee, url=url, expires_at=expires_at if url else None)


def email_changed(addressee: Addressee) -> OutgoingMessage:
    """Tell the former mailbox that the account now has another address."""
    return _mail("account.email_changed", addressee)


def password_changed(addressee: Addressee) -> OutgoingMessage:
    """Tell the mailbox that the account has a new password."""
    return _mail("account.password_changed", addressee)


def password_reset(addressee: Addressee, *, url: str, expires_at: dt.datetime) -> OutgoingMessage:
    """Send the mailbox the link that sets a new password, good until `expires_at`."""
    return _mail("account.password_reset", addressee, url=url, expires_at=expires_at)


def unknown_email(*, url: str, expires_at: dt.datetime) -> OutgoingMessage:
    """Tell nobody that a password was to be set for a mailbox that no account has.

    It is no notice. It stands where a mail would, so that whoever measures the time learns nothing.
    """
    nobody = Addressee(0, 1, "", "", "en")
    return _mail("account.unknown_email", nobody, about=f"nobody:{ids.new_id()}", url=url, expires_at=expires_at)


def person_forgotten(*, user_id: int, version: int) -> OutgoingMessage:
    """Have those who were sent messages about a person forget it, too."""
    reference = f"user:{user_id}"
    return OutgoingMessage("mail", PERSON_FORGOTTEN, reference, version, {"reference": reference})


def _mail(
    kind: str,
    addressee: Addressee,
    *,
    about: str = "",
    url: str | None = None,
    expires_at: dt.datetime | None = None,
) -> OutgoingMessage:
    payload = {
        "recipient": {
            "reference": f"user:{addressee.user_id}",
            "name": addressee.username,
            "email": addressee.to,
            "phone": "",
            "language": addressee.language,
            "channels": ["email"],
        },
        "is_mandatory": True,
        "expires_at": expires_at,
        "unsubscribe_url": None,
        "facts": {"username": addressee.username, "url": url},
    }
    return OutgoingMessage("mail", kind, about or f"user:{addressee.user_id}", addressee.version, payload)
