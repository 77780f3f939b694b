"""Rate limits of a Flask service: by caller where a token is good, by address otherwise."""

from collections.abc import Callable
from dataclasses import dataclass

from flask import Flask, Response, g, request
from werkzeug.middleware.proxy_fix import ProxyFix

from bookwell.kit.counting import shared_counter
from bookwell.kit.http_errors import TOO_MANY_REQUESTS, HttpRefusal
from bookwell.kit.limits import RateLimiter, counting_key, is_loopback
from bookwell.kit.settings import CommonSettings
from bookwell.kit.swagger import DOCS_PREFIX
from bookwell.kit.tokens import Claims

__all__ = ["ANONYMOUS", "Caller", "install_limits", "install_throttle", "sender_of"]

_UNLIMITED = ("/health", "/metrics", DOCS_PREFIX, "/openapi.json")


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom a request is counted for: by `name`, or by address where that is None."""

    name: str | None
    is_unlimited: bool = False


ANONYMOUS = Caller(None)


def sender_of(claims: Claims | None) -> Caller:
    """By whose name to count a request with a good token; anonymous without one."""
    if claims is None:
        return ANONYMOUS
    return Caller(f"{claims.issuer} {claims.subject or claims.client_id}")


def install_limits(app: Flask, settings: CommonSettings, *, find_caller: Callable[[], Caller]) -> None:
    """What the settings say of limits and proxies; probes, metrics and the API's description are not counted."""
    if settings.trusted_proxies:
        count = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=count, x_proto=count)  # type: ignore[method-assign]  # Flask's way
    if settings.rate_limit_per_minute:
        install_throttle(
            app,
            RateLimiter(shared_counter(settings.redis_url), limit=settings.rate_limit_per_minute),
            find_caller=find_caller,
            unlimited=_UNLIMITED,
            counts_loopback=settings.mode == "production",
        )


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
        is_near = caller.name is None and is_loopback(address) and not counts_loopback
        if caller.is_unlimited or is_near:
            return
        verdict = limiter.hit(counting_key(caller.name, address))
        g.rate_limit_headers = verdict.headers
        if not verdict.is_allowed:
            raise HttpRefusal(TOO_MANY_REQUESTS, headers={"Retry-After": str(verdict.reset_seconds)})

    def tell(response: Response) -> Response:
        response.headers.update(g.get("rate_limit_headers", {}))
        return response

    app.before_request(count)
    app.after_request(tell)
