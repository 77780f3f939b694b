"""The tables service on PostgreSQL: search, order, confirm; beside a bare FastAPI route and the raw transaction.

Everything runs with two worker processes on the same server in one run; the databases are put back before each
measurement.
"""

import json
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

from bench.contenders import Contender, Reading
from bench.load import Sample, ask
from bench.order_transaction import RawOrders
from bench.raw import measure_raw
from bench.report import Target, rates
from bench.restaurant import Restaurant, Slot, fill, put_back
from bench.rounds import Result, run_rounds
from bench.servers import ASGI, Site, running_site
from bench.service import signing_keys
from bookwell.kit import clock
from bookwell.tables.accounts.passwords import hash_password
from bookwell.tables.accounts.rules import Role
from bookwell.tables.accounts.services.accounts import create_account
from bookwell.tables.db import Database
from bookwell.tables.migrating import migrate
from tests.infrastructure import new_database, running_servers

__all__ = ["measure_tables", "table_targets"]

_APPLICATION = "bookwell.tables.app:application"
_BARE_APPLICATION = "bench.bare_fastapi:application"
_BARE, _LEAN, _RAW = "bare FastAPI route", "lean: raw order in a bare route", "raw order, plain driver"
_SEARCH, _ORDER, _CONFIRM = "search for a free table", "ordering a table", "confirming an order"
_SHARES = {_SEARCH: 0.1, _ORDER: 0.05, _CONFIRM: 0.05}
_SLOWER = 1.5
_PASSWORD = "only for this run"  # noqa: S105 -- it opens nothing else
_WARM_UP_SECONDS = 1
_NOBODY = "-"


@dataclass(frozen=True, slots=True)
class _Ordering:
    """Opens what writes raw orders for free slots."""

    url: str
    slots: Sequence[Slot]

    def __call__(self) -> Callable[[int], object]:
        raw = RawOrders(self.url)
        places = [(slot.table_id, int(slot.starts_at.timestamp() * 1000)) for slot in self.slots]

        def order(index: int) -> int:
            table_id, starts_at = places[index % len(places)]
            return raw.order(table_id=table_id, starts_at=starts_at)

        return order


@dataclass(frozen=True, slots=True)
class _Posting:
    """Posts the lines of a file to a site, in a restaurant put back."""

    site: Site
    restaurant: Restaurant
    file: Path
    token: str = _NOBODY

    def measure(self, connections: int, seconds: int) -> Sample:
        """Warm up with the first lines, and measure with those that follow."""
        put_back(self.restaurant)
        prefix, start = token_hex(8), 0
        for length in (_WARM_UP_SECONDS, seconds):
            series = ["post", str(self.file), str(start), prefix, self.token]
            sample = ask(self.site.url, *series, connections=connections, seconds=length)
            start = sample.next_index
        return sample


@dataclass(frozen=True, slots=True)
class _Stage:
    folder: Path
    stack: ExitStack
    restaurant: Restaurant
    label: str

    def site(self, application: str, probe: str) -> Site:
        log = self.folder / f"{application.partition(':')[0]}{self.restaurant.bookings}.log"
        environment = _environment(self.restaurant.url, self.folder)
        return self.stack.enter_context(running_site(ASGI, application, env=environment, log=log, probe=probe))

    def ceilings(self) -> Iterator[Contender]:
        """What the machine could."""
        site = self.site(_BARE_APPLICATION, "/bare/")
        yield Reading(site, self.folder).contender("tables", _BARE, ["/bare/"])
        yield Contender("tables", _LEAN, _Posting(site, self.restaurant, self._orders("/lean/")).measure)
        yield Contender("tables", _RAW, self._measure_raw)

    def service(self) -> Iterator[Contender]:
        """The real thing."""
        site = self.site(_APPLICATION, "/health/ready")
        yield Contender("tables", _SEARCH + self.label, self._searching(site))
        orders = _Posting(site, self.restaurant, self._orders("/api/customer/book_table/"))
        yield Contender("tables", _ORDER + self.label, orders.measure)
        confirming = _Posting(site, self.restaurant, self._confirmations(), _token_of(site))
        yield Contender("tables", _CONFIRM + self.label, confirming.measure)

    def _measure_raw(self, connections: int, seconds: int) -> Sample:
        put_back(self.restaurant)
        ordering = _Ordering(self.restaurant.url, list(self.restaurant.free_slots()))
        return measure_raw(ordering, processes=connections, seconds=seconds)

    def _searching(self, site: Site) -> Callable[[int, int], Sample]:
        path = "/api/customer/view_tables/?seats={}&starts_at={:%Y-%m-%dT%H:%M}"
        slots = list(self.restaurant.free_slots())[::7]
        wishes = [path.format((2, 4, 6)[number % 3], slot.starts_at) for number, slot in enumerate(slots)]
        file = self._write("searches", wishes)

        def measure(connections: int, seconds: int) -> Sample:
            ask(site.url, "read", str(file), connections=connections, seconds=_WARM_UP_SECONDS)
            return ask(site.url, "read", str(file), connections=connections, seconds=seconds)

        return measure

    def _orders(self, path: str) -> Path:
        # Each gets an address of its own: the sign stands for the request's name.
        guest = {"party_size": 2, "name": "A guest", "email": "#@example.org"}
        return self._write(
            path.replace("/", "-"),
            (
                f"{path} " + json.dumps({"id": slot.table_id, "starts_at": slot.starts_at.isoformat(), **guest})
                for slot in self.restaurant.free_slots()
            ),
        )

    def _confirmations(self) -> Path:
        return self._write("confirm", (f"/api/admin/accept_booking/?id={each} {{}}" for each in self.restaurant.orders))

    def _write(self, name: str, lines: Sequence[str] | Iterator[str]) -> Path:
        file = self.folder / f"{name}-{self.restaurant.bookings}"
        file.write_text("\n".join(lines) + "\n")
        return file


def measure_tables(
    folder: Path,
    stack: ExitStack,
    *,
    sizes: Sequence[int],
    connections: Sequence[int],
    rounds: int,
    seconds: int,
    say: Callable[[str], None],
    is_durable: bool = True,
) -> list[Result]:
    """Everything for restaurants with so many bookings; with more than one size, their names end with it."""
    server = stack.enter_context(running_servers(["postgresql"], durable=is_durable))["postgresql"]
    contenders: list[Contender] = []
    for size in sizes:
        say(f"filling {size:,} bookings")
        label = _label(size) if len(sizes) > 1 else ""
        stage = _Stage(folder, stack, _restaurant(new_database(server.url), size), label)
        contenders += [*(() if contenders else stage.ceilings()), *stage.service()]
    return run_rounds(contenders, connections=connections, rounds=rounds, seconds=seconds, say=say)


def table_targets(results: Sequence[Result], sizes: Sequence[int]) -> Iterator[Target]:
    """Shares of the bare route for one size; how many times slower the last one is, for two."""
    if not results:
        return
    measured = rates(results, max(each.connections for each in results))
    for name, share in _SHARES.items():
        if len(sizes) == 1:
            yield Target(f"{name} / bare FastAPI", measured[name] / measured[_BARE], share)
        else:
            small, large = (measured[name + _label(size)] for size in (sizes[0], sizes[-1]))
            yield Target(f"{name}: times slower", small / large, _SLOWER, is_at_most=True)


def _restaurant(url: str, bookings: int) -> Restaurant:
    migrate(url)
    now = clock.now()
    restaurant = fill(url, bookings, now=now)
    database = Database.of_url(url, connections=1)
    account = {"username": "staff", "password_hash": hash_password(_PASSWORD)}
    database.write(lambda connection: create_account(connection, role=Role.STAFF, now=now, **account))
    database.engine.dispose()
    return restaurant


def _environment(database_url: str, folder: Path) -> Mapping[str, str]:
    """In production mode, with everything on; a proxy names each guest's address."""
    metrics = folder / "tables-metrics"
    metrics.mkdir(exist_ok=True)
    return {
        "BOOKWELL_MODE": "production",
        "BOOKWELL_DATA_DIR": str(folder),
        "BOOKWELL_TABLES_DATABASE_URL": database_url,
        "BOOKWELL_TABLES_URL": "http://127.0.0.1:9000",
        "BOOKWELL_TABLES_SIGNING_KEYS": signing_keys(folder / "tables-keys"),
        "BOOKWELL_SECRET_KEY": "a secret of the bench, for one run only",
        "BOOKWELL_ACCESS_TOKEN_SECONDS": "36000",
        "BOOKWELL_RATE_LIMIT_PER_MINUTE": "1000000000",
        "BOOKWELL_TRUSTED_PROXIES": "1",
        "PROMETHEUS_MULTIPROC_DIR": str(metrics),
    }


def _token_of(site: Site) -> str:
    login = json.dumps({"username": "staff", "password": _PASSWORD}).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{site.url}/api/token/", login, headers)  # noqa: S310 -- our own loopback address
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 -- the same
        return str(json.load(answer)["access"])


def _label(bookings: int) -> str:
    return f" [{bookings:,}]"
