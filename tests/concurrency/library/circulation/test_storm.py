"""Random use cases from many threads on a few books: afterwards every counter and every queue is right."""

import datetime as dt
import os
import random
from typing import Any

import pytest

from bookwell.kit import clock
from bookwell.library.circulation import services
from bookwell.library.circulation.models import Copy, Reservation
from bookwell.library.circulation.rules import State
from tests.concurrency.fairness import assert_served_in_order
from tests.concurrency.racing import race
from tests.concurrency.works import Work, at_desk, placing, readers, tolerant
from tests.factories import BookFactory, BranchFactory
from tests.invariants import assert_invariants

pytestmark = pytest.mark.usefixtures("committed")

THREADS, STEPS = 8, 250 if os.environ.get("BOOKWELL_CHAOS") else 25


class _Storm:
    """What one storm happens to. All of it happens at one moment, so that eligibility does not drift."""

    def __init__(self) -> None:
        self.now = clock.now()
        self.readers = readers(10, max_open_reservations=3, max_open_loans=3)
        self.sometimes_blocked = readers(2)
        self.branches = [BranchFactory.main(), BranchFactory.create()]
        self.books = [BookFactory.create(copies=number, branch=self.branches[0]) for number in (1, 2, 3)]

    def thread(self, chance: random.Random) -> Work:
        """A number of random use cases."""
        kinds = [self._place, self._move_on, self._check_in, self._check_out]
        kinds += [self._suspend, self._change_copy, self._block]
        weights = [5, 7, 3, 2, 1, 1, 1]

        def run() -> None:
            for kind in chance.choices(kinds, weights, k=STEPS):
                tolerant(kind(chance))()

        return run

    def _place(self, chance: random.Random) -> Work:
        reader = chance.choice(self.readers + self.sometimes_blocked)
        return placing(reader, chance.choice(self.books), now=self.now)

    def _move_on(self, chance: random.Random) -> Work:
        verbs = (services.cancel_reservation, services.shelve, services.issue, services.return_book, services.renew)
        return self._on_one(chance, chance.choice(verbs), open_marker=1)

    def _check_in(self, chance: random.Random) -> Work:
        branch = chance.choice(self.branches)
        return at_desk(services.check_in, barcode=self._barcode(chance), branch=branch.code, now=self.now)

    def _check_out(self, chance: random.Random) -> Work:
        card = chance.choice(self.readers).card_number
        return at_desk(services.check_out, barcode=self._barcode(chance), card=card, now=self.now)

    def _suspend(self, chance: random.Random) -> Work:
        until = chance.choice([None, self.now + dt.timedelta(days=2)])
        return self._on_one(
            chance, services.change_reservation, state=State.WAITING, changes={"suspended_until": until}
        )

    def _change_copy(self, chance: random.Random) -> Work:
        changes = {"status": chance.choice(["in_repair", "lost", "in_service", "in_service"])}
        return at_desk(services.change_copy, barcode=self._barcode(chance), changes=changes, now=self.now)

    def _block(self, chance: random.Random) -> Work:
        reader = chance.choice(self.sometimes_blocked)

        def block_and_lift() -> None:
            block_id = at_desk(services.add_block, reader_id=reader.pk, reason="card lost", now=self.now)()
            at_desk(services.lift_block, block_id=block_id, now=self.now)()

        return block_and_lift

    def _on_one(self, chance: random.Random, verb: Any, changes: Any = None, **which: Any) -> Work:
        ids = list(Reservation.objects.filter(book__in=self.books, **which).order_by("pk").values_list("pk", flat=True))
        if not ids:
            return lambda: None
        options = {"changes": changes} if changes else {}
        return at_desk(verb, reservation_id=chance.choice(ids), now=self.now, **options)

    def _barcode(self, chance: random.Random) -> str:
        copies = Copy.objects.filter(book__in=self.books).order_by("pk")
        return chance.choice(list(copies.values_list("barcode", flat=True)))


@pytest.mark.parametrize("seed", range(3))
def test_storm__anything_at_once__counters_and_queues_are_right(seed: int) -> None:
    storm = _Storm()
    chances = [random.Random(f"{seed} {number}") for number in range(THREADS)]  # noqa: S311 -- no secret

    race([storm.thread(chance) for chance in chances])

    assert_invariants([book.pk for book in storm.books], now=storm.now)
    excused = frozenset(reader.pk for reader in storm.sometimes_blocked)
    for book in storm.books:
        assert_served_in_order(book.pk, now=storm.now, excused=excused)
