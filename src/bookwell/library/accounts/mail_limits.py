"""How many mails strangers can have sent: to one mailbox, and by one who asks for them.

A mailbox is counted whether or not an account has it, by its digest, apart for each kind of mail: who floods it with
one kind keeps nobody from the other. When the shared counter does not answer, mails are sent.
"""

import hashlib
from enum import StrEnum

from django.conf import settings

from bookwell.kit.adapters.django.http.throttle import add_to_cache_counter
from bookwell.kit.http_errors import TOO_MANY_REQUESTS, HttpRefusal
from bookwell.kit.limits import RateLimiter, Verdict, counting_key, is_loopback

__all__ = ["MailKind", "count_asking", "may_mail", "refuse_flood"]

_HOUR = 3600
_to_mailbox = RateLimiter(add_to_cache_counter, limit=5, window_seconds=_HOUR)
_by_address = RateLimiter(add_to_cache_counter, limit=60, window_seconds=_HOUR)


class MailKind(StrEnum):
    """What mails are counted apart."""

    CONFIRMATION = "confirmation"
    PASSWORD_RESET = "password_reset"  # noqa: S105 -- a kind of mail


def may_mail(kind: MailKind, mailbox: str) -> bool:
    """Count a mail to a mailbox, before the transaction that writes it; whether it may be sent."""
    return _count_mail(kind, mailbox).is_allowed


def refuse_flood(kind: MailKind, mailbox: str) -> None:
    """Count a mail that a known caller asks for.

    Raises:
        HttpRefusal: 429 `http.too_many_requests`, once the mailbox got as many as it may.
    """
    _refuse_over(_count_mail(kind, mailbox))


def count_asking(address: str) -> None:
    """Count one who asks for a mail to somebody, by network address; the machine itself only where it is a proxy's.

    Raises:
        HttpRefusal: 429 `http.too_many_requests`.
    """
    if settings.RATE_LIMIT_LOOPBACK or not is_loopback(address):
        _refuse_over(_by_address.hit(f"mail:{counting_key(None, address)}"))


def _count_mail(kind: MailKind, mailbox: str) -> Verdict:
    digest = hashlib.sha256(mailbox.lower().encode()).hexdigest()
    return _to_mailbox.hit(f"mail:{kind}:{digest}")


def _refuse_over(verdict: Verdict) -> None:
    if not verdict.is_allowed:
        raise HttpRefusal(TOO_MANY_REQUESTS, headers={"Retry-After": str(verdict.reset_seconds)})
