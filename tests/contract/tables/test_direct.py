"""Operations that are answered without FastAPI's routing are answered as FastAPI would."""

from typing import Any

import pytest
from fastapi.routing import APIRoute
from starlette.testclient import TestClient

from bookwell.tables.api import bookings, floor, guests, view_tables

_DIRECT = (view_tables.router, guests.router, bookings.router, floor.router)


def _routes() -> list[APIRoute]:
    return [route for router in _DIRECT for route in router.routes if isinstance(route, APIRoute)]


def _ask(client: TestClient, route: APIRoute, path: str, **headers: str) -> Any:
    return client.request(next(iter(route.methods or ())), path, headers=headers)


@pytest.mark.parametrize("route", _routes(), ids=lambda route: route.path)
def test_operation__directly_and_by_fastapi__is_answered_alike(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, route: APIRoute
) -> None:
    application: Any = client.app
    directly = application.router.middleware_stack
    assert any(operation.route is route for operation in directly.operations.values()), "it is not direct at all"
    paths = (route.path, route.path.rstrip("/"))

    answers = [_ask(client, route, path) for path in paths]
    monkeypatch.setattr(application.router, "middleware_stack", directly.app)
    answers += [_ask(client, route, path) for path in paths]

    told = [(each.status_code, each.headers["content-type"], each.json()) for each in answers]
    for *_, content in told:
        if isinstance(content, dict):
            content.pop("trace_id", None)
            content.pop("instance", None)
    assert told == [told[0]] * 4


def test_operation__asked_for_another_type__is_refused_before_anything_else(client: TestClient) -> None:
    answer = client.post("/api/admin/accept_booking/", headers={"Accept": "text/html"})

    assert answer.status_code == 406


def test_operation__asked_with_another_method__is_fastapis_to_refuse(client: TestClient) -> None:
    answer = client.put("/api/customer/book_table/")

    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
