"""The token endpoint of machine clients: OAuth 2.0's client-credentials grant, on the wire as `kit.token_requests`."""

from functools import partial

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

from bookwell.kit import clock
from bookwell.kit.adapters.django.http.problems import kind_response, refusal_response
from bookwell.kit.adapters.django.http.throttle import CallerThrottle, client_address
from bookwell.kit.http_errors import METHOD_NOT_ALLOWED, TOO_MANY_REQUESTS, HttpRefusal
from bookwell.kit.machine_clients import ClientToken
from bookwell.kit.token_requests import OAuthAnswer, TokenRequest, answer_token_request
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
    content_type, authorization = request.headers.get("Content-Type", ""), request.headers.get("Authorization")
    issue = partial(_issue, address=client_address(request))
    try:
        return _response(answer_token_request(content_type, request.body, authorization=authorization, issue=issue))
    except HttpRefusal as refusal:
        return refusal_response(request, refusal)


def _issue(wanted: TokenRequest, *, address: str) -> ClientToken | None:
    return issue_client_token(
        client_id=wanted.client_id, secret=wanted.secret, scopes=wanted.scopes, address=address, now=clock.now()
    )


def _response(answer: OAuthAnswer) -> HttpResponse:
    response = JsonResponse(dict(answer.content), status=answer.status, headers=dict(answer.headers))
    response.has_own_shape = True  # type: ignore[attr-defined]  # the edge leaves it as it is
    return response


urlpatterns = [path("o/api/token", token)]
