"""What every test runs in: an environment of its own, a data folder that is thrown away, one database.

`BOOKWELL_LIBRARY_DATABASE_URL` chooses the database (SQLite without it); one pytest process tests one database.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.infrastructure.servers import running_servers, scratch_root
from tests.infrastructure.sharing import empty_redis, forget_queues, own_database, own_virtual_host

_KEPT = ("BOOKWELL_TEST_", "BOOKWELL_PYTHON27", "BOOKWELL_LIBRARY_DATABASE_URL", "BOOKWELL_CHAOS", "BOOKWELL_BENCH")

_LONG = ("tests/e2e/", "tests/messages/", "tests/concurrency/", "tests/contract/library/test_schemathesis.py")

if "bookwell.library.config.settings" in sys.modules:
    raise pytest.UsageError("Unset DJANGO_SETTINGS_MODULE: the tests choose their settings themselves.")

_data_dir = Path(tempfile.mkdtemp(prefix="bookwell-tests-", dir=scratch_root()))
for _name in [name for name in os.environ if name.startswith("BOOKWELL_") and not name.startswith(_KEPT)]:
    del os.environ[_name]
os.environ["BOOKWELL_DATA_DIR"] = str(_data_dir)
os.environ["BOOKWELL_SECRET_KEY"] = "only-for-tests-" * 4
os.environ["BOOKWELL_RATE_LIMIT_PER_MINUTE"] = "0"  # tests of limits bring their own
os.environ["BOOKWELL_LOG_DATABASE_LEVEL"] = "OFF"  # the same with tests of the log table


def pytest_configure(config: pytest.Config) -> None:
    """Set Django up here: pytest-django would do it before this file could choose the data folder."""
    import django  # noqa: PLC0415 -- not before the environment is set
    from django.conf import settings  # noqa: PLC0415

    with pytest.MonkeyPatch.context() as patch:  # left in place it would make xdist's workers load settings early
        patch.setenv("DJANGO_SETTINGS_MODULE", "bookwell.library.config.settings")
        django.setup()
    _hash_cheaply()
    settings.DATABASES.pop("logs", None)  # tests read log records where everything else is
    settings.LOG_DATABASE = "default"
    database = settings.DATABASES["default"]
    if database["ENGINE"].endswith("sqlite"):  # threads and processes cannot share Django's choice, one in memory
        database.setdefault("TEST", {})["NAME"] = str(_data_dir / "test.sqlite3")


def pytest_unconfigure() -> None:
    """Throw the data folder away."""
    shutil.rmtree(_data_dir, ignore_errors=True)


def pytest_report_header() -> str:
    """Name the database under test."""
    from django.db import connection  # noqa: PLC0415

    return f"database: {connection.vendor}"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Refuse tests that flush, and leave out those about another database.

    Begin with those that take long, so that no process is left with them in the end.
    """
    _refuse_flushing(items)
    _leave_out(config, items)
    items.sort(key=lambda item: not item.nodeid.startswith(_LONG))  # otherwise in the order they are in


@pytest.fixture(autouse=True)
def _outside_of_requests() -> None:
    """A test before may have served a request in this very thread."""
    from bookwell.kit.request_context import set_request_id, set_traceparent  # noqa: PLC0415 -- not before the environment is set

    set_request_id("")
    set_traceparent("")


@pytest.fixture(scope="session")
def _redis() -> Iterator[str]:
    with running_servers(["redis"]) as servers:
        yield own_database(servers["redis"].url)


@pytest.fixture(scope="module")
def redis_url(_redis: str) -> str:
    """A Redis that is empty when a module begins: the runner's, else one started here."""
    empty_redis(_redis)
    return _redis


@pytest.fixture(scope="session")
def _rabbitmq() -> Iterator[str]:
    with running_servers(["rabbitmq"]) as servers:
        yield own_virtual_host(servers["rabbitmq"].url)


@pytest.fixture(scope="module")
def rabbitmq_url(_rabbitmq: str) -> str:
    """A RabbitMQ without our queues when a module begins: the runner's, else one started here."""
    from bookwell.cli.composition import QUEUES  # noqa: PLC0415 -- not before the environment is set

    forget_queues(_rabbitmq, QUEUES)
    return _rabbitmq


def _hash_cheaply() -> None:
    from django.conf import settings  # noqa: PLC0415 -- not before the environment is set

    from bookwell.tables.accounts import passwords  # noqa: PLC0415 -- the same
    from tests.hashing import CHEAP  # noqa: PLC0415 -- the same

    settings.PASSWORD_HASHERS = ["tests.hashing.CheapHasher"]
    passwords._HASHER = CHEAP  # noqa: SLF001 -- it has no setting, and needs none in use


def _refuse_flushing(items: list[pytest.Item]) -> None:
    """Emptying every table also removes what migrations wrote, and the next test of the process misses it."""
    markers = [(item.nodeid, marker) for item in items for marker in item.iter_markers("django_db")]
    flushing = [name for name, marker in markers if marker.kwargs.get("transaction")]
    flushing += [item.nodeid for item in items if "transactional_db" in getattr(item, "fixturenames", ())]
    if flushing:
        raise pytest.UsageError(f"These tests flush the database; commit rows of your own instead: {flushing}")


def _leave_out(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests of what only one kind of database does are no tests of another, and none that were skipped."""
    from django.db import connection  # noqa: PLC0415

    others = [
        item for item in items if any(connection.vendor not in marker.args for marker in item.iter_markers("only_on"))
    ]
    if others:
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if item not in others]
