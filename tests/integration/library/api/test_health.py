import pytest
from django.test import Client

from bookwell.library.api import health

pytestmark = pytest.mark.django_db


def refuse() -> None:
    raise ConnectionRefusedError("10.0.0.1")


def test_health__everything_answers__names_each_dependency() -> None:
    answer = Client().get("/health").json()

    assert (answer["service"], answer["state"]) == ("library", "up")
    assert {part["name"]: part["state"] for part in answer["dependencies"]} == {
        "database": "up",
        "migrations": "up",
        "cache": "up",
    }


@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
def test_probe__everything_answers__is_200_under_any_host(path: str) -> None:
    response = Client().get(path, headers={"Host": "10.1.2.3:8013"})

    assert (response.status_code, response.json()) == (200, {"state": "up"})


def test_probes__database_is_down__live_but_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_checks", lambda: {"database": refuse})

    ready = Client().get("/health/ready")

    assert (ready.status_code, ready.json()["code"]) == (503, "http.unavailable")
    assert ready["Retry-After"] == "1"
    assert ready.json()["detail"] == "Not ready: database"
    assert Client().get("/health/live").status_code == 200
    assert Client().get("/health").json()["state"] == "down"


def test_metrics__count_requests_by_route_template() -> None:
    Client().get("/api/branches/987654/")

    text = Client().get("/metrics").content.decode()

    assert (
        'bookwell_http_request_seconds_count{method="GET",route="api/branches/<int:branch_id>/",status="404"}' in text
    )
    assert "987654" not in text
