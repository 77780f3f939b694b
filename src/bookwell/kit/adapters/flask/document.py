"""Completes flask-openapi's document: version 3.1, problems of each operation, bearer scheme, idempotency header."""

from collections.abc import Mapping
from typing import Any

from bookwell.contracts.problems import PROBLEM_MEDIA_TYPE, Problem
from bookwell.kit.http_errors import kind_of_status

__all__ = ["complete_document"]

_REF = "#/components/schemas/{model}"
_ALWAYS = (400, 406, 429, 500, 503)
_WRITES = ("post", "put", "patch", "delete")
_DESCRIPTIONS = {
    403: "The role does not include this, or a rule forbids it.",
    404: "No such thing, or not the caller's.",
    409: "A rule refuses in the present state, or the first request with this key is still running.",
}
_HEADERS = {
    401: ("WWW-Authenticate", {"type": "string"}),
    429: ("Retry-After", {"type": "integer", "minimum": 0}),
    503: ("Retry-After", {"type": "integer", "minimum": 0}),
}
_IDEMPOTENCY_KEY = {
    "in": "header",
    "name": "Idempotency-Key",
    "required": False,
    "description": "Quoted or bare; the same key and request get the first answer again for 24 hours.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": r"^[\x21\x23-\x7e]{1,200}$"},
}
_STATUSES = (400, 401, 403, 404, 406, 409, 411, 413, 415, 422, 429, 500, 503)


def complete_document(document: dict[str, Any]) -> dict[str, Any]:
    """Add to `document`, in place, what holds for every operation.

    An operation says by `security` in its route whether it needs a token, and by an `x-idempotent` extension that it
    takes an Idempotency-Key.
    """
    document["openapi"] = "3.1.0"
    components = document.setdefault("components", {})
    _add_components(components)
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            operation.setdefault("parameters", [])
            if operation.pop("x-idempotent", False):
                operation["parameters"].append(_IDEMPOTENCY_KEY)
            _add_problems(operation, method, path)
    return document


def _add_components(components: dict[str, Any]) -> None:
    schemas = components.setdefault("schemas", {})
    schema = Problem.model_json_schema(ref_template=_REF)
    schemas.pop("ValidationErrorModel", None)
    schemas.update(schema.pop("$defs"))
    schemas["Problem"] = schema
    components["responses"] = {f"Problem{status}": _response(status) for status in _STATUSES}
    components["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}


def _response(status: int) -> dict[str, Any]:
    response: dict[str, Any] = {
        "description": _DESCRIPTIONS.get(status) or kind_of_status(status).meaning,
        "content": {PROBLEM_MEDIA_TYPE: {"schema": {"$ref": _REF.format(model="Problem")}}},
    }
    if status in _HEADERS:
        name, schema = _HEADERS[status]
        response["headers"] = {name: {"schema": schema, "required": True}}
    return response


def _add_problems(operation: dict[str, Any], method: str, path: str) -> None:
    responses = operation["responses"]
    declared = {int(status) for status in responses if int(status) >= 400}
    for status in declared:
        del responses[str(status)]
    statuses = {*_ALWAYS, *_statuses_of(operation, method, path), *(declared - {422})}
    for status in sorted(statuses):
        responses[str(status)] = {"$ref": f"#/components/responses/Problem{status}"}


def _statuses_of(operation: Mapping[str, Any], method: str, path: str) -> set[int]:
    statuses: set[int] = set()
    if operation.get("security"):
        statuses |= {401, 403}
    if "{" in path:
        statuses |= {404, 422}
    if operation.get("parameters"):
        statuses |= {422}
    if method in _WRITES:
        statuses |= {404, 409}
    if "requestBody" in operation:
        statuses |= {411, 413, 415, 422}
    return statuses
