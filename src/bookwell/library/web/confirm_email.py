"""The page behind the link of a confirmation mail."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.http import require_http_methods

from bookwell.kit.adapters.django.transactions import run_in_transaction
from bookwell.kit.errors import DomainError
from bookwell.kit.problems import status_of
from bookwell.library.accounts.headless import confirm_address

__all__ = ["urlpatterns"]

_TEMPLATE = "accounts/confirm_email.html"


@require_http_methods(["GET", "HEAD", "POST"])
def confirm_email(request: HttpRequest, key: str) -> HttpResponse:
    """Ask, then confirm: mail scanners open links, but press no buttons."""
    if request.method != "POST":
        return render(request, _TEMPLATE, {"state": "asked"})
    try:
        run_in_transaction(lambda: confirm_address(request, key=key))
    except DomainError as refusal:
        content = {"state": "refused", "detail": refusal.detail}
        return render(request, _TEMPLATE, content, status=status_of(refusal))
    return render(request, _TEMPLATE, {"state": "confirmed"})


urlpatterns = [path("confirm-email/<str:key>/", confirm_email)]
