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

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TypeVar

from django.db import IntegrityError, InterfaceError, OperationalError, connection, transaction

from bookwell.kit.adapters.django import idempotency_store as store
from bookwell.kit.adapters.django.constraints import domain_error_of
from bookwell.kit.adapters.django.failures import code_of, failure_of
from bookwell.kit.errors import DomainError
from bookwell.kit.failures import Failure, Runs
from bookwell.kit.idempotency import Answer, IdempotencyKey, answer_once
from bookwell.kit.writers import line_of

__all__ = ["run_idempotent", "run_in_transaction"]

T = TypeVar("T")


def run_in_transaction(work: Callable[[], T]) -> T:
    """Run `work` in one write transaction, again when the database gave it up; inside another one, join it.

    Raises:
        DomainError: what the work refuses, or what a violated constraint stands for; nothing was written.
        TryAgain, DatabaseUnavailable, OperationalError, InterfaceError: as `Runs.give_up_or_pause`.
    """
    runs = Runs()
    while True:
        try:
            with _write_transaction():
                return work()
        except IntegrityError as error:
            raise domain_error_of(error) from error
        except (OperationalError, InterfaceError) as error:
            if connection.in_atomic_block:
                raise  # the outermost run decides
            failure, code = failure_of(error), code_of(error)
            if failure is Failure.UNREACHABLE:
                connection.close()
            runs.give_up_or_pause(error, failure, code=code)


def run_idempotent(
    work: Callable[[], Answer], *, key: IdempotencyKey | None, render: Callable[[DomainError], Answer]
) -> Answer:
    """Run `work` once for a key and give every caller with that key the same answer, refusals included.

    Answers that invite a retry (503, 409 in flight) are not kept.

    Raises:
        DomainError: without a key, what the work refuses; with one, `KeyReused`, and what invites a retry.
    """
    if key is None:
        return run_in_transaction(work)

    def keeping(answer: Answer) -> Answer:
        store.keep_in_tx(key, answer)
        return answer

    return answer_once(
        lambda: run_in_transaction(lambda: keeping(work())),
        keep=lambda refusal: run_in_transaction(lambda: keeping(refusal)),
        find=lambda: run_in_transaction(lambda: store.find(key)),
        render=render,
    )


def _write_transaction() -> AbstractContextManager[None]:
    if connection.vendor != "sqlite" or connection.in_atomic_block:
        return transaction.atomic()
    return _in_line()


@contextmanager
def _in_line() -> Iterator[None]:
    """A transaction of SQLite's, which has one writer at a time."""
    with line_of(str(connection.settings_dict["NAME"])):
        connection.begins_immediate = True  # type: ignore[attr-defined]  # our SQLite back end's
        try:
            with transaction.atomic():
                yield
        finally:
            connection.begins_immediate = False  # type: ignore[attr-defined]
