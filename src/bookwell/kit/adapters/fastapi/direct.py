"""Operations answered without FastAPI's routing and its solving of dependencies, which cost more than most of them do.

FastAPI stays who knows the operations: it writes the document, and answers whatever is not answered here. An operation
is served directly if its path is fixed, it is no coroutine, it answers a `Response`, and all that it takes is the
request, or comes from dependencies of which the same is true.

Asynchronous dependencies are asked first; the others in turn, and then the operation, in one thread of the event loop's
executor. Whatever may refuse a request is one of the others: they come behind `BEFORE_WORK`, which counts it.
"""

import asyncio
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple, get_type_hints

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import get_dependant
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["BEFORE_WORK", "Direct", "serve_directly"]

BEFORE_WORK = "before_work"
"""The name in the request's state of what is called first in the operation's thread."""

_Key = tuple[str, str]
_UNDERSTOOD = frozenset(
    {"name", "call", "path", "dependencies", "request_param_name", "http_connection_param_name", "use_cache", "scope"}
)
"""What FastAPI notes of a function and is heeded here; with anything else the operation stays FastAPI's."""


class _Call(NamedTuple):
    """A function, and whose result each of its arguments is; the request is `Request`'s."""

    function: Callable[..., Any]
    arguments: tuple[tuple[str, Callable[..., Any]], ...]

    def filled(self, known: Mapping[Callable[..., Any], Any]) -> dict[str, Any]:
        """The arguments of one request."""
        return {name: known[source] for name, source in self.arguments}


class _Unknown(Exception):
    """FastAPI alone knows where an argument comes from."""


@dataclass(frozen=True, slots=True)
class _Operation:
    """A route: what is found out first, each in turn, and the function that answers."""

    route: APIRoute
    awaited: tuple[_Call, ...]
    called: tuple[_Call, ...]
    answer: _Call

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI's hook."""
        scope["route"] = self.route
        known: dict[Callable[..., Any], Any] = {Request: Request(scope, receive, send)}
        for call in self.awaited:
            known[call.function] = await call.function(**call.filled(known))
        response = await asyncio.to_thread(self._work, known, scope["state"].pop(BEFORE_WORK, None))
        await response(scope, receive, send)

    def _work(self, known: dict[Callable[..., Any], Any], before: Callable[[], None] | None) -> Response:
        if before is not None:
            before()
        for call in self.called:
            known[call.function] = call.function(**call.filled(known))
        response: Response = self.answer.function(**self.answer.filled(known))
        return response


@dataclass(frozen=True, slots=True)
class Direct:
    """An ASGI application in front of another one."""

    app: ASGIApp
    operations: Mapping[_Key, _Operation]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI's hook."""
        await (self._find(scope) or self.app)(scope, receive, send)

    def is_served(self, scope: Scope) -> bool:
        """Whether a request's operation is answered here, and `BEFORE_WORK` called."""
        return self._find(scope) is not None

    def _find(self, scope: Scope) -> _Operation | None:
        if scope["type"] != "http" or scope.get("root_path"):
            return None
        return self.operations.get((scope["method"], _without_slash(scope["path"])))


def serve_directly(app: FastAPI, routers: Sequence[APIRouter], *, before: Sequence[Callable[..., Any]] = ()) -> Direct:
    """Answer the operations of `routers` directly where possible, behind the dependencies `before`."""
    routes = [route for router in routers for route in router.routes if isinstance(route, APIRoute)]
    operations: dict[_Key, _Operation] = {}
    for route in routes:
        operation = _operation_of(route, before)
        if operation is not None:
            operations |= {(method, _without_slash(route.path)): operation for method in route.methods or ()}
    direct = app.router.middleware_stack = Direct(app.router.middleware_stack, operations)
    return direct


def _without_slash(path: str) -> str:
    return path.removesuffix("/")


def _operation_of(route: APIRoute, before: Sequence[Callable[..., Any]]) -> _Operation | None:
    if "{" in route.path or not issubclass(get_type_hints(route.endpoint).get("return", object), Response):
        return None
    calls: dict[Callable[..., Any], _Call] = {}
    try:
        for dependency in before:
            _plan(get_dependant(path=route.path, call=dependency), calls)
        answer = _call_of(route.dependant, calls)
        awaited = _awaited_among(calls)
    except _Unknown:
        return None
    if _is_coroutine(route.endpoint):
        return None
    called = tuple(call for call in calls.values() if call not in awaited)
    return _Operation(route, awaited, called, answer)


def _awaited_among(calls: Mapping[Callable[..., Any], _Call]) -> tuple[_Call, ...]:
    awaited = tuple(call for call in calls.values() if _is_coroutine(call.function))
    known = {Request, *(call.function for call in awaited)}
    if any(source not in known for call in awaited for _, source in call.arguments):
        raise _Unknown
    return awaited


def _plan(dependant: Dependant, calls: dict[Callable[..., Any], _Call]) -> Callable[..., Any]:
    """Add a dependency behind those that it needs."""
    function = dependant.call
    if function is None or inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise _Unknown
    if function not in calls:
        calls[function] = _call_of(dependant, calls)
    return function


def _call_of(dependant: Dependant, calls: dict[Callable[..., Any], _Call]) -> _Call:
    """What FastAPI has found out about a function. A dependency that nobody names is asked all the same."""
    others = [each.name for each in fields(dependant) if each.name not in _UNDERSTOOD]
    if dependant.call is None or any(getattr(dependant, name) for name in others):
        raise _Unknown
    sources = [(each.name, _plan(each, calls)) for each in dependant.dependencies]
    names = (dependant.request_param_name, dependant.http_connection_param_name)
    arguments = [*sources, *((name, Request) for name in names)]
    return _Call(dependant.call, tuple((name, source) for name, source in arguments if name))


def _is_coroutine(function: Any) -> bool:
    """Some dependencies are objects that can be called."""
    return inspect.iscoroutinefunction(function if inspect.isfunction(function) else type(function).__call__)
