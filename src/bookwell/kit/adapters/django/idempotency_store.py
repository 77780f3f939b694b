"""Idempotency keys in the service's own database, table `idempotency_key`."""

import json

from django.conf import settings
from django.db import IntegrityError, OperationalError, connection
from pydantic_core import to_json

from bookwell.kit import clock
from bookwell.kit.adapters.django.failures import failure_of
from bookwell.kit.adapters.django.statements import EarlierStatementFailed, execute_last
from bookwell.kit.failures import Failure
from bookwell.kit.idempotency import AlreadyKept, Answer, IdempotencyKey, InFlight, KeyReused, fingerprint_of

__all__ = ["find", "forget_expired", "keep_in_tx"]

_INSERT = (
    "INSERT INTO idempotency_key (digest, fingerprint, status, headers, body, created_at) "
    "VALUES (%s, %s, %s, %s, %s, %s)"
)
_FORGET_AT_ONCE = 1000


def keep_in_tx(key: IdempotencyKey, answer: Answer) -> None:
    """Store the answer beside the effect, as the last statement of its transaction; it may take the COMMIT along.

    Whoever has inserted the key and not committed is about to, because nothing comes after this; it is waited for.

    Raises:
        AlreadyKept: if the key has an answer, perhaps one whose time is up.
        InFlight: if the first request did not finish within the database's wait for locks.
    """
    row = [_digest(key), key.fingerprint, answer.status, to_json(answer.headers).decode(), answer.body.decode()]
    try:
        execute_last(_INSERT, [*row, _milliseconds()])
    except EarlierStatementFailed:
        raise
    except IntegrityError as error:
        raise AlreadyKept from error
    except OperationalError as error:
        if connection.vendor != "sqlite" and failure_of(error) is Failure.WAITED:
            raise InFlight from error
        raise


def find(key: IdempotencyKey) -> Answer | None:
    """The kept answer; None where there is none, or it was so old that it goes now.

    Raises:
        KeyReused: if the key was first used for another request.
    """
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


def _digest(key: IdempotencyKey) -> str:
    return fingerprint_of(key.scope, key.key)


def _milliseconds() -> int:
    return int(clock.now().timestamp() * 1000)


def _oldest_valid() -> int:
    return _milliseconds() - settings.IDEMPOTENCY_HOURS * 3_600_000
