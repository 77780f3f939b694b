"""A scheduler that has much to call: `python -m tests.messages.made_up_scheduler FOLDER QUEUE`, at BOOKWELL_BROKER_URL.

Each call becomes a line of `begun` in the folder when it is about to be sent, and one of `sent` when the broker has it.
"""

import os
import sys
from functools import partial
from pathlib import Path
from typing import Any

from celery.signals import after_task_publish, before_task_publish

from bookwell.contracts.schedule import Job
from bookwell.kit.adapters.celery import run_scheduler
from bookwell.kit.logs import configure

_JOBS = 40


def _note(file: Path, *, headers: dict[str, Any], **_: object) -> None:
    with file.open("a") as stream:
        stream.write(f"{headers['id']}\n")


def _main() -> None:
    configure({"level": "WARNING", "service": "scheduler"})
    folder, queue = Path(sys.argv[1]), sys.argv[2]
    before_task_publish.connect(partial(_note, folder / "begun"), weak=False)
    after_task_publish.connect(partial(_note, folder / "sent"), weak=False)
    jobs = [Job(f"made-up-{number}", queue, 1, "") for number in range(_JOBS)]
    run_scheduler(os.environ["BOOKWELL_BROKER_URL"], jobs=jobs)


if __name__ == "__main__":
    _main()
