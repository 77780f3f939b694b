"""Completes flask-openapi's document: version 3.1, problems of each operation, bearer scheme, idempotency header."""

from collections.abc import Mapping
from typing import Any

from bookwell.kit.openapi import IDEMPOTENCY_KEY, WRITES, add_components, set_problems

__all__ = ["complete_document"]


def complete_document(document: dict[str, Any]) -> dict[str, Any]:
    """Add to `document`, in place, what holds for every operation.

    An operation says by `security` in its route whether it needs a token, and by an `x-idempotent` extension that it
    takes an Idempotency-Key.
    """
    document["openapi"] = "3.1.0"
    components = document.setdefault("components", {})
    add_components(components)
    components["schemas"].pop("ValidationErrorModel", None)
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            operation.setdefault("parameters", [])
            if operation.pop("x-idempotent", False):
                operation["parameters"].append(IDEMPOTENCY_KEY)
            _add_problems(operation, method, path)
    return document


def _add_problems(operation: dict[str, Any], method: str, path: str) -> None:
    declared = {int(status) for status in operation["responses"] if int(status) >= 400}
    set_problems(operation, _statuses_of(operation, method, path) | declared - {422})


def _statuses_of(operation: Mapping[str, Any], method: str, path: str) -> set[int]:
    statuses: set[int] = set()
    if operation.get("security"):
        statuses |= {401, 403}
    if "{" in path:
        statuses |= {404, 422}
    if operation.get("parameters"):
        statuses |= {422}
    if method in WRITES:
        statuses |= {404, 409}
    if "requestBody" in operation:
        statuses |= {411, 413, 415, 422}
    return statuses
