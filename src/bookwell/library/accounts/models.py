"""Users with one role each, reader categories, and the sessions behind their tokens."""

from collections.abc import Iterable
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models

from bookwell.kit import clock
from bookwell.kit.usernames import LONGEST_USERNAME, fold_username
from bookwell.library.accounts.rules import Role, has_permission

__all__ = ["MachineClient", "OutsideIdentity", "ReaderCategory", "TokenSession", "User", "UserManager"]


def _by_email() -> list[str]:
    return ["email"]


class ReaderCategory(models.Model):
    """A kind of reader (adult, child, staff …); selects the circulation policy."""

    code = models.CharField(max_length=20, primary_key=True)
    name = models.CharField(max_length=100)

    class Meta:
        db_table = "reader_category"
        verbose_name_plural = "reader categories"

    def __str__(self) -> str:
        return self.name


class UserManager(BaseUserManager["User"]):
    """Finds users by name without regard to case. Users are made by `services.create_user_in_tx` alone."""

    def get_by_natural_key(self, username: str | None) -> "User":
        """The user of that name, for Django's log-in."""
        key = fold_username(username or "")
        user = self.get(username_key=key)
        if user.username_key != key:  # a collation that takes josé for jose
            raise User.DoesNotExist
        return user


class User(AbstractBaseUser):
    """Anyone who logs in. Every user may borrow; the row is the lock for what a reader may have at once.

    `username_key` is the folded name, so that uniqueness does not depend on a database's collation.
    `confirmed_email` repeats the address once its owner has confirmed it: many accounts may claim an address, one
    has it. `version` counts the changes and orders the user's messages.
    """

    last_login: ClassVar[None] = None  # type: ignore[misc]  # a log-in is a row of token_session

    username = models.CharField(max_length=LONGEST_USERNAME)
    username_key = models.CharField(max_length=LONGEST_USERNAME)
    email = models.EmailField(db_index=True, blank=True)
    confirmed_email = models.CharField(max_length=254, null=True, editable=False)
    role = models.CharField(max_length=16, choices=[(role.value, role.value) for role in Role], default=Role.READER)
    category = models.ForeignKey(ReaderCategory, on_delete=models.PROTECT, default="adult")
    home_branch = models.ForeignKey("network.Branch", on_delete=models.PROTECT, null=True, blank=True)
    card_number = models.CharField(max_length=32)
    language = models.CharField(max_length=8, default="en")
    channels = models.JSONField(
        default=_by_email, blank=True, help_text="How messages reach the reader, in order; none: mandatory ones only"
    )
    wants_reminders = models.BooleanField(default=True, db_default=True)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=clock.now)
    deleted_at = models.DateTimeField(null=True, editable=False)
    version = models.BigIntegerField(default=1, editable=False)

    USERNAME_FIELD = "username"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["email"]
    objects: ClassVar[UserManager] = UserManager()

    class Meta:
        db_table = "account"
        constraints = [
            models.UniqueConstraint(fields=["username_key"], name="account_username_once"),
            models.UniqueConstraint(fields=["confirmed_email"], name="account_email_confirmed_once"),
            models.UniqueConstraint(fields=["card_number"], name="account_card_number_once"),
        ]

    def save(self, **options: Any) -> None:
        """Keep the folded name beside the name."""
        self.username_key = fold_username(self.username)
        super().save(**options)

    @property
    def is_staff(self) -> bool:
        """Whether Django's admin lets the user in."""
        return self.role in (Role.ADMIN, Role.LIBRARIAN)

    @property
    def is_superuser(self) -> bool:
        """Whether the user has every permission."""
        return self.role == Role.ADMIN

    def has_perm(self, permission: str, _of: object = None) -> bool:
        """Django's question; the role answers it, no table does."""
        return self.is_active and has_permission(Role(self.role), permission)

    def has_perms(self, permissions: Iterable[str], of: object = None) -> bool:
        """Django's question about several permissions."""
        return all(self.has_perm(permission, of) for permission in permissions)

    def has_module_perms(self, app: str) -> bool:
        """Django's question about a whole app."""
        return self.has_perm(f"{app}.view_")


class TokenSession(models.Model):
    """A log-in. `refresh_hash` is the current refresh token's SHA-256, `generation` counts the rotations."""

    sid = models.CharField(max_length=36, primary_key=True)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="token_sessions")
    refresh_hash = models.CharField(max_length=64)
    generation = models.IntegerField(default=0)
    created_at = models.DateTimeField()
    rotated_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "token_session"


class OutsideIdentity(models.Model):
    """Which account the subject of an outside issuer is; an account has one subject of each issuer.

    `digest` is the SHA-256 of both names: exact on every database, whatever its collation.
    """

    digest = models.CharField(max_length=64)
    issuer = models.CharField(max_length=255)
    subject = models.CharField(max_length=255)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="outside_identities")
    linked_at = models.DateTimeField()

    class Meta:
        db_table = "outside_identity"
        verbose_name_plural = "outside identities"
        constraints = [
            models.UniqueConstraint(fields=["digest"], name="outside_identity_once"),
            models.UniqueConstraint(fields=["user", "issuer"], name="outside_identity_once_an_issuer"),
        ]


class MachineClient(models.Model):
    """A program that calls in its own name, with some scopes. Its secret is kept as a password is.

    The secret before it is good besides until `former_until`.
    """

    client_id = models.CharField(max_length=40, primary_key=True)
    name = models.CharField(max_length=100)
    secret_hash = models.CharField(max_length=128)
    former_hash = models.CharField(max_length=128, null=True)
    former_until = models.DateTimeField(null=True)
    scopes = models.CharField(max_length=200, help_text="Parted by spaces")
    created_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "machine_client"
        constraints = [models.UniqueConstraint(fields=["name"], name="machine_client_name_once")]
