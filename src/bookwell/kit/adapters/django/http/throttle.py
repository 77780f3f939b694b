"""Rate limits of an API: by caller where a token was good, by address otherwise."""

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest
from ninja.throttling import BaseThrottle

from bookwell.kit.limits import RateLimiter, Verdict, counting_key, is_loopback
from bookwell.kit.service_keys import SERVICE_HEADER, is_service_key

__all__ = ["CallerThrottle", "add_to_cache_counter", "client_address"]

_SERVICE_META = f"HTTP_{SERVICE_HEADER.upper().replace('-', '_')}"


class CallerThrottle(BaseThrottle):
    """Ninja's hook, after authentication: `limit` requests a minute; 0 means as many as they like.

    A caller is known when `request.auth` has a `user_id`.

    Anonymous callers are counted by address, except loopback ones where `settings.RATE_LIMIT_LOOPBACK` is off, and
    the services of `settings.RATE_LIMIT_EXEMPT_SERVICES`, known by their keys.
    """

    def __init__(self, *, limit: int) -> None:
        self._limiter = RateLimiter(add_to_cache_counter, limit=limit) if limit else None

    def allow_request(self, request: HttpRequest) -> bool:
        """Whether the request may pass; remembers the headers for the answer."""
        verdict = self._verdict(request)
        if verdict is None:
            return True
        request.rate_limit_headers = verdict.headers  # type: ignore[attr-defined]  # the edge sends them
        request.rate_limit_reset = verdict.reset_seconds  # type: ignore[attr-defined]
        return verdict.is_allowed

    def _verdict(self, request: HttpRequest) -> Verdict | None:
        if self._limiter is None:
            return None
        user_id = getattr(getattr(request, "auth", None), "user_id", None)
        if user_id is not None:
            return self._limiter.hit(counting_key(user_id, ""))
        if _is_exempt_service(request):
            return None
        address = client_address(request)
        if is_loopback(address) and not settings.RATE_LIMIT_LOOPBACK:
            return None
        return self._limiter.hit(counting_key(None, address))


def _is_exempt_service(request: HttpRequest) -> bool:
    sent = request.META.get(_SERVICE_META)
    services = settings.RATE_LIMIT_EXEMPT_SERVICES if sent else ()
    return any(is_service_key(sent, settings.SECRET_KEY, service) for service in services)


def client_address(request: HttpRequest) -> str:
    """The caller's address: the server's peer, or what the outermost of `settings.TRUSTED_PROXIES` proxies saw."""
    peer: str = request.META.get("REMOTE_ADDR", "")
    proxies: int = settings.TRUSTED_PROXIES
    if not proxies:
        return peer
    chain = [part.strip() for part in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",") if part.strip()]
    return chain[-min(proxies, len(chain))] if chain else peer


def add_to_cache_counter(key: str, amount: int, seconds: int) -> int:
    """A shared counter in Django's cache: exact in Redis; the database's cache may lose a batch to a race."""
    name = f"limits:{key}"
    cache.add(name, 0, timeout=seconds)
    return cache.incr(name, amount)
