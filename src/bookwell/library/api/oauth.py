"""The token endpoint of machine clients: OAuth 2.0's client-credentials grant, on the wire as `kit.token_requests`."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

from bookwell.kit import clock
from bookwell.kit.adapters.django.http.problems import kind_response, refusal_response
from bookwell.kit.adapters.django.http.throttle import CallerThrottle, client_address
from bookwell.kit.http_errors import METHOD_NOT_ALLOWED, TOO_MANY_REQUESTS, HttpRefusal
from bookwell.kit.machine_clients import ScopeRefused
from bookwell.kit.token_requests import (
    OAuthAnswer,
    TokenRefused,
    issued_answer,
    read_token_request,
    wrong_client,
    wrong_scope,
)
from bookwell.library.accounts.client_credentials import issue_client_token

__all__ = ["urlpatterns"]

_throttle = CallerThrottle(limit=settings.RATE_LIMIT_PER_MINUTE)


def token(request: HttpRequest) -> HttpResponse:
    """An access token for a machine client that proves its secret, by Basic authentication or in the form."""
    if request.method != "POST":
        return kind_response(request, METHOD_NOT_ALLOWED, {"Allow": "POST"})
    if not _throttle.allow_request(request):
        seconds = getattr(request, "rate_limit_reset", 60)
        return kind_response(request, TOO_MANY_REQUESTS, {"Retry-After": str(seconds)})
    try:
        return _response(_issue(request))
    except HttpRefusal as refusal:
        return refusal_response(request, refusal)
    except TokenRefused as refused:
        return _response(refused.answer())


def _issue(request: HttpRequest) -> OAuthAnswer:
    content_type, authorization = request.headers.get("Content-Type", ""), request.headers.get("Authorization")
    wanted = read_token_request(content_type, request.body, authorization=authorization)
    try:
        issued = issue_client_token(
            client_id=wanted.client_id,
            secret=wanted.secret,
            scopes=wanted.scopes,
            address=client_address(request),
            now=clock.now(),
        )
    except ScopeRefused:
        raise wrong_scope() from None
    if issued is None:
        raise wrong_client()
    return issued_answer(issued)


def _response(answer: OAuthAnswer) -> HttpResponse:
    response = JsonResponse(dict(answer.content), status=answer.status, headers=dict(answer.headers))
    response.has_own_shape = True  # type: ignore[attr-defined]  # the edge leaves it as it is
    return response


urlpatterns = [path("o/api/token", token)]
