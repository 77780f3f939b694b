"""The transaction of an order with nothing around it: the rows that the service writes, by the plain driver."""

import threading
import time

import psycopg

__all__ = ["RawOrders"]

_SHARE = "SELECT seats FROM dining_table WHERE id = %s FOR SHARE"
_BOOKING = (
    "INSERT INTO booking (table_id, state, version, starts_at, ends_at, time_zone, party_size, price, name, email, "
    "phone, comment, locale, from_address, made_by, made_at, slot_taken, decide_by, escalate_at, decided_version, "
    "backoffice_ref, reason) VALUES (%s, 'requested', 1, %s, %s, 'UTC', 2, 2500, 'A guest', %s, '', '', 'en', '', "
    "'guest', %s, false, %s, %s, 0, '', '') RETURNING id"
)
_STEP = (
    "INSERT INTO booking_step (booking_id, version, at, action, state, actor, reason) "
    "VALUES (%s, 1, %s, 'ordered', 'requested', 'guest', '')"
)
_FEED = (
    "INSERT INTO feed_event (event_id, booking_id, version, type, at, data) "
    "VALUES (%s, %s, 1, 'booking.requested', %s, %s)"
)
_TOKENS = (
    "INSERT INTO guest_token (digest, booking_id, purpose, expires_at) VALUES (%s, %s, 'cancel', %s), "
    "(%s, %s, 'view', %s)"
)
_TELL = (
    "INSERT INTO outbox (event_id, queue, type, version, aggregate, aggregate_version, payload, created_at, "
    "attempts, next_attempt_at, error) VALUES (%s, 'mail', 'booking.requested', 1, %s, 1, %s, %s, 0, %s, '')"
)
_PAYLOAD = '{"booking":"' + "x" * 900 + '"}'
_SLOT = 5_400_000


class RawOrders:
    """One connection."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url)
        self._name = f"{time.time_ns():x}{threading.get_ident():x}"[-24:]
        self._count = 0

    def order(self, *, table_id: int, starts_at: int) -> int:
        """Share the table, insert the order with its step, event, tokens and message, commit; its id."""
        self._count += 1
        name = f"{self._name}-{self._count:x}"
        now, ends_at = time.time_ns() // 1_000_000, starts_at + _SLOT
        with self._connection.transaction(), self._connection.cursor() as cursor:
            cursor.execute(_SHARE, (table_id,))
            waiting = (starts_at, ends_at, f"{name}@example.org", now, starts_at, starts_at)
            row = cursor.execute(_BOOKING, (table_id, *waiting)).fetchone()
            booking_id = int(row[0]) if row else 0
            cursor.execute(_STEP, (booking_id, now))
            cursor.execute(_FEED, (name, booking_id, now, _PAYLOAD))
            digests = [f"{name}-{purpose}".rjust(64, "0") for purpose in ("cancel", "view")]
            cursor.execute(_TOKENS, (digests[0], booking_id, ends_at, digests[1], booking_id, ends_at))
            cursor.execute(_TELL, (name, f"booking:{booking_id}", _PAYLOAD, now, now))
        return booking_id
