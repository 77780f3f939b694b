"""The reservation transaction with nothing around it: what a plain driver needs to lock, insert, update and tell.

It writes the service's own tables, so that their indexes and constraints cost the same; it checks nothing.
"""

import threading
import time
from typing import Any
from urllib.parse import urlsplit

from bench.drivers import driver_module

__all__ = ["RawConnection"]

_NO_WAITING = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"
_LOCK = "SELECT copies_available, queue_length, next_queue_no, version FROM holding WHERE book_id = %s FOR UPDATE"
_INSERT = (
    "INSERT INTO reservation (book_id, reader_id, state, open_marker, pickup_branch_id, queue_no, is_on_pull_list, "
    "renewals, partner, reason, created_at, version) VALUES (%s, %s, 'waiting', 1, 1, %s, 0, 0, '', '', NOW(6), 1)"
)
_UPDATE = (
    "UPDATE holding SET queue_length = queue_length + 1, next_queue_no = next_queue_no + 1, version = version + 1 "
    "WHERE book_id = %s"
)
_TELL = (
    "INSERT INTO outbox (event_id, queue, type, version, aggregate, aggregate_version, payload, created_at, "
    "attempts, next_attempt_at, error) VALUES (%s, 'mail', 'reservation.placed', 1, %s, 1, %s, %s, 0, %s, '')"
)


class RawConnection:
    """One connection of the driver that the service uses, with the service's isolation level."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._connection: Any = driver_module().connect(
            host=parts.hostname,
            port=parts.port,
            user=parts.username,
            password=parts.password,
            database=parts.path.lstrip("/"),
            charset="utf8mb4",
            autocommit=True,
        )
        self._cursor = self._connection.cursor()
        self._cursor.execute(_NO_WAITING)
        self._name = f"{time.time_ns():x}-{threading.get_ident():x}"[-28:]
        self._count = 0

    def reserve(self, *, reader_id: int, book_id: int) -> int:
        """Lock the holding, insert the reservation, update the holding, add an outbox row, commit; its id."""
        cursor = self._cursor
        cursor.execute("START TRANSACTION")
        cursor.execute(_LOCK, (book_id,))
        row = cursor.fetchone()
        cursor.execute(_INSERT, (book_id, reader_id, row[2]))
        reservation_id = int(cursor.lastrowid)
        cursor.execute(_UPDATE, (book_id,))
        self._count += 1
        now = time.time_ns() // 1_000_000
        payload = f'{{"reservation_id":{reservation_id},"reader_id":{reader_id},"book_id":{book_id}}}'
        event_id = f"{self._name}-{self._count:x}"
        cursor.execute(_TELL, (event_id, f"reservation:{reservation_id}", payload, now, now))
        self._connection.commit()
        return reservation_id
