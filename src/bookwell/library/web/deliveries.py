"""Deliveries in Django's admin: what was sent, could not be sent or is still to be. The notifier is asked over HTTP."""

from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
import structlog
from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.http import require_GET

from bookwell.kit import clock
from bookwell.kit.request_context import request_id, traceparent
from bookwell.library.accounts.models import User
from bookwell.library.accounts.tokens import sign_for_service

__all__ = ["STATES", "urlpatterns"]

STATES = ("queued", "sending", "sent", "failed", "expired", "suppressed")
_PATIENCE_SECONDS = 2
_PAGE = 50

_log = structlog.get_logger()


class NotifierSilent(Exception):
    """The notifier does not answer, or not as agreed; the message is for the person who asked."""


@dataclass(frozen=True, slots=True)
class Deliveries:
    """A page of them, newest first, and the cursors of its neighbours."""

    items: list[dict[str, Any]] = field(default_factory=list)
    next: str | None = None
    previous: str | None = None


@require_GET
def show_deliveries(request: HttpRequest) -> HttpResponse:
    """The newest deliveries, all or those in one state; when the notifier is down, a page that says so."""
    state = request.GET.get("state", "")
    chosen, trouble, page = state if state in STATES else "", "", Deliveries()
    try:
        page = _fetch(cast("User", request.user), chosen, request.GET.get("cursor", ""))
    except NotifierSilent as silence:
        trouble = str(silence)
    content = admin.site.each_context(request) | {
        "title": "Deliveries",
        "states": STATES,
        "chosen": chosen,
        "items": page.items,
        "links": {name: urlencode({"state": chosen, "cursor": cursor}) for name, cursor in _neighbours(page)},
        "trouble": trouble,
    }
    return render(request, "admin/deliveries.html", content, status=503 if trouble else 200)


def _neighbours(page: Deliveries) -> list[tuple[str, str]]:
    return [(name, cursor) for name, cursor in (("previous", page.previous), ("next", page.next)) if cursor]


def _fetch(user: User, state: str, cursor: str) -> Deliveries:
    wanted = {"limit": str(_PAGE), "state": state, "cursor": cursor}
    headers = {
        "Authorization": f"Bearer {sign_for_service(user, now=clock.now())}",
        "X-Request-ID": request_id(),
        "traceparent": traceparent(),
    }
    try:
        with httpx2.Client(timeout=_PATIENCE_SECONDS, trust_env=False) as client:
            answer = client.get(
                f"{settings.NOTIFIER_URL}/deliveries",
                params={name: value for name, value in wanted.items() if value},
                headers=headers,
            )
        return _read(answer)
    except httpx2.HTTPError as error:
        _log.warning("notifier.silent", error=type(error).__name__)
        raise NotifierSilent("The notifier does not answer. Is it running?") from error


def _read(answer: httpx2.Response) -> Deliveries:
    if answer.status_code != 200:
        _log.warning("notifier.refused", status=answer.status_code)
        raise NotifierSilent(f"The notifier refused to answer ({answer.status_code}).")
    try:
        content = answer.json()
        items = [dict(item) for item in content["items"]]
        return Deliveries(items, _cursor_of(content.get("next")), _cursor_of(content.get("previous")))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise NotifierSilent("The notifier's answer makes no sense; is it of another version?") from error


def _cursor_of(link: str | None) -> str | None:
    return next(iter(parse_qs(urlsplit(link or "").query).get("cursor", [])), None)


urlpatterns = [path("deliveries/", admin.site.admin_view(show_deliveries), name="deliveries")]
