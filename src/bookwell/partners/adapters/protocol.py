"""What every adapter does, and the only two errors that leave one.

    AdapterError
    ├── PartnerFailed    not now, or not understood; the same call may succeed later
    └── PartnerRefused   the partner's last word on this hold

An adapter is a folder beside this module whose package has a constant `KIND`; `protocol = "<folder>"` in an entry of
partners.toml chooses it. Its other keys are checked by `KIND.options`, with every key that ends in `_env` replaced by
the value of the environment variable that it names (`password_env = "X"` arrives as `password`).
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Protocol
from zoneinfo import ZoneInfo

import httpx2
from pydantic import BaseModel, ConfigDict, Field, field_validator

from bookwell.contracts.partners import HoldRequest, HoldState, PartnerState

__all__ = [
    "Adapter",
    "AdapterError",
    "AdapterKind",
    "AdapterOptions",
    "Availability",
    "Failure",
    "PartnerFailed",
    "PartnerRefused",
    "Refusal",
]


class Failure(StrEnum):
    """Why a partner gave no usable answer."""

    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    UNAVAILABLE = "unavailable"
    SERVER_ERROR = "server_error"
    RATE_LIMITED = "rate_limited"
    UNAUTHORIZED = "unauthorized"
    REJECTED = "rejected"
    MALFORMED = "malformed"
    TOO_LARGE = "too_large"
    REDIRECTED = "redirected"


class Refusal(StrEnum):
    """Why a partner will not do it, whenever asked."""

    HOLDS_UNSUPPORTED = "holds_unsupported"
    NOT_HELD = "not_held"
    BAD_PICKUP = "bad_pickup"
    LIMIT_REACHED = "limit_reached"
    ALREADY_TAKEN = "already_taken"
    REFUSED = "refused"


class AdapterError(Exception):
    """Base of what an adapter raises."""


class PartnerFailed(AdapterError):
    """No usable answer. The outcome of a hold that was being placed is then uncertain; placing again is safe.

    `retry_after` is what the partner asked for, in seconds. `is_partner_down` is False for failures that say nothing
    about the partner's health (our credentials, our request).
    """

    _OURS: ClassVar = frozenset({Failure.UNAUTHORIZED, Failure.REJECTED, Failure.RATE_LIMITED})

    def __init__(self, code: Failure, *, detail: str = "", retry_after: float | None = None) -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail
        self.retry_after = retry_after

    @property
    def is_partner_down(self) -> bool:
        """Whether a circuit breaker should count it."""
        return self.code not in self._OURS


class PartnerRefused(AdapterError):
    """The partner said no; `detail` has its words, shortened."""

    def __init__(self, code: Refusal, detail: str = "") -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Availability:
    """One partner's loan copies of one book. A book that it does not have is unavailable with no copies.

    `expected` is the first day on which a copy should be back, None when unknown; `queue` the shortest line.
    """

    state: PartnerState
    copies_available: int | None = None
    queue: int | None = None
    expected: dt.date | None = None
    href: str | None = None


class Adapter(Protocol):
    """Speaks one protocol with one partner.

    Every method raises PartnerFailed or PartnerRefused and nothing else, within the time of its options; a caller
    with less time cancels it. Made once a partner and event loop, used by many tasks at a time.
    """

    @property
    def takes_holds(self) -> bool:
        """Whether this partner is configured for holds; if not, all calls about them are refused."""

    async def fetch_availability(self, isbn: str) -> Availability:
        """What the partner says of an ISBN-13 now. Never refused."""

    async def place_hold(self, hold: HoldRequest) -> HoldState:
        """Place a hold unless the partner's own list already has the one of this `reference`; either way, its state."""

    async def find_hold(self, ref: str) -> HoldState:
        """A hold's state now; `unknown` when the partner does not list it, and tells of no end."""

    async def cancel_hold(self, ref: str) -> HoldState:
        """Cancel a hold; one that is gone counts as cancelled."""


class AdapterOptions(BaseModel):
    """Keys that an entry has whatever its protocol. Times in seconds, each for one whole call of the adapter."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(pattern=r"^https?://[^\s?#]+$")
    timeout_seconds: float = Field(default=5, gt=0, le=60)
    hold_timeout_seconds: float = Field(default=15, gt=0, le=60)
    language: str = Field(default="en", pattern=r"^[A-Za-z0-9-]{1,20}$")
    time_zone: str = "UTC"

    @field_validator("time_zone")
    @classmethod
    def _exists(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            raise ValueError("is no time zone") from None
        return value

    def addresses(self) -> tuple[str, ...]:
        """Every URL that the adapter will call, for the rule that they are https."""
        return (self.url,)


@dataclass(frozen=True, slots=True)
class AdapterKind:
    """An adapter's folder, as the configuration sees it; `build` gets a checked instance of `options`."""

    options: type[AdapterOptions]
    build: Callable[[Any, httpx2.AsyncClient], Adapter]
