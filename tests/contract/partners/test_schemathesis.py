"""The whole OpenAPI document, fuzzed in process: no 5xx but the documented, every error a problem document."""

from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies
from schemathesis import GenerationMode

from tests.contract.fuzzing import CHECKS, cases, fuzzed, operations_of
from tests.fake_partners import ISBN, World, in_world, token

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
    return operations_of(world.client.get("/openapi.json").json or {}, world.client.application)


def a_body_that_breaks_the_schema_is_refused(ctx: Any, response: Any, case: Any) -> None:
    wrong = {place.value for place, part in case.meta.components.items() if part.mode is GenerationMode.NEGATIVE}
    if wrong & {"body", "path"}:
        assert response.status_code >= 400, case.body


@pytest.mark.parametrize("label", LABELS)
def test_operation__whatever_is_sent__answers_as_documented(label: str, operations: dict[str, Any]) -> None:
    operation = operations[label]
    can_be_wrong = bool(operation.body or operation.path_parameters)
    requests = cases(operation, known=KNOWN, places=("path_parameters", "body"), can_be_wrong=can_be_wrong)

    @fuzzed(40, long=600)
    @hypothesis.given(case=requests, person=strategies.sampled_from(sorted(PEOPLE)))
    def fuzz(case: Any, person: str) -> None:
        claims = PEOPLE[person]
        headers = {"X-Request-ID": "fuzz", **(token(**claims) if claims else {})}
        response = case.call(headers=headers, base_url="http://localhost")
        case.validate_response(response, checks=[*CHECKS, a_body_that_breaks_the_schema_is_refused], headers=headers)

    fuzz()


def test_labels__are_all_operations(operations: dict[str, Any]) -> None:
    assert set(operations) == set(LABELS)
