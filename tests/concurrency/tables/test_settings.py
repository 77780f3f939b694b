"""The restaurant's settings are changed while somebody books: nobody is booked by settings that hold no more."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection

from bookwell.tables.bookings.errors import OutsideHours
from bookwell.tables.bookings.rules import Exemption
from bookwell.tables.bookings.services import placing
from bookwell.tables.bookings.services.closing import change_house
from bookwell.tables.db import Database
from bookwell.tables.floor.rules import House, Span
from tests.concurrency.racing import race
from tests.restaurant import EVENING, NOW, SITE, STAFF, a_table, an_order, booked, holders

_CLOSED_AT_SIX = House(opening=((Span(opens=12 * 60, closes=18 * 60),),) * 7)
_LONG_CLEANING = House(buffer_minutes=60)


@pytest.fixture
def locking(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set as soon as somebody who books is about to stand before the table's lock."""
    is_about_to = threading.Event()

    def announced(lock: Callable[..., Any]) -> Callable[..., Any]:
        def locked(*arguments: Any) -> Any:
            is_about_to.set()
            return lock(*arguments)

        return locked

    for name in ("share_table", "lock_tables"):
        monkeypatch.setattr(placing, name, announced(getattr(placing, name)))
    return is_about_to


def _race(database: Database, book: Callable[[], Any], house: House, locking: threading.Event) -> Any:
    """What comes of a booking that begins while the settings are being changed."""
    has_changed = threading.Event()

    def change(connection: Connection) -> None:
        change_house(connection, house=house, actor=STAFF, public_url=SITE, now=NOW, is_dry_run=False)
        has_changed.set()
        if connection.dialect.name == "postgresql":  # on SQLite who books waits before the transaction
            assert locking.wait(60)

    def follow() -> Any:
        assert has_changed.wait(60)
        return book()

    changed, outcome = race([lambda: database.write(change), follow], by_django=False)
    assert changed.refusal is None
    return outcome


def test_order__beyond_the_hours_that_begin_to_hold__is_refused(own: Database, locking: threading.Event) -> None:
    table = a_table(own)

    outcome = _race(own, lambda: an_order(own, table.id, exemption=Exemption.COUNTS), _CLOSED_AT_SIX, locking)

    assert isinstance(outcome.refusal, OutsideHours)


def test_set_booking__keeps_its_table_for_the_cleaning_that_begins_to_hold(
    own: Database, locking: threading.Event
) -> None:
    table = a_table(own)
    request = placing.OrderRequest(table.id, EVENING, 2)

    def book() -> Any:
        return own.write(
            lambda connection: placing.set_booking(connection, request=request, actor=STAFF, public_url=SITE, now=NOW)
        )

    outcome = _race(own, book, _LONG_CLEANING, locking)

    (held,) = holders(own, table.id)
    assert held.ends_at - booked(own, outcome.value.id).ends_at == 60 * 60_000
