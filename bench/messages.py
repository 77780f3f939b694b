"""From commit to mail: events a second through relay, two worker processes and SMTP, and the delay when idle.

Beside it, on the same broker and in the same run, runs a bare Celery application whose task does nothing, with two
worker processes too. The programs are the product's own, with their usual settings; the databases are two of the
run's MariaDB, embedded two SQLite files. The mail server is the tests' sink, which then does not wait for the disk.
"""

import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from celery import Celery
from pydantic_core import to_json
from sqlalchemy import MetaData, Table, insert

from bench.load import InvalidRun
from bench.report import Target
from bookwell.cli.processes import spawn, stop
from bookwell.kit import ids
from bookwell.kit.adapters.sqlalchemy.engines import writing
from bookwell.kit.adapters.sqlalchemy.outbox import outbox_columns
from tests.messages.made_up import LANGUAGES, message_of
from tests.messages.site import Site, add_programs, embedded_site, site_on_a_broker

__all__ = ["MessageResult", "measure_messages", "message_targets", "print_messages"]

_EVENTS = 1000
_TASKS = 3000
_SINGLE_EVENTS = 15
_IDLE_SECONDS = 0.5
_PATIENCE_SECONDS = 300
_NAMES = {"rabbitmq": "RabbitMQ", "redis": "Redis", "embedded": "embedded"}

_outbox = Table("outbox", MetaData(), *outbox_columns())
_numbers = count(1)


@dataclass(slots=True)
class MessageResult:
    """What one way of delivery does; `bare` is empty without a broker. Delays in seconds."""

    name: str
    rates: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)
    delays: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Events a second, the median of the rounds."""
        return statistics.median(self.rates)

    @property
    def bare_rate(self) -> float:
        """Bare tasks a second, the median of the rounds; 0 without a broker."""
        return statistics.median(self.bare) if self.bare else 0

    @property
    def delay(self) -> float:
        """Median seconds from commit to SMTP."""
        return statistics.median(self.delays)


def measure_messages(
    database_url: str, folder: Path, *, rounds: int, say: Callable[[str], None]
) -> list[MessageResult]:
    """Each way of delivery by itself: first idle, then in bursts, in turns with the bare tasks."""
    results = []
    for name, title in _NAMES.items():
        say(f"messages: {title}")
        own = folder / f"messages-{name}"
        own.mkdir()
        with ExitStack() as stack:
            site = stack.enter_context(_site(name, own, database_url))
            bare = stack.enter_context(_bare_worker(site)) if site.broker else None
            results.append(_measure(MessageResult(title), site, bare, rounds))
    return results


def message_targets(results: Sequence[MessageResult]) -> Iterator[Target]:
    """The share of the bare rate on each broker, and the delay everywhere."""
    for result in results:
        if result.bare:
            yield Target(f"messages on {result.name} / bare Celery tasks", result.rate / result.bare_rate, 0.15)
    for result in results:
        yield Target(f"commit to SMTP when idle, {result.name}", result.delay, 1, is_at_most=True, unit=" s")


def print_messages(results: Sequence[MessageResult]) -> None:
    """One row per way of delivery; ± is half of (fastest - slowest round)."""
    print(
        f"\n{'from commit to mail, 2 worker processes':38}{'events/s':>12}{'±':>5}{'bare tasks/s':>14}{'delay, ms':>11}"
    )
    for result in results:
        spread = (max(result.rates) - min(result.rates)) / result.rate / 2
        bare = f"{result.bare_rate:,.0f}" if result.bare else ""
        print(f"{result.name:38}{result.rate:>12,.0f}{spread:>5.0%}{bare:>14}{result.delay * 1000:>11,.0f}")


def _measure(result: MessageResult, site: Site, bare: "_Bare | None", rounds: int) -> MessageResult:
    _burst(site, 20)  # until everything is loaded and connected
    for _ in range(_SINGLE_EVENTS):
        time.sleep(_IDLE_SECONDS)
        result.delays.append(_burst(site, 1))
    for number in range(rounds):
        if bare is not None and number % 2:
            result.bare.append(bare.rate(_TASKS))
        result.rates.append(_EVENTS / _burst(site, _EVENTS))
        if bare is not None and not number % 2:
            result.bare.append(bare.rate(_TASKS))
    return result


def _burst(site: Site, events: int) -> float:
    """Commit so many events at once; seconds from the commit until the last one's mail was accepted."""
    before = site.sink.count()
    _commit(site, events)
    committed_at = time.time()
    _wait_until(lambda: site.sink.count() >= before + events)
    site.settle(seconds=_PATIENCE_SECONDS)
    mails = site.sink.mails()
    if len(mails) != before + events:
        raise InvalidRun(f"{len(mails) - before} mails of {events} events")
    return mails[-1].accepted_at - committed_at


def _commit(site: Site, events: int) -> None:
    now = int(time.time() * 1000)
    rows = []
    for number in range(events):
        message = message_of(next(_numbers), 0, LANGUAGES[number % len(LANGUAGES)])
        rows.append(
            {
                "event_id": ids.new_id(),
                "queue": message.queue,
                "type": message.type,
                "version": message.version,
                "aggregate": message.aggregate,
                "aggregate_version": message.aggregate_version,
                "payload": to_json(message.payload).decode(),
                "created_at": now,
                "attempts": 0,
                "next_attempt_at": now,
                "error": "",
            }
        )
    with writing(site.library) as connection:
        connection.execute(insert(_outbox), rows)


@dataclass(frozen=True, slots=True)
class _Bare:
    """The bare application's other end: it calls the task and waits until all calls were executed."""

    app: Celery
    done: Path

    def rate(self, tasks: int) -> float:
        """Tasks a second, from the first call to the last execution."""
        payload, before = message_of(1, 0).payload, self._executed()
        began = time.monotonic()
        for _ in range(tasks):
            self.app.send_task("bench.bare_celery.note", args=(payload,))
        _wait_until(lambda: self._executed() >= before + tasks, pause=0.01)
        return tasks / (time.monotonic() - began)

    def _executed(self) -> int:
        return self.done.stat().st_size if self.done.exists() else 0


@contextmanager
def _bare_worker(site: Site) -> Iterator[_Bare]:
    broker_url = site.environment["BOOKWELL_BROKER_URL"]
    done = site.folder / "bare.done"
    environment = os.environ | {"BENCH_BROKER_URL": broker_url, "BENCH_DONE": str(done)}
    options = ["--concurrency=2", "--loglevel=WARNING"]
    command = [sys.executable, "-m", "celery", "-A", "bench.bare_celery", "worker", *options]
    app = Celery("bare", broker=broker_url, set_as_current=False)
    app.conf.task_default_queue = "bare"
    with (site.folder / "bare.log").open("wb") as log:
        worker = spawn(command, env=environment, output=log)
    try:
        bare = _Bare(app, done)
        bare.rate(20)
        yield bare
    finally:
        stop(worker)


@contextmanager
def _site(name: str, folder: Path, database_url: str) -> Iterator[Site]:
    with ExitStack() as stack:
        if name == "embedded":
            site = stack.enter_context(embedded_site(folder, settings={}))
        else:
            prepared = site_on_a_broker(folder, broker=name, database="mariadb", database_url=database_url, settings={})
            site = stack.enter_context(prepared)
            add_programs(site)
        site.sink.kill()
        site.sink.is_durable = False
        site.sink.start()
        site.start()
        yield site


def _wait_until(condition: Callable[[], bool], *, pause: float = 0.1) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise InvalidRun("messages did not arrive")
        time.sleep(pause)
