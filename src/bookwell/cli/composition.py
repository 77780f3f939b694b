"""Which service works on which queue, and whose outboxes there are: the one place that knows them all."""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType

from pydantic import Field

from bookwell.cli.management import set_up_library
from bookwell.kit import clock
from bookwell.kit.adapters.celery import Work
from bookwell.kit.adapters.sqlalchemy import OutboxTable, engine_of
from bookwell.kit.logs import configure
from bookwell.kit.outbox.rules import Pace
from bookwell.kit.settings import CommonSettings

_LOG_WRITER = "bookwell.kit.adapters.sqlalchemy.log_table.LogTable"

__all__ = ["QUEUES", "BackgroundSettings", "check_settings", "open_outboxes", "open_work", "start"]


class BackgroundSettings(CommonSettings):
    """Where background processes find the broker and the services' outboxes."""

    broker_url: str = ""
    outbox_gap_seconds: float = Field(default=30, ge=1, le=900, description="Until a row without a receipt goes again")
    outbox_lease_seconds: float = Field(default=30, ge=1, le=900, description="Then a dead relay's rows are another's")

    def _missing_in_production(self) -> Iterator[str]:
        yield from super()._missing_in_production()
        if not self.library_database_url:
            yield "BOOKWELL_LIBRARY_DATABASE_URL: needed in production, the same as the library's"

    @property
    def pace(self) -> Pace:
        """How patient relays are, and consumers that postpone."""
        gap, lease = (dt.timedelta(seconds=each) for each in (self.outbox_gap_seconds, self.outbox_lease_seconds))
        return Pace(first_gap=gap, lease=lease)

    @property
    def outbox_urls(self) -> Mapping[str, str]:
        """The database of each service that writes messages, by the service's name."""
        embedded = f"sqlite:///{(self.data_dir / 'library.sqlite3').absolute()}"
        return {"library": self.library_database_url or embedded}


def start(service: str) -> BackgroundSettings:
    """Begin a background process: the settings, with its clock and its logs set up by them.

    Raises:
        InvalidSettings
    """
    settings = BackgroundSettings.load()
    clock.set_offset(settings.clock_offset)
    configure(settings.logging_options(service, writer=_LOG_WRITER))
    return settings


def open_outboxes(settings: BackgroundSettings) -> Mapping[str, OutboxTable]:
    """The outbox of every service, by the service's name; nothing is connected yet."""
    return {
        source: OutboxTable(source, engine_of(url), pace=settings.pace) for source, url in settings.outbox_urls.items()
    }


def check_settings(queues: Sequence[str]) -> None:
    """Read the settings of the services behind some queues, before any process of theirs is forked.

    Raises:
        InvalidSettings
    """
    for queue in queues:
        _SETTINGS[queue]()


def open_work(settings: BackgroundSettings, queues: Sequence[str], *, service: str) -> Work:
    """Load the services behind some queues into this process, once it has forked; its logs keep the name `service`.

    Raises:
        KeyError: if no service works on one of them.
    """
    works = [_LOADERS[queue]() for queue in queues]
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


def _check_library() -> None:
    from bookwell.library.config.environment import LibrarySettings  # noqa: PLC0415 -- needs the extra

    LibrarySettings.load()


def _check_notifier() -> None:
    from bookwell.notifier.settings import NotifierSettings  # noqa: PLC0415 -- the same

    NotifierSettings.load()


_NOTIFIER_QUEUES = ("mail", "sms", "webhook")
_SETTINGS: Mapping[str, Callable[[], None]] = MappingProxyType(
    {"library": _check_library} | dict.fromkeys(_NOTIFIER_QUEUES, _check_notifier)
)
_LOADERS: Mapping[str, Callable[[], Work]] = MappingProxyType(
    {"library": _load_library} | dict.fromkeys(_NOTIFIER_QUEUES, _load_notifier)
)
QUEUES = tuple(_LOADERS)
"""All that there are."""
