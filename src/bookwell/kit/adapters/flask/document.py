"""Completes flask-openapi's document: version 3.1, problems of each operation, bearer scheme, idempotency header."""

from typing import Any

from bookwell.kit.openapi import add_components, complete_operation

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
            complete_operation(operation, method, path)
    return document
