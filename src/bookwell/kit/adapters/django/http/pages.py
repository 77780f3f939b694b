"""Django's middlewares for browsers, skipped by requests of the API: a session costs a query, a token needs none."""

from typing import Any

from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponseForbidden
from django.middleware.csrf import CsrfViewMiddleware

__all__ = ["PageCsrf", "PageMessages", "PageSessions", "PageUsers"]

_NO_PAGES = ("/api/", "/health", "/metrics", "/identity/o/", "/daia", "/.well-known/")


def _is_page(request: HttpRequest) -> bool:
    return not request.path_info.startswith(_NO_PAGES)


class _PagesOnly:
    """Steps aside where the path is not a page's."""

    get_response: Any

    def __call__(self, request: HttpRequest) -> Any:
        if _is_page(request):
            return super().__call__(request)  # type: ignore[misc]  # the middleware that follows in the MRO
        return self.get_response(request)


class PageSessions(_PagesOnly, SessionMiddleware):
    """Sessions, on pages."""


class PageUsers(_PagesOnly, AuthenticationMiddleware):
    """`request.user`, on pages."""


class PageMessages(_PagesOnly, MessageMiddleware):
    """Messages, on pages."""


class PageCsrf(_PagesOnly, CsrfViewMiddleware):
    """Protection of forms against forged requests; the API takes no cookies and needs none."""

    def process_view(self, request: HttpRequest, callback: Any, args: Any, kwargs: Any) -> HttpResponseForbidden | None:
        """Django's hook."""
        if not _is_page(request):
            return None
        return super().process_view(request, callback, args, kwargs)
