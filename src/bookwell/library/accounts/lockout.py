"""Lockout after failed log-ins, by account and by address; successful ones count nowhere.

Each failure takes one of a fixed number of slots in Django's cache for a while; `add` is atomic in every cache we
run on, so parallel guesses take different slots. While all slots are taken nobody logs in there, whatever the
password. allauth's own limiter counts log-ins in progress as failed ones and refuses under contention, so that many
readers behind one address would lock one another out.
"""

import hashlib
import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings
from django.core.cache import cache

from bookwell.kit import clock
from bookwell.kit.usernames import fold_username

__all__ = ["find_lockout_seconds", "record_failure"]

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


def find_lockout_seconds(*, username: str, address: str) -> int | None:
    """After how many seconds a log-in may be tried again; None when it may be tried now."""
    now = clock.now().timestamp()
    waits = [_seconds_until_free(slots, now) for slots in _slots_of(username, address)]
    return max((wait for wait in waits if wait is not None), default=None)


def record_failure(*, username: str, address: str) -> None:
    """Count a failed log-in against the account, existing or not, and the address."""
    now = clock.now().timestamp()
    for slots in _slots_of(username, address):
        any(cache.add(key, now + slots.seconds, timeout=slots.seconds) for key in slots.keys)


def _seconds_until_free(slots: _Slots, now: float) -> int | None:
    taken = cache.get_many(slots.keys)
    if len(taken) < slots.count:
        return None
    return max(1, int(min(taken.values()) - now) + 1)


def _slots_of(username: str, address: str) -> Iterator[_Slots]:
    account = hashlib.sha256(fold_username(username).encode()).hexdigest()
    yield _Slots(f"account:{account}", settings.LOGIN_FAILURES_PER_ACCOUNT, ACCOUNT_WINDOW_SECONDS)
    yield _Slots(f"address:{_subscriber(address)}", settings.LOGIN_FAILURES_PER_ADDRESS, ADDRESS_WINDOW_SECONDS)


def _subscriber(address: str) -> str:
    """One subscriber of IPv6 has a whole /64."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return hashlib.sha256(address.encode()).hexdigest()
    prefix = 64 if parsed.version == 6 else 32
    return str(ipaddress.ip_network(f"{address}/{prefix}", strict=False).network_address).replace(":", "-")
