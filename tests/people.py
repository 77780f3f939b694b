"""People for tests: an HTTP client that speaks JSON as one of them, users with a password, tokens."""

from dataclasses import dataclass
from typing import Any

from django.test import Client
from pydantic_core import to_json

from bookwell.kit import clock
from bookwell.kit.adapters.django.transactions import run_in_transaction
from bookwell.library.accounts import services
from bookwell.library.accounts.models import User
from bookwell.library.accounts.passwords import hash_password
from bookwell.library.accounts.rules import Role
from tests.factories import unique

__all__ = ["PASSWORD", "Api", "api_as", "make_user"]

PASSWORD = "wild strawberries 7"
_HASH: list[str] = []


@dataclass
class Api:
    """An HTTP client that speaks JSON, as one caller or as nobody."""

    access: str = ""
    address: str = "127.0.0.1"

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        if self.access:
            headers["Authorization"] = f"Bearer {self.access}"
        content = b"" if body is None else to_json(body)
        return Client(REMOTE_ADDR=self.address).generic(
            method, path, content, content_type="application/json", headers=headers
        )

    def get(self, path: str) -> Any:
        return self.send("GET", path)

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        return self.send("POST", path, body, **headers)

    def patch(self, path: str, body: Any) -> Any:
        return self.send("PATCH", path, body)

    def put(self, path: str, body: Any) -> Any:
        return self.send("PUT", path, body)

    def delete(self, path: str) -> Any:
        return self.send("DELETE", path)

    def log_in(self, user: User, password: str = PASSWORD) -> dict[str, str]:
        """The tokens of a log-in that succeeds."""
        answer = self.post("/api/login/", {"username": user.username, "password": password})
        assert answer.status_code == 200, answer.content
        tokens: dict[str, str] = answer.json()
        return tokens


def make_user(role: Role = Role.READER, **fields: Any) -> User:
    """A user whose password is `PASSWORD`."""
    name = unique("user")
    if not _HASH:
        _HASH.append(hash_password(PASSWORD))
    chosen: Any = {"username": name, "email": f"{name}@example.org", "password": _HASH[0], "role": role} | fields
    return run_in_transaction(lambda: services.create_user_in_tx(fields=chosen, now=clock.now()))


def api_as(user: User) -> Api:
    """A client with a token of the user's."""
    pair = run_in_transaction(lambda: services.open_session(user=user, now=clock.now()))
    assert pair is not None
    return Api(pair.access)
