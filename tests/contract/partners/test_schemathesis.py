"""The whole OpenAPI document, fuzzed in process: no 5xx but the documented, every error a problem document."""

import os
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import strategies
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.fake_partners import ISBN, World, in_world, token

IS_CHAOS = bool(os.environ.get("BOOKWELL_CHAOS"))
KNOWN: dict[str, list[Any]] = {
    "book_id": [1, 2, 3],
    "isbn": [ISBN, "0-261-10357-1"],
    "name": ["library 2", "library 3"],
    "ref": ["reservation:17"],
    "reference": ["reservation:17"],
}
PEOPLE: dict[str, dict[str, Any] | None] = {
    "nobody": None,
    "reader": {"sub": "5", "roles": ["reader"]},
    "librarian": {"sub": "6", "roles": ["librarian"]},
    "machine": {"client_id": "x", "scope": "reservations:write"},
    "library": {"sub": "library", "roles": ["service"]},
}
LABELS = (
    "GET /status/{book_id}",
    "GET /books/{isbn}/availability",
    "POST /reserve",
    "POST /partners/{name}/reservations",
    "GET /partners/{name}/reservations/{ref}",
    "DELETE /partners/{name}/reservations/{ref}",
    "GET /partners",
)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with in_world() as world:
        yield world


@pytest.fixture(scope="module")
def operations(world: World) -> dict[str, Any]:
    document: Any = world.client.get("/openapi.json").json
    schema: Any = schemathesis.openapi.from_dict(document)
    schema.app = world.client.application
    return {found.ok().label: found.ok() for found in schema.get_all_operations()}


def _known_or(generated: Any, draw: Any) -> Any:
    """Generated values, half of those that name something replaced by what exists."""
    if not isinstance(generated, dict):
        return generated
    replaced = dict(generated)
    for name in replaced.keys() & KNOWN.keys():
        if draw(strategies.booleans()):
            replaced[name] = draw(strategies.sampled_from(KNOWN[name]))
    return replaced


@strategies.composite
def _cases(draw: Any, operation: Any) -> Any:
    can_be_wrong = operation.body or operation.path_parameters
    if can_be_wrong and draw(strategies.integers(0, 2)) == 0:
        return draw(operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))
    case = draw(operation.as_strategy(generation_mode=GenerationMode.POSITIVE))
    case.path_parameters = _known_or(case.path_parameters, draw)
    case.body = _known_or(case.body, draw)
    return case


def problem_is_complete(ctx: Any, response: Any, case: Any) -> None:
    if response.status_code >= 400:
        problem = response.json()
        assert response.headers["content-type"] == ["application/problem+json"], response.headers
        assert problem["status"] == response.status_code
        assert problem["code"]
        assert problem["trace_id"] == response.headers["x-request-id"][0]


def a_body_that_breaks_the_schema_is_refused(ctx: Any, response: Any, case: Any) -> None:
    wrong = {place.value for place, part in case.meta.components.items() if part.mode is GenerationMode.NEGATIVE}
    if wrong & {"body", "path"}:
        assert response.status_code >= 400, case.body


CHECKS: list[Any] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    a_body_that_breaks_the_schema_is_refused,
    problem_is_complete,
]


@pytest.mark.parametrize("label", LABELS)
def test_operation__whatever_is_sent__answers_as_documented(label: str, operations: dict[str, Any]) -> None:
    @hypothesis.settings(
        max_examples=600 if IS_CHAOS else 40,
        derandomize=not IS_CHAOS,
        deadline=None,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(case=_cases(operations[label]), person=strategies.sampled_from(sorted(PEOPLE)))
    def fuzz(case: Any, person: str) -> None:
        claims = PEOPLE[person]
        headers = {"X-Request-ID": "fuzz", **(token(**claims) if claims else {})}
        response = case.call(headers=headers, base_url="http://localhost")
        case.validate_response(response, checks=CHECKS, headers=headers)

    fuzz()


def test_labels__are_all_operations(operations: dict[str, Any]) -> None:
    assert set(operations) == set(LABELS)
