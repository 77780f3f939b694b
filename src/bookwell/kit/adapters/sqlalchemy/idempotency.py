"""Idempotency keys of a service on SQLAlchemy: one row for a key, with its answer, beside the effect (ADR 0012).

Whoever comes second, at once or much later, does the work like the first, is stopped by the key, rolls back and
replays. A refusal rolls everything back and is stored in a transaction of its own; when a duplicate has committed in
between, its answer is everyone's.
"""

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol, TypeVar

from sqlalchemy import BigInteger, Column, Connection, Integer, Table, Text, delete, insert, select
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.types import CHAR

from bookwell.kit import clock
from bookwell.kit.adapters.sqlalchemy.failures import failure_of
from bookwell.kit.adapters.sqlalchemy.statements import Statement, send_later
from bookwell.kit.errors import DomainError
from bookwell.kit.failures import Failure
from bookwell.kit.idempotency import (
    AlreadyKept,
    Answer,
    IdempotencyKey,
    InFlight,
    KeyReused,
    answer_once,
    fingerprint_of,
)
from bookwell.kit.outbox.rules import milliseconds

__all__ = ["IdempotencyStore", "Write", "idempotency_columns"]

T = TypeVar("T")

_FORGET_AT_ONCE = 1000


def idempotency_columns() -> list[Column[Any]]:
    """The columns of a table of keys; give it an index on `created_at`."""
    return [
        Column("digest", CHAR(64), primary_key=True),
        Column("fingerprint", CHAR(64), nullable=False),
        Column("status", Integer, nullable=False),
        Column("headers", Text, nullable=False),
        Column("body", Text, nullable=False),
        Column("created_at", BigInteger, nullable=False),
    ]


class Write(Protocol):
    """Runs a work in one transaction, again when the database gives it up."""

    def __call__(self, work: Callable[[Connection], T], /) -> T:
        """What the work answers."""


@dataclass(frozen=True, slots=True)
class IdempotencyStore:
    """The keys of one service; each is good for `lifetime`."""

    table: Table
    lifetime: dt.timedelta

    def run(
        self,
        write: Write,
        work: Callable[[Connection], Answer],
        *,
        key: IdempotencyKey | None,
        render: Callable[[DomainError], Answer],
    ) -> Answer:
        """Do `work` once for a key and give every caller with that key the same answer, refusals included.

        Answers that invite a retry (503, 409 in flight) are not kept.

        Raises:
            DomainError: without a key, what the work refuses; with one, `KeyReused`, `InFlight` or `Unavailable`.
        """
        if key is None:
            return write(work)

        def keeping(connection: Connection, answer: Answer) -> Answer:
            self._keep_in_tx(connection, key, answer)
            return answer

        return answer_once(
            lambda: write(lambda connection: keeping(connection, work(connection))),
            keep=lambda refusal: write(lambda connection: keeping(connection, refusal)),
            find=lambda: write(lambda connection: self._find_in_tx(connection, key)),
            render=render,
        )

    def forget_expired_in_tx(self, connection: Connection, *, now: dt.datetime) -> int:
        """Delete keys whose time is up, a bounded number at a time: how many."""
        oldest = milliseconds(now - self.lifetime)
        column = self.table.c
        old = select(column.digest).where(column.created_at < oldest).order_by(column.created_at).limit(_FORGET_AT_ONCE)
        digests = list(connection.scalars(old))
        if digests:
            connection.execute(delete(self.table).where(column.digest.in_(digests), column.created_at < oldest))
        return len(digests)

    def _keep_in_tx(self, connection: Connection, key: IdempotencyKey, answer: Answer) -> None:
        """The transaction's last statement: who has inserted the key and not committed is about to: it waits."""
        row = {"digest": _digest(key), "fingerprint": key.fingerprint, "status": answer.status}
        told = {"headers": json.dumps(answer.headers), "body": answer.body.decode()}
        kept = _keeping(self.table)(**row, **told, created_at=milliseconds(clock.now()))
        send_later(connection, kept, refuse=_refusal_to_keep)

    def _find_in_tx(self, connection: Connection, key: IdempotencyKey) -> Answer | None:
        """The kept answer; None where there is none, or it was so old that it goes now.

        Raises:
            KeyReused: if the key was first used for another request.
        """
        mine = self.table.c.digest == _digest(key)
        row = connection.execute(select(self.table).where(mine)).one_or_none()
        if row is None:
            return None
        oldest = milliseconds(clock.now() - self.lifetime)
        if row.created_at < oldest:
            connection.execute(delete(self.table).where(mine, self.table.c.created_at < oldest))
            return None
        if row.fingerprint != key.fingerprint:
            raise KeyReused
        return Answer(row.status, row.body.encode(), json.loads(row.headers))


@cache
def _keeping(table: Table) -> Statement:
    return Statement(insert(table))


def _refusal_to_keep(error: DBAPIError) -> Exception:
    """The key has an answer, perhaps one whose time is up; or whoever was first did not finish in time."""
    if isinstance(error, IntegrityError):
        return AlreadyKept()
    return InFlight() if failure_of(error) is Failure.WAITED else error


def _digest(key: IdempotencyKey) -> str:
    return fingerprint_of(key.scope, key.key)
