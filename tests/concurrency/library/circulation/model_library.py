"""A small library beside a model of it: each use case is done to both, and both must agree afterwards."""

import datetime as dt
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
from django.db.models import Count, Sum

from bookwell.kit import clock
from bookwell.kit.adapters.django.transactions import run_in_transaction
from bookwell.kit.errors import DomainError, Unavailable
from bookwell.library.accounts.models import User
from bookwell.library.circulation import services
from bookwell.library.circulation.errors import BorrowingBlocked, ReservationExists, ReservationLimitReached
from bookwell.library.circulation.models import Copy, Holding, Reservation
from bookwell.library.circulation.queries.deadlines import list_run_out
from bookwell.library.circulation.queries.reservations import get_reader_id
from bookwell.library.circulation.rules import COPY_STATES, Actor, CopyStatus, State
from bookwell.library.circulation.tasks import move_deadlines
from bookwell.library.network.errors import ClosureExists
from bookwell.library.network.models import Closure
from bookwell.library.network.services import add_closure
from tests.concurrency.queue_model import BookModel, Claim
from tests.concurrency.works import readers
from tests.factories import LIBRARIAN, BookFactory, BranchFactory, unique
from tests.invariants import assert_invariants
from tests.jobs import do_what_is_due

__all__ = ["Chosen", "ModelLibrary", "self_return"]

LIMIT = 2
MOST_COPIES = 4
EVERYTHING = 100_000


def self_return(*, reservation_id: int, now: dt.datetime, **_by: Actor) -> None:
    """The reader brings a loan back without the desk."""
    reader = Actor(get_reader_id(reservation_id), is_librarian=False)
    services.return_book(reservation_id=reservation_id, actor=reader, now=now)


@dataclass(frozen=True, slots=True)
class Chosen:
    """An open reservation and its book's model."""

    row: Reservation
    book: int
    model: BookModel

    @property
    def claim(self) -> Claim:
        """The model's view of it."""
        return self.model.claims[self.row.reader_id]


class ModelLibrary:
    """Two books, five readers, two branches. Time stands still but for `pass_time`."""

    def __init__(self) -> None:
        self.now = clock.now()
        terms: dict[str, Any] = {"max_open_reservations": LIMIT, "max_open_loans": 2, "overdue_loans_that_block": 0}
        terms |= {"self_return": True}
        self.readers: list[User] = readers(4, **terms) + readers(1, shelve_immediately=True, **terms)
        self.branches = [BranchFactory.main(), BranchFactory.create()]
        self.books = [BookFactory.create(copies=number, branch=self.branches[0]) for number in (1, 2)]
        self.blocks: dict[int, int] = {}
        self.blocked: set[int] = set()
        self._checked: list[Any] = []
        self.models = [BookModel(self.blocked, in_service=set(self.barcodes(book))) for book in range(2)]

    def place(self, reader: User, book: int, *, branch: int | None = None, days: int | None = None) -> None:
        """A reader reserves; the model says whether that is refused, and which position it gets."""
        model, reserved_until = self.models[book], self.in_days(days)
        refusal = self._refusal_to_place(reader.pk, model)

        def work() -> Any:
            return services.place_reservation(
                reader_id=reader.pk,
                book_id=self.books[book].pk,
                library=None if branch is None else self.branches[branch].code,
                reserved_until=reserved_until,
                actor=Actor(reader.pk, is_librarian=False),
                now=self.now,
            )

        if refusal:
            with pytest.raises(refusal):
                self._do(work)
            return
        view = self._do(work)
        model.place(reader.pk, self.now, reserved_until)
        assert view.position == model.position_of(reader.pk)

    def step(self, verb: Callable[..., Any], chosen: Chosen) -> bool:
        """A librarian takes a reservation on; whether that was allowed."""
        if not self._try(verb, reservation_id=chosen.row.pk):
            return False
        if verb is services.issue:
            chosen.claim.is_lent = True
        elif verb is services.cancel_reservation:
            chosen.model.drop(chosen.row.reader_id, self.now)
        elif verb is services.return_book:
            chosen.model.drop(chosen.row.reader_id, self.now, caught=chosen.claim.copy)
        elif verb is self_return:
            chosen.model.drop(chosen.row.reader_id, self.now)
        return True

    def end(self, chosen: Chosen) -> None:
        """A claim is given up, or a loan comes back."""
        assert self.step(services.return_book if chosen.claim.is_lent else services.cancel_reservation, chosen)

    def check_out(self, book: int, barcode: str, reader: User) -> None:
        """A copy is lent at the desk, where that is allowed."""
        if self._try(services.check_out, barcode=barcode, card=reader.card_number):
            self.models[book].lend(reader.pk, barcode, self.now)

    def check_in(self, book: int, barcode: str, branch: int) -> None:
        """A copy is taken in; only one in repair is refused."""
        model = self.models[book]
        holder = next((claim for claim in model.claims.values() if claim.copy == barcode), None)
        if not self._try(services.check_in, barcode=barcode, branch=self.branches[branch].code):
            assert barcode not in model.in_service
        elif holder is None:
            model.in_service.add(barcode)
            model.serve(self.now, caught=barcode)
        elif holder.is_lent:
            model.drop(holder.reader, self.now, caught=barcode)

    def suspend(self, chosen: Chosen, days: int | None) -> None:
        """A reservation is suspended for days, or resumed; refused unless it waits."""
        until = self.in_days(days)
        if self._try(services.change_reservation, reservation_id=chosen.row.pk, changes={"suspended_until": until}):
            chosen.claim.suspended_until = until
            chosen.model.serve(self.now)

    def want(self, chosen: Chosen, days: int | None) -> None:
        """A reader says for how long the book is wanted."""
        until = self.in_days(days)
        assert self._try(services.change_reservation, reservation_id=chosen.row.pk, changes={"reserved_until": until})
        chosen.claim.reserved_until = until
        chosen.model.serve(self.now)

    def pick_up_at(self, chosen: Chosen, branch: int) -> None:
        """A reader chooses another branch, where that is allowed."""
        changes = {"pickup_branch": self.branches[branch].code}
        if self._try(services.change_reservation, reservation_id=chosen.row.pk, changes=changes):
            chosen.model.serve(self.now)

    def block(self, reader_id: int) -> None:
        """A reader is blocked."""
        if reader_id not in self.blocked:
            self.blocks[reader_id] = self._desk(services.add_block, reader_id=reader_id, reason="card lost")
            self.blocked.add(reader_id)

    def lift_block(self, reader_id: int) -> None:
        """The block of a reader is lifted."""
        self._desk(services.lift_block, block_id=self.blocks[reader_id])
        self.blocked.discard(reader_id)
        for model in self.models:
            model.serve(self.now)

    def add_copy(self, book: int, branch: int) -> None:
        """There is one copy more, up to a few."""
        if len(self.barcodes(book)) < MOST_COPIES:
            barcode, place = unique("copy"), self.branches[branch].code
            self._desk(services.add_copy, book_id=self.books[book].pk, barcode=barcode, branch=place)
            self.models[book].in_service.add(barcode)
            self.models[book].serve(self.now)

    def change_copy(self, book: int, barcode: str, status: CopyStatus) -> None:
        """A copy breaks, is lost or is good again; only a lent one cannot go to repair."""
        model = self.models[book]
        if not self._try(services.change_copy, barcode=barcode, changes={"status": status}):
            assert status is CopyStatus.IN_REPAIR
            assert any(claim.copy == barcode and claim.is_lent for claim in model.claims.values())
        elif status is CopyStatus.IN_SERVICE:
            model.in_service.add(barcode)
            model.serve(self.now)
        else:
            model.take_away(barcode, self.now)

    def remove_copy(self, book: int, barcode: str) -> None:
        """A copy that nobody has leaves the library, unless it is the last."""
        if len(self.barcodes(book)) > 1 and self._try(services.remove_copy, barcode=barcode):
            assert all(claim.copy != barcode for claim in self.models[book].claims.values())
            self.models[book].in_service.discard(barcode)

    def pass_time(self, days: int, meanwhile: Callable[[], None] | None = None) -> None:
        """Days go by; something may happen before the jobs do what is due."""
        self.now += dt.timedelta(days=days)
        if meanwhile:
            meanwhile()
            self.check_queues()
        move_deadlines(now=self.now)
        due = set(list_run_out(now=self.now, limit=EVERYTHING))
        gone = [chosen for chosen in self.open_rows() if chosen.row.pk in due]
        do_what_is_due(now=self.now)
        for chosen in gone:
            chosen.model.drop(chosen.row.reader_id, self.now)
        for model in self.models:
            model.serve(self.now)
        self._check_deadlines()

    def close(self, days: int) -> None:
        """The second branch will be closed on a day; the first is every other test's too."""
        branch, closed_on = self.branches[1].code, self.now.date() + dt.timedelta(days=days)
        with suppress(ClosureExists):
            self._do(lambda: add_closure(branch=branch, closed_on=closed_on, actor_id=LIBRARIAN.user_id))

    def check_queues(self) -> None:
        """The library has done what the model says: who waits in which order, who has which copy."""
        for book, model in zip(self.books, self.models, strict=True):
            rows = list(Reservation.objects.filter(book=book, open_marker=1).select_related("copy"))
            copies = {row.reader_id: row.copy.barcode for row in rows if row.copy and row.state in COPY_STATES}
            model.settle(copies)
            line = [row.reader_id for row in sorted(rows, key=lambda row: row.queue_no) if row.state == State.WAITING]
            lent = {row.reader_id for row in rows if row.state == State.BORROWED}
            assert line == [claim.reader for claim in model.waiting()]
            assert copies == {claim.reader: claim.copy for claim in model.claims.values() if claim.copy}
            assert lent == {claim.reader for claim in model.claims.values() if claim.is_lent}

    def check(self) -> None:
        """The model agrees, and nothing impossible has happened since something changed."""
        self.check_queues()
        situation = [*self._versions(), self.now, set(self.blocked)]
        if situation != self._checked:
            assert_invariants([book.pk for book in self.books], now=self.now)
            self._checked = situation

    def open_rows(self) -> list[Chosen]:
        """Every open reservation."""
        rows = Reservation.objects.filter(book__in=self.books, open_marker=1).select_related("copy", "reader")
        numbers = {book.pk: number for number, book in enumerate(self.books)}
        return [Chosen(row, numbers[row.book_id], self.models[numbers[row.book_id]]) for row in rows.order_by("pk")]

    def barcodes(self, book: int) -> list[str]:
        """The barcodes of a book."""
        return list(Copy.objects.filter(book=self.books[book]).order_by("pk").values_list("barcode", flat=True))

    def in_days(self, days: int | None) -> dt.datetime | None:
        """A moment to come."""
        return None if days is None else self.now + dt.timedelta(days=days)

    def _check_deadlines(self) -> None:
        """What is to come falls on no closed day, once the jobs have looked."""
        branch = self.branches[1].pk
        closed = set(Closure.objects.filter(branch=branch).values_list("closed_on", flat=True))
        rows = Reservation.objects.filter(book__in=self.books, open_marker=1, pickup_branch=branch)
        for row in rows:
            deadline = row.due_at or row.pickup_deadline_at
            assert deadline is None or deadline <= self.now or deadline.date() not in closed, deadline

    def _refusal_to_place(self, reader_id: int, model: BookModel) -> type[DomainError] | None:
        if reader_id in model.claims:
            return ReservationExists
        if reader_id in self.blocked:
            return BorrowingBlocked
        claims = [other.claims[reader_id] for other in self.models if reader_id in other.claims]
        return ReservationLimitReached if sum(not claim.is_lent for claim in claims) >= LIMIT else None

    def _try(self, verb: Callable[..., Any], **options: Any) -> bool:
        """Whether a rule allowed it."""
        try:
            self._desk(verb, **options)
        except Unavailable:
            raise
        except DomainError:
            return False
        return True

    def _desk(self, verb: Callable[..., Any], **options: Any) -> Any:
        return self._do(lambda: verb(actor=LIBRARIAN, now=self.now, **options))

    def _do(self, work: Callable[[], Any]) -> Any:
        before = self._versions()
        try:
            return run_in_transaction(work)
        except DomainError:
            assert self._versions() == before, "a refusal changed something"
            raise

    def _versions(self) -> list[Any]:
        """What any change to the books counts up."""
        books = {"book__in": self.books}
        rows = Reservation.objects.filter(**books).aggregate(Count("pk"), Sum("version"))
        copies = Copy.objects.filter(**books).aggregate(Count("pk"), Sum("version"))
        return [*Holding.objects.filter(**books).order_by("pk").values_list(), rows, copies]
