"""A real worker on each broker: what it cannot read stops nothing, what it began it finishes, what it forked ends."""

import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen

import pytest
from celery import Celery

from bookwell.cli.processes import spawn, stop
from bookwell.contracts.messages import Envelope
from bookwell.kit.adapters.celery import CeleryPublisher, make_app
from bookwell.kit.adapters.celery.app import CONSUME, RUN_JOB
from bookwell.kit.ids import new_id
from tests.e2e.embedded import descendants, is_alive, wait_until


@dataclass(frozen=True, slots=True)
class _Worker:
    process: Popen[bytes]
    folder: Path
    app: Celery
    queue: str

    def publish(self, name: str, *, seconds: float = 0) -> None:
        CeleryPublisher(self.app).publish([_envelope(name, self.queue, seconds)])

    def names(self, step: str) -> list[str]:
        """What got to that step, by name."""
        return sorted(path.name.partition(f"-{step}-")[2] for path in self.folder.glob(f"*-{step}-*"))


def _envelope(name: str, queue: str, seconds: float) -> Envelope:
    return Envelope(
        event_id=name,
        source="library",
        queue=queue,
        type="thing.changed",
        version=1,
        aggregate=f"thing:{name}",
        aggregate_version=1,
        created_at=0,
        payload={"seconds": seconds},
    )


@pytest.fixture(params=["redis", "rabbitmq"])
def worker(request: pytest.FixtureRequest, redis_url: str, rabbitmq_url: str, tmp_path: Path) -> Iterator[_Worker]:
    url = {"redis": redis_url, "rabbitmq": rabbitmq_url}[request.param]
    queue = f"made-up-{new_id()}"  # a killed worker's message comes again, on RabbitMQ at once: not to the next test
    command = [sys.executable, "-m", "tests.messages.made_up_worker", str(tmp_path), queue]
    process = spawn(command, env=os.environ | {"BOOKWELL_BROKER_URL": url, "PYTHONWARNINGS": "ignore"})
    app = make_app(url)
    try:
        wait_until((tmp_path / "ready").exists)
        yield _Worker(process, tmp_path, app, queue)
    finally:
        stop(process)
        app.close()


def test_worker__unreadable_bundles_and_unknown_jobs__goes_on(worker: _Worker) -> None:
    worker.app.send_task(CONSUME, args=([{"event_id": "made up"}],), queue=worker.queue)
    worker.app.send_task(RUN_JOB, args=("unheard.of",), queue=worker.queue)
    worker.app.send_task("bookwell.unheard_of", queue=worker.queue)
    worker.publish("good")

    wait_until(lambda: worker.names("done") == ["good"])


def test_worker__asked_to_end__finishes_what_it_began(worker: _Worker) -> None:
    worker.publish("long", seconds=4)
    wait_until(lambda: worker.names("started") == ["long"])

    worker.process.send_signal(signal.SIGTERM)
    status = worker.process.wait(60)

    assert status == 0
    assert worker.names("done") == ["long"]


def test_worker__killed__leaves_no_process_behind(worker: _Worker) -> None:
    worker.publish("long", seconds=60)
    wait_until(lambda: worker.names("started") == ["long"])
    below = descendants(worker.process.pid)

    worker.process.kill()
    worker.process.wait()

    assert len(below) == 2
    wait_until(lambda: not any(is_alive(pid) for pid in below))
    assert worker.names("done") == []
