"""Idempotency keys in the service's own database, table `idempotency_key`."""

import json

from django.conf import settings
from django.db import IntegrityError, OperationalError, connection

from bookwell.kit import clock
from bookwell.kit.idempotency import Answer, IdempotencyKey, InFlight, KeyReused, TryAgain, fingerprint_of

__all__ = ["AlreadyKept", "claim", "forget_expired", "keep", "replay"]

_INSERT = "INSERT INTO idempotency_key (digest, fingerprint, status, headers, body, created_at) "
_ROW = "VALUES (%s, %s, 0, '', '', %s)"
_WAIT_MILLISECONDS = 200
_LOCK_TIMEOUT_MYSQL = 1205
_LOCK_TIMEOUT_POSTGRESQL = "55P03"


class AlreadyKept(Exception):
    """The key's first request has committed its answer."""


def claim(key: IdempotencyKey) -> None:
    """Insert the key's row; a running duplicate is waited for, shortly.

    Raises:
        AlreadyKept: if an answer is there to replay.
        InFlight: if the first request did not finish within the wait.
    """
    row = (_digest(key), key.fingerprint, _milliseconds())
    try:
        with connection.cursor() as cursor:
            cursor.execute(_claim_statement(), row)
            if connection.vendor == "postgresql":
                cursor.execute("SET LOCAL lock_timeout TO DEFAULT")
    except IntegrityError as error:
        raise AlreadyKept from error
    except OperationalError as error:
        if _is_lock_timeout(error):
            raise InFlight from error
        raise


def keep(key: IdempotencyKey, answer: Answer) -> None:
    """Store the answer beside the effect, in the same transaction."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE idempotency_key SET status = %s, headers = %s, body = %s WHERE digest = %s",
            (answer.status, json.dumps(answer.headers), answer.body.decode(), _digest(key)),
        )


def replay(key: IdempotencyKey) -> Answer:
    """The stored answer.

    Raises:
        KeyReused: if the key was first used for another request.
        TryAgain: if the row went away in the meantime (its time was up).
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT fingerprint, status, headers, body, created_at FROM idempotency_key WHERE digest = %s",
            (_digest(key),),
        )
        row = cursor.fetchone()
    if row is None or row[4] < _oldest_valid():
        forget_expired()
        raise TryAgain
    if row[0] != key.fingerprint:
        raise KeyReused
    return Answer(row[1], row[3].encode(), json.loads(row[2]))


def forget_expired() -> int:
    """Delete the keys whose time is up; the number of them."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM idempotency_key WHERE created_at < %s", (_oldest_valid(),))
        return int(cursor.rowcount)


def _claim_statement() -> str:
    if connection.vendor == "postgresql":
        return (
            f"WITH wait AS (SELECT set_config('lock_timeout', '{_WAIT_MILLISECONDS}ms', true)) "
            f"{_INSERT} SELECT v.* FROM wait, ({_ROW}) v"
        )
    if connection.vendor == "mysql" and connection.mysql_is_mariadb:  # type: ignore[attr-defined]
        return f"SET STATEMENT innodb_lock_wait_timeout = 1 FOR {_INSERT}{_ROW}"
    return _INSERT + _ROW


def _is_lock_timeout(error: OperationalError) -> bool:
    if connection.vendor == "mysql":
        return bool(error.args[0] == _LOCK_TIMEOUT_MYSQL)
    return getattr(error.__cause__, "sqlstate", None) == _LOCK_TIMEOUT_POSTGRESQL


def _digest(key: IdempotencyKey) -> str:
    return fingerprint_of(key.scope, key.key)


def _milliseconds() -> int:
    return int(clock.now().timestamp() * 1000)


def _oldest_valid() -> int:
    return _milliseconds() - settings.IDEMPOTENCY_HOURS * 3_600_000
