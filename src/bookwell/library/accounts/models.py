"""Users with one role each, reader categories, and the sessions behind their tokens."""

from django.contrib.auth.models import AbstractUser
from django.db import models

from bookwell.library.accounts.rules import Role


class ReaderCategory(models.Model):
    """A kind of reader (adult, child, staff …); selects the circulation policy."""

    code = models.CharField(max_length=20, primary_key=True)
    name = models.CharField(max_length=100)

    class Meta:
        db_table = "reader_category"
        verbose_name_plural = "reader categories"

    def __str__(self) -> str:
        return self.name


class User(AbstractUser):
    """Anyone who logs in. Every user may borrow; the row is the lock for what a reader may have at once."""

    role = models.CharField(max_length=16, choices=[(role.value, role.value) for role in Role], default=Role.READER)
    category = models.ForeignKey(ReaderCategory, on_delete=models.PROTECT, default="adult")
    home_branch = models.ForeignKey("network.Branch", on_delete=models.PROTECT, null=True, blank=True)
    card_number = models.CharField(max_length=32, unique=True)
    language = models.CharField(max_length=8, default="en")
    channels = models.JSONField(default=list, help_text="How messages reach the reader, in order of preference")

    class Meta:
        db_table = "account"


class TokenSession(models.Model):
    """A login. `refresh_hash` is the current refresh token's SHA-256, `generation` counts the rotations."""

    sid = models.CharField(max_length=36, primary_key=True)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="token_sessions")
    refresh_hash = models.CharField(max_length=64)
    previous_hash = models.CharField(max_length=64, blank=True)
    generation = models.IntegerField(default=1)
    created_at = models.DateTimeField()
    rotated_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "token_session"
