"""Completes ninja's OpenAPI 3.1 document: problems per operation, one bearer scheme, the idempotency header."""

from typing import Any

from bookwell.kit.openapi import IDEMPOTENCY_KEY, WRITES, add_components, set_problems

__all__ = ["complete_document"]

_TOKENS = ("login", "token", "refresh", "logout")
_OPTIONAL_SCHEME = "OptionalToken"


def complete_document(document: dict[str, Any]) -> dict[str, Any]:
    """Add to `document`, in place, what holds for every operation."""
    add_components(document["components"])
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            _set_security(operation)
            _add_problems(operation, method, path)
            if method == "post" and not _is_about_tokens(path):
                operation["parameters"].append(IDEMPOTENCY_KEY)
    return document


def _is_about_tokens(path: str) -> bool:
    return path.strip("/").rsplit("/", 1)[-1] in _TOKENS


def _set_security(operation: dict[str, Any]) -> None:
    names = {name for entry in operation.get("security", ()) for name in entry}
    if not names:
        return
    operation["security"] = [{}, {"bearer": []}] if _OPTIONAL_SCHEME in names else [{"bearer": []}]


def _add_problems(operation: dict[str, Any], method: str, path: str) -> None:
    declared = {int(status) for status in operation["responses"] if int(status) >= 400}
    set_problems(operation, _statuses_of(operation, method, path) | declared)


def _statuses_of(operation: dict[str, Any], method: str, path: str) -> set[int]:
    statuses: set[int] = set()
    if "security" in operation:
        statuses |= {401, 403}
    if "{" in path:
        statuses.add(404)
    if method in WRITES:
        statuses |= {411, 413, 422}
    if method in WRITES and not _is_about_tokens(path):
        statuses |= {404, 409}
    if "requestBody" in operation:
        statuses.add(415)
    if operation["parameters"]:
        statuses.add(422)
    return statuses
