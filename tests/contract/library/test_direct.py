"""What is answered without the resolver and the other middlewares is answered the same."""

from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.urls import ResolverMatch

from bookwell.kit.adapters.django.http.edge import EdgeMiddleware
from bookwell.library.circulation import services
from tests.contract.library.world import World

_OF_ONE_REQUEST = ("X-Request-ID", "traceparent", "RateLimit")


def _thrice(world: World, person: str | None, method: str, body: Any, **headers: str) -> list[tuple[Any, ...]]:
    """The answers of one server: the first one finds its view, the others know it."""
    client = Client(raise_request_exception=False)
    sent = (world.headers(person) if person else {}) | headers
    answers = []
    for _ in range(3):
        answer = client.generic(method, "/api/reservations/", body, content_type="application/json", headers=sent)
        content = answer.json() if answer.content else None
        if isinstance(content, dict):
            content.pop("trace_id", None)
        told = {name: value for name, value in answer.headers.items() if name not in _OF_ONE_REQUEST}
        answers.append((answer.status_code, content, told))
    return answers


@pytest.mark.parametrize(
    ("person", "method", "body", "headers", "status"),
    [
        (None, "POST", "{}", {}, 401),
        (None, "POST", "no JSON", {"Authorization": "Bearer nonsense"}, 401),
        ("other", "POST", "no JSON", {}, 400),
        ("other", "POST", '{"book_id": "one", "more": 1}', {}, 422),
        ("other", "POST", "", {}, 422),
        ("other", "POST", '{"book_id": 999999999}', {}, 404),
        ("other", "POST", '{"book_id": 1}', {"Accept": "text/plain"}, 406),
        ("other", "GET", "", {}, 200),
        ("other", "PUT", "{}", {}, 405),
    ],
)
def test_second_request__is_answered_like_the_first(
    person: str | None, method: str, body: str, headers: dict[str, str], status: int, world: World
) -> None:
    first, *others = _thrice(world, person, method, body, **headers)

    assert first[0] == status
    assert others == [first, first]


def test_second_request__fails_unexpectedly__is_a_problem_like_the_first(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_of: object) -> None:
        raise LookupError("unexpected")

    monkeypatch.setattr(services, "place_reservation", fail)

    first, *others = _thrice(world, "other", "POST", '{"book_id": 1}')

    assert first[0] == 500
    assert others == [first, first]


@pytest.mark.parametrize(
    ("needs_no_page", "route", "times"), [(True, "a/b/", 1), (False, "a/b/", 2), (True, "a/<str:c>/", 2)]
)
def test_edge__view_needs_no_page__the_other_middlewares_see_the_first_request_alone(
    needs_no_page: bool, route: str, times: int
) -> None:
    def view(_request: HttpRequest) -> HttpResponse:
        return HttpResponse("answered")

    view.needs_no_page = needs_no_page  # type: ignore[attr-defined]  # as the API does
    seen = []

    def others(request: HttpRequest) -> HttpResponse:
        seen.append(request)
        request.resolver_match = ResolverMatch(view, (), {}, route=route)
        return view(request)

    edge = EdgeMiddleware(others)
    answers = [edge(RequestFactory().get("/a/b/", headers={"Host": "127.0.0.1"})) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert len(seen) == times
