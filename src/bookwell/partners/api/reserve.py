"""The door through which outside systems and readers reserve: checked here, decided by the library."""

from flask import Response, request
from flask_openapi.blueprint import APIBlueprint

from bookwell.contracts.problems import FieldProblem
from bookwell.kit.adapters.flask.edge import json_only
from bookwell.kit.adapters.flask.operations import operation
from bookwell.kit.errors import Forbidden
from bookwell.kit.http_errors import INVALID, HttpRefusal
from bookwell.kit.idempotency import parse_key
from bookwell.partners.api.access import Access, claims
from bookwell.partners.api.schemas import Reserve
from bookwell.partners.gateway import Gateway
from bookwell.partners.isbn import IsbnInvalid, isbn13_of
from bookwell.partners.loop import PerProcess

__all__ = ["MachineClientsOnly", "reserve_blueprint"]

_FOR_MACHINES = ("reader", "isbn", "external_ref")
_FORWARDED = ("Authorization", "Idempotency-Key")


class MachineClientsOnly(Forbidden):
    """A field that only machine clients may send: readers reserve for themselves, by the book's id."""

    code = "reservation.machine_clients_only"
    title = "Only machine clients may send this"


def reserve_blueprint(gateway: PerProcess[Gateway], access: Access) -> APIBlueprint:
    """`/reserve`."""
    blueprint = APIBlueprint("reserve", __name__, abp_security=[{"bearer": []}])
    blueprint.before_request(json_only)

    @blueprint.post(
        "/reserve",
        responses={
            201: {"description": "The reservation, as the library answers", "content": {"application/json": {}}}
        },
        openapi_extensions={"x-idempotent": True},
    )
    @operation(access.who_reserves)
    def reserve(body: Reserve) -> Response:
        """Reserve a book with the library, at a branch of its or at a partner; its answer is passed on.

        Repeating a call with the same Idempotency-Key is safe, also after 503.
        """
        _check(body)
        headers = {name: request.headers[name] for name in _FORWARDED if name in request.headers}
        if "Idempotency-Key" in headers:
            parse_key(headers["Idempotency-Key"])
        passed = gateway().place_reservation(_content(body), headers)
        return Response(passed.body, status=passed.status, headers=dict(passed.headers))

    return blueprint


def _check(body: Reserve) -> None:
    """What the schema cannot say: it depends on who calls."""
    if claims().subject is None:
        if body.reader is None:
            missing = FieldProblem(code="missing", detail="A machine client says for whom", pointer="#/reader")
            raise HttpRefusal(INVALID, errors=(missing,))
    elif sent := [name for name in _FOR_MACHINES if getattr(body, name) is not None]:
        raise MachineClientsOnly(", ".join(sent))


def _content(body: Reserve) -> bytes:
    """The body as the library gets it; the same for the same request, because its key's fingerprint is made of it."""
    if body.isbn is None:
        return body.model_dump_json(exclude_none=True).encode()
    try:
        isbn = isbn13_of(body.isbn)
    except IsbnInvalid as error:
        field = FieldProblem(code=error.code, detail=error.detail, pointer="#/isbn")
        raise HttpRefusal(INVALID, errors=(field,)) from None
    return body.model_copy(update={"isbn": isbn}).model_dump_json(exclude_none=True).encode()
