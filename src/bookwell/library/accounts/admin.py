"""Users, reader categories and machine clients in Django's admin, for administrators, changed through the services."""

from typing import TYPE_CHECKING, Any

import allauth.account.admin
import allauth.mfa.admin  # noqa: F401 -- both register their models when they are read: before we take those away
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django import forms
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest

from bookwell.kit import clock
from bookwell.kit.adapters.django.admin import ReadOnlyAdmin, ServiceAdmin
from bookwell.library.accounts import services
from bookwell.library.accounts.models import MachineClient, OutsideIdentity, ReaderCategory, User
from bookwell.library.accounts.passwords import check_password_rules, hash_password
from bookwell.library.accounts.rules import LANGUAGES
from bookwell.library.accounts.services import UserFields

__all__ = ["MachineClientAdmin", "OutsideIdentityAdmin", "ReaderCategoryAdmin", "UserAdmin"]

_COLUMNS = {"category": "category_id", "home_branch": "home_branch_id"}

# A role stands in for groups; addresses are changed through the user, and nobody reads another's second factor.
admin.site.unregister([Group, EmailAddress, Authenticator])


if TYPE_CHECKING:
    _UserForm = forms.ModelForm[User]
else:
    _UserForm = forms.ModelForm  # generic for type checkers alone


class UserForm(_UserForm):
    """A user; the password is needed for a new one and replaced where one is given."""

    language = forms.ChoiceField(choices=[(code, code) for code in LANGUAGES])
    new_password = forms.CharField(
        required=False,
        strip=False,
        widget=forms.PasswordInput,
        help_text="Replaces the password and ends all sessions.",
    )

    class Meta:
        model = User
        fields = ("username", "email", "role", "category", "home_branch", "language", "is_active")

    def clean(self) -> dict[str, Any]:
        """Ask the password rules."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if cleaned.get("new_password"):
            check_password_rules(
                cleaned["new_password"], username=cleaned.get("username", ""), email=cleaned.get("email", "")
            )
        elif not self.instance.pk:
            self.add_error("new_password", "A new user needs a password.")
        return cleaned


@admin.register(User)
class UserAdmin(ServiceAdmin):
    """Users. Accounts are closed through the API, which cancels their reservations first."""

    form = UserForm
    list_display = ("username", "email", "role", "category", "card_number", "is_active")
    list_filter = ("role", "category", "is_active")
    search_fields = ("username_key", "email", "card_number")
    readonly_fields = ("card_number", "created_at")
    ordering = ("pk",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """Everybody but deleted accounts."""
        users: QuerySet[User] = super().get_queryset(request).filter(deleted_at__isnull=True)
        return users

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 -- Django passes it
        """Not here."""
        return False

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """Save through the services, so that the change is audited and sessions end."""
        actor_id = request.user.pk or 0
        fields = _fields(form.cleaned_data)
        if change:
            services.change_user_in_tx(user_id=obj.pk, fields=fields, actor_id=actor_id, is_admin=True, now=clock.now())
            return
        obj.pk = services.create_user_in_tx(fields=fields, now=clock.now(), actor_id=actor_id).pk


@admin.register(ReaderCategory)
class ReaderCategoryAdmin(ServiceAdmin):
    """The kinds of readers."""

    list_display = ("code", "name")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:  # noqa: ARG002 -- Django's
        """A category keeps its code, which readers and policies refer to."""
        return ("code",) if obj else ()

    def save_model(self, request: HttpRequest, obj: ReaderCategory, form: Any, change: bool) -> None:  # noqa: ARG002
        """Add or rename the category."""
        services.save_category_in_tx(code=obj.code, name=obj.name, actor_id=request.user.pk or 0)

    def delete_model(self, request: HttpRequest, obj: ReaderCategory) -> None:
        """Take the category away."""
        services.delete_category_in_tx(code=obj.code, actor_id=request.user.pk or 0)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[ReaderCategory]) -> None:
        """Take each of the chosen categories away."""
        for category in queryset:
            self.delete_model(request, category)


@admin.register(MachineClient)
class MachineClientAdmin(ReadOnlyAdmin, ServiceAdmin):
    """Programs that call in their own name. They are added by `bookwell clients add`, which prints the secret once."""

    list_display = ("name", "client_id", "scopes", "created_at", "revoked_at")
    list_filter = (("revoked_at", admin.EmptyFieldListFilter),)
    search_fields = ("name", "=client_id")
    fields = list_display  # without the secret's hash
    ordering = ("name",)
    actions = ("revoke",)

    @admin.action(description="Revoke: at once here, elsewhere within five minutes", permissions=["view"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[MachineClient]) -> None:
        """Let the chosen programs in no more."""
        for client in queryset:
            services.revoke_client(name=client.name, now=clock.now(), actor_id=request.user.pk or 0)


@admin.register(OutsideIdentity)
class OutsideIdentityAdmin(ReadOnlyAdmin):
    """Whose account the subject of an outside issuer is."""

    list_display = ("user", "issuer", "subject", "linked_at")
    list_filter = ("issuer",)
    search_fields = ("user__username_key", "=subject")
    fields = list_display
    list_select_related = ("user",)
    ordering = ("-pk",)


def _fields(cleaned: dict[str, Any]) -> UserFields:
    password = cleaned.pop("new_password", "")
    fields = {_COLUMNS.get(name, name): value for name, value in cleaned.items()}
    fields["category_id"] = fields["category_id"].pk
    fields["home_branch_id"] = fields["home_branch_id"].pk if fields["home_branch_id"] else None
    if password:
        fields["password"] = hash_password(password)
    return fields  # type: ignore[return-value]  # the columns of UserFields
