"""The log table of a running Bookwell: every service writes there, and nothing that is anybody's secret."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import httpx2

from tests.e2e.embedded import run_up, wait_until

_MAIL = "ada.lovelace@example.org"
_PASSWORD = "correct-horse-battery-7"
_NAME = "ada-with-a-name"
_TRACE = "0af7651916cd43dd8448eb211c80319c"


def rows_of(folder: Path) -> list[str]:
    with closing(sqlite3.connect(folder / "logs.sqlite3")) as connection:
        return [json.dumps(row) for row in connection.execute("SELECT * FROM log_record ORDER BY id")]


def _is_forbidden(client: httpx2.Client, token: str) -> bool:
    """Whether a reader may not see what the token's issuer has to be asked for; on a busy machine it answers late."""
    answer = client.get("/partners", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code in {403, 503}, answer.text
    return answer.status_code == 403


def test_log_table__of_a_running_bookwell__tells_of_requests_and_of_nobody(tmp_path: Path) -> None:
    with run_up(tmp_path, "--demo", "--only", "library,partners") as up:
        up.wait_until_ready()
        demo = json.loads((up.folder / "demo.json").read_text())
        with httpx2.Client(base_url=demo["library_url"], trust_env=False, headers={"X-Request-ID": "desk-7"}) as client:
            person = {"username": _NAME, "email": _MAIL, "password": _PASSWORD}
            assert client.post("/api/register/", json=person).status_code == 201
            wrong = {"username": _NAME, "password": f"{_PASSWORD}-wrong"}
            assert client.post("/api/login/", json=wrong).status_code == 401
            tokens = client.post("/api/login/", json={"username": _NAME, "password": _PASSWORD}).json()
            client.headers["Authorization"] = f"Bearer {tokens['access']}"
            books = client.get("/api/books/", params={"q": _NAME, "available": "false"})
            assert books.status_code == 200
            sent = {"Idempotency-Key": f"{_NAME}-1", "traceparent": f"00-{_TRACE}-b7ad6b7169203331-01"}
            placed = client.post("/api/reservations/", json={"book_id": 1}, headers=sent)
            assert placed.status_code == 201
        with httpx2.Client(
            base_url=demo["partners_url"], trust_env=False, headers={"X-Request-ID": "desk-8"}
        ) as client:
            assert client.get("/status/1").status_code == 200
            wait_until(lambda: _is_forbidden(client, tokens["access"]))
        wait_until(lambda: sum('"desk-8"' in row for row in rows_of(up.folder)) >= 5)
        wait_until(lambda: any("delivery.attempted" in row and _TRACE in row for row in rows_of(up.folder)))

    rows = rows_of(up.folder)

    assert sum('"desk-7"' in row and '"http.request"' in row for row in rows) == 5
    assert {name for name in ("library", "partners", "background") if any(f'"{name}"' in row for row in rows)} == {
        "library", "partners", "background"
    }  # fmt: skip
    secrets = (_MAIL, _PASSWORD, _NAME, tokens["access"], tokens["access"].split(".")[1], tokens["refresh"], "Bearer")
    assert [(secret, row) for row in rows for secret in secrets if secret in row] == []
