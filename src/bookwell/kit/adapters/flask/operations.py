"""Operations of a Flask API with our conventions: who calls is asked first, then path and body are read strictly.

flask-openapi documents an operation from the annotations of its `path` and `body`; here they are checked as well,
once the caller may ask at all (401, 403, then 404, 422).
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, get_type_hints

from flask import request
from pydantic import BaseModel, ValidationError

from bookwell.contracts.problems import FieldProblem
from bookwell.kit.http_errors import INVALID, LENGTH_REQUIRED, NOT_FOUND, HttpRefusal
from bookwell.kit.strict_json import pointer_of, read_json

__all__ = ["operation"]

View = Callable[..., Any]


def operation(authenticate: Callable[[], object] | None = None) -> Callable[[View], View]:
    """A view that is called with `path` and `body` as its annotations say, after `authenticate` let the caller pass.

    Put it between the route and the view. What names nothing in the path is 404, what breaks the body's schema 422.
    """

    def decorate(view: View) -> View:
        hints = get_type_hints(view)
        path_model, body_model = hints.get("path"), hints.get("body")

        @wraps(view)
        def checked(**place: Any) -> Any:
            if authenticate is not None:
                authenticate()
            arguments: dict[str, Any] = {}
            if path_model is not None:
                arguments["path"] = _path(path_model, place)
            if body_model is not None:
                arguments["body"] = _body(body_model)
            return view(**arguments)

        checked.__delay_validate_request__ = True  # type: ignore[attr-defined]  # flask-openapi leaves it to us
        return checked

    return decorate


def _path(model: type[BaseModel], place: dict[str, Any]) -> BaseModel:
    try:
        return model.model_validate(place)
    except ValidationError:
        raise HttpRefusal(NOT_FOUND) from None


def _body(model: type[BaseModel]) -> BaseModel:
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
