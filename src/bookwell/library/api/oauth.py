"""The token endpoint of machine clients: OAuth 2.0's client-credentials grant (RFC 6749, 4.4).

Its errors have the shape that RFC 6749 (5.2) prescribes; only what any endpoint may refuse is a problem document.
"""

import base64
import binascii
from urllib.parse import unquote_plus

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

from bookwell.kit import clock
from bookwell.kit.adapters.django.http.problems import kind_response, refusal_response
from bookwell.kit.adapters.django.http.throttle import CallerThrottle, client_address
from bookwell.kit.http_errors import METHOD_NOT_ALLOWED, TOO_MANY_REQUESTS, HttpRefusal
from bookwell.library.accounts.client_credentials import ScopeRefused, issue_client_token

__all__ = ["urlpatterns"]

_FORM = "application/x-www-form-urlencoded"
_GRANT = "client_credentials"
_LONGEST = 200
_HEADERS = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_PARAMETERS = ("grant_type", "client_id", "client_secret", "scope")

_throttle = CallerThrottle(limit=settings.RATE_LIMIT_PER_MINUTE)


class _Refused(Exception):
    """An error of OAuth's; the first argument is its code, the second says more."""


def token(request: HttpRequest) -> HttpResponse:
    """An access token for a machine client that proves its secret, by Basic authentication or in the form."""
    if request.method != "POST":
        return kind_response(request, METHOD_NOT_ALLOWED, {"Allow": "POST"})
    if not _throttle.allow_request(request):
        seconds = getattr(request, "rate_limit_reset", 60)
        return kind_response(request, TOO_MANY_REQUESTS, {"Retry-After": str(seconds)})
    try:
        return _issue(request)
    except HttpRefusal as refusal:
        return refusal_response(request, refusal)
    except _Refused as refused:
        code, description = refused.args
        return _error(code, description, by_basic="HTTP_AUTHORIZATION" in request.META)


def _issue(request: HttpRequest) -> HttpResponse:
    form = _form_of(request)
    client_id, secret = _credentials(request, form)
    if form.get("grant_type") != _GRANT:
        raise _Refused(
            "unsupported_grant_type" if form.get("grant_type") else "invalid_request", f"grant_type is {_GRANT}"
        )
    try:
        issued = issue_client_token(
            client_id=client_id,
            secret=secret,
            scopes=form.get("scope", "").split(),
            address=client_address(request),
            now=clock.now(),
        )
    except ScopeRefused:
        raise _Refused("invalid_scope", "The client does not have this scope") from None
    if issued is None:
        raise _Refused("invalid_client", "The client or its secret is wrong")
    content = {
        "access_token": issued.access,
        "token_type": "Bearer",
        "expires_in": issued.seconds,
        "scope": " ".join(issued.scopes),
    }
    return JsonResponse(content, headers=_HEADERS)


def _form_of(request: HttpRequest) -> dict[str, str]:
    if request.content_type != _FORM:
        raise _Refused("invalid_request", f"The body is {_FORM}")
    form = {}
    for name in _PARAMETERS:
        values = request.POST.getlist(name)
        if len(values) > 1 or any(len(value) > _LONGEST or "\0" in value for value in values):
            raise _Refused("invalid_request", f"{name} is repeated, or no such value")
        if values and values[0]:
            form[name] = values[0]
    return form


def _credentials(request: HttpRequest, form: dict[str, str]) -> tuple[str, str]:
    header = request.META.get("HTTP_AUTHORIZATION")
    if header is None:
        if "client_id" not in form or "client_secret" not in form:
            raise _Refused("invalid_client", "Who is it? client_id and client_secret, or Basic authentication")
        return form["client_id"], form["client_secret"]
    if "client_secret" in form:
        raise _Refused("invalid_request", "One way to authenticate is enough")
    client_id, secret = _basic(header)
    if form.get("client_id", client_id) != client_id:
        raise _Refused("invalid_request", "client_id is another one in the form")
    return client_id, secret


def _basic(header: str) -> tuple[str, str]:
    """Name and secret are form-encoded before they are joined (RFC 6749, 2.3.1)."""
    scheme, _, encoded = header.partition(" ")
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True).decode() if scheme.lower() == "basic" else ""
    except (binascii.Error, ValueError):
        decoded = ""
    client_id, _, secret = (unquote_plus(part) for part in decoded.partition(":"))
    if not client_id or not secret or "\0" in decoded + client_id + secret or len(decoded) > 2 * _LONGEST:
        raise _Refused("invalid_client", "The Authorization header is no Basic authentication of a client")
    return client_id, secret


def _error(code: str, description: str, *, by_basic: bool) -> HttpResponse:
    is_about_client = code == "invalid_client"
    challenge = {"WWW-Authenticate": 'Basic realm="bookwell", charset="UTF-8"'} if is_about_client and by_basic else {}
    answer = JsonResponse(
        {"error": code, "error_description": description},
        status=401 if is_about_client else 400,
        headers=_HEADERS | challenge,
    )
    answer.has_own_shape = True  # type: ignore[attr-defined]  # the edge leaves it as it is
    return answer


urlpatterns = [path("o/api/token", token)]
