"""What the back office knows, in a file: whoever restarts it finds the orders again, and what was sent about them."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from pydantic import TypeAdapter

from bookwell.contracts.webhooks import WebhookBody
from bookwell.simulators.back_office.ledger import Ledger, Order, Sent

__all__ = ["Memory"]

_TABLES = (
    "CREATE TABLE IF NOT EXISTS event (place INTEGER PRIMARY KEY, webhook_id TEXT NOT NULL, body TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS sent (booking_id INTEGER PRIMARY KEY, decisions TEXT NOT NULL)",
)
_SENT = TypeAdapter(list[Sent])


class Memory:
    """A file that is made when there is none; without one, nothing is kept and nothing is known."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        if file is not None:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))  # it names guests
            self._run(*((statement, ()) for statement in _TABLES))

    def recall(self) -> Ledger:
        """Everything that came in, told again in its order, and what was sent."""
        ledger = Ledger()
        if self._file is None:
            return ledger
        with closing(sqlite3.connect(self._file)) as connection:
            for webhook_id, body in connection.execute("SELECT webhook_id, body FROM event ORDER BY place"):
                ledger.take(webhook_id, WebhookBody.model_validate_json(body))
            for booking_id, decisions in connection.execute("SELECT booking_id, decisions FROM sent"):
                if order := ledger.orders.get(booking_id):
                    order.sent += _SENT.validate_json(decisions)
        ledger.counts["received"] = ledger.counts.total()
        return ledger

    def keep_event(self, webhook_id: str, body: WebhookBody) -> None:
        """Before it is welcomed: whoever sent it will not do so again."""
        told = (webhook_id, body.model_dump_json())
        self._run(("INSERT INTO event (webhook_id, body) VALUES (?, ?)", told))

    def keep_sent(self, order: Order) -> None:
        """All that was sent about an order, as it stands."""
        decisions = _SENT.dump_json([*order.sent]).decode()
        self._run(("INSERT OR REPLACE INTO sent VALUES (?, ?)", (order.event.booking_id, decisions)))

    def clear(self) -> None:
        """Forget everything."""
        self._run(("DELETE FROM event", ()), ("DELETE FROM sent", ()))

    def _run(self, *statements: tuple[str, tuple[str | int, ...]]) -> None:
        if self._file is None:
            return
        with closing(sqlite3.connect(self._file)) as connection, connection:
            for statement, values in statements:
                connection.execute(statement, values)
