"""Django's registration of this context."""

from django.apps import AppConfig


class AuditConfig(AppConfig):
    """The app `audit`."""

    name = "bookwell.library.audit"
    label = "audit"
    default_auto_field = "django.db.models.BigAutoField"
