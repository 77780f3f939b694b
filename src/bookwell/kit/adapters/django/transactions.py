"""The transaction runner: the only code that opens and commits a transaction in a Django service.

A use case runs inside it whole and is run again, a bounded number of times, when the database gives it up (deadlock,
lock time-out, serialization failure, SQLite busy, even at the commit). Work must therefore take ids, not instances,
and touch nothing but the database.

With an idempotency key the key's row is inserted first and the answer stored beside the effect, in one transaction:
a parallel duplicate waits on that row, then replays. A refusal rolls everything back and is stored in a transaction
of its own; when a duplicate has committed in between, its answer is everyone's.
"""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from django.db import IntegrityError, OperationalError, connection, transaction

from bookwell.kit.adapters.django import idempotency_store as store
from bookwell.kit.adapters.django.constraints import domain_error_of
from bookwell.kit.errors import DomainError, Unavailable
from bookwell.kit.fifo import FifoLock
from bookwell.kit.idempotency import Answer, IdempotencyKey, InFlight, TryAgain

__all__ = ["ATTEMPTS", "is_transient", "run_idempotent", "run_in_transaction"]

T = TypeVar("T")

ATTEMPTS = 8
_TRANSIENT_MYSQL = frozenset({1020, 1205, 1213})
_TRANSIENT_POSTGRESQL = frozenset({"40001", "40P01", "55P03"})
_BACKOFF_SECONDS = 0.01

_sqlite_writers = FifoLock()


def run_in_transaction(work: Callable[[], T]) -> T:
    """Run `work` in one write transaction, again when the database gave it up.

    Raises:
        DomainError: what the work refuses, or what a violated constraint stands for; nothing was written.
        TryAgain: after `ATTEMPTS` transient failures, or when the connection was lost.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with _write_transaction():
                return work()
        except IntegrityError as error:
            raise domain_error_of(error) from error
        except OperationalError as error:
            if not is_transient(error):
                raise _lost_or_broken(error) from error
            if attempt == ATTEMPTS or connection.in_atomic_block:
                raise TryAgain from error
            time.sleep(random.uniform(0, _BACKOFF_SECONDS * 2**attempt))  # noqa: S311 -- jitter, no secret
    raise AssertionError("unreachable")


def run_idempotent(
    work: Callable[[], Answer], *, key: IdempotencyKey | None, render: Callable[[DomainError], Answer]
) -> Answer:
    """Run `work` once for a key and give every caller with that key the same answer, refusals included.

    Answers that invite a retry (503, 409 in flight) are not kept.

    Raises:
        DomainError: without a key, what the work refuses; with one, `KeyReused`, `InFlight` or `Unavailable`.
    """
    if key is None:
        return run_in_transaction(work)

    def claim_work_and_keep() -> Answer:
        store.claim(key)
        answer = work()
        store.keep(key, answer)
        return answer

    try:
        return run_in_transaction(claim_work_and_keep)
    except store.AlreadyKept:
        return store.replay(key)
    except (Unavailable, InFlight):
        raise
    except DomainError as refusal:
        return _keep_refusal(key, render(refusal))


def _keep_refusal(key: IdempotencyKey, answer: Answer) -> Answer:
    def claim_and_keep() -> None:
        store.claim(key)
        store.keep(key, answer)

    try:
        run_in_transaction(claim_and_keep)
    except store.AlreadyKept:
        return store.replay(key)
    return answer


@contextmanager
def _write_transaction() -> Iterator[None]:
    if connection.vendor != "sqlite" or connection.in_atomic_block:
        with transaction.atomic():
            yield
        return
    with _sqlite_writers:
        connection.begins_immediate = True  # type: ignore[attr-defined]  # our SQLite back end's
        try:
            with transaction.atomic():
                yield
        finally:
            connection.begins_immediate = False  # type: ignore[attr-defined]


def is_transient(error: OperationalError) -> bool:
    """Whether the database says that the same transaction may succeed when it is run again."""
    cause = error.__cause__
    if connection.vendor == "mysql":
        return bool(error.args) and error.args[0] in _TRANSIENT_MYSQL
    if connection.vendor == "postgresql":
        return getattr(cause, "sqlstate", None) in _TRANSIENT_POSTGRESQL
    return "locked" in str(error) or "busy" in str(error)


def _lost_or_broken(error: OperationalError) -> Exception:
    if connection.vendor == "sqlite" or connection.in_atomic_block:
        return error
    connection.close()
    return TryAgain()
