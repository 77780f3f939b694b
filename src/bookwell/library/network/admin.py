"""Branches and closures in Django's admin, changed through the services."""

from dataclasses import fields
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from bookwell.kit.adapters.django.admin import ServiceAdmin
from bookwell.library.network import services
from bookwell.library.network.models import Branch, Closure
from bookwell.library.network.queries import next_position

__all__ = ["BranchAdmin", "ClosureAdmin"]


def _actor_id(request: HttpRequest) -> int:
    return request.user.pk or 0


@admin.register(Branch)
class BranchAdmin(ServiceAdmin):
    """The network's branches; the first by position is every reader's default."""

    list_display = ("position", "code", "name", "time_zone", "country")
    list_display_links = ("code",)
    search_fields = ("code", "name")

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """A new branch is offered the last place."""
        return {"position": next_position(), **super().get_changeform_initial_data(request)}

    def save_model(self, request: HttpRequest, obj: Branch, form: Any, change: bool) -> None:  # noqa: ARG002 -- Django's
        """Create or change the branch."""
        values = {column.name: getattr(obj, column.name) for column in fields(services.BranchData)}
        if change:
            services.change_branch(branch_id=obj.pk, changes=values, actor_id=_actor_id(request))
            return
        obj.pk = services.create_branch(data=services.BranchData(**values), actor_id=_actor_id(request)).pk

    def delete_model(self, request: HttpRequest, obj: Branch) -> None:
        """Take the branch out of the network."""
        services.delete_branch(branch_id=obj.pk, actor_id=_actor_id(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Branch]) -> None:
        """Take each of the chosen branches out."""
        for branch in queryset:
            self.delete_model(request, branch)


@admin.register(Closure)
class ClosureAdmin(ServiceAdmin):
    """The dates on which a branch is closed, beside its weekdays and public holidays."""

    list_display = ("closed_on", "branch", "reason")
    list_filter = ("branch",)
    list_select_related = ("branch",)
    date_hierarchy = "closed_on"

    def save_model(self, request: HttpRequest, obj: Closure, form: Any, change: bool) -> None:  # noqa: ARG002 -- Django's
        """Add or move the closure."""
        branch, actor_id = obj.branch.code, _actor_id(request)
        if change:
            services.change_closure(
                closure_id=obj.pk, branch=branch, closed_on=obj.closed_on, reason=obj.reason, actor_id=actor_id
            )
            return
        obj.pk = services.add_closure(branch=branch, closed_on=obj.closed_on, reason=obj.reason, actor_id=actor_id).pk

    def delete_model(self, request: HttpRequest, obj: Closure) -> None:
        """Open the branch on that date again."""
        services.remove_closure(closure_id=obj.pk, actor_id=_actor_id(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Closure]) -> None:
        """Remove each of the chosen closures."""
        for closure in queryset:
            self.delete_model(request, closure)
