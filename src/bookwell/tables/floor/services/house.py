"""The restaurant's settings."""

import datetime as dt

from sqlalchemy import Connection, update

from bookwell.kit.outbox.rules import milliseconds
from bookwell.tables.floor.models import restaurant
from bookwell.tables.floor.rules import House

__all__ = ["keep_house_in_tx"]


def keep_house_in_tx(connection: Connection, *, house: House, now: dt.datetime) -> None:
    """Replace the settings; the restaurant is locked."""
    changes = {"settings": house.model_dump_json(), "updated_at": milliseconds(now)}
    connection.execute(
        update(restaurant).where(restaurant.c.id == 1).values(version=restaurant.c.version + 1, **changes)
    )
