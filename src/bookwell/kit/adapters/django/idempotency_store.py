"""Idempotency keys in the service's own database, table `idempotency_key`."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import IntegrityError, OperationalError, connection

from bookwell.kit import clock
from bookwell.kit.adapters.django.failures import Failure, failure_of
from bookwell.kit.idempotency import Answer, IdempotencyKey, InFlight, KeyReused, fingerprint_of

__all__ = ["claim", "forget_expired", "keep"]

_INSERT = "INSERT INTO idempotency_key (digest, fingerprint, status, headers, body, created_at) "
_ROW = "VALUES (%s, %s, 0, '', '', %s)"
# One statement: it shortens the wait, inserts, counts what was inserted, and puts the former wait back. Each step
# needs a row of the one before, which is what orders them.
_INSERT_POSTGRESQL = (
    "WITH usual AS MATERIALIZED (SELECT current_setting('lock_timeout') AS wait), "
    "short AS MATERIALIZED (SELECT wait, set_config('lock_timeout', '200ms', true) FROM usual), "
    f"claimed AS ({_INSERT}SELECT v.* FROM short, ({_ROW}) v ON CONFLICT (digest) DO NOTHING RETURNING 1) "
    "SELECT number, set_config('lock_timeout', wait, true) "
    "FROM short, (SELECT COUNT(*) AS number FROM claimed) counted"
)
_INSERT_MARIADB = f"SET STATEMENT innodb_lock_wait_timeout = 1 FOR {_INSERT}{_ROW}"
_SHORTEN_MYSQL = (
    "SET @usual_lock_wait = @@SESSION.innodb_lock_wait_timeout, SESSION innodb_lock_wait_timeout = 1",
    "SET SESSION innodb_lock_wait_timeout = @usual_lock_wait",
)
_CLAIMS = 3
_FORGET_AT_ONCE = 1000


def claim(key: IdempotencyKey) -> Answer | None:
    """Make the key this transaction's (None), or find the answer to its first request.

    A running duplicate is waited for, shortly: 200 ms on PostgreSQL, 1 s on MySQL and MariaDB, which know no less.
    SQLite has no such wait: a duplicate waits for the whole database where its transaction begins, like every writer,
    and cannot tell whom it is waiting for; when its turn comes, the first one has ended. A key whose time is up is
    forgotten and claimed anew.

    Raises:
        KeyReused: if the key was first used for another request.
        InFlight: if the first request did not finish within the wait.
    """
    for _ in range(_CLAIMS):
        if _insert(key):
            return None
        kept = _find(key)
        if kept is not None:
            return kept
    raise InFlight


def keep(key: IdempotencyKey, answer: Answer) -> None:
    """Store the answer beside the effect, in the same transaction."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE idempotency_key SET status = %s, headers = %s, body = %s WHERE digest = %s",
            (answer.status, json.dumps(answer.headers), answer.body.decode(), _digest(key)),
        )


def forget_expired() -> int:
    """Delete keys whose time is up, a bounded number at a time, so that nobody waits for long: how many."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT digest FROM idempotency_key WHERE created_at < %s ORDER BY created_at LIMIT %s",
            (_oldest_valid(), _FORGET_AT_ONCE),
        )
        digests = [row[0] for row in cursor.fetchall()]
        if digests:
            marks = ", ".join(["%s"] * len(digests))
            cursor.execute(
                f"DELETE FROM idempotency_key WHERE digest IN ({marks}) AND created_at < %s",
                (*digests, _oldest_valid()),
            )
    return len(digests)


def _insert(key: IdempotencyKey) -> bool:
    """Whether the row was inserted; a duplicate leaves the transaction as it was."""
    try:
        with _short_lock_waits(), connection.cursor() as cursor:
            cursor.execute(_insert_statement(), (_digest(key), key.fingerprint, _milliseconds()))
            return connection.vendor != "postgresql" or bool(cursor.fetchone()[0])
    except IntegrityError:
        return False
    except OperationalError as error:
        if connection.vendor != "sqlite" and failure_of(error) is Failure.WAITED:
            raise InFlight from error
        raise


def _find(key: IdempotencyKey) -> Answer | None:
    """The kept answer; None where the row has gone, or was so old that it goes now."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT fingerprint, status, headers, body, created_at FROM idempotency_key WHERE digest = %s",
            (_digest(key),),
        )
        row = cursor.fetchone()
        if row is not None and row[4] < _oldest_valid():
            cursor.execute(
                "DELETE FROM idempotency_key WHERE digest = %s AND created_at < %s", (_digest(key), _oldest_valid())
            )
            row = None
    if row is None:
        return None
    if row[0] != key.fingerprint:
        raise KeyReused
    return Answer(row[1], row[3].encode(), json.loads(row[2]))


@contextmanager
def _short_lock_waits() -> Iterator[None]:
    """On MySQL, which has no clause for one statement's wait, let the session wait for 1 s and as before afterwards.

    Tried on MariaDB, which understands these statements too; no MySQL was at hand.
    """
    if not _is_mysql():
        yield
        return
    shorten, restore = _SHORTEN_MYSQL
    with connection.cursor() as cursor:
        cursor.execute(shorten)
        try:
            yield
        finally:
            cursor.execute(restore)


def _insert_statement() -> str:
    if connection.vendor == "postgresql":
        return _INSERT_POSTGRESQL
    return _INSERT + _ROW if connection.vendor == "sqlite" or _is_mysql() else _INSERT_MARIADB


def _is_mysql() -> bool:
    return connection.vendor == "mysql" and not connection.mysql_is_mariadb  # type: ignore[attr-defined]


def _digest(key: IdempotencyKey) -> str:
    return fingerprint_of(key.scope, key.key)


def _milliseconds() -> int:
    return int(clock.now().timestamp() * 1000)


def _oldest_valid() -> int:
    return _milliseconds() - settings.IDEMPOTENCY_HOURS * 3_600_000
