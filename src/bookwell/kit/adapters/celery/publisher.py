"""The relay's way onto the broker."""

from collections.abc import Sequence
from typing import Any

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
        """Hand on a bundle, in one try: the relay rests and comes again by itself.

        Raises:
            Exception: kombu's, amqp's or redis's, when the broker did not accept it: at once when it is down, after
                some 20 seconds when it has fallen silent.
        """
        bundle = [envelope.model_dump(mode="json") for envelope in envelopes]
        queue = envelopes[0].queue
        options: dict[str, Any] = {"queue": queue, "argsrepr": queue, "retry": False}
        with self._app.producer_pool.acquire(block=True) as producer:
            try:
                self._app.send_task(
                    CONSUME, args=(bundle,), producer=producer, confirm_timeout=_CONFIRM_SECONDS, **options
                )
            except Exception:
                # What the broker still says on this connection would be taken for the answer to another bundle.
                if producer.connection is not None:
                    producer.connection.collect()
                raise
