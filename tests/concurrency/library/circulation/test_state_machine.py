"""Anything that can happen to a few books, in any order: all invariants and the model's queue after each step."""

from collections.abc import Callable
from itertools import cycle
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from bookwell.library.circulation import services
from bookwell.library.circulation.rules import COPY_STATES, CopyStatus, State
from tests.concurrency.library.circulation.model_library import Chosen, ModelLibrary, self_return
from tests.concurrency.lives import LIVES_SECONDS, lives

some_book = some_branch = st.integers(0, 1)
some_reader = st.integers(0, 4)
any_number = st.integers(0, 99)
some_days = st.integers(1, 9)
maybe_days = st.one_of(st.none(), some_days)

VERBS: list[Callable[..., Any]] = [
    services.shelve,
    services.ship,
    services.receive,
    services.issue,
    services.renew,
    services.cancel_reservation,
    services.return_book,
]
NEXT_STEP: dict[State, Callable[..., Any]] = {
    State.ASSIGNED: services.shelve,
    State.IN_TRANSIT: services.receive,
    State.READY: services.issue,
    State.BORROWED: services.return_book,
    State.WAITING: services.cancel_reservation,
}


class LibraryMachine(RuleBasedStateMachine):
    """Few rules, each with several ways: hypothesis chooses among rules first, and none should be rare."""

    @initialize(
        placed=st.lists(st.tuples(some_reader, some_book), min_size=2, max_size=10, unique=True), is_away=st.booleans()
    )
    def open_the_library(self, placed: list[tuple[int, int]], is_away: bool) -> None:
        """Readers have come already; the first may have a copy that was brought from another branch."""
        self.library = ModelLibrary()
        if is_away:
            self.library.place(self.library.readers[0], 0, branch=1)
            self.library.check_queues()
            for verb in (services.ship, services.receive, services.issue):
                assert self.library.step(verb, self._choose(0))
        for reader, book in placed:
            self.library.place(self.library.readers[reader], book)
            self.library.check_queues()

    @rule(reader=some_reader, book=some_book, branch=st.one_of(st.none(), some_branch), days=maybe_days)
    def place(self, reader: int, book: int, branch: int | None, days: int | None) -> None:
        self.library.place(self.library.readers[reader], book, branch=branch, days=days)

    @precondition(lambda self: self.library.open_rows())
    @rule(number=any_number, verb=st.one_of(st.none(), st.sampled_from(VERBS)))
    def take_a_step(self, number: int, verb: Callable[..., Any] | None) -> None:
        """Something is done to a reservation; half of the time what its state calls for."""
        chosen = self._choose(number)
        if verb is not None:
            self.library.step(verb, chosen)
            return
        verb = NEXT_STEP[State(chosen.row.state)]
        if not self.library.step(verb, chosen) and verb is services.shelve:
            assert self.library.step(services.ship, chosen)

    @precondition(lambda self: self._loans())
    @rule(number=any_number)
    def return_without_the_desk(self, number: int) -> None:
        """A reader leaves a book at the branch that lent it."""
        loans = self._loans()
        assert self.library.step(self_return, loans[number % len(loans)])

    @rule(book=some_book, number=any_number, reader=some_reader, branch=some_branch, is_return=st.booleans())
    def use_the_desk(self, book: int, number: int, reader: int, branch: int, is_return: bool) -> None:
        barcode = self._barcode(book, number)
        if is_return:
            self.library.check_in(book, barcode, branch)
        else:
            self.library.check_out(book, barcode, self.library.readers[reader])

    @precondition(lambda self: self.library.open_rows())
    @rule(
        number=any_number,
        what=st.sampled_from(["suspend", "want", "pick_up", "lift"]),
        days=maybe_days,
        branch=some_branch,
    )
    def change_a_reservation(self, number: int, what: str, days: int | None, branch: int) -> None:
        """A reader wishes for something, or a block is lifted."""
        chosen = self._choose(number)
        if what == "suspend":
            self.library.suspend(chosen, days)
        elif what == "want":
            self.library.want(chosen, days)
        elif what == "pick_up":
            self.library.pick_up_at(chosen, branch)
        elif blocked := sorted(self.library.blocked):
            self.library.lift_block(blocked[number % len(blocked)])

    @precondition(lambda self: any(model.waiting() for model in self.library.models))
    @rule(
        number=any_number,
        ways=st.lists(st.sampled_from(["suspend", "want", "block"]), min_size=2, max_size=2),
        days=some_days,
        then=st.sampled_from(["stay", "undo", "place", "check_out"]),
    )
    def let_a_copy_lie_idle(self, number: int, ways: list[str], days: int, then: str) -> None:
        """A copy comes back while nobody in the queue may have it; then somebody may again, or a newcomer wants it."""
        library = self.library
        book = next(book for book in (number % 2, 1 - number % 2) if library.models[book].waiting())
        first = self._waiting(book)[0]
        for chosen, way in zip(self._waiting(book), cycle(ways), strict=False):
            self._make_ineligible(chosen, way, days)
        rows = [chosen for chosen in library.open_rows() if chosen.book == book]
        if holders := [chosen for chosen in rows if chosen.row.state in COPY_STATES]:
            library.end(holders[number % len(holders)])
        library.check()
        if then == "undo":
            self._make_eligible(first, ways[0], days)
        elif then != "stay":
            library.pass_time(days, lambda: self._come(then, book, number))

    def _make_ineligible(self, chosen: Chosen, way: str, days: int) -> None:
        if way == "suspend":
            self.library.suspend(chosen, days)
        elif way == "want":
            self.library.want(chosen, days)
        else:
            self.library.block(chosen.row.reader_id)

    def _make_eligible(self, chosen: Chosen, way: str, days: int) -> None:
        if way == "suspend":
            self.library.suspend(chosen, None)
        elif way == "want":
            self.library.pass_time(days, lambda: self.library.want(chosen, days))
        elif chosen.row.reader_id in self.library.blocked:
            self.library.lift_block(chosen.row.reader_id)

    def _come(self, what: str, book: int, number: int) -> None:
        """Somebody who has not reserved the book comes for it, if there is such a reader."""
        model, readers = self.library.models[book], self.library.readers
        others = [reader for reader in readers if reader.pk not in {*model.claims, *self.library.blocked}] or readers
        reader = others[number % len(others)]
        if what == "place":
            self.library.place(reader, book)
        else:
            free = sorted(model.free()) or self.library.barcodes(book)
            self.library.check_out(book, free[number % len(free)], reader)

    @rule(
        book=some_book,
        number=any_number,
        branch=some_branch,
        what=st.sampled_from(["add", "remove", *CopyStatus, CopyStatus.IN_SERVICE]),
    )
    def change_the_copies(self, book: int, number: int, branch: int, what: str) -> None:
        if what == "add":
            self.library.add_copy(book, branch)
        elif what == "remove":
            self.library.remove_copy(book, self._barcode(book, number))
        else:
            self.library.change_copy(book, self._barcode(book, number), CopyStatus(what))

    @rule(days=st.integers(0, 12), closed_in=st.one_of(st.none(), st.integers(0, 12)))
    def let_time_pass(self, days: int, closed_in: int | None) -> None:
        """Deadlines pass and suspensions run out; a branch may have announced that it will be closed on a day."""
        if closed_in is not None:
            self.library.close(closed_in)
        self.library.pass_time(days)

    @invariant()
    def all_is_well(self) -> None:
        self.library.check()

    def _choose(self, number: int) -> Chosen:
        rows = self.library.open_rows()
        return rows[number % len(rows)]

    def _loans(self) -> list[Chosen]:
        return [chosen for chosen in self.library.open_rows() if chosen.row.state == State.BORROWED]

    def _waiting(self, book: int) -> list[Chosen]:
        rows = self.library.open_rows()
        return [chosen for chosen in rows if chosen.book == book and chosen.row.state == State.WAITING]

    def _barcode(self, book: int, number: int) -> str:
        barcodes = self.library.barcodes(book)
        return barcodes[number % len(barcodes)]


@pytest.mark.usefixtures("committed")
@pytest.mark.timeout(LIVES_SECONDS)
def test_any_life_of_a_library__keeps_every_promise() -> None:
    run_state_machine_as_test(LibraryMachine, settings=lives(25))
