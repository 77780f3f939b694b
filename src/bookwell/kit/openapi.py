"""What every OpenAPI document of ours says alike: problems, the bearer scheme, the idempotency header."""

from collections.abc import Iterable
from typing import Any

from bookwell.contracts.problems import PROBLEM_MEDIA_TYPE, Problem
from bookwell.kit.http_errors import kind_of_status

__all__ = ["IDEMPOTENCY_KEY", "WRITES", "add_components", "set_problems"]

WRITES = ("post", "put", "patch", "delete")
_ALWAYS = (400, 406, 429, 500, 503)
_REF = "#/components/schemas/{model}"
_STATUSES = (400, 401, 403, 404, 406, 409, 411, 413, 415, 422, 429, 500, 503)
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
IDEMPOTENCY_KEY = {
    "in": "header",
    "name": "Idempotency-Key",
    "required": False,
    "description": "Quoted or bare; the same key and request get the first answer again for 24 hours.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": r"^[\x21\x23-\x7e]{1,200}$"},
}


def add_components(components: dict[str, Any]) -> None:
    """Add the problem's schema, an answer for each status that has one, and the bearer scheme."""
    schema = Problem.model_json_schema(ref_template=_REF)
    schemas = components.setdefault("schemas", {})
    schemas.update(schema.pop("$defs"))
    schemas["Problem"] = schema
    components["responses"] = {f"Problem{status}": _response(status) for status in _STATUSES}
    components["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}


def set_problems(operation: dict[str, Any], statuses: Iterable[int]) -> None:
    """Let an operation answer with just these problems, besides what every operation may."""
    kept = {str(status): answer for status, answer in operation["responses"].items() if int(status) < 400}
    problems = {
        str(status): {"$ref": f"#/components/responses/Problem{status}"} for status in sorted({*_ALWAYS, *statuses})
    }
    operation["responses"] = kept | problems


def _response(status: int) -> dict[str, Any]:
    response: dict[str, Any] = {
        "description": _DESCRIPTIONS.get(status) or kind_of_status(status).meaning,
        "content": {PROBLEM_MEDIA_TYPE: {"schema": {"$ref": _REF.format(model="Problem")}}},
    }
    if status in _HEADERS:
        name, schema = _HEADERS[status]
        response["headers"] = {name: {"schema": schema, "required": True}}
    return response
