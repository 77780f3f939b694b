"""Which service works on which queue, and whose outboxes there are: the one place that knows them all."""

import datetime as dt
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from pydantic import Field

from bookwell.cli.management import set_up_library
from bookwell.cli.service_settings import settings_of
from bookwell.contracts.schedule import JOBS, Job
from bookwell.kit import clock
from bookwell.kit.adapters.celery import Work
from bookwell.kit.adapters.sqlalchemy import OutboxTable, engine_of
from bookwell.kit.logs import configure
from bookwell.kit.outbox.rules import Pace
from bookwell.kit.setting_urls import BrokerUrl, DatabaseUrl, url_of_file
from bookwell.kit.settings import CommonSettings, Role

NOTIFIER = "notifier"
"""The service that has work in the background wherever there is any."""
_LOG_WRITER = "bookwell.kit.adapters.sqlalchemy.log_table.LogTable"

__all__ = [
    "NOTIFIER",
    "QUEUES",
    "BackgroundSettings",
    "check_settings",
    "jobs_of",
    "open_outboxes",
    "open_work",
    "queues_of",
    "services_of",
    "start",
]


class BackgroundSettings(CommonSettings):
    """Where background processes find the broker and the services' outboxes."""

    broker_url: BrokerUrl = Field(
        default="",
        description="RabbitMQ or Redis, as in amqp://user:password@rabbitmq:5672//",
    )
    tables_database_url: DatabaseUrl = Field(
        default="", description="The tables service's (PostgreSQL); empty: a file of the data folder"
    )
    heartbeat_file: Path | None = Field(default=None, description="Touched while the process goes on")
    watchdog_seconds: float = Field(
        default=120,
        ge=0,
        description="A process that gives no sign of life for so long ends itself, to be started again; 0: never",
    )
    outbox_gap_seconds: float = Field(default=30, ge=1, le=900, description="Until a row without a receipt goes again")
    outbox_lease_seconds: float = Field(default=30, ge=1, le=900, description="Then a dead relay's rows are another's")

    def missing_for(self, role: Role) -> Iterator[str]:
        """Outboxes: relay and workers are nothing without them, and the scheduler can be told whose jobs it calls."""
        yield from super().missing_for(role)
        if role == "worker" and not (self.library_database_url or self.tables_database_url):
            yield (
                "BOOKWELL_LIBRARY_DATABASE_URL, BOOKWELL_TABLES_DATABASE_URL: one of them is needed in production, "
                "the same as the service's"
            )

    @property
    def pace(self) -> Pace:
        """How patient relays are, and consumers that postpone."""
        gap, lease = (dt.timedelta(seconds=each) for each in (self.outbox_gap_seconds, self.outbox_lease_seconds))
        return Pace(first_gap=gap, lease=lease)

    @property
    def outbox_urls(self) -> Mapping[str, str]:
        """The database of each service that writes messages, by the service's name; of those that are in use.

        A service is in use when its database is in the settings, or its embedded one has been made.
        """
        configured = {"library": self.library_database_url, "tables": self.tables_database_url}
        files = {name: self.data_dir / f"{name}.sqlite3" for name in configured}
        embedded = {name: url_of_file(file) for name, file in files.items() if self._has_embedded(file)}
        return embedded | {name: url for name, url in configured.items() if url}

    @property
    def services(self) -> tuple[str, ...]:
        """Those that have work in the background."""
        return (*self.outbox_urls, NOTIFIER)

    def _has_embedded(self, file: Path) -> bool:
        return self.mode == "embedded" and file.exists()


def start(service: str, *, role: Role | None = None) -> BackgroundSettings:
    """Begin a background process: the settings, with its clock and its logs set up by them.

    Raises:
        InvalidSettings
    """
    settings = BackgroundSettings.load(role)
    clock.set_offset(settings.clock_offset)
    configure(settings.logging_options(service, writer=_LOG_WRITER))
    return settings


def open_outboxes(settings: BackgroundSettings, services: Collection[str] | None = None) -> Mapping[str, OutboxTable]:
    """The outbox of every service in use (of those `services`), by the service's name; nothing is connected yet."""
    return {
        source: OutboxTable(source, engine_of(url), pace=settings.pace)
        for source, url in settings.outbox_urls.items()
        if services is None or source in services
    }


def queues_of(services: Collection[str]) -> tuple[str, ...]:
    """The queues that some services work on."""
    return tuple(queue for queue, service in _SERVICE_OF_QUEUE.items() if service in services)


def services_of(queues: Sequence[str]) -> Sequence[str]:
    """The services that work on some queues, each once.

    Raises:
        KeyError: if no service works on one of them.
    """
    return list(dict.fromkeys(_SERVICE_OF_QUEUE[queue] for queue in queues))


def jobs_of(services: Collection[str]) -> tuple[Job, ...]:
    """The part of the schedule that some services do."""
    queues = queues_of(services)
    return tuple(job for job in JOBS if job.queue in queues)


def check_settings(queues: Sequence[str]) -> None:
    """Read the settings of the services behind some queues, before any process of theirs is forked.

    Raises:
        InvalidSettings
    """
    for service in services_of(queues):
        settings_of(service).load("worker")


def open_work(settings: BackgroundSettings, queues: Sequence[str], *, service: str) -> Work:
    """Load the services behind some queues into this process, once it has forked; its logs keep the name `service`.

    Raises:
        KeyError: if no service works on one of them.
    """
    works = [_LOADERS[service]() for service in services_of(queues)]
    configure(settings.logging_options(service, writer=_LOG_WRITER))  # Django has set up the library's
    return Work(
        consumers={queue: consumer for work in works for queue, consumer in work.consumers.items()},
        jobs={name: job for work in works for name, job in work.jobs.items()},
        receipts_of=open_outboxes(settings),
    )


def _load_library() -> Work:
    set_up_library()
    from bookwell.library.tasks import CONSUMERS, JOBS  # noqa: PLC0415 -- Django must be set up first

    return Work(CONSUMERS, JOBS)


def _load_notifier() -> Work:
    from bookwell.notifier.tasks import CONSUMERS, JOBS  # noqa: PLC0415 -- other queues do without

    return Work(CONSUMERS, JOBS)


def _load_tables() -> Work:
    from bookwell.tables.tasks import CONSUMERS, JOBS  # noqa: PLC0415 -- the same

    return Work(CONSUMERS, JOBS)


_LOADERS: Mapping[str, Callable[[], Work]] = MappingProxyType(
    {"library": _load_library, "tables": _load_tables, NOTIFIER: _load_notifier}
)
_SERVICE_OF_QUEUE: Mapping[str, str] = MappingProxyType(
    {"library": "library", "tables": "tables"} | dict.fromkeys(("mail", "sms", "webhook"), NOTIFIER)
)
QUEUES = tuple(_SERVICE_OF_QUEUE)
"""All that there are."""
