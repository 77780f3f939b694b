"""What every OpenAPI document of ours says alike: problems, the bearer scheme, the idempotency header."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from bookwell.contracts.problems import PROBLEM_MEDIA_TYPE, Problem
from bookwell.kit.http_errors import kind_of_status

__all__ = [
    "IDEMPOTENCY_KEY",
    "TOKEN_REQUEST",
    "WRITES",
    "add_components",
    "complete_operation",
    "set_problems",
    "set_token_errors",
]

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

_TEXT = {"type": "string", "maxLength": 200}
TOKEN_REQUEST: Mapping[str, Any] = MappingProxyType(
    {
        "required": True,
        "description": "`client_id` and `client_secret` may come by Basic authentication instead.",
        "content": {
            "application/x-www-form-urlencoded": {
                "schema": {
                    "type": "object",
                    "required": ["grant_type"],
                    "properties": {
                        "grant_type": {"type": "string", "enum": ["client_credentials"]},
                        "client_id": _TEXT,
                        "client_secret": _TEXT,
                        "scope": {**_TEXT, "description": "Parted by spaces; all that the client has when left out"},
                    },
                }
            }
        },
    }
)
"""The body of a client-credentials request (RFC 6749, 4.4.2)."""
_TOKEN_ERROR = {
    "type": "object",
    "description": "An error of the token endpoint (RFC 6749, 5.2).",
    "required": ["error", "error_description"],
    "properties": {"error": {"type": "string"}, "error_description": {"type": "string"}},
}


def add_components(components: dict[str, Any]) -> None:
    """Add the problem's schema, an answer for each status that has one, and the bearer scheme."""
    schema = Problem.model_json_schema(ref_template=_REF)
    schemas = components.setdefault("schemas", {})
    schemas.update(schema.pop("$defs"))
    schemas["Problem"] = schema
    components["responses"] = {f"Problem{status}": _response(status) for status in _STATUSES}
    components["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}


def complete_operation(
    operation: dict[str, Any], method: str, path: str, *, of_writes: frozenset[int] = frozenset()
) -> None:
    """Let an operation tell its Idempotency-Key, by `x-idempotent`, and the problems that follow from its shape.

    What it declares itself stays, but for the 422 that frameworks describe in their own way. `of_writes` are statuses
    of every write, whether it has a body or not.
    """
    operation.setdefault("parameters", [])
    if operation.pop("x-idempotent", False):
        operation["parameters"].append(IDEMPOTENCY_KEY)
    declared = {int(status) for status in operation["responses"] if status.isdecimal() and int(status) >= 400}
    statuses = _statuses_of(operation, path) | (declared - {422})
    set_problems(operation, statuses | ({404, 409} | of_writes if method in WRITES else set()))


def _statuses_of(operation: Mapping[str, Any], path: str) -> set[int]:
    statuses: set[int] = set()
    if operation.get("security"):
        statuses |= {401, 403}
    if "{" in path:
        statuses.add(404)
    if operation["parameters"]:
        statuses.add(422)
    if "requestBody" in operation:
        statuses |= {411, 413, 415, 422}
    return statuses


def set_problems(operation: dict[str, Any], statuses: Iterable[int]) -> None:
    """Let an operation answer with just these problems, besides what every operation may."""
    kept = {str(status): answer for status, answer in operation["responses"].items() if int(status) < 400}
    problems = {
        str(status): {"$ref": f"#/components/responses/Problem{status}"} for status in sorted({*_ALWAYS, *statuses})
    }
    operation["responses"] = kept | problems


def set_token_errors(operation: dict[str, Any], components: dict[str, Any]) -> None:
    """Let an operation that has its problems answer 400 and 401 in OAuth's shape, too."""
    components["schemas"]["TokenError"] = _TOKEN_ERROR
    for status in (400, 401):
        response = _response(status)
        response["content"]["application/json"] = {"schema": {"$ref": _REF.format(model="TokenError")}}
        components["responses"][f"TokenError{status}"] = response
        operation["responses"][str(status)] = {"$ref": f"#/components/responses/TokenError{status}"}


def _response(status: int) -> dict[str, Any]:
    response: dict[str, Any] = {
        "description": _DESCRIPTIONS.get(status) or kind_of_status(status).meaning,
        "content": {PROBLEM_MEDIA_TYPE: {"schema": {"$ref": _REF.format(model="Problem")}}},
    }
    if status in _HEADERS:
        name, schema = _HEADERS[status]
        response["headers"] = {name: {"schema": schema, "required": True}}
    return response
