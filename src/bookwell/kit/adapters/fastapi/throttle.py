"""Rate limits of a FastAPI service: by caller where a token is good, by address otherwise."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from fastapi import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from bookwell.kit.adapters.fastapi.direct import BEFORE_WORK
from bookwell.kit.http_errors import TOO_MANY_REQUESTS, HttpRefusal
from bookwell.kit.limits import RateLimiter, counting_key, is_loopback

__all__ = ["FindCaller", "Throttle", "address_of", "bearer_token"]

FindCaller = Callable[[Request, str], str | None]
"""The name of the caller whose bearer token is good; None for a stranger. It may take its time.

What it finds out it may keep in the request's state, for the operation.
"""


@dataclass(frozen=True, slots=True)
class Throttle:
    """An ASGI middleware inside of the edge; paths that begin with one of `unlimited` are not counted.

    `counts_elsewhere`: the limiter's counter is asked over the network. `has_thread`: whether a request's operation
    runs in a thread anyway, and calls `direct.BEFORE_WORK` there.
    """

    app: ASGIApp
    limiter: RateLimiter
    find_caller: FindCaller
    unlimited: tuple[str, ...]
    counts_loopback: bool
    counts_elsewhere: bool
    has_thread: Callable[[Scope], bool]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI's hook."""
        if scope["type"] == "http" and not scope["path"].startswith(self.unlimited):
            request = Request(scope)
            token = bearer_token(request)
            if token or self.counts_loopback or not is_loopback(address_of(request)):
                await self._count_beside(request, token)
        await self.app(scope, receive, send)

    async def _count_beside(self, request: Request, token: str) -> None:
        """In a thread where keys, sessions or counters may have to be asked for: the operation's, if it has one."""
        if not token and not self.counts_elsewhere:
            self._count(request, token)
        elif self.has_thread(request.scope):
            request.scope["state"][BEFORE_WORK] = partial(self._count, request, token)
        else:
            await asyncio.to_thread(self._count, request, token)

    def _count(self, request: Request, token: str) -> None:
        caller = self.find_caller(request, token) if token else None
        address = address_of(request)
        if caller is None and is_loopback(address) and not self.counts_loopback:
            return
        verdict = self.limiter.hit(counting_key(caller, address))
        request.scope["state"]["rate_limit_headers"] = verdict.headers
        if not verdict.is_allowed:
            raise HttpRefusal(TOO_MANY_REQUESTS, headers={"Retry-After": str(verdict.reset_seconds)})


def address_of(request: Request) -> str:
    """The caller's address; empty when the server does not tell."""
    return request.client.host if request.client else ""


def bearer_token(request: Request) -> str:
    """The token that a request was sent with; empty without one."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
