"""What the door for Python 2.7 does by itself: when the partners service is down, slow or not itself; its log."""

import json
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx2
import pytest

from bookwell.contracts.problems import Problem
from tests.doors import DOOR_FOLDER, Door, python27_door
from tests.infrastructure.python27 import bring_door_environment

_TOKEN = {"Authorization": "Bearer secret-token"}
_JSON = "application/json"


@dataclass
class Behind:
    """What stands where the partners service should: answers `status` with `content`, once nothing `hangs`."""

    status: int = 200
    content: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": _JSON})
    hangs: threading.Event | None = None
    seen: list[dict[str, str]] = field(default_factory=list)


@contextmanager
def _serving(behind: Behind) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            behind.seen.append({name.lower(): value for name, value in self.headers.items()})
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if behind.hangs is not None:
                behind.hangs.wait(20)
            self.send_response(behind.status)
            for name, value in behind.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(behind.content)))
            self.end_headers()
            self.wfile.write(behind.content)

        do_POST = do_GET  # noqa: N815 -- the base's name

        def log_message(self, *arguments: Any) -> None:
            """Nowhere."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, *arguments: Any) -> None:
            """The door hangs up on what is late or huge."""

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Door, Behind]]:
    behind = Behind()
    elsewhere = {"http_proxy": "http://127.0.0.1:9", "no_proxy": ""}  # which is nobody's business
    with _serving(behind) as url, python27_door(url, BOOKWELL_DOOR_TIMEOUT_MS="500", **elsewhere) as door:
        yield door, behind


@pytest.fixture
def behind(served: tuple[Door, Behind]) -> Behind:
    """As it was when it was new."""
    behind, new = served[1], Behind()
    for name in Behind.__dataclass_fields__:
        setattr(behind, name, getattr(new, name))
    return behind


@pytest.fixture
def door(served: tuple[Door, Behind], behind: Behind) -> Door:
    return served[0]


@pytest.fixture(scope="module")
def lonely() -> Iterator[Door]:
    """A door behind which nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with python27_door(f"http://127.0.0.1:{taken.getsockname()[1]}") as door:
            yield door


def reserve(door: Door, body: Any = None, headers: dict[str, str] | None = None) -> httpx2.Response:
    return door.http.post("/reserve", json=body or {"book_id": 1}, headers=_TOKEN | (headers or {}))


def assert_unreachable(answer: httpx2.Response) -> None:
    problem = Problem.model_validate_json(answer.content)
    assert (answer.status_code, answer.headers["Content-Type"]) == (503, "application/problem+json")
    assert (problem.code, problem.retryable) == ("partners.unreachable", True)
    assert int(answer.headers["Retry-After"]) > 0


def test_door__nothing_behind_it__is_503_and_says_so_in_its_health(lonely: Door) -> None:
    assert_unreachable(lonely.http.get("/status/1"))
    assert_unreachable(reserve(lonely))
    health = lonely.http.get("/health")
    assert (health.status_code, health.json()["state"]) == (200, "down")
    assert [item["state"] for item in health.json()["dependencies"]] == ["down"]


@pytest.mark.parametrize(
    ("body", "key", "status"),
    [
        ({"book_id": 1}, "a b", 422),
        ({"book_id": "1"}, "k", 422),
        ({"book_id": True}, "k", 422),
        ({"book_id": 2**63}, "k", 422),
        ({"book_id": 1, "library": "x" * 101}, "k", 422),
        ({"book_id": 1, "library": "\0"}, "k", 422),
        ({"book_id": 1, "reserved_until": 5}, "k", 422),
        ({"book_id": 1, "reserved_until": "soon"}, "k", 422),
        ({"book_id": 1, "color": "red"}, "k", 422),
        ({"\0": 1}, "k", 422),
        ([1] * 600_000, "k", 413),
    ],
)
def test_door__nothing_behind_it__still_refuses_what_is_malformed(
    lonely: Door, body: Any, key: str, status: int
) -> None:
    assert reserve(lonely, body, {"Idempotency-Key": key}).status_code == status
    assert lonely.http.get("/status/0").status_code == 404


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"{", 400),
        (b'{"library": "\xed\xa0\xbd\xed\xb8\x80"}', 400),
        (b'{"library": "\\ud83d"}', 422),
        (b'{"book_id": 1, "library": {"a": 1e400}}', 422),
        (b"[" * 33 + b"]" * 33, 422),
        (b"[" * 500_000 + b"]" * 500_000, 422),
    ],
)
def test_door__nothing_behind_it__reads_json_strictly_by_itself(lonely: Door, content: bytes, status: int) -> None:
    headers = _TOKEN | {"Content-Type": _JSON}

    assert lonely.http.post("/reserve", content=content, headers=headers).status_code == status


def test_health__the_service_answers__is_up(door: Door) -> None:
    assert door.http.get("/health").json()["state"] == "up"


def test_door__no_answer_in_time__is_503(door: Door, behind: Behind) -> None:
    behind.hangs = threading.Event()
    try:
        assert_unreachable(reserve(door))
    finally:
        behind.hangs.set()


@pytest.mark.parametrize(
    ("status", "content", "headers"),
    [
        (200, b"<h1>Hello</h1>", {"Content-Type": "text/html"}),
        (200, b"{}", {}),
        (502, b"{}", {"Content-Type": _JSON}),
        (504, b"{}", {"Content-Type": _JSON}),
        (302, b"{}", {"Content-Type": _JSON, "Location": "/status/2"}),
        (304, b"", {"Content-Type": _JSON}),
        (200, b"[" + b"1," * 600_000 + b"1]", {"Content-Type": _JSON}),
    ],
    ids=["page", "no type", "proxy", "slow proxy", "redirect", "not modified", "huge"],
)
def test_door__something_else_answers__is_503(
    door: Door, behind: Behind, status: int, content: bytes, headers: dict[str, str]
) -> None:
    behind.status, behind.content, behind.headers = status, content, headers

    assert_unreachable(door.http.get("/status/1"))
    assert len(behind.seen) == 1


def test_door__what_it_sends_on__is_what_the_service_needs_and_nothing_else(door: Door, behind: Behind) -> None:
    sent = {"Idempotency-Key": "k-1", "X-Request-ID": "r-1", "Cookie": "a=b", "X-Forwarded-For": "198.51.100.7"}

    reserve(door, headers=sent)

    (seen,) = behind.seen
    assert (seen["authorization"], seen["idempotency-key"], seen["x-request-id"]) == (
        "Bearer secret-token",
        "k-1",
        "r-1",
    )
    assert seen["x-forwarded-for"] == "198.51.100.7, 127.0.0.1"
    assert "cookie" not in seen


def test_door__asked_for_a_status__keeps_the_callers_token_to_itself(door: Door, behind: Behind) -> None:
    door.http.get("/status/1?from=somewhere", headers=_TOKEN)

    (seen,) = behind.seen
    assert "authorization" not in seen


def test_door__a_cookie_from_behind__reaches_no_caller(door: Door, behind: Behind) -> None:
    behind.headers = {"Content-Type": _JSON, "Set-Cookie": "session=1", "X-Powered-By": "us"}

    answers = [door.http.get("/status/1") for _ in range(3)]

    assert all("set-cookie" not in answer.headers and "x-powered-by" not in answer.headers for answer in answers)
    assert all("cookie" not in seen for seen in behind.seen)


def test_log__a_request__is_one_json_line_without_personal_data(door: Door) -> None:
    body = {"book_id": 1, "reader": "C-secret-card", "external_ref": "secret-ref"}

    reserve(door, body, {"X-Request-ID": "logged-1", "X-Forwarded-For": "198.51.100.7"})

    (record,) = [record for record in door.records() if record["request_id"] == "logged-1"]
    assert set(record) == {
        "time",
        "service",
        "level",
        "event",
        "request_id",
        "method",
        "route",
        "status",
        "milliseconds",
    }
    assert (record["event"], record["method"], record["route"], record["status"]) == (
        "http.request",
        "POST",
        "/reserve",
        200,
    )
    assert door.log is not None
    assert "secret" not in door.log.read_text()
    assert "198.51" not in door.log.read_text()


def test_log__health__is_asked_too_often_to_be_written(door: Door) -> None:
    door.http.get("/health", headers={"X-Request-ID": "health-1"})

    assert not [record for record in door.records() if record["request_id"] == "health-1"]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("BOOKWELL_PARTNERS_URL", "partners:5013"),
        ("BOOKWELL_PARTNERS_URL", "file:///etc/passwd"),
        ("BOOKWELL_DOOR_TIMEOUT_MS", "0"),
        ("BOOKWELL_DOOR_TIMEOUT_MS", "soon"),
        ("BOOKWELL_MAX_BODY_BYTES", "-1"),
    ],
)
def test_start__a_wrong_setting__is_named(variable: str, value: str) -> None:
    python = bring_door_environment()

    started = subprocess.run(  # noqa: S603 -- our own program
        [python.bin / "python", "-B", "-c", "import app"],
        cwd=DOOR_FOLDER,
        env=python.environment | {variable: value},
        capture_output=True,
        text=True,
        check=False,
    )

    assert started.returncode == 1
    assert started.stderr.startswith(f"{variable}: ")


def test_answers__of_the_service__are_passed_as_they_are(door: Door, behind: Behind) -> None:
    content = json.dumps({"title": "Zażółć"}, ensure_ascii=False).encode()
    behind.status, behind.content = 201, content
    behind.headers = {"Content-Type": "application/json; charset=utf-8", "Location": "https://library.test/7"}

    answer = reserve(door)

    assert (answer.status_code, answer.content) == (201, content)
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert answer.headers["Location"] == "https://library.test/7"
