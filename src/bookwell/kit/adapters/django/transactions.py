"""The transaction runner: the only code that opens and commits a transaction in a Django service.

A use case runs inside it whole and is run again when the database gives it up (deadlock, serialization failure, even
at the commit), a bounded number of times and for a bounded time; after a lock time-out once more. Work must therefore
take ids, not instances, and touch nothing but the database. What is no failure of the moment (a missing column) is
not run again and not called one: it is raised as it is.

With an idempotency key the answer is stored under the key beside the effect, as the transaction's last statement
(ADR 0012). Whoever comes second, at once or much later, does the work like the first, is stopped by the key, rolls
back and replays. A refusal rolls everything back and is stored in a transaction of its own; when a duplicate has
committed in between, its answer is everyone's.
"""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import structlog
from django.db import IntegrityError, InterfaceError, OperationalError, connection, transaction

from bookwell.kit.adapters.django import idempotency_store as store
from bookwell.kit.adapters.django.constraints import domain_error_of
from bookwell.kit.adapters.django.failures import DatabaseUnavailable, Failure, code_of, failure_of
from bookwell.kit.errors import DomainError, Unavailable
from bookwell.kit.idempotency import Answer, IdempotencyKey, InFlight, TryAgain
from bookwell.kit.writers import line_of

__all__ = ["ATTEMPTS", "ATTEMPTS_TO_LOCK", "run_idempotent", "run_in_transaction"]

T = TypeVar("T")

ATTEMPTS = 8
ATTEMPTS_TO_LOCK = 2
_DEADLINE_SECONDS = 10
"""No run begins later than this after the first one did."""
_BACKOFF_SECONDS = 0.01
_CLAIMS = 3

_log = structlog.get_logger()


def run_in_transaction(work: Callable[[], T]) -> T:
    """Run `work` in one write transaction, again when the database gave it up; inside another one, join it.

    Raises:
        DomainError: what the work refuses, or what a violated constraint stands for; nothing was written.
        TryAgain: after `ATTEMPTS` runs, or `ATTEMPTS_TO_LOCK` that waited for a lock in vain, or 10 seconds.
        DatabaseUnavailable: when there is no connection, or it was lost.
        OperationalError: every other failure of the database.
    """
    failures, deadline = Counter[Failure](), time.monotonic() + _DEADLINE_SECONDS
    while True:
        try:
            with _write_transaction():
                return work()
        except IntegrityError as error:
            raise domain_error_of(error) from error
        except (OperationalError, InterfaceError) as error:
            if connection.in_atomic_block:
                raise  # the outermost run decides
            failures[failure_of(error)] += 1
            _give_up_or_pause(error, failures, deadline)


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
    for _ in range(_CLAIMS):
        try:
            return _work_and_keep(work, key, render)
        except store.AlreadyKept:
            kept = run_in_transaction(lambda: store.find(key))
            if kept is not None:
                return kept
    raise InFlight


def _work_and_keep(work: Callable[[], Answer], key: IdempotencyKey, render: Callable[[DomainError], Answer]) -> Answer:
    def keeping(answer: Answer) -> Answer:
        store.keep_in_tx(key, answer)
        return answer

    try:
        return run_in_transaction(lambda: keeping(work()))
    except (Unavailable, InFlight):
        raise
    except DomainError as error:
        refusal = render(error)
    return run_in_transaction(lambda: keeping(refusal))


@contextmanager
def _write_transaction() -> Iterator[None]:
    if connection.vendor != "sqlite" or connection.in_atomic_block:
        with transaction.atomic():
            yield
        return
    with line_of(str(connection.settings_dict["NAME"])):
        connection.begins_immediate = True  # type: ignore[attr-defined]  # our SQLite back end's
        try:
            with transaction.atomic():
                yield
        finally:
            connection.begins_immediate = False  # type: ignore[attr-defined]


def _give_up_or_pause(error: OperationalError | InterfaceError, failures: Counter[Failure], deadline: float) -> None:
    """Pause before the next run, or raise what the failures come to."""
    failure, runs = failure_of(error), failures.total()
    if failure is Failure.BROKEN:
        raise error
    if failure is Failure.UNREACHABLE:
        connection.close()
        _log.error("database.connection_lost", code=code_of(error))
        raise DatabaseUnavailable from error
    pause = random.uniform(0, _BACKOFF_SECONDS * 2**runs)  # noqa: S311 -- jitter, no secret
    is_last = runs >= ATTEMPTS or failures[Failure.WAITED] >= ATTEMPTS_TO_LOCK
    if is_last or time.monotonic() + pause > deadline:
        _log.warning("transaction.abandoned", code=code_of(error), runs=runs)
        raise TryAgain from error
    time.sleep(pause)
