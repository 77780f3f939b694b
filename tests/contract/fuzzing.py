"""What fuzzing a service's OpenAPI document in process needs, whichever framework wrote it."""

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

import hypothesis
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

__all__ = ["CHECKS", "cases", "fuzzed", "operations_of"]

_TOKENS = "/identity/o/api/token"
_IS_CHAOS = bool(os.environ.get("BOOKWELL_CHAOS"))


def operations_of(document: Mapping[str, Any], app: Any) -> dict[str, Any]:
    """The operations by their labels, such as `GET /books`; their cases call `app`."""
    schema: Any = schemathesis.openapi.from_dict(json.loads(json.dumps(document)))
    schema.app = app
    return {found.ok().label: found.ok() for found in schema.get_all_operations()}


def fuzzed(examples: int, *, long: int = 400) -> hypothesis.settings:
    """So many examples, the same in each run; in a long run, `long` others each time."""
    return hypothesis.settings(
        max_examples=long if _IS_CHAOS else examples,
        derandomize=not _IS_CHAOS,
        deadline=None,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )


@strategies.composite
def cases(
    draw: Any,
    operation: Any,
    *,
    known: Mapping[str, Sequence[Any]],
    places: Sequence[str],
    known_of_four: int = 2,
    can_be_wrong: bool = True,
) -> Any:
    """Requests of which a third break the schema, where they can.

    In the other ones, what stands at `places` (`query`, `path_parameters`, `body`) and names something is one of
    `known`, so many times of four.
    """
    if can_be_wrong and draw(strategies.integers(0, 2)) == 0:
        return draw(operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))
    case = draw(operation.as_strategy(generation_mode=GenerationMode.POSITIVE))
    for place in places:
        setattr(case, place, _known_or(getattr(case, place), draw, known, known_of_four))
    return case


def _known_or(generated: Any, draw: Any, known: Mapping[str, Sequence[Any]], of_four: int) -> Any:
    """Generated values, some of those that name something replaced by what exists."""
    if not isinstance(generated, dict):
        return generated
    replaced = dict(generated)
    for name in replaced.keys() & known.keys():
        if draw(strategies.integers(0, 3)) < of_four:
            replaced[name] = draw(strategies.sampled_from(known[name]))
    return replaced


def problem_is_complete(_ctx: Any, response: Any, case: Any) -> None:
    """Every error is a problem document with a code, and with the request's id, but what RFC 6749 prescribes."""
    if response.status_code >= 400:
        problem = response.json()
        if case.operation.path == _TOKENS and "error" in problem:
            return  # checked against its schema
        assert response.headers["content-type"] == ["application/problem+json"], response.headers
        assert problem["status"] == response.status_code
        assert problem["code"]
        assert problem["trace_id"] == response.headers["x-request-id"][0]


CHECKS: list[Any] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    problem_is_complete,
]
