"""What the kit does around operations of FastAPI, seen on a toy: parameters of either place, paths, failures."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Annotated, Any

import pytest
from fastapi import FastAPI, Request
from pydantic import Field
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from bookwell.kit.adapters.fastapi.document import install_document
from bookwell.kit.adapters.fastapi.edge import Edge
from bookwell.kit.adapters.fastapi.parameters import parameters
from bookwell.kit.adapters.fastapi.problems import install_problems
from bookwell.kit.adapters.fastapi.slashes import ignore_final_slashes
from bookwell.kit.request_types import Day, Id, StrictBody


class Wanted(StrictBody):
    id: Id
    from_: Day | None = Field(default=None, alias="from")
    is_open: bool | None = None
    amount: float | None = None
    names: tuple[str, ...] = ()


@pytest.fixture(scope="module")
def toy() -> Iterator[TestClient]:
    app = FastAPI()
    install_problems(app)
    app.add_middleware(Edge, max_body_bytes=1024, hosts=["testserver"])

    @app.post("/things/")
    def change(wanted: Annotated[Wanted, parameters(Wanted)]) -> Any:
        return wanted.model_dump(mode="json", by_alias=True, exclude_unset=True)

    @app.get("/things/")
    def look(wanted: Annotated[Wanted, parameters(Wanted)]) -> Any:
        return wanted.model_dump(mode="json", by_alias=True, exclude_unset=True)

    @app.get("/things/{number}")
    def one(number: int, request: Request) -> Any:
        return {"number": number, "route": request.scope["route"].path}

    @app.get("/broken")
    def broken() -> Any:
        raise ZeroDivisionError("secret")

    ignore_final_slashes(app)
    install_document(app)
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


@pytest.mark.parametrize(
    ("query", "body", "read"),
    [
        ("id=5", None, {"id": 5}),
        ("", {"id": 5}, {"id": 5}),
        ("id=5", {"id": 5}, {"id": 5}),
        ("id=4&id=5", {"is_open": False}, {"id": 5, "is_open": False}),
        (
            "id=5&is_open=TRUE&amount=2.50&from=2030-05-07",
            None,
            {"id": 5, "is_open": True, "amount": 2.5, "from": "2030-05-07"},
        ),
        ("id=5&from=2030-05-07", {"from": "2030-05-07"}, {"id": 5, "from": "2030-05-07"}),
        ("id=5&nobodys=1", {"names": ["a"]}, {"id": 5, "names": ["a"]}),
    ],
)
def test_parameters__of_either_place__are_one_model(toy: TestClient, query: str, body: Any, read: Any) -> None:
    answer = toy.post(f"/things/?{query}", json=body) if body is not None else toy.post(f"/things/?{query}")

    assert (answer.status_code, answer.json()) == (200, read)


@pytest.mark.parametrize(
    ("query", "body", "place"),
    [
        ("", None, {"pointer": "#/id"}),
        ("id=x", None, {"parameter": "id"}),
        ("id=5", {"id": 6}, {"parameter": "id"}),
        ("id=5&from=2030-05-07", {"from": "2030-05-08"}, {"parameter": "from"}),
        ("id=5&from=2030-05-07T10:00:00", None, {"parameter": "from"}),
        ("id=5", {"from": 1}, {"pointer": "#/from"}),
        ("id=5", {"from_": "2030-05-07"}, {"pointer": "#/from_"}),
        ("id=5", {"is_open": "true"}, {"pointer": "#/is_open"}),
        ("id=5", {"is_open": 1}, {"pointer": "#/is_open"}),
        ("", {"id": "5"}, {"pointer": "#/id"}),
        ("", {"id": 5.0}, {"pointer": "#/id"}),
        ("id=5", {"names": ["a", 1]}, {"pointer": "#/names/1"}),
        ("id=5&is_open=perhaps", None, {"parameter": "is_open"}),
        ("id=5%00", None, {"parameter": "id"}),
    ],
)
def test_parameters__what_is_wrong__is_named_where_it_stands(
    toy: TestClient, query: str, body: Any, place: Any
) -> None:
    answer = toy.post(f"/things/?{query}", json=body) if body is not None else toy.post(f"/things/?{query}")

    assert answer.status_code == 422, answer.text
    errors = answer.json()["errors"]
    assert [{key: each[key] for key in ("pointer", "parameter") if key in each} for each in errors] == [place]


def test_parameters__of_a_get__are_the_querys_alone(toy: TestClient) -> None:
    answer = toy.request("GET", "/things/?id=5", content=b"junk")

    assert answer.json() == {"id": 5}


@pytest.mark.parametrize("path", ["/things/7", "/things/7/"])
def test_slashes__of_a_path_with_a_part__make_no_difference(toy: TestClient, path: str) -> None:
    assert toy.get(path).json() == {"number": 7, "route": "/things/{number}"}


@pytest.mark.parametrize("path", ["/nothing", "/nothing/", "/", "/things//", "/things/seven"])
def test_paths__that_name_nothing__are_problems(toy: TestClient, path: str) -> None:
    answer = toy.get(path)

    assert (answer.status_code, answer.json()["code"]) == (404, "http.not_found")
    assert answer.json()["instance"] == path


def test_failures__are_logged_and_not_told(toy: TestClient) -> None:
    with capture_logs() as logs:
        answer = toy.get("/broken")

    assert (answer.status_code, answer.json()["code"]) == (500, "http.internal_error")
    assert "secret" not in answer.text
    assert [entry["event"] for entry in logs] == ["http.failed", "http.request"]


def test_document__parameters_of_either_place__are_described(toy: TestClient) -> None:
    paths = toy.app.openapi()["paths"]["/things/"]  # type: ignore[attr-defined]  # FastAPI's

    assert [(each["name"], each["required"]) for each in paths["get"]["parameters"]] == [
        ("id", True),
        ("from", False),
        ("is_open", False),
        ("amount", False),
        ("names", False),
    ]
    assert [(each["name"], each["required"]) for each in paths["post"]["parameters"]] == [("id", False)]
    assert "application/json" in paths["post"]["requestBody"]["content"]


def test_document__asked_for_by_two_at_once__is_whole_for_both() -> None:
    app, begun, asked = FastAPI(), Event(), Event()
    generated = app.openapi

    def generate() -> dict[str, Any]:
        document = generated()
        begun.set()
        asked.wait(0.2)  # the second one gets an answer now, or none before the first one has its
        return document

    def ask() -> str:
        shown = json.dumps(app.openapi())
        asked.set()
        return shown

    app.openapi = generate  # type: ignore[method-assign]  # FastAPI's way
    install_document(app)
    with ThreadPoolExecutor() as threads:
        first = threads.submit(ask)
        assert begun.wait(60)
        second = threads.submit(ask)

    assert second.result() == first.result()
