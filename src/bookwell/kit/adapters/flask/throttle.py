"""Rate limits of a Flask service: by caller where a token is good, by address otherwise."""

from collections.abc import Callable
from dataclasses import dataclass

from flask import Flask, Response, g, request

from bookwell.kit.http_errors import TOO_MANY_REQUESTS, HttpRefusal
from bookwell.kit.limits import RateLimiter, subscriber_of

__all__ = ["ANONYMOUS", "Caller", "install_throttle"]

_LOOPBACK = ("127.", "::1", "localhost")


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom a request is counted for: by `name`, or by address where that is None."""

    name: str | None
    is_unlimited: bool = False


ANONYMOUS = Caller(None)


def install_throttle(
    app: Flask,
    limiter: RateLimiter,
    *,
    find_caller: Callable[[], Caller],
    unlimited: tuple[str, ...],
    counts_loopback: bool,
) -> None:
    """Hold every request against the limit, but for paths that begin with one of `unlimited`."""

    def count() -> None:
        if request.path.startswith(unlimited):
            return
        caller = find_caller()
        address = request.remote_addr or ""
        is_near = caller.name is None and address.startswith(_LOOPBACK) and not counts_loopback
        if caller.is_unlimited or is_near:
            return
        key = f"address:{subscriber_of(address)}" if caller.name is None else f"caller:{caller.name}"
        verdict = limiter.hit(key)
        g.rate_limit_headers = verdict.headers
        if not verdict.is_allowed:
            raise HttpRefusal(TOO_MANY_REQUESTS, headers={"Retry-After": str(verdict.reset_seconds)})

    def tell(response: Response) -> Response:
        response.headers.update(g.get("rate_limit_headers", {}))
        return response

    app.before_request(count)
    app.after_request(tell)
