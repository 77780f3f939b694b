"""The whole OpenAPI document, fuzzed in process: no 5xx, no undocumented status, every error a problem document."""

from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, connection
from hypothesis import strategies
from schemathesis import GenerationMode
from schemathesis.core import NOT_SET
from schemathesis.specs.openapi.checks import negative_data_rejection

from bookwell.library.api.app import api
from bookwell.library.config.wsgi import application
from tests.contract.fuzzing import CHECKS, cases, fuzzed, operations_of
from tests.contract.library.world import World

PEOPLE = ("admin", "librarian", "reader", "admin", "librarian", "reader", None)
PLACES = ("path_parameters", "query", "body")
KNOWN: dict[str, list[Any]] = {}
OPERATIONS = operations_of(api.get_openapi_schema(), application)


def what_breaks_the_schema_is_refused(ctx: Any, response: Any, case: Any) -> None:
    """Schemathesis' own check, but for what is served on purpose.

    That is: query parameters that are unknown or repeated, a body of null where none is needed, our own token.
    """
    wrong = {place.value for place, part in case.meta.components.items() if part.mode is GenerationMode.NEGATIVE}
    named = {parameter.name for parameter in case.operation.query}
    is_query_wrong = set(case.query) <= named and not any(isinstance(value, list) for value in case.query.values())
    is_body_wrong = case.body is not None and case.body is not NOT_SET
    if "path" in wrong or ("query" in wrong and is_query_wrong) or ("body" in wrong and is_body_wrong):
        negative_data_rejection(ctx, response, case)


@pytest.fixture
def _one_connection() -> Iterator[None]:
    """Keeps the test's transaction over many requests, as Django's own test client does."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def known_world(world: World, _one_connection: None) -> World:
    """Tells the hook what exists."""
    reservations = [world.waiting, world.assigned, world.shipped, world.ready, world.borrowed]
    KNOWN.clear()
    KNOWN.update(
        book_id=[world.book.pk, world.unborrowed_book.pk],
        reservation_id=[reservation.pk for reservation in reservations],
        user_id=[world.reader.pk, world.other.pk],
        reader_id=[world.reader.pk, world.other.pk],
        policy_id=[world.policy.pk],
        branch_id=[world.branch.pk, world.far_branch.pk],
        closure_id=[world.closure.pk],
        barcode=[world.copy.barcode],
        branch=[world.branch.code, world.far_branch.name],
        library=[world.branch.name, world.far_branch.code],
        pickup_branch=[world.branch.name],
        reader=[world.reader.card_number],
    )
    return world


@pytest.mark.parametrize("label", sorted(OPERATIONS))
def test_operation__whatever_is_sent__answers_as_documented(label: str, known_world: World) -> None:
    @fuzzed(60 if connection.vendor == "sqlite" else 5)
    @hypothesis.given(case=cases(OPERATIONS[label], known=KNOWN, places=PLACES), person=strategies.sampled_from(PEOPLE))
    def fuzz(case: Any, person: str | None) -> None:
        headers = {"X-Request-ID": "fuzz", **known_world.headers(person)}
        response = case.call(headers=headers)
        case.validate_response(response, checks=[*CHECKS, what_breaks_the_schema_is_refused], headers=headers)

    fuzz()
