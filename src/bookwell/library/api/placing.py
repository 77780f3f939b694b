"""Placing a reservation: who may say what, and the answer. Partners are asked before the transaction begins."""

from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from pydantic import Field
from pydantic_core import to_json

from bookwell.contracts.problems import FieldProblem
from bookwell.kit import clock
from bookwell.kit.errors import Forbidden
from bookwell.kit.http_errors import INVALID, HttpRefusal
from bookwell.kit.idempotency import Answer
from bookwell.library.accounts.queries import ClientCaller, ExpectedCaller
from bookwell.library.api.answers import respond_in_transaction
from bookwell.library.api.auth import actor_of
from bookwell.library.api.elsewhere import choose_partner, known_elsewhere
from bookwell.library.api.types import Body, Id, Moment, Name
from bookwell.library.catalog.isbn import isbn13_of
from bookwell.library.catalog.queries import get_book_id_of_isbn
from bookwell.library.circulation import queries, services
from bookwell.library.circulation.rules import SYSTEM, Actor, State
from bookwell.library.circulation.services import ClientOrder
from bookwell.library.circulation.views import ReservationView

__all__ = ["PlaceReservation", "place"]

_FOR_CLIENTS = ("isbn", "reader", "external_ref")


class ForAnotherReader(Forbidden):
    """Only librarians place reservations for others."""

    code = "reservation.for_another_reader"
    title = "You may place reservations for yourself only"


class MachineClientsOnly(Forbidden):
    """A field that only machine clients may send."""

    code = "reservation.machine_clients_only"
    title = "Only machine clients may send this"


class PlaceReservation(Body):
    """What to reserve, and where it will be picked up: `library` is a branch or a partner library, by name or code."""

    book_id: Id | None = Field(default=None, description="Needed, unless a machine client sends `isbn`")
    reserved_until: Moment | None = None
    library: Name | None = None
    reader_id: Id | None = Field(default=None, description="For librarians: on whose behalf")
    isbn: Annotated[str, Field(max_length=32)] | None = Field(default=None, description="For machine clients")
    reader: Annotated[str, Field(min_length=1, max_length=64)] | None = Field(
        default=None, description="For machine clients: the card number of whom it is for"
    )
    external_ref: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        default=None, description="For machine clients: their own name of the reservation, unique for each client"
    )


def place(request: HttpRequest, body: PlaceReservation) -> HttpResponse:
    """Place it for the caller, for whom a librarian names, or for whose card a machine client sends.

    Raises:
        HttpRefusal: 422 for a field that is missing.
        ForAnotherReader, MachineClientsOnly, IsbnInvalid, and what placing raises
    """
    caller = request.auth  # type: ignore[attr-defined]  # set by ninja
    if isinstance(caller, ClientCaller):
        return _place_for_client(request, body, caller.client_id)
    for name in _FOR_CLIENTS:
        if getattr(body, name) is not None:
            raise MachineClientsOnly(name)
    if isinstance(caller, ExpectedCaller) and body.library is None and body.reader_id in (None, caller.user_id):
        own = Actor(caller.user_id, is_librarian=False)  # for oneself, everybody acts as a reader
        return _place(request, body, own, session_id=caller.session_id)
    actor = actor_of(request)
    if body.reader_id not in (None, actor.user_id) and not actor.is_librarian:
        raise ForAnotherReader
    return _place(request, body, actor)


def _place(
    request: HttpRequest, body: PlaceReservation, actor: Actor, *, session_id: str | None = None
) -> HttpResponse:
    book_id, now = _needed(body.book_id, "book_id"), clock.now()
    choice = choose_partner(body.library, book_id=book_id, isbn=None) if body.library else None
    wish: dict[str, Any] = {
        "reader_id": body.reader_id or actor.user_id,
        "book_id": book_id,
        "reserved_until": body.reserved_until,
        "actor": actor,
        "now": now,
    }

    def work() -> Answer:
        if choice is None:
            return _answer(services.place_reservation(library=body.library, session_id=session_id, **wish))
        placed = services.place_at_partner(choice=choice, **wish)
        return _answer(queries.get_view(reservation_id=placed.pk, actor=actor, now=now))

    return respond_in_transaction(request, work)


def _place_for_client(request: HttpRequest, body: PlaceReservation, client_id: str) -> HttpResponse:
    card, now = _needed(body.reader, "reader"), clock.now()
    if (body.isbn is None) == (body.book_id is None):
        raise _field("one_of", "Either book_id or isbn is needed", "book_id")
    if body.reader_id is not None:
        raise _field("extra_forbidden", "A machine client names the reader by card number", "reader_id")
    isbn = isbn13_of(body.isbn) if body.isbn is not None else None
    choice = choose_partner(body.library, book_id=body.book_id, isbn=isbn)

    def work() -> Answer:
        placed = services.place_for_client(
            order=ClientOrder(client_id, card, body.external_ref or ""),
            book_id=body.book_id or get_book_id_of_isbn(isbn or ""),
            library=body.library,
            choice=choice,
            reserved_until=body.reserved_until,
            now=now,
        )
        return _answer(queries.get_view(reservation_id=placed, actor=SYSTEM, now=now))

    return respond_in_transaction(request, work)


def _answer(placed: ReservationView) -> Answer:
    content = to_json(placed)
    if placed.state is State.WAITING:
        content = content[:-1] + b',"elsewhere":' + to_json(known_elsewhere(placed.book_id)) + b"}"
    return Answer(201, content, {"Location": f"/api/reservations/{placed.id}/"})


def _needed(value: Any, name: str) -> Any:
    if value is None:
        raise _field("missing", "Field required", name)
    return value


def _field(code: str, detail: str, name: str) -> HttpRefusal:
    return HttpRefusal(INVALID, errors=(FieldProblem(code=code, detail=detail, pointer=f"#/{name}"),))
