"""A connection that goes away: whoever used it is told to come back, and the next one gets another."""

from collections.abc import Callable

import pytest
from django.db import connection
from structlog.testing import capture_logs

from bookwell.kit.adapters.django.transactions import run_idempotent, run_in_transaction
from bookwell.kit.errors import DomainError
from bookwell.kit.failures import DatabaseUnavailable
from bookwell.kit.idempotency import Answer, IdempotencyKey
from bookwell.kit.ids import new_id
from bookwell.kit.problems import status_of
from bookwell.library.plumbing.models import IdempotencyKeyRow

pytestmark = pytest.mark.usefixtures("committed")

_WITH_SERVERS = pytest.mark.only_on("mysql", "postgresql")
"""SQLite's connection is a file, which nobody can end."""
_WHO = {"mysql": "SELECT CONNECTION_ID()", "postgresql": "SELECT pg_backend_pid()"}
_KILL = {"mysql": "KILL %s", "postgresql": "SELECT pg_terminate_backend(%s, 5000)"}
_NOWHERE = {
    "mysql": {"PORT": "1"},
    "postgresql": {"PORT": "1"},
    "sqlite": {"NAME": "/nowhere/library.sqlite3"},
}


def _kill() -> None:
    """Let somebody else end this thread's connection."""
    with connection.cursor() as cursor:
        cursor.execute(_WHO[connection.vendor])
        who = cursor.fetchone()[0]
    killer = connection.copy()
    with killer.cursor() as cursor:
        cursor.execute(_KILL[connection.vendor], (who,))
    killer.close()


def _add_row() -> str:
    digest = new_id()
    IdempotencyKeyRow.objects.create(digest=digest, fingerprint="", status=0, headers="", body="", created_at=2**53)
    return digest


def _has(digest: str) -> bool:
    return IdempotencyKeyRow.objects.filter(pk=digest).exists()


def _steps(added: list[str], *, killed_before: str) -> Callable[[], str]:
    """A work of two statements and its commit; it loses its connection at one place, the first time."""

    def kill(place: str) -> None:
        if place == killed_before and not added[1:]:
            _kill()

    def work() -> str:
        added.append("")
        kill("write")
        added[-1] = _add_row()
        kill("commit")
        return added[-1]

    return work


@_WITH_SERVERS
@pytest.mark.parametrize("place", ["begin", "write", "commit"])
def test_run__loses_its_connection__is_not_done_and_the_next_one_works(place: str) -> None:
    added = list[str]()
    work = _steps(added, killed_before=place)
    if place == "begin":
        _kill()

    with capture_logs() as events, pytest.raises(DatabaseUnavailable):
        run_in_transaction(work)

    assert [event["event"] for event in events] == ["database.connection_lost"]
    assert not any(_has(digest) for digest in added)
    assert _has(run_in_transaction(work))


@_WITH_SERVERS
def test_ask__loses_its_connection__the_same_key_is_done_once() -> None:
    added, key = list[str](), IdempotencyKey("5 POST /x/", new_id(), "one")
    steps = _steps(added, killed_before="write")

    def ask() -> Answer:
        return run_idempotent(lambda: Answer(201, steps().encode()), key=key, render=_never)

    with pytest.raises(DatabaseUnavailable) as refusal:
        ask()

    assert status_of(refusal.value) == 503
    first, done = ask(), added[-1]
    assert ask() == first == Answer(201, done.encode())
    assert [digest for digest in added if _has(digest)] == [done]


def _never(error: DomainError) -> Answer:
    raise AssertionError(error)


def test_run__the_database_is_nowhere__is_told_so_until_it_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    connection.close()
    with monkeypatch.context() as patch:
        for name, value in _NOWHERE[connection.vendor].items():
            patch.setitem(connection.settings_dict, name, value)
        with pytest.raises(DatabaseUnavailable):
            run_in_transaction(_add_row)

    assert _has(run_in_transaction(_add_row))


@pytest.mark.only_on("mysql")
@pytest.mark.parametrize("code", [1040, 1053, 1203, 1226, 1290, 1836, 3032])
def test_run__the_server_takes_nobody_in_or_only_reads__another_connection_is_tried_later(code: int) -> None:
    def work() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = %s, MESSAGE_TEXT = 'as a server would'", (code,))

    with capture_logs() as events, pytest.raises(DatabaseUnavailable):
        run_in_transaction(work)

    assert [(event["event"], event["code"]) for event in events] == [("database.connection_lost", code)]
    assert connection.connection is None
