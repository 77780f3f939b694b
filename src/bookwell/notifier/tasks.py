"""What the notifier does in the background: the consumer of its queues, and its jobs.

Each channel has a queue, so that whoever waits for a slow receiver lets no mail wait.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from types import MappingProxyType

from bookwell.contracts.messages import ChannelName, Envelope
from bookwell.kit import clock
from bookwell.kit.messaging import Consumer
from bookwell.notifier.deliveries.rules import WEBHOOK
from bookwell.notifier.service import Notifier
from bookwell.notifier.settings import NotifierSettings

__all__ = ["CONSUMERS", "JOBS"]


@cache
def _notifier() -> Notifier:
    """Made at the first use, which in a worker is after its fork."""
    settings = NotifierSettings.load()
    clock.set_offset(settings.clock_offset)
    return Notifier(settings)


def _take_in(envelopes: Sequence[Envelope]) -> None:
    _notifier().take_in(envelopes)


def _deliver(envelopes: Sequence[Envelope]) -> None:
    _notifier().deliver(envelopes)


def _deliver_due(channel: str) -> None:
    _notifier().deliver_due(channel=channel)


def _forget() -> None:
    _notifier().forget()


CONSUMERS: Mapping[str, Consumer] = MappingProxyType(
    dict.fromkeys(("mail", "sms", "webhook"), Consumer(_take_in, _deliver))
)
JOBS: Mapping[str, Callable[[], None]] = MappingProxyType(
    {
        "notifier.deliver": partial(_deliver_due, ChannelName.EMAIL.value),
        "notifier.deliver_sms": partial(_deliver_due, ChannelName.SMS.value),
        "notifier.deliver_webhooks": partial(_deliver_due, WEBHOOK),
        "notifier.forget": _forget,
    }
)
