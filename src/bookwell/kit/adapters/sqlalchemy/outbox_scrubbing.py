"""Takes links out of messages that were delivered: what opens something is kept in clear nowhere."""

import json
from collections.abc import Collection

from pydantic_core import to_json
from sqlalchemy import BigInteger, Column, Connection, MetaData, String, Table, Text, bindparam, select, update

from bookwell.kit.outbox.links import without_links

__all__ = ["forget_links_in_tx"]

_outbox = Table(
    "outbox",
    MetaData(),
    Column("id", BigInteger, primary_key=True),
    Column("event_id", String(36)),
    Column("payload", Text),
    Column("done_at", BigInteger),
)


def forget_links_in_tx(connection: Connection, event_ids: Collection[str]) -> None:
    """Rewrite the rows of these events that are done without links, from what stands in them now."""
    done = (_outbox.c.event_id.in_(sorted(event_ids)), _outbox.c.done_at.is_not(None))
    chosen = select(_outbox.c.id, _outbox.c.payload).where(*done)
    rows = connection.execute(chosen.order_by(_outbox.c.id).with_for_update()).all()
    changes = [{"row_id": row.id, "left": to_json(without_links(json.loads(row.payload))).decode()} for row in rows]
    if changes:
        scrubbed = update(_outbox).where(_outbox.c.id == bindparam("row_id")).values(payload=bindparam("left"))
        connection.execute(scrubbed, changes)
