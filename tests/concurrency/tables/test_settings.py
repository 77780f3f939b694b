"""The restaurant is changed as a whole while somebody books or adds a table: nobody goes by what holds no more."""

import datetime as dt
from collections.abc import Callable
from functools import partial
from typing import Any

from bookwell.kit.outbox.rules import milliseconds
from bookwell.tables.bookings.errors import OutsideHours
from bookwell.tables.bookings.rules import Exemption
from bookwell.tables.bookings.services import placing
from bookwell.tables.bookings.services.closing import Closing, change_house, close_tables
from bookwell.tables.db import Database
from bookwell.tables.floor.rules import House, Span
from tests.concurrency.tables.behind import outcome_behind
from tests.restaurant import EVENING, NOW, SITE, STAFF, a_table, an_order, booked, holders

_CLOSED_AT_SIX = House(opening=((Span(opens=12 * 60, closes=18 * 60),),) * 7)
_LONG_CLEANING = House(buffer_minutes=60)


def _race(database: Database, follow: Callable[[], Any], change: Callable[..., Any], **what: Any) -> Any:
    """What comes of something that begins while a change of the whole restaurant waits for its COMMIT."""
    changing = partial(change, actor=STAFF, public_url=SITE, now=NOW, is_dry_run=False, **what)
    return outcome_behind(database, changing, follow)


def test_order__beyond_the_hours_that_begin_to_hold__is_refused(own: Database) -> None:
    table = a_table(own)

    order = partial(an_order, own, table.id, exemption=Exemption.COUNTS)
    outcome = _race(own, order, change_house, house=_CLOSED_AT_SIX)

    assert isinstance(outcome.refusal, OutsideHours)


def test_set_booking__keeps_its_table_for_the_cleaning_that_begins_to_hold(own: Database) -> None:
    table = a_table(own)
    request = placing.OrderRequest(table.id, EVENING, 2)

    def book() -> Any:
        return own.write(
            lambda connection: placing.set_booking(connection, request=request, actor=STAFF, public_url=SITE, now=NOW)
        )

    outcome = _race(own, book, change_house, house=_LONG_CLEANING)

    (held,) = holders(own, table.id)
    assert held.ends_at - booked(own, outcome.value.id).ends_at == 60 * 60_000


def test_add_table__while_the_restaurant_is_being_closed__is_closed_too(own: Database) -> None:
    a_table(own)
    wanted = Closing(None, EVENING, EVENING + dt.timedelta(hours=4), "a wedding")

    outcome = _race(own, partial(a_table, own), close_tables, closing=wanted)

    (held,) = holders(own, outcome.value.id)
    assert (held.kind, held.starts_at) == ("closure", milliseconds(EVENING))
