"""The table `outbox` of any service, as relays, consumers and operators use it; whoever wrote its rows.

Times are milliseconds since 1970. A claim chooses without locks, then locks just the rows it chose, so that no use
case's INSERT waits for it. Choosing in one consistent snapshot is what keeps the order: who sees a later row of an
aggregate there sees the earlier ones too, because they were committed before.
"""

import datetime as dt
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import structlog
from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Engine,
    Integer,
    MetaData,
    Row,
    SmallInteger,
    String,
    Table,
    Text,
    and_,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.exc import OperationalError

from bookwell.contracts.messages import Envelope
from bookwell.kit.adapters.sqlalchemy.engines import reading, writing
from bookwell.kit.adapters.sqlalchemy.outbox_scrubbing import forget_links_in_tx
from bookwell.kit.outbox.links import has_links
from bookwell.kit.outbox.relay import Claim, Claimed
from bookwell.kit.outbox.rules import Pace, RowState, gap_after, milliseconds, state_of
from bookwell.kit.tracing import TRACEPARENT_LENGTH

__all__ = ["OutboxEntry", "OutboxTable", "outbox_columns"]

T = TypeVar("T")

_ATTEMPTS = 3
_PAGE = 200
_EMPTY = "{}"

_log = structlog.get_logger()


def outbox_columns() -> list[Column[Any]]:
    """The table's columns, for the migrations of services that have no Django."""
    return [
        Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
        Column("event_id", String(36), nullable=False),
        Column("queue", String(32), nullable=False),
        Column("type", String(64), nullable=False),
        Column("version", SmallInteger, nullable=False),
        Column("aggregate", String(64), nullable=False),
        Column("aggregate_version", BigInteger, nullable=False),
        Column("payload", Text, nullable=False),
        Column("created_at", BigInteger, nullable=False),
        Column("lease_until", BigInteger),
        Column("published_at", BigInteger),
        Column("done_at", BigInteger),
        Column("attempts", Integer, nullable=False),
        Column("next_attempt_at", BigInteger, nullable=False),
        Column("error", Text, nullable=False),
        Column("traceparent", String(TRACEPARENT_LENGTH), nullable=False, server_default=""),
    ]


_table = Table("outbox", MetaData(), *outbox_columns())
_row = _table.c


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """A row for people to see: all but its payload, which is personal."""

    event_id: str
    queue: str
    type: str
    aggregate: str
    aggregate_version: int
    created_at: int
    attempts: int
    next_attempt_at: int
    state: RowState
    error: str


class OutboxTable:
    """One service's outbox: what a relay claims, where consumers write receipts, what operators list and retry."""

    def __init__(self, source: str, engine: Engine, *, pace: Pace | None = None) -> None:
        self.source = source
        self.pace = pace or Pace()
        self._engine = engine

    def claim(self, *, now: dt.datetime, limit: int) -> Claim:
        """Lease up to `limit` due rows of each queue; never one that an earlier row of its aggregate holds up."""
        instant = milliseconds(now)
        for _ in range(_ATTEMPTS):
            chosen = self._choose(instant, limit)
            if not chosen:
                break
            claim = self._write(partial(self._lease, ids=chosen, instant=instant))
            if claim.rows:
                return claim
            # Another relay was faster with each of them; there may be more.
        return Claim()

    def mark_published(self, rows: Sequence[Claimed], *, lease_until: int, now: dt.datetime) -> None:
        """Let rows wait for their receipts; those that got theirs meanwhile stay as they are."""

        def work(connection: Connection) -> None:
            for attempts in {row.attempts for row in rows}:
                alike = [row.envelope for row in rows if row.attempts == attempts]
                until = milliseconds(now + gap_after(attempts, self.pace))
                changes = {"published_at": milliseconds(now), "lease_until": None, "next_attempt_at": until}
                _change(connection, alike, changes, _row.lease_until == lease_until)

        self._write(work)

    def release(self, rows: Sequence[Claimed], error: str, *, lease_until: int, now: dt.datetime) -> None:
        """Give rows back that were not published: due again in a moment, and this time does not count."""
        changes = {
            "lease_until": None,
            "published_at": None,
            "attempts": _row.attempts - 1,
            "next_attempt_at": milliseconds(now + self.pace.after_refusal),
            "error": error,
        }
        envelopes = [row.envelope for row in rows]
        self._write(lambda connection: _change(connection, envelopes, changes, _row.lease_until == lease_until))

    def end(self, envelopes: Sequence[Envelope], *, now: dt.datetime) -> None:
        """Write the receipt of messages that were handled; their links are forgotten by that."""
        changes = {"done_at": milliseconds(now), "lease_until": None, "error": ""}
        linked = {envelope.event_id for envelope in envelopes if has_links(envelope.payload)}

        def work(connection: Connection) -> None:
            _change(connection, envelopes, changes)
            if linked:
                forget_links_in_tx(connection, linked)

        self._write(work)

    def refuse(self, envelope: Envelope, error: str, *, now: dt.datetime) -> None:
        """End a message that can never be handled; its row stays, with the reason."""
        changes = {"done_at": milliseconds(now), "lease_until": None, "error": error or "refused"}
        self._write(lambda connection: _change(connection, [envelope], changes))

    def postpone(self, envelope: Envelope, error: str, *, now: dt.datetime) -> None:
        """Let a message that could not be handled come again after its gap; meanwhile it is not in flight."""
        place = and_(_row.event_id == envelope.event_id, _row.queue == envelope.queue)

        def work(connection: Connection) -> None:
            attempts = connection.scalar(select(_row.attempts).where(place)) or 0
            until = milliseconds(now + gap_after(attempts, self.pace))
            changes = {"lease_until": None, "published_at": None, "next_attempt_at": until, "error": error}
            _change(connection, [envelope], changes)

        self._write(work)

    def list_rows(self, state: RowState | None = None, *, limit: int = 100) -> list[OutboxEntry]:
        """Rows in a state (every one that is not done, without a state), oldest first."""
        of_state = {
            None: or_(_row.done_at.is_(None), _row.error != ""),
            RowState.WAITING: and_(_row.done_at.is_(None), _row.published_at.is_(None)),
            RowState.IN_FLIGHT: and_(_row.done_at.is_(None), _row.published_at.is_not(None)),
            RowState.DONE: and_(_row.done_at.is_not(None), _row.error == ""),
            RowState.DEAD: and_(_row.done_at.is_not(None), _row.error != ""),
        }
        with reading(self._engine) as connection:
            rows = connection.execute(select(_table).where(of_state[state]).order_by(_row.id).limit(limit)).all()
        return [_entry_of(row) for row in rows]

    def retry(self, event_id: str | None, *, now: dt.datetime) -> int:
        """Make dead rows due again as if they were new, the ones of one event or all; answers how many.

        Rows that were emptied, because their person was forgotten, stay dead. A retried row comes after what its
        aggregate told since.
        """
        dead = and_(_row.done_at.is_not(None), _row.error != "", _row.payload != _EMPTY)
        chosen = dead if event_id is None else and_(dead, _row.event_id == event_id)
        changes = {
            "done_at": None,
            "published_at": None,
            "lease_until": None,
            "attempts": 0,
            "next_attempt_at": milliseconds(now),
            "error": "",
        }
        return self._write(lambda connection: connection.execute(update(_table).where(chosen).values(changes)).rowcount)

    def _choose(self, instant: int, limit: int) -> list[int]:
        """Ids of rows that may be published now; no more than a queue's window has room for."""
        chosen: list[int] = []
        with reading(self._engine) as connection:
            for queue in _queues(connection):
                room = self.pace.window - (connection.scalar(_count_in_flight(queue, instant)) or 0)
                if room > 0:
                    chosen += _next_ids(connection, queue, instant, min(limit, room))
        return chosen

    def _lease(self, connection: Connection, ids: Sequence[int], instant: int) -> Claim:
        free = (
            select(_table)
            .where(_row.id.in_(ids), _is_due(instant))
            .order_by(_row.queue, _row.next_attempt_at, _row.id)
            .with_for_update(skip_locked=True)
        )
        rows = connection.execute(free).all()
        read = [(row.id, self._read(row)) for row in rows]
        unreadable = [row_id for row_id, claimed in read if claimed is None]
        if unreadable:
            changes = {"done_at": instant, "error": "its payload cannot be read"}
            connection.execute(update(_table).where(_row.id.in_(unreadable)).values(changes))
            _log.error("outbox.unreadable", source=self.source, rows=unreadable)
        lease_until = instant + int(self.pace.lease.total_seconds() * 1000)
        leased = {"lease_until": lease_until, "attempts": _row.attempts + 1}
        ours = [row_id for row_id, claimed in read if claimed is not None]
        if ours:
            connection.execute(update(_table).where(_row.id.in_(ours)).values(leased))
        return Claim([claimed for _, claimed in read if claimed is not None], lease_until)

    def _read(self, row: Row[Any]) -> Claimed | None:
        """The row as what travels; None for one that nobody can read."""
        values = {name: value for name, value in row._mapping.items() if name in Envelope.model_fields}  # noqa: SLF001 -- SQLAlchemy's public name
        try:
            values |= {"source": self.source, "payload": json.loads(row.payload)}
            return Claimed(Envelope.model_validate(values), row.attempts + 1)
        except ValueError:  # pydantic's and json's errors are such
            return None

    def _write(self, work: Callable[[Connection], T]) -> T:
        """Do it in a transaction, again when the database gave it up in favour of another one."""
        for _ in range(_ATTEMPTS - 1):
            try:
                with writing(self._engine) as connection:
                    return work(connection)
            except OperationalError as error:
                if error.connection_invalidated:
                    raise
        with writing(self._engine) as connection:
            return work(connection)


def _is_due(instant: int) -> ColumnElement[bool]:
    is_free = or_(_row.lease_until.is_(None), _row.lease_until <= instant)
    return and_(_row.done_at.is_(None), _row.next_attempt_at <= instant, is_free)


def _next_ids(connection: Connection, queue: str, instant: int, limit: int) -> list[int]:
    """Due rows of which no earlier one of their aggregate in the queue is undone.

    Page by page, because a database that joins instead may join everything: PostgreSQL took 100 ms with 20 000 undone
    rows, and minutes before it had statistics. The heads are asked for after the page, and see at least as much.
    """
    due = select(_row.id, _row.aggregate, _row.aggregate_version, _row.next_attempt_at)
    # `done_at` is always null here: PostgreSQL follows the index only when asked for its whole order, others sort then.
    whole_order = [_row.done_at] if connection.dialect.name == "postgresql" else []
    due = due.where(_row.queue == queue, _is_due(instant)).limit(_PAGE)
    due = due.order_by(*whole_order, _row.next_attempt_at, _row.id)
    chosen: list[int] = []
    page = connection.execute(due).all()
    while page:
        heads = _heads(connection, queue, {row.aggregate for row in page})
        chosen += [row.id for row in page if row.aggregate_version == heads.get(row.aggregate)]
        if len(chosen) >= limit or len(page) < _PAGE:
            break
        last = page[-1]
        is_behind = and_(_row.next_attempt_at == last.next_attempt_at, _row.id > last.id)
        page = connection.execute(due.where(or_(_row.next_attempt_at > last.next_attempt_at, is_behind))).all()
    return chosen[:limit]


def _heads(connection: Connection, queue: str, aggregates: set[str]) -> dict[str, int]:
    """The earliest undone version of each aggregate in a queue."""
    undone = and_(_row.aggregate.in_(sorted(aggregates)), _row.queue == queue, _row.done_at.is_(None))
    heads = select(_row.aggregate, func.min(_row.aggregate_version)).where(undone).group_by(_row.aggregate)
    return {aggregate: version for aggregate, version in connection.execute(heads)}  # noqa: C416 -- rows, not pairs


def _count_in_flight(queue: str, instant: int) -> Any:
    return select(func.count()).where(
        _row.queue == queue,
        _row.done_at.is_(None),
        _row.next_attempt_at > instant,
        _row.published_at.is_not(None),
    )


def _queues(connection: Connection) -> Iterator[str]:
    """The queues there are, each found by one step in the index."""
    queue = connection.scalar(select(func.min(_row.queue)))
    while queue is not None:
        yield queue
        queue = connection.scalar(select(func.min(_row.queue)).where(_row.queue > queue))


def _change(
    connection: Connection, envelopes: Sequence[Envelope], changes: dict[str, Any], *conditions: ColumnElement[bool]
) -> None:
    """Change rows that have no receipt yet."""
    for queue in {envelope.queue for envelope in envelopes}:
        ids = sorted(envelope.event_id for envelope in envelopes if envelope.queue == queue)
        place = and_(_row.queue == queue, _row.event_id.in_(ids), _row.done_at.is_(None))
        connection.execute(update(_table).where(place, *conditions).values(changes))


def _entry_of(row: Row[Any]) -> OutboxEntry:
    return OutboxEntry(
        event_id=row.event_id,
        queue=row.queue,
        type=row.type,
        aggregate=row.aggregate,
        aggregate_version=row.aggregate_version,
        created_at=row.created_at,
        attempts=row.attempts,
        next_attempt_at=row.next_attempt_at,
        state=state_of(done_at=row.done_at, published_at=row.published_at, error=row.error),
        error=row.error,
    )
