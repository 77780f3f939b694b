"""`/control/NAME`: moods, holds, stock and counts of the simulated libraries, for people and tests."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bookwell.kit import clock
from bookwell.simulators.http import Answer, Request, json_answer
from bookwell.simulators.library import Hold, HoldStatus, SimulatedLibrary
from bookwell.simulators.moods import Mood
from bookwell.simulators.stock import Condition, Copy, Title

__all__ = ["Control"]


class _Move(BaseModel):
    model_config = ConfigDict(extra="forbid")

    status: HoldStatus


class _Shelf(BaseModel):
    """What a library shall have of a book: `on_loan` are days until each loan ends, None for untold."""

    model_config = ConfigDict(extra="forbid")

    free: int = Field(default=0, ge=0, le=9)
    on_loan: tuple[int | None, ...] = Field(default=(), max_length=9)
    queue: int = Field(default=0, ge=0, le=99)


class Control:
    """Answers below `/control`; NAME is `library 2` or `library-2`."""

    def __init__(self, libraries: Mapping[str, SimulatedLibrary]) -> None:
        self._libraries = libraries

    def answer(self, request: Request, path: list[str]) -> Answer:
        """One request."""
        if not path:
            return json_answer({"simulators": [_told(library) for library in self._libraries.values()]})
        library = self._libraries.get(path[0].replace(" ", "-"))
        if library is None:
            return _problem(404, f"there is: {', '.join(at.name for at in self._libraries.values())}")
        try:
            return _operate(library, request, path[1:])
        except ValidationError as error:
            return _problem(422, str(error))
        except ValueError as error:
            return _problem(400, str(error))


def _operate(library: SimulatedLibrary, request: Request, path: list[str]) -> Answer:
    match request.method, path:
        case "DELETE", ["tokens"]:
            library.forget_tokens()
            return Answer(204)
        case _, []:
            return _mood(library, request)
        case _, ["holds", *rest]:
            return _holds(library, request, rest)
        case _, ["stock", *rest]:
            return _stock(library, request, rest)
    return _problem(404, "no such control")


def _mood(library: SimulatedLibrary, request: Request) -> Answer:
    match request.method:
        case "GET":
            pass
        case "PUT":
            library.feel(Mood.model_validate(request.json_object()))
        case "DELETE":
            library.reset()
        case _:
            return _problem(405, "GET, PUT or DELETE")
    return json_answer(_told(library))


def _holds(library: SimulatedLibrary, request: Request, rest: list[str]) -> Answer:
    match request.method, rest:
        case "GET", []:
            return json_answer({"holds": [_shown(hold) for hold in library.holds]})
        case "POST", [ref]:
            return _move(library, ref, _Move.model_validate(request.json_object()))
    return _problem(404, "no such control")


def _stock(library: SimulatedLibrary, request: Request, rest: list[str]) -> Answer:
    match request.method, rest:
        case "GET", []:
            return json_answer({"isbns": list(library.titles)})
        case "PUT", [isbn]:
            return _shelve(library, isbn, _Shelf.model_validate(request.json_object()))
    return _problem(404, "no such control")


def _told(library: SimulatedLibrary) -> dict[str, Any]:
    traffic = library.traffic
    return {
        "name": library.name,
        "path": f"/{library.slug}",
        **library.mood.model_dump(),
        "requests": {
            "total": traffic.total,
            "in_flight": traffic.in_flight,
            "most_in_flight": traffic.most_in_flight,
            "by_operation": dict(traffic.by_operation),
            "by_isbn": dict(traffic.by_isbn),
        },
        "holds": len(library.holds),
    }


def _shown(hold: Hold) -> dict[str, Any]:
    return {
        "ref": str(hold.number),
        "isbn": hold.title.isbn,
        "title": hold.title.name,
        "status": hold.status,
        "patron": hold.patron,
        "pickup": hold.pickup,
        "notes": hold.notes,
        "placed_at": hold.placed_at.isoformat(),
        "pickup_deadline_at": hold.pickup_deadline_at.isoformat() if hold.pickup_deadline_at else None,
        "due_at": hold.due_at.isoformat() if hold.due_at else None,
    }


def _move(library: SimulatedLibrary, ref: str, move: _Move) -> Answer:
    for hold in library.holds:
        if str(hold.number) == ref:
            if move.status is HoldStatus.BORROWED:
                hold.copy_number = library.copy_for(hold)
            hold.move(move.status, clock.now())
            return json_answer(_shown(hold))
    return _problem(404, "no such hold")


def _shelve(library: SimulatedLibrary, isbn: str, shelf: _Shelf) -> Answer:
    if len(isbn) != 13 or not isbn.isdigit():
        return _problem(422, "an ISBN-13")
    known = library.titles.get(isbn)
    number = known.number if known else 10_000 + len(library.titles)
    numbers = iter(range(number * 10, number * 10 + 20))
    loans = [
        Copy(next(numbers), Condition.ON_LOAN, days, 0 if place else shelf.queue)
        for place, days in enumerate(shelf.on_loan)
    ]
    copies = [*loans, *(Copy(next(numbers), Condition.FREE) for _ in range(shelf.free))]
    library.titles[isbn] = Title(number, isbn, known.name if known else isbn, known.author if known else "", (*copies,))
    return json_answer({"isbn": isbn, "copies": len(copies)})


def _problem(status: int, detail: str) -> Answer:
    return json_answer({"error": detail}, status)
