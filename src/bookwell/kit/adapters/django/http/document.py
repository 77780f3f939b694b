"""Completes ninja's OpenAPI 3.1 document: problems per operation, one bearer scheme, the idempotency header."""

from typing import Any

from bookwell.contracts.problems import PROBLEM_MEDIA_TYPE, Problem
from bookwell.kit.http_errors import kind_of_status

__all__ = ["complete_document"]

_REF = "#/components/schemas/{model}"
_ALWAYS = (400, 406, 429, 500, 503)
_WRITES = ("post", "put", "patch", "delete")
_TOKENS = ("login", "token", "refresh", "logout")
_OPTIONAL_SCHEME = "OptionalToken"
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


def complete_document(document: dict[str, Any]) -> dict[str, Any]:
    """Add to `document`, in place, what holds for every operation."""
    _add_components(document["components"])
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            _set_security(operation)
            _add_problems(operation, method, path)
            if method == "post" and not _is_about_tokens(path):
                operation["parameters"].append(_IDEMPOTENCY_KEY)
    return document


def _is_about_tokens(path: str) -> bool:
    return path.strip("/").rsplit("/", 1)[-1] in _TOKENS


def _add_components(components: dict[str, Any]) -> None:
    schema = Problem.model_json_schema(ref_template=_REF)
    components["schemas"].update(schema.pop("$defs"))
    components["schemas"]["Problem"] = schema
    components["responses"] = {}
    for status in (400, 401, 403, 404, 406, 409, 411, 413, 415, 422, 429, 500, 503):
        components["responses"][f"Problem{status}"] = _response(status)
    components["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}


def _response(status: int) -> dict[str, Any]:
    content = {PROBLEM_MEDIA_TYPE: {"schema": {"$ref": _REF.format(model="Problem")}}}
    response: dict[str, Any] = {
        "description": _DESCRIPTIONS.get(status) or kind_of_status(status).meaning,
        "content": content,
    }
    if status in _HEADERS:
        name, schema = _HEADERS[status]
        response["headers"] = {name: {"schema": schema, "required": True}}
    return response


def _set_security(operation: dict[str, Any]) -> None:
    names = {name for entry in operation.get("security", ()) for name in entry}
    if not names:
        return
    operation["security"] = [{}, {"bearer": []}] if _OPTIONAL_SCHEME in names else [{"bearer": []}]


def _add_problems(operation: dict[str, Any], method: str, path: str) -> None:
    responses = operation["responses"]
    declared = {status for status in responses if int(status) >= 400}
    statuses = {*_ALWAYS, *(int(status) for status in declared)} | _statuses_of(operation, method, path)
    for status in declared:
        del responses[status]
    for status in sorted(statuses):
        responses[status] = {"$ref": f"#/components/responses/Problem{status}"}


def _statuses_of(operation: dict[str, Any], method: str, path: str) -> set[int]:
    statuses: set[int] = set()
    if "security" in operation:
        statuses |= {401, 403}
    if "{" in path:
        statuses.add(404)
    if method in _WRITES:
        statuses |= {411, 413, 422}
    if method in _WRITES and not _is_about_tokens(path):
        statuses |= {404, 409}
    if "requestBody" in operation:
        statuses.add(415)
    if operation["parameters"]:
        statuses.add(422)
    return statuses
