"""Lockout after failed log-ins, by account and by address; successful ones count nowhere.

Each failure takes one of a fixed number of slots in Django's cache for a while; `add` is atomic in every cache we
run on, so parallel guesses take different slots. While all slots are taken nobody logs in there, whatever the
password; a guess for which there was no room any more when it turned out wrong, or which turned out right only then,
is refused like one that came later, so that no number of guesses at once tells more than the slots allow.
allauth's own limiter counts log-ins in progress as failed ones and refuses under contention, so that many readers
behind one address would lock one another out.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings
from django.core.cache import cache

from bookwell.kit import clock
from bookwell.kit.http_errors import LOCKED_OUT, HttpRefusal
from bookwell.kit.limits import subscriber_of
from bookwell.kit.usernames import fold_username

__all__ = ["count_guess", "lift_lockout", "record_failure", "refuse_locked_out"]

ACCOUNT_WINDOW_SECONDS = 300
ADDRESS_WINDOW_SECONDS = 60


@dataclass(frozen=True, slots=True)
class _Slots:
    name: str
    count: int
    seconds: int

    @property
    def keys(self) -> list[str]:
        """One a slot."""
        return [f"login-failure:{self.name}:{number}" for number in range(self.count)]


def refuse_locked_out(*, username: str, address: str) -> None:
    """Go on only where a log-in may be tried now.

    Raises:
        HttpRefusal: 429 `auth.locked_out`, with the seconds until one may.
    """
    now = clock.now().timestamp()
    waits = [_seconds_until_free(slots, now) for slots in _slots_of(username, address)]
    seconds = max((wait for wait in waits if wait is not None), default=None)
    if seconds is not None:
        raise _refusal(seconds)


def count_guess(*, is_right: bool, username: str, address: str) -> None:
    """Count a password that was looked at, before its answer is told.

    Raises:
        HttpRefusal: 429 `auth.locked_out` where other guesses took all slots meanwhile.
    """
    if is_right:
        refuse_locked_out(username=username, address=address)
    elif not record_failure(username=username, address=address):
        raise _refusal(ACCOUNT_WINDOW_SECONDS)


def record_failure(*, username: str, address: str) -> bool:
    """Count a failed log-in against the account, existing or not, and the address; whether both had room for it."""
    now = clock.now().timestamp()
    found = [
        any(cache.add(key, now + slots.seconds, timeout=slots.seconds) for key in slots.keys)
        for slots in _slots_of(username, address)
    ]
    return all(found)


def lift_lockout(*, username: str) -> None:
    """Forget an account's failed log-ins: they were guesses at a password that it has no more.

    For whoever has proven to own the mailbox; those who guess gain nothing. Failures by address count on.
    """
    cache.delete_many(_slots_of_account(username).keys)


def _refusal(seconds: int) -> HttpRefusal:
    return HttpRefusal(LOCKED_OUT, headers={"Retry-After": str(seconds)})


def _seconds_until_free(slots: _Slots, now: float) -> int | None:
    taken = cache.get_many(slots.keys)
    if len(taken) < slots.count:
        return None
    return max(1, int(min(taken.values()) - now) + 1)


def _slots_of(username: str, address: str) -> Iterator[_Slots]:
    yield _slots_of_account(username)
    subscriber = _digest(subscriber_of(address))
    yield _Slots(f"address:{subscriber}", settings.LOGIN_FAILURES_PER_ADDRESS, ADDRESS_WINDOW_SECONDS)


def _slots_of_account(username: str) -> _Slots:
    account = _digest(fold_username(username))
    return _Slots(f"account:{account}", settings.LOGIN_FAILURES_PER_ACCOUNT, ACCOUNT_WINDOW_SECONDS)


def _digest(text: str) -> str:
    """Nothing that a cache would not take as a key."""
    return hashlib.sha256(text.encode()).hexdigest()
