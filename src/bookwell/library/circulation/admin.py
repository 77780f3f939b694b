"""Circulation in Django's admin: reservations, copies and counters are read-only, changes go through services."""

from collections.abc import Iterable
from dataclasses import asdict, fields
from typing import Any

from django.contrib import admin
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest

from bookwell.kit import clock
from bookwell.kit.adapters.django.admin import ReadOnlyAdmin, ServiceAdmin
from bookwell.library.catalog.models import Book
from bookwell.library.catalog.rules import BookData
from bookwell.library.catalog.services import change_book
from bookwell.library.circulation import services
from bookwell.library.circulation.models import Block, Copy, PartnerHold, Policy, Reservation
from bookwell.library.circulation.queries.policies import TERMS
from bookwell.library.circulation.rules import CLAIM_STATES, TERM_RANGES, Actor
from bookwell.library.circulation.services.books import add_book, remove_book

__all__ = ["BlockAdmin", "BookAdmin", "CopyAdmin", "PartnerHoldAdmin", "PolicyAdmin", "ReservationAdmin"]


def _actor(request: HttpRequest) -> Actor:
    return Actor(user_id=request.user.pk or 0, is_librarian=True)


def _cancel(request: HttpRequest, reservation_ids: Iterable[int]) -> None:
    """Cancel reservations that are given in the order of their books' locks."""
    for reservation_id in reservation_ids:
        services.cancel_reservation(
            reservation_id=reservation_id, actor=_actor(request), now=clock.now(), reason="admin"
        )


@admin.register(Book)
class BookAdmin(ServiceAdmin):
    """The catalogue; a book is deleted by withdrawing it, when it has neither copies nor open reservations."""

    list_display = ("title", "isbn", "year", "language", "publisher")
    list_filter = ("language",)
    search_fields = ("title", "isbn")
    fields = tuple(column.name for column in fields(BookData))
    show_full_result_count = False

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Only the title is needed."""
        return super().formfield_for_dbfield(db_field, request, required=db_field.name == "title", **kwargs)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Book]:
        """What is in the catalogue."""
        found: QuerySet[Book] = super().get_queryset(request)
        return found.filter(withdrawn_at__isnull=True)

    def save_model(self, request: HttpRequest, obj: Book, form: Any, change: bool) -> None:  # noqa: ARG002 -- Django's
        """Catalogue the book, or change its record."""
        given = {column.name: getattr(obj, column.name) for column in fields(BookData)}
        data = BookData(**{name: value for name, value in given.items() if value})
        actor_id, now = _actor(request).user_id, clock.now()
        if change:
            change_book(book_id=obj.pk, changes=asdict(data), actor_id=actor_id, now=now)
            return
        obj.pk = add_book(data=data, actor_id=actor_id, now=now).pk

    def delete_model(self, request: HttpRequest, obj: Book) -> None:
        """Withdraw the book."""
        remove_book(book_id=obj.pk, actor_id=_actor(request).user_id, now=clock.now())

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Book]) -> None:
        """Withdraw each of the chosen books, in the order of their locks."""
        for book in queryset.order_by("pk"):
            self.delete_model(request, book)


@admin.register(Reservation)
class ReservationAdmin(ReadOnlyAdmin, ServiceAdmin):
    """Every claim and loan, with an action to cancel claims."""

    list_display = ("id", "book", "reader", "state", "pickup_branch", "due_at", "created_at")
    list_filter = ("state", "pickup_branch")
    search_fields = ("book__title", "reader__username", "copy__barcode")
    list_select_related = ("book", "reader", "pickup_branch")
    actions = ("cancel",)

    @admin.action(description="Cancel claims", permissions=["view"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Reservation]) -> None:
        """Cancel the chosen claims; loans and ended ones are left as they are."""
        chosen = queryset.filter(state__in=CLAIM_STATES).order_by("book_id")  # the order of the books' locks
        _cancel(request, chosen.values_list("pk", flat=True))


@admin.register(PartnerHold)
class PartnerHoldAdmin(ReadOnlyAdmin, ServiceAdmin):
    """Holds at partner libraries: what was asked there and when, and what is to be done next."""

    list_display = (
        "reservation_id", "partner", "book", "state", "ref", "asked_at", "answered_at", "poll_at", "missing_since",
    )  # fmt: skip
    list_filter = ("reservation__state", "reservation__partner", ("missing_since", admin.EmptyFieldListFilter))
    search_fields = ("=reservation__id", "=ref", "=isbn", "reservation__reader__username")
    list_select_related = ("reservation__book",)
    ordering = ("-pk",)
    actions = ("ask_again", "cancel")
    show_full_result_count = False

    @admin.display(ordering="reservation__partner")
    def partner(self, hold: PartnerHold) -> str:
        """Where it is."""
        return hold.reservation.partner

    @admin.display(ordering="reservation__book")
    def book(self, hold: PartnerHold) -> str:
        """What it is for."""
        return str(hold.reservation.book)

    @admin.display(ordering="reservation__state")
    def state(self, hold: PartnerHold) -> str:
        """Where the reservation stands."""
        return hold.reservation.state

    @admin.action(description="Ask the partner again now", permissions=["view"])
    def ask_again(self, request: HttpRequest, queryset: QuerySet[PartnerHold]) -> None:  # noqa: ARG002 -- Django's
        """Let the next poll look at the chosen holds."""
        services.ask_partners_again(reservation_ids=list(queryset.values_list("pk", flat=True)), now=clock.now())

    @admin.action(description="Cancel claims, here and at the partner", permissions=["view"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[PartnerHold]) -> None:
        """Cancel the chosen holds' reservations; loans and ended ones are left as they are."""
        chosen = queryset.filter(reservation__state__in=CLAIM_STATES).order_by("reservation__book_id")
        _cancel(request, chosen.values_list("pk", flat=True))


@admin.register(Copy)
class CopyAdmin(ReadOnlyAdmin):
    """Every copy; they are changed over the API, which keeps counters and queues right."""

    list_display = ("barcode", "book", "branch", "location", "status", "condition")
    list_filter = ("status", "branch")
    search_fields = ("barcode", "book__title")
    list_select_related = ("book", "branch", "location")


@admin.register(Policy)
class PolicyAdmin(ServiceAdmin):
    """Policies are edited here."""

    list_display = ("category", "branch", "max_open_reservations", "max_open_loans", "loan_days")

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """A term keeps to the API's range."""
        if isinstance(db_field, models.PositiveSmallIntegerField):
            least, most = TERM_RANGES["days" if db_field.name in ("loan_days", "pickup_days") else "count"]
            kwargs |= {"min_value": least, "max_value": most}
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A category's general policy stays."""
        return super().has_delete_permission(request, obj) and (obj is None or obj.branch_id is not None)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:  # noqa: ARG002 -- Django's
        """Whom a policy is for is chosen once."""
        return ("category", "branch") if obj else ()

    def delete_model(self, request: HttpRequest, obj: Policy) -> None:
        """Remove a branch's policy."""
        services.remove_policy(policy_id=obj.pk, actor=_actor(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Policy]) -> None:
        """Remove each of the chosen policies."""
        for policy in queryset.order_by("pk"):
            self.delete_model(request, policy)

    def save_model(self, request: HttpRequest, obj: Policy, form: Any, change: bool) -> None:  # noqa: ARG002 -- Django's
        """Save through the services, so that the change is audited."""
        terms = {name: getattr(obj, name) for name in TERMS}
        actor = _actor(request)
        if change:
            services.change_policy(policy_id=obj.pk, terms=terms, actor=actor)
            return
        branch = obj.branch.code if obj.branch else None
        saved = services.add_policy(category=str(obj.category_id), branch=branch, terms=terms, actor=actor)
        obj.pk = saved.pk


@admin.register(Block)
class BlockAdmin(ServiceAdmin):
    """Blocks are added here, and lifted by deleting them."""

    list_display = ("reader", "reason", "created_at")
    search_fields = ("reader__username", "reason")
    fields = ("reader", "reason")
    autocomplete_fields = ("reader",)
    actions = None  # one reader at a time: lifting locks the reader, then the reader's books

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 -- Django passes it
        """A block is lifted and made anew, never changed."""
        return False

    def save_model(self, request: HttpRequest, obj: Block, form: Any, change: bool) -> None:  # noqa: ARG002 -- Django's
        """Block the reader."""
        actor, now = _actor(request), clock.now()
        obj.pk = services.add_block(reader_id=obj.reader_id, reason=obj.reason, actor=actor, now=now)

    def delete_model(self, request: HttpRequest, obj: Block) -> None:
        """Lift the block; the reader is served at once where a copy is free."""
        actor, now = _actor(request), clock.now()
        services.lift_block(block_id=obj.pk, actor=actor, now=now)
