"""What the notifier does in the background: the consumer of its queue, and its jobs."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from types import MappingProxyType

from bookwell.contracts.messages import Envelope
from bookwell.kit import clock
from bookwell.kit.messaging import Consumer
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


def _deliver_due() -> None:
    _notifier().deliver_due()


def _forget() -> None:
    _notifier().forget()


CONSUMERS: Mapping[str, Consumer] = MappingProxyType({"mail": Consumer(_take_in, _deliver)})
JOBS: Mapping[str, Callable[[], None]] = MappingProxyType(
    {"notifier.deliver": _deliver_due, "notifier.forget": _forget}
)
