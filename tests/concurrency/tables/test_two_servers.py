"""One table and two servers, each a process of its own on the one database: what holds is not held in a process."""

import datetime as dt
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest
import time_machine

from bookwell.cli.processes import spawn, stop
from bookwell.kit import clock
from bookwell.tables.bookings.rules import State
from bookwell.tables.db import Database
from bookwell.tables.settings import TablesSettings
from bookwell.tables.site import Site
from tests.concurrency.tables.ways_in import SECRET, Doors, all_at_once, assert_refused_for_the_table, by_turns
from tests.e2e.embedded import wait_until
from tests.infrastructure.servers import free_port
from tests.restaurant import NOW, SITE, a_table, booked, holders, tables_url
from tests.table_invariants import assert_tables_are_sound
from tests.waiters import bearer

IS_CHAOS = bool(os.environ.get("BOOKWELL_CHAOS"))
ROUNDS, GUESTS, CALLS = (20, 50, 10) if IS_CHAOS else (1, 20, 4)
DAY_SECONDS = 86_400

pytestmark = pytest.mark.timeout(900 if IS_CHAOS else 240)


@dataclass(frozen=True, slots=True)
class House:
    """Two servers, which live at `NOW`, and their database."""

    database: Database
    clients: list[httpx2.Client]
    staff: dict[str, str]
    ahead: dt.timedelta

    def doors(self, table_id: int) -> list[Doors]:
        """Each server's, for one table."""
        return [Doors(client, table_id, self.staff, lambda: clock.now() + self.ahead) for client in self.clients]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = Path(tmp_path_factory.mktemp("two"))
    ahead = NOW - clock.now()
    with tables_url(folder) as url:
        database = Database.of_url(url, backoffice="office")
        settings = TablesSettings(data_dir=folder, tables_url=SITE, access_token_seconds=DAY_SECONDS)
        with time_machine.travel(NOW, tick=False):
            staff = bearer(Site.of_settings(settings, database=database))
        ports = [free_port() for _ in range(2)]
        processes = [_serve(folder, url, port, ahead) for port in ports]
        limits = httpx2.Limits(max_connections=GUESTS)
        clients = [_client(port, limits) for port in ports]
        try:
            for client, process in zip(clients, processes, strict=True):
                wait_until(partial(_is_ready, client, process), seconds=120)
            yield House(database, clients, staff, ahead)
        finally:
            for process in processes:
                stop(process, ask=signal.SIGKILL)
            for client in clients:
                client.close()
            database.engine.dispose()


def _serve(folder: Path, url: str, port: int, ahead: dt.timedelta) -> Any:
    variables = {
        "BOOKWELL_TABLES_DATABASE_URL": url,
        "BOOKWELL_DATA_DIR": str(folder),
        "BOOKWELL_TABLES_URL": SITE,
        "BOOKWELL_TABLES_BACKOFFICE": "office",
        "BOOKWELL_TABLES_DECISION_SECRETS": SECRET,
        "BOOKWELL_TABLES_DEMO": "true",
        "BOOKWELL_CLOCK_OFFSET": str(ahead.total_seconds()),
    }
    command = [sys.executable, "-m", "bookwell.cli.main", "serve", "tables", f"--port={port}", "--workers=1"]
    with (folder / f"{port}.txt").open("wb") as stream:
        return spawn(command, env=os.environ | variables, output=stream)


def _client(port: int, limits: httpx2.Limits) -> httpx2.Client:
    return httpx2.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60, limits=limits)


def _is_ready(client: httpx2.Client, process: Any) -> bool:
    assert process.poll() is None
    try:
        return client.get("/health/ready").status_code == 200
    except httpx2.TransportError:
        return False


@pytest.mark.parametrize("number", range(ROUNDS))
def test_confirms_of_one_table__at_two_servers_through_every_door__leave_one(house: House, number: int) -> None:
    table, _ = a_table(house.database), a_table(house.database)
    doors = house.doors(table.id)
    orders = all_at_once([partial(doors[guest % 2].order, guest) for guest in range(GUESTS)])
    ids = [order.json()["id"] for order in orders]
    halves = [by_turns(each, ids[n::2]) for n, each in enumerate(doors)]
    calls = [each.set_booking for each in doors for _ in range(CALLS // 2)]

    answers = all_at_once([work for both in zip(*halves, strict=True) for work in both] + calls)

    won = [answer for answer in answers if answer.status_code < 300]
    states = [booked(house.database, booking_id).state for booking_id in ids]
    assert {order.status_code for order in orders} == {201}
    assert len(won) == 1
    assert_refused_for_the_table([answer for answer in answers if answer not in won], table.id)
    assert [row.kind for row in holders(house.database, table.id)] == ["booking"]
    assert states.count(State.CONFIRMED) == (0 if won[0].status_code == 201 else 1)
    assert set(states) <= {State.REQUESTED, State.CONFIRMED}
    assert_tables_are_sound(house.database, now=NOW)
