"""Parameters that come in the query or in a JSON body, whichever the caller likes; read strictly, as one model.

An operation takes them as `wanted: Annotated[Wanted, parameters(Wanted)]`, behind the dependency that says who calls:
401 and 403 come before 422. Values of the query are text, and mean what the same JSON would.
"""

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any, NoReturn, TypeVar

from fastapi import Depends, Request
from pydantic import BaseModel, ValidationError

from bookwell.contracts.problems import FieldProblem
from bookwell.kit.adapters.fastapi.problems import field_of_error
from bookwell.kit.http_errors import INVALID, HttpRefusal
from bookwell.kit.openapi import WRITES
from bookwell.kit.strict_json import read_json

__all__ = ["RawBody", "body", "is_in_body_alone", "model_of", "parameters", "takes_forms"]

M = TypeVar("M", bound=BaseModel)

_WHOLE = re.compile(r"-?\d{1,19}", re.ASCII)
_DECIMAL = re.compile(r"-?\d{1,15}(?:\.\d{1,15})?", re.ASCII)
_TRUTHS = {"true": True, "false": False, "1": True, "0": False}
_MODEL = "__parameters_model__"
_IN_BODY_ALONE = "__body_alone__"
_FORMS = "__forms__"
_FORM_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data")
_MOST_FIELDS = 20


async def _raw_body(request: Request) -> bytes:
    raw: bytes = await request.body()
    request.state.raw_body = raw
    return raw


RawBody = Annotated[bytes, Depends(_raw_body)]
"""A parameter: the body as it was sent, which the request's state keeps as `raw_body`."""


def parameters(model: type[BaseModel], *, forms: bool = False, no_others: bool = False) -> Any:
    """A dependency: the request's parameters as `model`; of a GET, those of its query.

    With `forms` a body may be an HTML form's too, whose fields that the model does not know are nobody's. So are such
    parameters of a query, but with `no_others`: where much would be lost if one was misspelt.

    Raises:
        HttpRefusal: 415, 400 or 422 for a body that `kit.strict_json` refuses; 422 for what breaks the model, and for
            one name that the query and the body give different values.
    """

    async def read_form(request: Request) -> BaseModel:
        if request.method.lower() in WRITES and request.headers.get("Content-Type", "").startswith(_FORM_TYPES):
            return _validate(model, _query_of(request, model), await _read_form(request, model))
        return read_sent(request, await _raw_body(request))

    def read_sent(request: Request, raw: RawBody) -> BaseModel:
        if no_others:
            _refuse_others(request, model)
        sent = _query_of(request, model)
        return _validate(model, sent, _members_of(request, raw) if request.method.lower() in WRITES else {})

    read = read_form if forms else read_sent
    setattr(read, _MODEL, model)
    setattr(read, _FORMS, forms)
    return Depends(read)


def body(model: type[BaseModel]) -> Any:
    """A dependency: the request's JSON body as `model`; secrets belong into no query.

    Raises:
        HttpRefusal: as `parameters` does.
    """

    def read(request: Request, raw: RawBody) -> BaseModel:
        return _validate(model, {}, _members_of(request, raw))

    setattr(read, _MODEL, model)
    setattr(read, _IN_BODY_ALONE, True)
    return Depends(read)


def is_in_body_alone(dependency: Any) -> bool:
    """Whether a dependency reads its model from the body alone, for the document."""
    return getattr(dependency, _IN_BODY_ALONE, False)


def takes_forms(dependency: Any) -> bool:
    """Whether a dependency reads HTML forms as well as JSON, for the document."""
    return getattr(dependency, _FORMS, False)


def model_of(dependency: Any) -> type[BaseModel] | None:
    """The model that a dependency reads, for the document."""
    return getattr(dependency, _MODEL, None)


def _members_of(request: Request, raw: bytes) -> dict[str, Any]:
    """The members of a JSON object; none where there is no body.

    Raises:
        HttpRefusal: 415 for another content type, 400 for what is not JSON, 422 for another value than an object.
    """
    if not raw:
        return {}
    content = read_json(raw, request.headers.get("Content-Type", ""))
    if not isinstance(content, dict):
        _refuse(FieldProblem(code="object_type", detail="The body must be a JSON object", pointer="#"))
    return content


async def _read_form(request: Request, model: type[BaseModel]) -> dict[str, Any]:
    async with request.form(max_files=0, max_fields=_MOST_FIELDS) as form:
        return _texts_of([(name, text) for name, text in form.multi_items() if isinstance(text, str)], model)


def _query_of(request: Request, model: type[BaseModel]) -> dict[str, Any]:
    return _texts_of(request.query_params.multi_items(), model)


def _refuse_others(request: Request, model: type[BaseModel]) -> None:
    others = sorted(request.query_params.keys() - _kinds_of(model).keys())
    if others:
        detail = "There is no such parameter"
        _refuse(*(FieldProblem(code="extra_forbidden", detail=detail, parameter=name) for name in others))


def _texts_of(items: Iterable[tuple[str, str]], model: type[BaseModel]) -> dict[str, Any]:
    """The parameters that the model knows; others are nobody's. Of repeated ones, the last counts."""
    kinds = _kinds_of(model)
    sent = {name: text for name, text in items if name in kinds}
    for name, text in sent.items():
        if "\0" in text:
            _refuse(FieldProblem(code="nul_character", detail="NUL is not allowed", parameter=name))
    return {name: _value_of(text, kinds[name]) for name, text in sent.items()}


def _value_of(text: str, kinds: frozenset[str]) -> Any:
    if "integer" in kinds and _WHOLE.fullmatch(text):
        return int(text)
    if "number" in kinds and _DECIMAL.fullmatch(text):
        return Decimal(text)
    if "boolean" in kinds and text.lower() in _TRUTHS:
        return _TRUTHS[text.lower()]
    return text


@lru_cache(maxsize=256)
def _kinds_of(model: type[BaseModel]) -> Mapping[str, frozenset[str]]:
    """The JSON types of each field."""
    properties: Mapping[str, Any] = model.model_json_schema()["properties"]
    return {
        name: frozenset(str(each.get("type")) for each in (schema, *schema.get("anyOf", ())))
        for name, schema in properties.items()
    }


@lru_cache(maxsize=256)
def _attributes_of(model: type[BaseModel]) -> Mapping[str, str]:
    """The attribute of each name that is sent."""
    return {field.alias or attribute: attribute for attribute, field in model.model_fields.items()}


def _validate(model: type[M], query: dict[str, Any], body: dict[str, Any]) -> M:
    read = _read(model, {**query, **body}, query.keys() - body.keys())
    shared = query.keys() & body.keys()
    if shared:
        as_in_query = _read(model, {**body, **query}, query.keys())
        for name in sorted(shared):
            attribute = _attributes_of(model)[name]
            if getattr(read, attribute) != getattr(as_in_query, attribute):
                detail = "The query and the body give it different values"
                _refuse(FieldProblem(code="contradictory", detail=detail, parameter=name))
    return read


def _read(model: type[M], content: dict[str, Any], in_query: Any) -> M:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)
        fields = tuple(field_of_error(item, parameter=_parameter_of(item["loc"], in_query, content)) for item in found)
        missing = sorted(str(item["loc"][0]) for item in found if item["type"] == "missing" and len(item["loc"]) == 1)
    raise HttpRefusal(INVALID, f"Needed: {', '.join(missing)}" if missing else "", errors=fields)


def _parameter_of(place: tuple[int | str, ...], in_query: Any, content: dict[str, Any]) -> str | None:
    """What of the query is wrong, all of it if nothing else was sent; None for what the body has, or nobody."""
    if not place:
        return "query" if content and in_query == content.keys() else None
    return str(place[0]) if place[0] in in_query else None


def _refuse(*errors: FieldProblem) -> NoReturn:
    raise HttpRefusal(INVALID, errors=tuple(errors))
