"""A worker whose work is made up: `python -m tests.messages.made_up_worker FOLDER QUEUE`, beside BOOKWELL_BROKER_URL.

What it handles becomes empty files in the folder: `PID-started-NAME` and `PID-done-NAME`. It ends itself when its main
loop gives no sign of life for three seconds, which is less than some tasks take.
"""

import datetime as dt
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bookwell.contracts.messages import Envelope
from bookwell.kit.adapters.celery import Work, run_worker
from bookwell.kit.heartbeat import Heartbeat
from bookwell.kit.logs import configure
from bookwell.kit.messaging import Consumer
from bookwell.kit.watchdog import Watched, watch

_SILENCE_SECONDS = 3


class _NoReceipts:
    def end(self, envelopes: Sequence[Envelope], *, now: dt.datetime) -> None:
        """Nobody asks."""

    def refuse(self, envelope: Envelope, error: str, *, now: dt.datetime) -> None:
        """Nobody asks."""

    def postpone(self, envelope: Envelope, error: str, *, now: dt.datetime) -> None:
        """Nobody asks."""


def _open_work(folder: Path, queue: str) -> Work:
    def handle(envelopes: Sequence[Envelope]) -> None:
        for envelope in envelopes:
            (folder / f"{os.getpid()}-started-{envelope.event_id}").touch()
            time.sleep(envelope.payload.get("seconds", 0))
            (folder / f"{os.getpid()}-done-{envelope.event_id}").touch()

    return Work(consumers={queue: Consumer(handle)}, receipts_of={"library": _NoReceipts()})


def _main() -> None:
    configure({"level": "INFO", "service": "worker"})
    folder, queue = Path(sys.argv[1]), sys.argv[2]
    heartbeat = Heartbeat()

    def tell() -> None:
        watch({"worker": Watched(heartbeat, _SILENCE_SECONDS)})
        (folder / "ready").touch()

    status = run_worker(
        os.environ["BOOKWELL_BROKER_URL"],
        queues=[queue],
        concurrency=2,
        open_work=lambda: _open_work(folder, queue),
        on_ready=tell,
        heartbeat=heartbeat,
    )
    sys.exit(status)


if __name__ == "__main__":
    _main()
