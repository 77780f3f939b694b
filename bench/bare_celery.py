"""A Celery application as the first page of its manual makes one: the broker by `BENCH_BROKER_URL`, nothing else set.

Its task adds a byte to the file `BENCH_DONE`, so that its executions can be counted.
"""

import os
from typing import Any

from celery import Celery

__all__ = ["QUEUE", "app", "note"]

QUEUE = "bare"

app = Celery("bare", broker=os.environ["BENCH_BROKER_URL"])
app.conf.task_default_queue = QUEUE


@app.task(ignore_result=True)
def note(payload: dict[str, Any]) -> None:  # noqa: ARG001 -- it travels as a message's does
    """Do as good as nothing."""
    descriptor = os.open(os.environ["BENCH_DONE"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, b".")
    os.close(descriptor)
