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


_REFUSAL = "_bookwell_refusal"


class ServiceAdmin(AnyAdmin):
    """Runs each change in the transaction runner, and shows a refusal on the same page."""

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Django's hook: add and change. What a service refuses stands in the form as it was sent, to be mended."""
        view = super().changeform_view
        if request.method != "POST":
            return view(request, *args, **kwargs)
        try:
            return run_in_transaction(lambda: view(request, *args, **kwargs))
        except DomainError as refusal:
            setattr(request, _REFUSAL, _told(refusal))
            return view(request, *args, **kwargs)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Django's hook. After a refusal the form is one that says so, and cannot be valid."""
        form: Any = super().get_form(request, obj, change=change, **kwargs)
        refusal = getattr(request, _REFUSAL, None)
        if refusal is None:
            return form
        return type(form.__name__, (form,), {"clean": lambda refused: refused.add_error(None, refusal)})

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
            self.message_user(request, _told(refusal), messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())


def _told(refusal: DomainError) -> str:
    return "; ".join([refusal.detail, *(error.detail for error in refusal.errors)])


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
