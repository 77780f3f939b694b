"""An API of one resource, to see the conventions without any domain. Counts its effects in `made`."""

import sqlite3
from dataclasses import dataclass
from typing import Any

from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from ninja import Query, Schema
from ninja.security import HttpBearer
from pydantic import ConfigDict, Field

from bookwell.kit.adapters.django.http.api import ProblemAPI
from bookwell.kit.adapters.django.http.throttle import CallerThrottle
from bookwell.kit.errors import Conflict, Forbidden, Unavailable
from bookwell.library.api import health

made: list[str] = []


class Taken(Conflict):
    code = "thing.taken"
    title = "The thing is taken"


class Overloaded(Unavailable):
    code = "thing.overloaded"
    title = "Too much to do"


class Size(Schema):
    model_config = ConfigDict(extra="forbid")
    width: int = Field(ge=0, le=100)


class Thing(Schema):
    model_config = ConfigDict(extra="forbid")
    name: str = Field(max_length=20)
    sizes: list[Size] = []
    extra: Any = None


class Filter(Schema):
    limit: int = Field(default=50, ge=1, le=100)
    q: str = ""


class Token(HttpBearer):
    def authenticate(self, request: HttpRequest, token: str) -> str | None:
        return token if token == "good" else None


api = ProblemAPI(title="Toy", version="1", urls_namespace="toy")


@api.get("/things/", response={200: list[str]})
def list_things(request: HttpRequest, filters: Query[Filter]) -> list[str]:
    """Every thing."""
    return ["a"] * filters.limit


@api.post("/things/", auth=Token(), response={201: Thing})
def make_thing(request: HttpRequest, payload: Thing) -> HttpResponse:
    """One more thing."""
    made.append(payload.name)
    return HttpResponse(payload.model_dump_json(), status=201, content_type="application/json")


@api.get("/things/{int:thing_id}/", response={200: str})
def get_thing(request: HttpRequest, thing_id: int) -> str:
    """One thing."""
    return str(thing_id)


@api.get("/fail/{kind}/", response={200: str})
def fail(request: HttpRequest, kind: str) -> str:
    """Goes wrong."""
    failures: dict[str, Exception] = {
        "conflict": Taken("Somebody has it"),
        "overloaded": Overloaded(),
        "database": _database_error(sqlite3.SQLITE_CANTOPEN, "no way to 10.0.0.1"),
        "busy": _database_error(sqlite3.SQLITE_BUSY, "10.0.0.1 is locked"),
        "migration": _database_error(sqlite3.SQLITE_ERROR, "no such column: secret"),
        "bug": RuntimeError("secret in a traceback"),
    }
    raise failures[kind]


def _database_error(code: int, words: str) -> OperationalError:
    """Django's error as it is raised from the driver's."""
    cause = sqlite3.OperationalError(words)
    cause.sqlite_errorcode = code
    error = OperationalError(words)
    error.__cause__ = cause
    return error


@dataclass(frozen=True)
class Caller:
    user_id: int


class NumberToken(HttpBearer):
    def authenticate(self, request: HttpRequest, token: str) -> Caller | None:
        return Caller(int(token)) if token.isdecimal() else None


class TooWeak(Forbidden):
    code = "caller.too_weak"
    title = "Not for this caller"


class StrongToken(HttpBearer):
    """Nobody's token is strong enough, as where a role is missing."""

    def authenticate(self, request: HttpRequest, token: str) -> Caller | None:
        request.auth = Caller(int(token))  # type: ignore[attr-defined]  # as ninja does for those it lets in
        raise TooWeak


limited = ProblemAPI(title="Limited", version="1", urls_namespace="limited", throttle=CallerThrottle(limit=3))


@limited.get("/mine/", auth=NumberToken(), response={200: str})
def get_mine(request: HttpRequest) -> str:
    """For callers with a token."""
    return "mine"


@limited.get("/nobodys/", auth=StrongToken(), response={200: str})
def get_nobodys(request: HttpRequest) -> str:
    """For callers of a role that nobody has."""
    return "nobody's"


@limited.get("/everyones/", response={200: str})
def get_everyones(request: HttpRequest) -> str:
    """For anyone."""
    return "everyone's"


urlpatterns = [path("api/", api.urls), path("limited/", limited.urls), path("", include(health))]
handler500 = "bookwell.kit.adapters.django.http.problems.server_error"
