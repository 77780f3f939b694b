"""Completes FastAPI's OpenAPI 3.1 document: parameters of either place, problems, bearer scheme, idempotency header."""

from collections.abc import Iterator, Mapping
from threading import Lock
from types import MappingProxyType
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts

from bookwell.contracts.problems import PROBLEM_MEDIA_TYPE
from bookwell.kit.adapters.fastapi.parameters import is_in_body_alone, model_of, takes_forms
from bookwell.kit.openapi import WRITES, add_components, complete_operation, set_token_errors

__all__ = ["install_document"]

_REF = "#/components/schemas/{model}"
_SHOWN_IN_QUERY = frozenset({"id", "dry_run"})
_ANY_PLACE = "Every member of the body may stand in the query instead."
_OF_WRITES = frozenset({411, 413})
"""The edge judges the length of a body before anybody knows whether one is wanted."""
_UNUSED = ("HTTPValidationError", "ValidationError")


def install_document(app: FastAPI, *, members: Mapping[int, Mapping[str, Any]] = MappingProxyType({})) -> None:
    """Let `app.openapi()` tell all that holds for its operations.

    `members` are the schemas of what the service adds to its problems of a status, by their names.

    An operation says by a security dependency that it needs a token. In its `openapi_extra`, `x-idempotent` says that
    it takes an Idempotency-Key, `x-token-request` that it is OAuth's token endpoint, with errors of OAuth's shape.
    """
    generated, guard = app.openapi, Lock()
    complete: list[dict[str, Any]] = []

    def openapi() -> dict[str, Any]:
        with guard:  # FastAPI shows its half of the document to whoever asks meanwhile
            if not complete:
                complete.append(_complete(app, generated(), members))
        return complete[0]

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's way


def _complete(app: FastAPI, document: dict[str, Any], members: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    components = document.setdefault("components", {})
    add_components(components)
    for status, properties in members.items():
        told = components["responses"][f"Problem{status}"]["content"][PROBLEM_MEDIA_TYPE]
        told["schema"] = {"allOf": [told["schema"], {"type": "object", "properties": dict(properties)}]}
    for name in _UNUSED:
        components["schemas"].pop(name, None)
    readers = dict(_readers_of(app))
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            operation.setdefault("parameters", [])
            reader = readers.get((path, method))
            if reader is not None:
                _add_parameters(operation, method, reader, components["schemas"])
            _tell_extras(operation, method, path, components)
    return document


def _tell_extras(operation: dict[str, Any], method: str, path: str, components: dict[str, Any]) -> None:
    if "security" in operation:
        operation["security"] = [{"bearer": []}]
    is_for_clients = operation.pop("x-token-request", False)
    complete_operation(operation, method, path, of_writes=_OF_WRITES)
    if is_for_clients:
        set_token_errors(operation, components)


def _readers_of(app: FastAPI) -> Iterator[tuple[tuple[str, str], Any]]:
    """The dependency that reads the parameters of each path and method."""
    for route in iter_route_contexts(app.routes):
        dependant = getattr(route.original_route, "dependant", None)
        for reader in _readers_among(dependant) if dependant is not None else ():
            for method in route.methods or ():
                yield (str(route.path), method.lower()), reader


def _readers_among(dependant: Dependant) -> Iterator[Any]:
    if model_of(dependant.call) is not None:
        yield dependant.call
    for inner in dependant.dependencies:
        yield from _readers_among(inner)


def _add_parameters(operation: dict[str, Any], method: str, reader: Any, schemas: dict[str, Any]) -> None:
    model: Any = model_of(reader)
    schema = model.model_json_schema(ref_template=_REF)
    schemas.update(schema.pop("$defs", {}))
    required = set(schema.get("required", ()))
    is_write = method in WRITES
    for name, content in schema["properties"].items():
        if not is_write or name in _SHOWN_IN_QUERY:
            operation["parameters"].append(_parameter(name, content, is_required=not is_write and name in required))
    if is_write:
        in_body = sorted(required - _SHOWN_IN_QUERY)
        schema.pop("required", None)
        schemas[model.__name__] = {**schema, **({"required": in_body} if in_body else {})}
        kinds = ["application/json", *(["application/x-www-form-urlencoded"] if takes_forms(reader) else ())]
        content = {kind: {"schema": {"$ref": _REF.format(model=model.__name__)}} for kind in kinds}
        operation["requestBody"] = {"content": content, "required": bool(in_body)}
        if not is_in_body_alone(reader):
            operation["requestBody"]["description"] = _ANY_PLACE


def _parameter(name: str, schema: Mapping[str, Any], *, is_required: bool) -> dict[str, Any]:
    shown = {key: value for key, value in schema.items() if key not in {"title", "description"}}
    parameter: dict[str, Any] = {"in": "query", "name": name, "required": is_required, "schema": shown}
    if "description" in schema:
        parameter["description"] = schema["description"]
    return parameter
