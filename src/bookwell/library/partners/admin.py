"""Partner libraries in Django's admin: who they are, how they do just now, and what they last said of books."""

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest

from bookwell.kit.adapters.django.admin import ReadOnlyAdmin
from bookwell.library.partners import client
from bookwell.library.partners.client import ListedPartner
from bookwell.library.partners.errors import PartnersSilent
from bookwell.library.partners.models import Partner, PartnerAnswer

__all__ = ["PartnerAdmin", "PartnerAnswerAdmin"]


class _WithStates(ChangeList):
    """Asks the partners service once for a page how its partners do."""

    def get_results(self, request: HttpRequest) -> None:
        """Django's hook."""
        super().get_results(request)
        listed = _states()
        for partner in self.result_list:
            partner.listed = listed.get(partner.name)  # for the columns


def _states() -> Mapping[str, ListedPartner]:
    try:
        return {listed.name: listed for listed in client.fetch_partners()}
    except PartnersSilent:
        return {}


@admin.register(Partner)
class PartnerAdmin(ReadOnlyAdmin):
    """Every partner, as one process of the partners service finds it; `-` where that does not answer."""

    list_display = ("name", "takes_holds", "circuit", "last_success_at", "error_rate", "p95_milliseconds")
    fields = ("name", "takes_holds")
    ordering = ("name",)
    actions = None

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:  # noqa: ARG002 -- Django's
        """Django's hook."""
        return _WithStates

    @admin.display
    def circuit(self, partner: Partner) -> Any:
        """The state of the circuit breaker."""
        return _told(partner, "circuit")

    @admin.display
    def last_success_at(self, partner: Partner) -> Any:
        """When it last answered."""
        return _told(partner, "last_success_at")

    @admin.display
    def error_rate(self, partner: Partner) -> Any:
        """How many of its last calls failed."""
        return _told(partner, "error_rate")

    @admin.display(description="p95, ms")
    def p95_milliseconds(self, partner: Partner) -> Any:
        """How long it takes."""
        return _told(partner, "p95_milliseconds")


@admin.register(PartnerAnswer)
class PartnerAnswerAdmin(ReadOnlyAdmin):
    """The last word of each partner about each book that was asked about."""

    list_display = ("book", "partner", "state", "checked_at")
    list_filter = ("partner",)
    search_fields = ("book__title", "=book__isbn")
    list_select_related = ("book",)
    ordering = ("-checked_at",)
    show_full_result_count = False
    actions = None

    @admin.display
    def state(self, answer: PartnerAnswer) -> str:
        """What it said."""
        return str(answer.content.get("state", ""))


def _told(partner: Partner, name: str) -> Any:
    return getattr(getattr(partner, "listed", None), name, None)
