"""Operations of a Flask API with our conventions: who calls is asked first, then what was sent is read strictly.

flask-openapi documents an operation from the annotations of its `path`, `query` and `body`; here they are checked as
well, once the caller may ask at all (401, 403, then 404, 422).
"""

from collections.abc import Callable, Mapping
from functools import wraps
from types import MappingProxyType
from typing import Any, get_type_hints

from flask import request
from pydantic import BaseModel, ValidationError

from bookwell.contracts.problems import FieldProblem
from bookwell.kit.http_errors import INVALID, LENGTH_REQUIRED, NOT_FOUND, HttpRefusal
from bookwell.kit.strict_json import pointer_of, read_json

__all__ = ["operation"]

View = Callable[..., Any]


def operation(authenticate: Callable[[], object] | None = None) -> Callable[[View], View]:
    """A view called with `path`, `query` and `body` as its annotations say, after `authenticate` let the caller pass.

    Put it between the route and the view. What names nothing in the path is 404, what breaks another schema 422.
    """

    def decorate(view: View) -> View:
        hints = get_type_hints(view)
        readers = {name: (read, hints[name]) for name, read in _READERS.items() if name in hints}

        @wraps(view)
        def checked(**place: Any) -> Any:
            if authenticate is not None:
                authenticate()
            return view(**{name: read(model, place) for name, (read, model) in readers.items()})

        checked.__delay_validate_request__ = True  # type: ignore[attr-defined]  # flask-openapi leaves it to us
        return checked

    return decorate


def _path(model: type[BaseModel], place: dict[str, Any]) -> BaseModel:
    try:
        return model.model_validate(place)
    except ValidationError:
        raise HttpRefusal(NOT_FOUND) from None


def _query(model: type[BaseModel], _place: dict[str, Any]) -> BaseModel:
    try:
        return model.model_validate(request.args.to_dict())
    except ValidationError as error:
        fields = (
            FieldProblem(code=item["type"], detail=item["msg"], parameter=str(item["loc"][0]))
            for item in error.errors(include_url=False, include_input=False, include_context=False)
        )
        raise HttpRefusal(INVALID, errors=tuple(fields)) from None


def _body(model: type[BaseModel], _place: dict[str, Any]) -> BaseModel:
    if request.content_length is None and "Transfer-Encoding" in request.headers:
        raise HttpRefusal(LENGTH_REQUIRED)
    content = read_json(request.get_data(cache=False), request.headers.get("Content-Type", ""))
    try:
        return model.model_validate(content)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)
        raise HttpRefusal(
            INVALID, errors=tuple(_field(item["type"], item["msg"], item["loc"]) for item in found)
        ) from None


def _field(code: str, detail: str, place: tuple[str | int, ...]) -> FieldProblem:
    return FieldProblem(code=code, detail=detail.removeprefix("Value error, "), pointer=pointer_of(place))


_READERS: Mapping[str, Callable[[Any, dict[str, Any]], BaseModel]] = MappingProxyType(
    {"path": _path, "query": _query, "body": _body}
)
"""In the order in which they are held against their schemas."""
