"""Operations answered without FastAPI's routing and its solving of dependencies, which cost more than most of them do.

FastAPI stays who knows the operations: it writes the document, and answers whatever is not answered here. An operation
is served directly if its path is fixed, it answers a `Response`, and all that it takes is the request, or comes from
asynchronous dependencies of which the same is true.
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

__all__ = ["serve_directly"]

_Key = tuple[str, str]
_REQUEST = 0
"""The place of the request among what is known of it."""
_UNDERSTOOD = frozenset(
    {"name", "call", "path", "dependencies", "request_param_name", "http_connection_param_name", "use_cache", "scope"}
)
"""What FastAPI notes of a function and is heeded here; with anything else the operation stays FastAPI's."""


class _Call(NamedTuple):
    """A function, and the places of its arguments among what is known before."""

    function: Callable[..., Any]
    arguments: tuple[tuple[str, int], ...]

    def filled(self, known: Sequence[Any]) -> dict[str, Any]:
        """The arguments of one request."""
        return {name: known[place] for name, place in self.arguments}


class _Unknown(Exception):
    """FastAPI alone knows where an argument comes from."""


def serve_directly(app: FastAPI, routers: Sequence[APIRouter], *, before: Sequence[Callable[..., Any]] = ()) -> None:
    """Answer the operations of `routers` directly where possible, behind the dependencies `before`.

    An operation that is no coroutine runs in a thread of the event loop's executor.
    """
    routes = [route for router in routers for route in router.routes if isinstance(route, APIRoute)]
    operations: dict[_Key, _Operation] = {}
    for route in routes:
        operation = _operation_of(route, before)
        if operation is not None:
            operations |= {(method, _without_slash(route.path)): operation for method in route.methods or ()}
    app.router.middleware_stack = _Direct(app.router.middleware_stack, operations)


@dataclass(frozen=True, slots=True)
class _Operation:
    """A route: what is found out first, in turn, and the function that answers."""

    route: APIRoute
    dependencies: tuple[_Call, ...]
    answer: _Call
    is_coroutine: bool

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI's hook."""
        scope["route"] = self.route
        known: list[Any] = [Request(scope, receive, send)]
        for call in self.dependencies:
            known.append(await call.function(**call.filled(known)))
        function, arguments = self.answer.function, self.answer.filled(known)
        answer = function(**arguments) if self.is_coroutine else asyncio.to_thread(function, **arguments)
        response: Response = await answer
        await response(scope, receive, send)


@dataclass(frozen=True, slots=True)
class _Direct:
    """An ASGI application in front of another one."""

    app: ASGIApp
    operations: Mapping[_Key, _Operation]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI's hook."""
        found = None
        if scope["type"] == "http" and not scope.get("root_path"):
            found = self.operations.get((scope["method"], _without_slash(scope["path"])))
        await (found or self.app)(scope, receive, send)


def _without_slash(path: str) -> str:
    return path.removesuffix("/")


def _operation_of(route: APIRoute, before: Sequence[Callable[..., Any]]) -> _Operation | None:
    if "{" in route.path or not issubclass(get_type_hints(route.endpoint).get("return", object), Response):
        return None
    calls: list[_Call] = []
    try:
        for dependency in before:
            _plan(get_dependant(path=route.path, call=dependency), calls)
        answer = _call_of(route.dependant, calls)
    except _Unknown:
        return None
    return _Operation(route, tuple(calls), answer, inspect.iscoroutinefunction(route.endpoint))


def _plan(dependant: Dependant, calls: list[_Call]) -> int:
    """Add a dependency behind those that it needs; its place among what is known."""
    for place, call in enumerate(calls, start=1):
        if call.function is dependant.call:
            return place
    if not inspect.iscoroutinefunction(_code_of(dependant.call)):
        raise _Unknown
    calls.append(_call_of(dependant, calls))
    return len(calls)


def _call_of(dependant: Dependant, calls: list[_Call]) -> _Call:
    """What FastAPI has found out about a function. A dependency that nobody names is asked all the same."""
    others = [each.name for each in fields(dependant) if each.name not in _UNDERSTOOD]
    if dependant.call is None or any(getattr(dependant, name) for name in others):
        raise _Unknown
    places = [(each.name, _plan(each, calls)) for each in dependant.dependencies]
    names = (dependant.request_param_name, dependant.http_connection_param_name)
    arguments = [*places, *((name, _REQUEST) for name in names)]
    return _Call(dependant.call, tuple((name, place) for name, place in arguments if name))


def _code_of(function: Any) -> Any:
    """Some dependencies are objects that can be called."""
    return function if inspect.isfunction(function) else type(function).__call__
