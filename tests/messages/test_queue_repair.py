"""RabbitMQ is killed a moment after it got its queues."""

from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery
from kombu import Connection

from bookwell.contracts.messages import Envelope
from bookwell.kit.adapters.celery import CeleryPublisher, make_app
from bookwell.kit.adapters.celery.queue_repair import repair_queues
from tests.e2e.embedded import wait_until
from tests.infrastructure.servers import killable_server

QUEUES = ("mail", "library")


def envelope(queue: str) -> Envelope:
    return Envelope(
        event_id=f"about-{queue}",
        source="library",
        queue=queue,
        type="thing.changed",
        version=1,
        aggregate="thing:1",
        aggregate_version=1,
        created_at=0,
        payload={},
    )


@pytest.fixture
def app_with_broken_queues() -> Iterator[Celery]:
    with killable_server("rabbitmq") as server:
        server.start()
        app = make_app(server.launch.url)
        wait_until(lambda: is_answering(app))
        with app.connection_for_write() as connection:
            for name in QUEUES:
                app.amqp.queues[name](connection.default_channel).declare()
                channel_of(connection).basic_consume(name, callback=lambda _: None)
        server.kill()
        server.start()
        wait_until(lambda: is_answering(app))
        yield app
        app.close()


def channel_of(connection: Connection) -> Any:
    return connection.default_channel


def is_answering(app: Celery) -> bool:
    try:
        with app.connection_for_write() as connection:
            connection.connect()
    except OSError:
        return False
    return True


def test_repair__killed_right_after_the_queues_were_declared__they_take_messages_again(
    app_with_broken_queues: Celery,
) -> None:
    app = app_with_broken_queues

    repair_queues(app, QUEUES)

    for name in QUEUES:
        CeleryPublisher(app).publish([envelope(name)])
        with app.connection_for_write() as connection:
            assert channel_of(connection).basic_get(name) is not None


def test_repair__a_queue_that_works__keeps_its_messages(rabbitmq_url: str) -> None:
    app = make_app(rabbitmq_url)
    CeleryPublisher(app).publish([envelope("kept")])

    repair_queues(app, ["kept"])

    with app.connection_for_write() as connection:
        assert channel_of(connection).basic_get("kept") is not None
        channel_of(connection).queue_delete("kept")
    app.close()
