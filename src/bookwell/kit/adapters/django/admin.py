"""Django's admin over services: what a service refuses is shown to the person, and nothing is written past it."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from bookwell.kit.adapters.django.transactions import run_in_transaction
from bookwell.kit.errors import DomainError

__all__ = ["AnyAdmin", "ReadOnlyAdmin", "ServiceAdmin"]

if TYPE_CHECKING:
    AnyAdmin = admin.ModelAdmin[Any]
else:
    AnyAdmin = admin.ModelAdmin  # generic for type checkers alone


class ServiceAdmin(AnyAdmin):
    """Runs each change in the transaction runner, and shows a refusal as a message on the same page."""

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Django's hook: add and change."""
        return self._in_transaction(super().changeform_view, request, *args, **kwargs)

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Django's hook."""
        return self._in_transaction(super().delete_view, request, *args, **kwargs)

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Django's hook: the list, and the actions on it."""
        return self._in_transaction(super().changelist_view, request, *args, **kwargs)

    def _in_transaction(self, view: Any, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        def answer() -> HttpResponse:
            response: HttpResponse = view(request, *args, **kwargs)
            return response

        try:
            return run_in_transaction(answer) if request.method == "POST" else answer()
        except DomainError as refusal:
            details = "; ".join([refusal.detail, *(error.detail for error in refusal.errors)])
            self.message_user(request, details, messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())


class ReadOnlyAdmin(AnyAdmin):
    """Shown, never edited."""

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002 -- Django passes it
        """Nobody may."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 -- Django passes it
        """Nobody may."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 -- Django passes it
        """Nobody may."""
        return False
