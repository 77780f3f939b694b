"""The state of books at the partners: by the library's id, or by ISBN."""

from typing import Any

from flask import Response
from flask_openapi.blueprint import APIBlueprint
from pydantic_core import to_json

from bookwell.kit.adapters.flask.edge import json_only
from bookwell.kit.adapters.flask.operations import operation
from bookwell.partners.api.schemas import BookPath, IsbnAvailability, IsbnPath, PartnerQuery, Status
from bookwell.partners.availability.rules import merged
from bookwell.partners.gateway import Gateway
from bookwell.partners.isbn import isbn13_of
from bookwell.partners.loop import PerProcess

__all__ = ["availability_blueprint"]

_HEADERS = {"Cache-Control": "public, max-age=0, must-revalidate"}


def availability_blueprint(gateway: PerProcess[Gateway]) -> APIBlueprint:
    """`/status/<book_id>` and `/books/<isbn>/availability`."""
    blueprint = APIBlueprint("availability", __name__, abp_tags=[])
    blueprint.before_request(json_only)

    @blueprint.get("/status/<int:book_id>", responses={200: Status})
    @operation()
    def get_status(path: BookPath) -> Response:
        """Whether each partner library could lend this book of ours now. Never takes longer than the time budget."""
        libraries = gateway().availability_of_book(path.book_id)
        return _answer({"book_id": path.book_id}, libraries)

    @blueprint.get("/books/<isbn>/availability", responses={200: IsbnAvailability})
    @operation()
    def get_availability(path: IsbnPath, query: PartnerQuery) -> Response:
        """The same by ISBN-10 or -13, at all partners or at one."""
        isbn = isbn13_of(path.isbn)
        return _answer({"isbn": isbn}, gateway().availability_of_isbn(isbn, partner=query.partner))

    return blueprint


def _answer(about: dict[str, Any], libraries: list[dict[str, Any]]) -> Response:
    content = to_json({**about, "availability": merged(libraries), "libraries": libraries})
    return Response(content, content_type="application/json", headers=_HEADERS)
