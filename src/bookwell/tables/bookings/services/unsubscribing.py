"""Guests who want no reminders, and the links by which they say so, long after the visit that one was about.

A link outlives what is known of its guest. So what is kept of it is sealed with its own token, of which there is a
digest alone: whoever holds the link can open it, and nobody who holds the database.
"""

import datetime as dt
import hmac
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from bookwell.kit.outbox.rules import milliseconds
from bookwell.tables.bookings.errors import TokenUnknown
from bookwell.tables.bookings.locks import lock_contact
from bookwell.tables.bookings.models import reminder_link, reminder_opt_out
from bookwell.tables.bookings.queries import digest_of

__all__ = [
    "LINK_LIFE",
    "ReminderLink",
    "forget_expired_links",
    "get_reminder_link",
    "has_opted_out",
    "keep_reminder_link_in_tx",
    "opt_out_of_reminders",
]

LINK_LIFE = dt.timedelta(days=365)
"""So long after the visit a reminder's link ends reminders."""

_AT_ONCE = 1000
_PURPOSE = b"bookwell reminders"


@dataclass(frozen=True, slots=True)
class ReminderLink:
    """Whom a link was sent to, as a digest, and in which language."""

    contact_digest: str
    locale: str


def keep_reminder_link_in_tx(connection: Connection, *, token: str, booked: Any) -> None:
    """Let a token end the reminders to the address that a booking's go to."""
    kept = {"digest": digest_of(token), "sealed_contact": _sealed(_contact_digest(booked), token)}
    expires_at = booked.ends_at + LINK_LIFE // dt.timedelta(milliseconds=1)
    connection.execute(insert(reminder_link).values(**kept, locale=booked.locale, expires_at=expires_at))


def get_reminder_link(connection: Connection, *, token: str, now: dt.datetime) -> ReminderLink:
    """What a token opens.

    Raises:
        TokenUnknown: if it is no token for that, or its time is up.
    """
    standing = (reminder_link.c.digest == digest_of(token)) & (reminder_link.c.expires_at > milliseconds(now))
    row = connection.execute(select(reminder_link).where(standing)).one_or_none()
    if row is None:
        raise TokenUnknown
    return ReminderLink(_sealed(row.sealed_contact, token), row.locale)


def opt_out_of_reminders(connection: Connection, *, token: str, now: dt.datetime) -> ReminderLink:
    """Send no reminders to whom a token was sent, of whichever booking; again changes nothing.

    Raises:
        TokenUnknown: if it is no token for that, or its time is up.
    """
    link = get_reminder_link(connection, token=token, now=now)
    lock_contact(connection, [link.contact_digest])
    if not _is_known(connection, link.contact_digest):
        values = {"contact_digest": link.contact_digest, "at": milliseconds(now)}
        connection.execute(insert(reminder_opt_out).values(**values))
    return link


def has_opted_out(connection: Connection, booked: Any) -> bool:
    """Whether a booking's guest wants no reminders."""
    return _is_known(connection, _contact_digest(booked))


def forget_expired_links(connection: Connection, *, now: dt.datetime) -> int:
    """Delete links whose time is up, a bounded number at a time: how many."""
    past = select(reminder_link.c.digest).where(reminder_link.c.expires_at <= milliseconds(now))
    digests = list(connection.scalars(past.order_by(reminder_link.c.expires_at).limit(_AT_ONCE)))
    if digests:
        connection.execute(delete(reminder_link).where(reminder_link.c.digest.in_(digests)))
    return len(digests)


def _is_known(connection: Connection, digest: str) -> bool:
    mark = select(reminder_opt_out.c.at).where(reminder_opt_out.c.contact_digest == digest)
    return connection.scalar(mark) is not None


def _contact_digest(booked: Any) -> str:
    """Of the address that reminders of the booking go to."""
    return digest_of((booked.email or booked.phone).casefold())


def _sealed(digest: str, token: str) -> str:
    """A digest under a pad that its token alone gives, or what is under that pad: the same again opens it."""
    pad = int.from_bytes(hmac.digest(token.encode(), _PURPOSE, "sha256"), "big")
    return f"{int(digest, 16) ^ pad:064x}"
