"""The feed while bookings change: whoever polls gets every event once, whichever transaction commits first."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from bookwell.kit.adapters.sqlalchemy.engines import writing
from bookwell.tables.backoffice.queries import FeedItem, read_feed
from bookwell.tables.bookings.rules import Actor, Exemption
from bookwell.tables.bookings.services.deciding import accept_booking
from bookwell.tables.bookings.services.ending import cancel_booking
from bookwell.tables.bookings.services.placing import OrderRequest, place_order
from bookwell.tables.bookings.services.publishing import place_events
from bookwell.tables.db import Database
from tests.concurrency.racing import race as race_by_django
from tests.restaurant import EVENING, NOW, SITE, a_table, an_order

race = partial(race_by_django, by_django=False)

pytestmark = pytest.mark.timeout(300)


class _Poller:
    """A back office that polls, behind what the feed had before it came."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.cursor = ""
        self.got: list[FeedItem] = []
        self.poll()
        self.got.clear()

    def poll(self) -> None:
        """Read all that there is."""
        self._database.write(place_events)
        while True:
            page = self._database.read(lambda connection: read_feed(connection, after=self.cursor, limit=7))
            self.cursor = page.next
            self.got += page.items
            if not page.items:
                return

    def poll_until(self, ended: threading.Event) -> None:
        """Again and again, and once more."""
        while not ended.is_set():
            self.poll()
        self.poll()

    @property
    def seen(self) -> list[tuple[int, int]]:
        """(booking, version) in the order they came."""
        return [(item.data["booking_id"], item.data["version"]) for item in self.got]


def _life(database: Database, table_id: int, ended: list[int]) -> int:
    order = an_order(database, table_id)
    told: dict[str, Any] = {"booking_id": order.id, "actor": Actor("staff"), "public_url": SITE, "now": NOW}
    database.write(lambda tx: accept_booking(tx, **told))
    database.write(lambda tx: cancel_booking(tx, **told))
    ended.append(order.id)
    return int(order.id)


def test_feed__read_while_bookings_change__gives_each_event_once_and_a_bookings_in_order(
    restaurant: Database,
) -> None:
    tables = [a_table(restaurant).id for _ in range(12)]
    pollers, all_ended = [_Poller(restaurant) for _ in range(2)], threading.Event()
    ended: list[int] = []

    def live(table_id: int) -> int:
        try:
            return _life(restaurant, table_id, ended)
        finally:
            if len(ended) == len(tables):
                all_ended.set()

    lives: list[Callable[[], int | None]] = [partial(live, table) for table in tables]
    polls: list[Callable[[], int | None]] = [partial(poller.poll_until, all_ended) for poller in pollers]

    race([*lives, *polls])

    for poller in pollers:
        assert sorted(poller.seen) == sorted((booking, version) for booking in ended for version in (1, 2, 3))
        for booking in ended:
            assert [version for which, version in poller.seen if which == booking] == [1, 2, 3]


def test_feed__an_event_that_commits_behind_a_later_one__is_not_skipped(restaurant: Database) -> None:
    slow_table, quick_table = a_table(restaurant).id, a_table(restaurant).id
    poller = _Poller(restaurant)
    request = OrderRequest(table_id=slow_table, starts_at=EVENING, party_size=2, name="Ada", email="ada@example.org")
    told: dict[str, Any] = {"request": request, "public_url": SITE, "now": NOW, "exemption": Exemption.COUNTS}
    overtakes = restaurant.engine.dialect.name == "postgresql"  # SQLite lets one writer in after the other

    with ThreadPoolExecutor() as others:
        with writing(restaurant.engine) as connection:
            slow = place_order(connection, **told).id
            quick = others.submit(an_order, restaurant, quick_table)
            if overtakes:
                quick.result()
                poller.poll()
            before = list(poller.seen)
        first, second = (quick.result().id, slow) if overtakes else (slow, quick.result().id)
    poller.poll()

    assert before == ([(first, 1)] if overtakes else [])
    assert poller.seen == [(first, 1), (second, 1)]
