"""A real scheduler on each broker: told to stop while it calls, it sends each call that it began, once."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bookwell.cli.processes import spawn, stop
from bookwell.kit.adapters.celery import make_app
from bookwell.kit.ids import new_id
from tests.e2e.embedded import wait_until

_ROUNDS = 3


@pytest.mark.parametrize("broker", ["redis", "rabbitmq"])
def test_scheduler__told_to_stop_while_it_calls__finishes_its_call_and_goes_on_when_it_is_started_again(
    broker: str, redis_url: str, rabbitmq_url: str, tmp_path: Path
) -> None:
    url, queue = {"redis": redis_url, "rabbitmq": rabbitmq_url}[broker], f"made-up-{new_id()}"
    begun, sent = tmp_path / "begun", tmp_path / "sent"

    for _ in range(_ROUNDS):
        seen = len(_ids(sent))
        scheduler = _start(tmp_path, queue, url)
        try:
            wait_until(lambda seen=seen: len(_ids(sent)) > seen + 10)  # type: ignore[misc]  # its default is bound now
            scheduler.send_signal(signal.SIGTERM)
            assert scheduler.wait(60) == 0
        finally:
            stop(scheduler)

    assert sorted(_ids(begun)) == sorted(_ids(sent))
    assert _taken(url, queue) == sorted(_ids(sent))


def _start(folder: Path, queue: str, url: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.messages.made_up_scheduler", str(folder), queue]
    return spawn(command, env=os.environ | {"BOOKWELL_BROKER_URL": url, "PYTHONWARNINGS": "ignore"})


def _ids(file: Path) -> list[str]:
    return file.read_text().split() if file.exists() else []


def _taken(url: str, queue: str) -> list[str]:
    """The calls that the broker has, by their ids; it has none of them afterwards."""
    taken = []
    with make_app(url) as app, app.connection_for_read() as connection:
        channel = connection.default_channel
        while (message := app.amqp.queues[queue](channel).get()) is not None:
            taken.append(str(message.headers["id"]))
            message.ack()
        app.amqp.queues[queue](channel).delete()
    return sorted(taken)
