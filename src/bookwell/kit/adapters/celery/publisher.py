"""The relay's way onto the broker."""

from collections.abc import Sequence

from celery import Celery

from bookwell.contracts.messages import Envelope
from bookwell.kit.adapters.celery.app import CONSUME

__all__ = ["CeleryPublisher"]

_CONFIRM_SECONDS = 10


class CeleryPublisher:
    """Publishes a bundle as one task; may be used by several threads, never across a fork."""

    def __init__(self, app: Celery) -> None:
        self._app = app

    def publish(self, envelopes: Sequence[Envelope]) -> None:
        """Hand on a bundle.

        Raises:
            Exception: kombu's, amqp's or redis's, after a few seconds, when the broker did not accept it.
        """
        bundle = [envelope.model_dump(mode="json") for envelope in envelopes]
        queue = envelopes[0].queue
        self._app.send_task(CONSUME, args=(bundle,), queue=queue, confirm_timeout=_CONFIRM_SECONDS, argsrepr=queue)
