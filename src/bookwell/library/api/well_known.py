"""What anybody may know about this service's tokens."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.http import require_safe

from bookwell.library.accounts.tokens import key_ring

__all__ = ["urlpatterns"]

_FRESH_SECONDS = 60


@require_safe
def jwks(_request: HttpRequest) -> HttpResponse:
    """The public keys of access tokens (RFC 7517), older ones while their tokens live."""
    return JsonResponse(key_ring().jwks(), headers={"Cache-Control": f"public, max-age={_FRESH_SECONDS}"})


urlpatterns = [path("jwks.json", jwks)]
