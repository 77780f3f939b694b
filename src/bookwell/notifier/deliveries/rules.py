"""Which way a notice goes, what may happen to a delivery, when it is tried again. Pure: no clock, no database.

A delivery is one notice on its way to one person by one channel:

    queued ──► sending ──► sent
      │ ▲          ├─────► failed ──► queued    (somebody asked for it)
      │ └──────────┤ tried again later
      │            └─────► expired
      ├──► expired, failed                      suppressed: from the start, or of a forgotten person
      └──► sent    (a sender that was given up says so after all)
"""

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from bookwell.contracts.messages import NOTICES, AccountFacts, ChannelName, Notice, Recipient
from bookwell.kit.addresses import AddressInvalid, parse_address, parse_phone
from bookwell.kit.errors import Conflict

__all__ = [
    "ENDED",
    "ENDPOINT_DISABLED",
    "INDEPENDENT",
    "MAX_ATTEMPTS",
    "MOVING",
    "NOT_SO_ANY_MORE",
    "OVERTAKEN",
    "SCHEDULES",
    "TRANSITIONS",
    "WEBHOOK",
    "AttemptOutcome",
    "DeliveryState",
    "NextStep",
    "Plan",
    "RetryRefused",
    "Schedule",
    "Verdict",
    "check_retry",
    "gap_after",
    "next_step",
    "plan_delivery",
    "schedule_of",
]


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    EXPIRED = "expired"
    SUPPRESSED = "suppressed"


TRANSITIONS: Mapping[DeliveryState, frozenset[DeliveryState]] = MappingProxyType(
    {
        DeliveryState.QUEUED: frozenset(
            {
                DeliveryState.SENDING,
                DeliveryState.SENT,
                DeliveryState.EXPIRED,
                DeliveryState.FAILED,
                DeliveryState.SUPPRESSED,
            }
        ),
        DeliveryState.SENDING: frozenset(
            {DeliveryState.SENT, DeliveryState.QUEUED, DeliveryState.FAILED, DeliveryState.EXPIRED}
        ),
        DeliveryState.FAILED: frozenset({DeliveryState.QUEUED}),
        DeliveryState.SENT: frozenset(),
        DeliveryState.EXPIRED: frozenset(),
        DeliveryState.SUPPRESSED: frozenset(),
    }
)
MOVING = (DeliveryState.QUEUED, DeliveryState.SENDING)
"""Something will still happen; later messages about the same thing wait."""
ENDED = tuple(state for state in DeliveryState if state not in MOVING)

WEBHOOK = "webhook"
"""The channel of programs. It is none that a person may choose."""
OVERTAKEN: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "reservation.not_ready": frozenset(
            {
                "reservation.ready",
                "reservation.partner_ready",
                "reservation.pickup_moved",
                "reservation.pickup_reminder",
            }
        )
    }
)
"""By type of message, the earlier ones about the same thing that would be wrong from then on."""
INDEPENDENT = frozenset(kind for kind, facts in NOTICES.items() if facts is AccountFacts)
"""Types of which none waits for an earlier message about the same thing: an account's tell of things apart, and a link
would be dead by the time that another mail is tried again."""
NOT_SO_ANY_MORE = "what it says is not so any more"
ENDPOINT_DISABLED = "the endpoint is disabled: it said that it is gone"


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a channel tries again: the pauses between attempts, each longer or shorter by up to `spread` of itself."""

    gaps: tuple[dt.timedelta, ...]
    spread: float = 0.2

    @property
    def attempts(self) -> int:
        """How many there are, the first included."""
        return len(self.gaps) + 1


def _seconds(*gaps: float) -> tuple[dt.timedelta, ...]:
    return tuple(dt.timedelta(seconds=gap) for gap in gaps)


_HOUR = 3600
SCHEDULES: Mapping[str, Schedule] = MappingProxyType(
    {
        ChannelName.EMAIL: Schedule(_seconds(*(5 * 2.5**number for number in range(11)))),  # about 22 hours in all
        ChannelName.SMS: Schedule(_seconds(5, 30, 120, 600, 1800, _HOUR, 2 * _HOUR, 4 * _HOUR)),
        # Those of Standard Webhooks: a receiver may be away for three days.
        WEBHOOK: Schedule(_seconds(5, 300, 1800, *(_HOUR * hours for hours in (2, 5, 10, 14, 20, 24))), spread=0.1),
    }
)
"""By channel, as data."""
MAX_ATTEMPTS = SCHEDULES[ChannelName.EMAIL].attempts
_LONGEST_RETRY_AFTER = dt.timedelta(days=1)


class AttemptOutcome(StrEnum):
    """What came of one attempt.

    `unreachable` means that the server could not be asked about this mail at all, so that others need not try now;
    `gone` that this receiver wants no message any more.
    """

    ACCEPTED = "accepted"
    TRANSIENT = "transient"
    UNREACHABLE = "unreachable"
    REFUSED = "refused"
    GONE = "gone"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Verdict:
    """An attempt's outcome, with the server's code (0: none) and words, or our own.

    `retry_after`: the server asks not to be tried sooner; see `rest`.
    """

    outcome: AttemptOutcome
    code: int = 0
    answer: str = ""
    retry_after: dt.timedelta = dt.timedelta(0)

    @property
    def rest(self) -> dt.timedelta:
        """How long the server is left alone because it asks for it: a day at most."""
        return min(self.retry_after, _LONGEST_RETRY_AFTER)


@dataclass(frozen=True, slots=True)
class Plan:
    """The one delivery of a notice: by which channel, whereto, and why it is not sent, if so."""

    channel: str
    address: str
    state: DeliveryState
    reason: str = ""


@dataclass(frozen=True, slots=True)
class NextStep:
    """What an attempt leaves behind: the new state, its reason, and for `queued` the instant of the next attempt."""

    state: DeliveryState
    reason: str = ""
    next_attempt_at: dt.datetime | None = None


class RetryRefused(Conflict):
    """The delivery did not fail, or what it said has been forgotten."""

    code = "delivery.retry_refused"
    title = "This delivery cannot be tried again"


def plan_delivery(notice: Notice, *, channels: Collection[str]) -> Plan:
    """The way of a notice where `channels` are the ones that this installation has.

    The recipient's first channel that exists here and has an address is used. A mandatory notice without one goes to
    the e-mail address, or by SMS to whoever gave none; another is suppressed, and the row says why.
    """
    recipient = notice.recipient
    for channel in recipient.channels:
        if channel in channels and (address := _address_of(recipient, channel)):
            return Plan(channel, address, DeliveryState.QUEUED)
    email = ChannelName.EMAIL.value
    for channel in (email, ChannelName.SMS.value):
        if notice.is_mandatory and channel in channels and (address := _address_of(recipient, channel)):
            return Plan(channel, address, DeliveryState.QUEUED)
    wanted = next((channel for channel in recipient.channels if channel in set(ChannelName)), email)
    return Plan(wanted, "", DeliveryState.SUPPRESSED, _why_not(notice, channels))


def schedule_of(channel: str) -> Schedule:
    """The channel's schedule; e-mail's for one that is not here any more."""
    return SCHEDULES.get(channel, SCHEDULES[ChannelName.EMAIL])


def next_step(
    verdict: Verdict,
    *,
    attempts: int,
    attempts_allowed: int,
    now: dt.datetime,
    spread: float,
    schedule: Schedule = SCHEDULES[ChannelName.EMAIL],
) -> NextStep:
    """What follows from an attempt, the last of `attempts`; `spread` is a random number from 0 to 1.

    A pause is never shorter than the server asked for, up to a day.
    """
    if verdict.outcome is AttemptOutcome.ACCEPTED:
        return NextStep(DeliveryState.SENT)
    if verdict.outcome in (AttemptOutcome.REFUSED, AttemptOutcome.GONE, AttemptOutcome.BROKEN):
        return NextStep(DeliveryState.FAILED, verdict.answer or verdict.outcome.value)
    if attempts >= attempts_allowed:
        return NextStep(DeliveryState.FAILED, f"given up after {attempts} attempts: {verdict.answer}")
    round_number = attempts - (attempts_allowed - schedule.attempts)
    gap = gap_after(round_number, spread=spread, schedule=schedule)
    pause = max(gap, verdict.rest)
    return NextStep(DeliveryState.QUEUED, verdict.answer, now + pause)


def gap_after(attempts: int, *, spread: float, schedule: Schedule = SCHEDULES[ChannelName.EMAIL]) -> dt.timedelta:
    """The pause after so many attempts: growing, and somewhat longer or shorter so that retries do not meet."""
    gap = schedule.gaps[min(max(attempts - 1, 0), len(schedule.gaps) - 1)]
    return gap * (1 - schedule.spread + 2 * schedule.spread * spread)


def check_retry(state: DeliveryState, *, is_forgotten: bool) -> None:
    """Only what failed is tried again, and only while it is known what to say.

    Raises:
        RetryRefused
    """
    if state is not DeliveryState.FAILED:
        raise RetryRefused(f"The delivery is {state.value}; only failed ones are tried again.")
    if is_forgotten:
        raise RetryRefused("What the message said has been forgotten.")


def _address_of(recipient: Recipient, channel: str) -> str:
    """Where the channel reaches the recipient; empty when it does not."""
    try:
        if channel == ChannelName.SMS:
            return parse_phone(recipient.phone)
        return str(parse_address(recipient.email)) if channel == ChannelName.EMAIL else ""
    except AddressInvalid:
        return ""


def _why_not(notice: Notice, channels: Collection[str]) -> str:
    recipient = notice.recipient
    if not recipient.channels and not notice.is_mandatory:
        return "the recipient wants no messages"
    if any(channel in channels for channel in recipient.channels) or notice.is_mandatory:
        return "there is no usable address"
    return "none of the recipient's channels exists here"
